from dataclasses import replace

import pytest

from flows.settings.config import load_experiment
from flows.settings.published import published_for
from met2net.data.windows import WindowSpec

WEATHER = ["experiment=weather", "source.folder=x"]


@pytest.mark.parametrize(
    ("overrides", "table"),
    [
        ([*WEATHER, "protocol=paper"], "table1"),
        ([*WEATHER, "protocol=paper", "data=weather_ha"], "table3"),
        (["experiment=era5_cropped", "protocol=released"], "table5"),
        (["experiment=mvmmfnist", "protocol=paper"], "table6"),
    ],
)
def test_the_paper_s_data_under_its_protocol_have_its_table(overrides, table):
    experiment = load_experiment(overrides)
    found = published_for(experiment)
    assert found.table == table and found.variables == experiment.variables


@pytest.mark.parametrize(
    "overrides",
    [
        WEATHER,  # our own protocol
        [*WEATHER, "protocol=paper", "data.splits.test.end=2018-06"],
        [*WEATHER, "protocol=paper", "data=t2m"],  # no table of its own
        ["experiment=demo", "protocol=paper", "data=weather_l"],
        ["experiment=demo", "protocol=paper"],
    ],
)
def test_what_cannot_be_compared_has_none(overrides):
    assert published_for(load_experiment(overrides)) is None


def test_lead_times_and_storms_that_cannot_be_shown_are_refused_when_settings_are_read():
    experiment = load_experiment(["experiment=era5_cropped", "evaluation.maps.lead_hours=[1,12]"])
    assert experiment.evaluation.maps.lead_hours == (1, 12)
    # How maps are drawn is no part of what a result depends on.
    assert experiment.science == load_experiment(["experiment=era5_cropped"]).science
    with pytest.raises(ValueError, match="maps.lead_hours has 12; expected some of .*: 1, 2"):
        replace(experiment, window=WindowSpec.regular(num_inputs=2, num_targets=2))
    with pytest.raises(ValueError, match="lead_hours has 13; expected some .* 1, 2, .*, 12"):
        load_experiment(["experiment=era5_cropped", "evaluation.maps.lead_hours=[13]"])
    with pytest.raises(ValueError, match="storm Mawar lasted from 2023-05-18 to 2023-06-03"):
        load_experiment(["experiment=mumbai", "evaluation.storms=[Mawar 2023]"])
