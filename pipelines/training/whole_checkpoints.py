"""States to resume from that are either whole or not there."""

from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from pipelines.atomic import replacing

__all__ = ["WholeCheckpoints"]


class WholeCheckpoints(TorchCheckpointIO):
    """Writes beside the last state, and takes its place when all is on the disk.

    Lightning writes into the system's folder for temporary files, and copies from there where
    that is another disk: killed or out of room in between, it would leave half a state.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Write a state."""
        del storage_options
        with replacing(Path(path)) as temporary, temporary.open("wb") as file:
            torch.save(checkpoint, file)
