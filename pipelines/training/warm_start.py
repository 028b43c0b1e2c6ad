"""Start a training from the weights of a checkpoint."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from met2net.checkpoint import Checkpoint, load_checkpoint
from met2net.data.training_set import TrainingSet
from pipelines.errors import DataError
from pipelines.fingerprint import fingerprint, to_plain
from pipelines.training.initial_weights import InitialWeights
from pipelines.training.job import TrainingJob
from pipelines.training_sets.windows import check_fits

__all__ = ["is_same_network", "load_initial"]


def load_initial(job: TrainingJob, data: TrainingSet) -> Checkpoint | None:
    """Load the checkpoint that a job starts from, or give None where it has none.

    Raises:
        DataError: if its content is not the one that the job names, or it is of another
            network, channels, units, grid or frames.
    """
    start = job.initial_weights
    if start is None:
        return None
    found = InitialWeights.of(Path(start.path))
    if found != start:
        raise DataError(
            f"{start.path} has SHA-256 {found.sha256[:16]}...; expected {start.sha256[:16]}..., "
            "the weights that the training was planned with"
        )
    checkpoint = load_checkpoint(Path(start.path))
    check_fits(checkpoint, name=start.path, data=data, window=job.window)
    if not is_same_network(checkpoint, job.network):
        raise DataError(
            f"{start.path} holds a network with settings {to_plain(checkpoint.settings)}; "
            f"expected {to_plain(job.network)}: other networks are trained from scratch"
        )
    return checkpoint


def is_same_network(checkpoint: Checkpoint, network: Mapping[str, Any]) -> bool:
    """Tell whether settings build the network that a checkpoint holds."""
    return fingerprint(checkpoint.settings) == fingerprint(network)
