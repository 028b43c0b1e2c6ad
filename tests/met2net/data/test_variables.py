import pytest

from met2net.data.variables import VARIABLES, channel, is_channel, required_fields, variable


def test_every_name_label_and_grib_name_is_unique() -> None:
    for attribute in ("name", "label", "grib_short_name"):
        values = [getattr(v, attribute) for v in VARIABLES]
        assert len(set(values)) == len(values)


def test_every_channel_label_parses_back_to_itself() -> None:
    for v in VARIABLES:
        label = v.label if v.level_kind == "surface" else f"{v.label}850"
        parsed = channel(label)
        assert parsed.variable == v
        assert parsed.label == label


def test_labels_with_digits_are_surface_fields_not_levels() -> None:
    assert channel("u10").variable.name == "10m_u_component_of_wind"
    assert channel("u10").level is None
    assert channel("u850").variable.name == "u_component_of_wind"
    assert channel("u850").level == 850


def test_fields_gather_levels_of_one_variable() -> None:
    assert required_fields(["r1000", "t2m", "r500"]) == {
        "relative_humidity": (500, 1000),
        "2m_temperature": (),
    }


def test_unknown_names_are_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match="unknown variable 'temp'.*2m_temperature"):
        variable("temp")
    for wrong in ("t", "t2m850", "xyz", "T2M", "tcc500"):
        with pytest.raises(ValueError, match=f"unknown channel '{wrong}'"):
            channel(wrong)


def test_attrs_are_cf() -> None:
    assert variable("2m_temperature").attrs == {
        "units": "K",
        "long_name": "2m temperature",
        "standard_name": "air_temperature",
    }
    assert "standard_name" not in variable("toa_incident_solar_radiation").attrs


def test_labels_of_images_are_no_channels_of_weather():
    assert is_channel("t2m") and is_channel("r1000")
    assert not is_channel("mnist") and not is_channel("r")
