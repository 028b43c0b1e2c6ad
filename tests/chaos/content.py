"""What files, archives, training sets and registries hold, as hashes that can be compared."""

import hashlib
from pathlib import Path

import numpy as np
import xarray as xr

from met2net.checkpoint import load_checkpoint
from pipelines.archive.state import history, open_archive
from pipelines.registry.aliases import alias_history
from pipelines.tracking.mlflow_quiet import mlflow

__all__ = [
    "archive_content", "dataset_content", "file_content", "hash_of", "registry_content",
    "weights_content",
]  # fmt: skip


def hash_of(*parts: bytes) -> str:
    """Give a short hash of bytes."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()[:16]


def array_hash(array: xr.DataArray) -> str:
    """Hash shape, type and values."""
    values = np.asarray(array.values)
    held = repr(values.tolist()).encode() if values.dtype.kind in "OUT" else values.tobytes()
    return hash_of(str(values.shape).encode(), str(values.dtype).encode(), held)


def archive_content(path: Path) -> dict[str, str]:
    """Hash every month of every variable of an archive's newest snapshot, and name its commits."""
    if not path.exists() or not history(path):
        return {}
    dataset = open_archive(path).load()
    months = dataset["time"].values.astype("datetime64[M]")
    content = {"archive commits": ", ".join(str(entry["message"]) for entry in history(path)[1:])}
    for month in np.unique(months):
        of_month = dataset.isel(time=months == month)
        for name in [*map(str, dataset.data_vars), "expver", "time"]:
            content[f"archive {month} {name}"] = array_hash(of_month[name])
    return content


def dataset_content(path: Path, *, label: str) -> dict[str, str]:
    """Hash the variables of a netCDF file; what tells of times and commits is left out."""
    if not path.is_file():
        return {}
    with xr.open_dataset(path, decode_timedelta=False, engine="netcdf4") as dataset:
        loaded = dataset.load()
    return {f"{label} {name}": array_hash(loaded[name]) for name in map(str, loaded.variables)}


def file_content(folder: Path, *, label: str, ignored: tuple[str, ...] = ()) -> dict[str, str]:
    """Hash every file of a folder, but hidden ones and those of some names."""
    return {
        f"{label} {path.relative_to(folder)}": hash_of(path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.name not in ignored
    }


def weights_content(path: Path, *, label: str) -> dict[str, str]:
    """Hash a checkpoint's weights."""
    if not path.is_file():
        return {}
    state = load_checkpoint(path).network.state_dict()
    values = [name.encode() + tensor.numpy().tobytes() for name, tensor in sorted(state.items())]
    return {f"{label} weights": hash_of(*values)}


def registry_content(uri: str, name: str, *, by_order: bool = False) -> dict[str, str]:
    """Tell versions, aliases, runs and what is logged to them; not ids, times or places.

    Args:
        uri: of MLflow.
        name: of the registered model.
        by_order: name what belongs together by number, where fingerprints differ by chance.
    """
    client = mlflow.MlflowClient(tracking_uri=uri)
    content: dict[str, str] = {}
    versions = client.search_model_versions(f"name = '{name}'")
    for version in sorted(versions, key=lambda version: int(version.version)):
        tags = dict(version.tags)
        fingerprint = tags.pop("settings_fingerprint")
        key = "version" if by_order else f"version of {fingerprint}"
        weights = Path(client.get_model_version_download_uri(name, version.version)[7:])
        files = sorted(weights.rglob("*.safetensors"))
        # Weights alone: a checkpoint also names the snapshot, whose id is random.
        held = str([weights_content(path, label="")[" weights"] for path in files])
        number = sum(told.startswith(f"{key}, number") for told in content)
        content[f"{key}, number {number + 1}"] = f"{version.version} {held} {sorted(tags)}"
    if client.search_registered_models(f"name = '{name}'"):
        aliases = client.get_registered_model(name).aliases
        content["aliases"] = str(sorted((k, str(v)) for k, v in aliases.items()))
        changes = alias_history(name, tracking_uri=uri)
        content["alias history"] = str([(c.alias, c.version) for c in changes])
    for experiment in client.search_experiments():
        runs = client.search_runs([experiment.experiment_id], order_by=["start_time ASC"])
        for run in runs:
            tags = run.data.tags
            key = f"run {tags.get('met2net.fingerprint')} {tags.get('met2net.stage')}"
            if by_order:
                key = f"run {tags.get('met2net.stage')}"
            number = sum(told.startswith(f"{key}, number") for told in content)
            logged = (sorted(run.data.metrics.items()), sorted(run.data.params.items()))
            files = sorted(f.path for f in client.list_artifacts(run.info.run_id))
            held = hash_of(repr(logged).encode())
            content[f"{key}, number {number + 1}"] = f"{run.info.status} {held} {files}"
    return content
