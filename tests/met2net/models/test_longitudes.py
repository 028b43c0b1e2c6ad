import pytest

from met2net.models.longitudes import with_periodic_longitude

VARIABLES = {"t2m": ["t2m"]}
TAU = {"_target_": "met2net.models.baselines.metaformer.TAU", "num_inputs": 2, "num_targets": 2}
PER_VARIABLE = "met2net.models.baselines.per_variable.PerVariable"
REFERENCE_FRAME = "met2net.models.reference_frame.ReferenceFrame"


def test_it_is_turned_on_where_a_class_has_it():
    settings = {**TAU, "variables": VARIABLES}
    assert with_periodic_longitude(settings) == {**settings, "periodic_longitude": True}
    assert "periodic_longitude" not in settings


def test_networks_inside_others_get_it_and_what_wraps_them_does_not():
    inner = {**TAU, "_partial_": True}
    one = {"_target_": PER_VARIABLE, "_partial_": True, "forecaster": inner}
    found = with_periodic_longitude(
        {"_target_": REFERENCE_FRAME, "variables": VARIABLES, "forecaster": one}
    )
    assert found["forecaster"]["forecaster"] == {**inner, "periodic_longitude": True}
    assert "periodic_longitude" not in found and "periodic_longitude" not in found["forecaster"]


@pytest.mark.parametrize("choice", [True, False])
def test_what_settings_say_holds(choice):
    settings = {**TAU, "variables": VARIABLES, "periodic_longitude": choice}
    assert with_periodic_longitude(settings) == settings


def test_an_unknown_class_is_refused():
    with pytest.raises(ValueError, match="defines no class 'Nothing'"):
        with_periodic_longitude({"_target_": "met2net.models.baselines.metaformer.Nothing"})
