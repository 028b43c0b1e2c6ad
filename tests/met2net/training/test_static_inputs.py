"""Networks that see the ground: zeros are the reference, and a checkpoint holds what they saw."""

from pathlib import Path

import numpy as np
import pytest
import torch

from met2net import Forecaster, OptimizationSettings, settings_of, train
from met2net.data.grid import Grid
from met2net.data.static_fields import StaticField
from met2net.data.windows import WindowSpec
from met2net.models.build import build
from met2net.models.known_inputs import KnownInputs
from met2net.models.linear_reference import LinearReference
from met2net.models.met2net import Met2Net
from met2net.models.mirrored_hemispheres import MirroredHemispheres
from met2net.models.reference_frame import ReferenceFrame
from met2net.models.wrapper import needs_init_time, run_network
from met2net.training.fitted_settings import asked_static_fields, settings_for
from met2net.training.references import set_any_references
from tests.met2net.data.test_static_fields import HEIGHTS, make_set
from tests.met2net.models.model_builders import SIZES, VARIABLES

GLOBE = Grid((60.0, 20.0, -20.0, -60.0), (0.0, 60.0, 120.0, 180.0, 240.0, 300.0))
WINDOW = WindowSpec.regular(num_inputs=2, num_targets=3, step_hours=6)
FIELDS = ["orography", "land_sea_mask"]
LAND = np.linspace(0, 1, 24, dtype=np.float32).reshape(4, 6)
STATIC = {
    "orography": StaticField("orography", GLOBE, 2000 * LAND),
    "land_sea_mask": StaticField("land_sea_mask", GLOBE, LAND),
}


def seeing(fields=FIELDS, **inner):
    return settings_of(
        KnownInputs, fields=fields, _partial_=True,
        forecaster=settings_of(Met2Net, _partial_=True, **SIZES | {"num_heads": 2}) | inner,
    )  # fmt: skip


def fitted(settings, *, static=STATIC):
    return settings_for(
        settings, variables=VARIABLES, grid=GLOBE, climatology_shape=(1, 4, 3, *GLOBE.shape),
        window=WINDOW, static={name: field.content for name, field in static.items()},
    )  # fmt: skip


@pytest.mark.parametrize("outer", [None, ReferenceFrame, LinearReference])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_network_of_zeros_is_the_reference_whatever_the_ground(outer, mirrored):
    known = seeing()
    if mirrored:
        known["forecaster"] = settings_of(
            MirroredHemispheres, forecaster=known["forecaster"], _partial_=True
        )
    whole = {k: v for k, v in known.items() if k != "_partial_"}
    network = build(fitted(whole if outer is None else settings_of(outer, forecaster=known)))
    set_any_references(network)
    (network if outer is None else network.forecaster).set_static_fields(STATIC)
    inputs, time = torch.randn(2, 2, 3, 4, 6), torch.tensor([6, 30])
    with torch.no_grad():
        seen = run_network(network.eval(), inputs, time)
        for parameter in network.parameters():
            parameter.zero_()
        zeros = run_network(network, inputs, time)
    expected = {
        None: torch.zeros(2, 3, 3, 4, 6),
        ReferenceFrame: inputs[:, -1:].expand(-1, 3, -1, -1, -1),
    }
    reference = network.linear(inputs, time) if outer is LinearReference else expected[outer]
    torch.testing.assert_close(zeros, reference, atol=1e-6, rtol=0)
    assert seen.shape == zeros.shape
    assert needs_init_time(network) == (outer is LinearReference)


def test_settings_say_which_ground():
    settings = fitted(settings_of(ReferenceFrame, forecaster=seeing(["orography"])))
    assert settings["forecaster"]["static"] == {"orography": STATIC["orography"].content}
    assert asked_static_fields(settings) == ("orography",)
    assert "static" not in fitted(
        settings_of(ReferenceFrame, forecaster=seeing(["latitude"]))
    )["forecaster"]  # fmt: skip
    assert asked_static_fields(None) == ()
    with pytest.raises(ValueError, match="known inputs have land_sea_mask, and the training set"):
        fitted(
            settings_of(ReferenceFrame, forecaster=seeing()),
            static={"orography": STATIC["orography"]},
        )


def test_a_trained_network_takes_its_ground_along(tmp_path: Path):
    data = make_set()
    optimization = OptimizationSettings(
        learning_rate=1e-3, schedule="constant", max_epochs=1, batch_size=64
    )
    forecaster = train(
        data, window=WindowSpec.regular(num_inputs=2, num_targets=2),
        network=settings_of(ReferenceFrame, forecaster=seeing()), optimization=optimization,
    )  # fmt: skip
    known = forecaster.checkpoint.network.forecaster
    np.testing.assert_allclose(known.static_fields[0], HEIGHTS / 1000, rtol=1e-6)
    forecaster.save(tmp_path / "model.safetensors")
    del data
    loaded = Forecaster.load(tmp_path / "model.safetensors")
    assert not loaded.needs_init_time
    inputs = np.full((1, 2, 1, 3, 2), 285, np.float32)
    np.testing.assert_array_equal(loaded.predict(inputs), forecaster.predict(inputs))
    loaded.checkpoint.network.forecaster.static_fields += 1
    assert not np.array_equal(loaded.predict(inputs), forecaster.predict(inputs))
    with pytest.raises(ValueError, match="has no static fields; expected orography"):
        train(
            make_set(static_fields=()), window=WindowSpec.regular(num_inputs=2, num_targets=2),
            network=settings_of(ReferenceFrame, forecaster=seeing()), optimization=optimization,
        )  # fmt: skip
