import dataclasses
import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from met2net.checkpoint import Checkpoint, content_of, load_checkpoint, save_checkpoint
from met2net.data.grid import Grid
from met2net.data.normalization import Normalizer
from met2net.data.windows import WindowSpec
from met2net.models.build import build
from tests.met2net.models.model_builders import (
    MET2NET_SETTINGS,
    SIZES,
    VARIABLES,
    is_same,
    make_batch,
    randomize,
    snapshot,
)

GRID = Grid((25.1, 24.1, 23.1, 22.1), (110.0, 111.0, 112.0, 113.0, 114.0, 115.0))
REFERENCE_SETTINGS = {
    "_target_": "met2net.models.reference_frame.ReferenceFrame",
    "variables": VARIABLES,
    "forecaster": {
        "_target_": "met2net.models.baselines.metaformer.TAU",
        "_partial_": True,
        "num_inputs": 2,
        "num_targets": 2,
        **SIZES,
    },
}


def make_checkpoint(*, settings=MET2NET_SETTINGS) -> Checkpoint:
    torch.manual_seed(0)
    network = build(settings)
    if hasattr(network, "set_scale"):
        network.set_scale(torch.tensor([0.1, 0.2, 0.3]))
    randomize(network)
    return Checkpoint(
        network=network,
        settings=settings,
        normalizer=Normalizer(("u10", "v10", "t2m"), (0.1, -0.2, 285.0 / 7), (5.0, 4.0, 1 / 3)),
        grid=GRID,
        window=WindowSpec((-6, 0), (6, 12), stride_hours=3),
        variables={name: tuple(labels) for name, labels in VARIABLES.items()},
        units=("m s-1", "m s-1", "K"),
        provenance={"archive_snapshot": "ABC", "git_commit": "0123"},
    )


@pytest.mark.parametrize("settings", [MET2NET_SETTINGS, REFERENCE_SETTINGS])
def test_what_is_loaded_is_bit_for_bit_what_was_saved(tmp_path, settings):
    saved = make_checkpoint(settings=settings)
    save_checkpoint(tmp_path / "deep" / "model.safetensors", saved)
    loaded = load_checkpoint(tmp_path / "deep" / "model.safetensors")
    assert is_same(snapshot(saved.network), snapshot(loaded.network))
    for field in dataclasses.fields(Checkpoint):
        if field.name != "network":
            assert getattr(loaded, field.name) == getattr(saved, field.name)
    inputs, _ = make_batch()
    assert torch.equal(loaded.network(inputs), saved.network(inputs))
    assert not any(part.training for part in loaded.network.modules())
    assert all(weight.requires_grad for weight in loaded.network.parameters())


def test_the_content_is_named_by_weights_settings_and_statistics_alone(tmp_path):
    def content(checkpoint: Checkpoint) -> str:
        save_checkpoint(tmp_path / "model.safetensors", checkpoint)
        return content_of(tmp_path / "model.safetensors")

    saved = make_checkpoint()
    before = content(saved)
    assert content(dataclasses.replace(saved, provenance={"git_commit": "other"})) == before
    statistics = dataclasses.replace(saved.normalizer, mean=(0.1, -0.2, 0.0))
    assert content(dataclasses.replace(saved, normalizer=statistics)) != before
    with torch.no_grad():
        next(saved.network.parameters()).add_(1e-3)
    assert content(saved) != before
    (tmp_path / "text").write_text("no checkpoint")
    with pytest.raises(ValueError, match="cannot read .*text as a checkpoint"):
        content_of(tmp_path / "text")
    save_file({"a": torch.zeros(1)}, tmp_path / "plain")
    with pytest.raises(ValueError, match="plain is no met2net checkpoint"):
        content_of(tmp_path / "plain")


def test_saving_leaves_one_readable_file_and_replaces_an_older_one(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"old")
    save_checkpoint(path, make_checkpoint())
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.safetensors"]
    assert path.stat().st_mode & 0o444 == 0o444
    load_checkpoint(path)


def test_a_failed_write_leaves_the_older_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"old")

    def fail(source, target):
        raise OSError("disk is full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk is full"):
        save_checkpoint(path, make_checkpoint())
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        load_checkpoint(tmp_path / "model.safetensors")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, share):
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, make_checkpoint())
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match="is damaged or no safetensors file"):
        load_checkpoint(path)


def test_a_foreign_file_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(1)}, path, metadata={"format": "pt"})
    with pytest.raises(ValueError, match="no met2net checkpoint: metadata format; expected"):
        load_checkpoint(path)


def rewrite(path, *, change) -> None:
    """Change the description inside a checkpoint."""
    saved = make_checkpoint()
    save_checkpoint(path, saved)
    with safe_open(path, framework="pt") as file:
        description = json.loads(file.metadata()["met2net"])
    change(description)
    save_file(saved.network.state_dict(), path, metadata={"met2net": json.dumps(description)})


def test_an_unknown_target_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    rewrite(path, change=lambda d: d["settings"].update(_target_="os.system"))
    with pytest.raises(ValueError, match="_target_ is 'os.system'; expected a class inside"):
        load_checkpoint(path)


def test_another_format_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    rewrite(path, change=lambda d: d.update(format=99))
    with pytest.raises(ValueError, match="has format 99; expected 3"):
        load_checkpoint(path)


def test_window_habits_of_published_numbers_travel_along(tmp_path):
    window = WindowSpec((-6, 0), (6, 12), 3, 1, 2, (6, 12))
    saved = dataclasses.replace(make_checkpoint(), window=window)
    save_checkpoint(tmp_path / "model.safetensors", saved)
    assert load_checkpoint(tmp_path / "model.safetensors").window == window


def test_a_file_of_the_format_before_has_no_habits(tmp_path):
    def age(description):
        description["format"] = 1
        for name in ("drop_last_hours", "drop_last_windows", "length_stride"):
            del description["window"][name]

    rewrite(tmp_path / "model.safetensors", change=age)
    loaded = load_checkpoint(tmp_path / "model.safetensors")
    assert loaded.window == WindowSpec((-6, 0), (6, 12), stride_hours=3)


def test_a_file_that_does_not_say_its_habits_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    rewrite(path, change=lambda d: d["window"].pop("length_stride"))
    with pytest.raises(ValueError, match="does not say the window's length_stride"):
        load_checkpoint(path)


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    rewrite(path, change=lambda d: d["settings"].update(num_targets=3))
    with pytest.raises(ValueError, match="do not fit .*: translator.project_out.bias, translator"):
        load_checkpoint(path)
    checkpoint = make_checkpoint()
    other = dataclasses.replace(checkpoint, settings=MET2NET_SETTINGS | {"num_blocks": 3})
    with pytest.raises(ValueError, match="weights do not fit the network"):
        save_checkpoint(path, other)


def test_settings_that_are_not_json_are_refused(tmp_path):
    checkpoint = make_checkpoint()
    checkpoint.provenance["training_set"] = tmp_path
    with pytest.raises(ValueError, match="hold more than plain JSON: Object of type .*Path"):
        save_checkpoint(tmp_path / "model.safetensors", checkpoint)
    assert list(tmp_path.iterdir()) == []


def test_channels_must_agree():
    checkpoint = make_checkpoint()
    with pytest.raises(ValueError, match="normalizer has channels u10, v10, t2m; expected t2m"):
        dataclasses.replace(checkpoint, variables={"t2m": ("t2m",)})
    with pytest.raises(ValueError, match="1 units; expected 3"):
        dataclasses.replace(checkpoint, units=("K",))


def test_inference_needs_neither_lightning_nor_zarr():
    code = (
        "import sys; import met2net.checkpoint, met2net.forecast; "
        "import met2net.models.baselines.per_variable, met2net.models.baselines.metaformer; "
        "print(sorted({'lightning', 'zarr', 'dask', 'mlflow'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr
