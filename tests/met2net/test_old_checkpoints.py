"""Files of earlier formats give what they gave, by a plain formula of the network then."""

import dataclasses
import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from met2net.checkpoint import load_checkpoint, save_checkpoint
from met2net.export import export_forecaster
from met2net.forecast import Forecaster
from tests.met2net.models.model_builders import is_same, randomize
from tests.met2net.test_checkpoint import REFERENCE_SETTINGS, make_checkpoint
from tests.met2net.training import plain_step

VARIABLES = {"uv10": ["u10", "v10"], "t2m": ["t2m"]}
SIZES = {
    "num_inputs": 2, "num_targets": 2, "spatial_dim": 4, "latent_dim": 8, "num_blocks": 2,
    "num_scales": 2, "num_heads": 2,
}  # fmt: skip
MEAN, STD = [0.5, -0.25, 280.0], [4.0, 5.0, 10.0]
SCALE = [0.5, 0.25, 2.0]
MET2NET = {"_target_": "met2net.models.met2net.Met2Net", **SIZES}


def make_plain(*, identities: int, input_groups: list[int] | None = None) -> torch.nn.Module:
    network = plain_step.PlainNetwork(
        [2, 1], input_groups=input_groups, identities=identities, **SIZES
    )
    return randomize(network).eval()


def write_old(path, plain, *, number: int, settings: dict, more: dict | None = None) -> None:
    """Write what versions of this project before format 3 wrote."""
    prefix = "forecaster." if more else ""
    tensors = {prefix + name: tensor for name, tensor in plain.state_dict().items()} | (more or {})
    window = {"input_hours": [-6, 0], "target_hours": [6, 12], "stride_hours": 1}
    if number == 2:
        window |= {"drop_last_hours": 0, "drop_last_windows": 0, "length_stride": 1}
    description = {
        "format": number,
        "settings": settings,
        "normalizer": {"channels": ["u10", "v10", "t2m"], "mean": MEAN, "std": STD},
        "grid": {"latitude": [3.0, 2.0, 1.0, 0.0], "longitude": [5.0, 6.0, 7.0, 8.0, 9.0, 10.0]},
        "window": window,
        "variables": VARIABLES,
        "units": ["m s-1", "m s-1", "K"],
        "provenance": {"git_commit": "0123"},
    }
    save_file(tensors, path, metadata={"met2net": json.dumps(description)})


def make_frames() -> torch.Tensor:
    """Inputs of two samples, normalized."""
    return torch.randn(2, 2, 3, 4, 6, generator=torch.Generator().manual_seed(1))


def in_units(frames: torch.Tensor) -> torch.Tensor:
    mean, std = (torch.tensor(values).double()[:, None, None] for values in (MEAN, STD))
    return frames.double() * std + mean


@pytest.mark.parametrize("number", [1, 2])
def test_a_network_of_an_older_format_forecasts_as_it_did(tmp_path, number):
    plain = make_plain(identities=1)
    write_old(
        tmp_path / "old.safetensors", plain, number=number,
        settings={**MET2NET, "variables": VARIABLES},
    )  # fmt: skip
    loaded = load_checkpoint(tmp_path / "old.safetensors")
    assert loaded.settings["space_time_identities"] == 1
    inputs = make_frames()
    expected = plain_step.forecast(plain, inputs)
    torch.testing.assert_close(loaded.network(inputs), expected, rtol=1e-5, atol=1e-5)
    released = make_plain(identities=2)
    assert is_same(plain.state_dict(), released.state_dict())  # weights alone cannot tell
    assert (plain_step.forecast(released, inputs) - expected).abs().max() > 1e-3
    given = torch.from_numpy(Forecaster(loaded).predict(in_units(inputs).numpy()))
    torch.testing.assert_close(given.double(), in_units(expected), rtol=1e-4, atol=1e-3)
    program = export_forecaster(loaded).module()
    torch.testing.assert_close(program(in_units(inputs)), in_units(expected), rtol=1e-4, atol=1e-3)


def test_a_network_whose_class_moved_since_is_loaded(tmp_path):
    checkpoint = make_checkpoint(settings=REFERENCE_SETTINGS)  # a TAU in a reference frame
    inner = {**REFERENCE_SETTINGS["forecaster"], "_target_": "met2net.models.baselines.tau.TAU"}
    old = dataclasses.replace(checkpoint, settings={**checkpoint.settings, "forecaster": inner})
    save_checkpoint(tmp_path / "old.safetensors", old)
    loaded = load_checkpoint(tmp_path / "old.safetensors")
    assert is_same(loaded.network.state_dict(), checkpoint.network.state_dict())
    save_checkpoint(tmp_path / "again.safetensors", loaded)


def test_an_older_network_inside_a_reference_frame_forecasts_as_it_did(tmp_path):
    plain = make_plain(identities=1, input_groups=[4, 2])
    settings = {
        "_target_": "met2net.models.reference_frame.ReferenceFrame",
        "variables": VARIABLES,
        "forecaster": {**MET2NET, "_partial_": True},
    }
    more = {"scale": torch.tensor(SCALE)}
    write_old(tmp_path / "old.safetensors", plain, number=2, settings=settings, more=more)
    loaded = load_checkpoint(tmp_path / "old.safetensors")
    inputs, scale = make_frames(), torch.tensor(SCALE)[:, None, None]
    last = inputs[:, -1:]
    differences, same = (inputs - last) / scale, last.expand_as(inputs)
    seen = [differences[:, :, :2], same[:, :, :2], differences[:, :, 2:], same[:, :, 2:]]
    expected = plain_step.forecast(plain, torch.cat(seen, dim=2)) * scale + last
    torch.testing.assert_close(loaded.network(inputs), expected, rtol=1e-5, atol=1e-5)


def test_an_older_network_saved_anew_is_the_same_network(tmp_path):
    old, new = tmp_path / "old.safetensors", tmp_path / "new.safetensors"
    settings = {**MET2NET, "variables": VARIABLES}
    write_old(old, make_plain(identities=1), number=2, settings=settings)
    save_checkpoint(new, load_checkpoint(old))
    with safe_open(new, framework="pt") as file:
        assert json.loads(file.metadata()["met2net"])["format"] == 3
    inputs = make_frames()
    first, second = (load_checkpoint(path).network(inputs) for path in (old, new))
    assert torch.equal(first, second)


def test_a_network_of_this_format_is_the_released_one(tmp_path):
    plain = make_plain(identities=2)
    write_old(
        tmp_path / "old.safetensors", plain, number=2, settings={**MET2NET, "variables": VARIABLES}
    )
    content = load_checkpoint(tmp_path / "old.safetensors")
    del content.settings["space_time_identities"]
    save_checkpoint(tmp_path / "new.safetensors", content)
    inputs = make_frames()
    found = load_checkpoint(tmp_path / "new.safetensors").network(inputs)
    torch.testing.assert_close(found, plain_step.forecast(plain, inputs), rtol=1e-4, atol=1e-4)
