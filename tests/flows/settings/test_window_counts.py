"""How many windows every data set has, from its configuration alone, beside the paper's Table 2."""

from functools import cache

import numpy as np
import pytest

from flows.settings.config import Experiment, load_experiment
from flows.settings.config_error import ConfigError
from met2net.data.grid import Grid
from met2net.data.windows import find_windows
from pipelines.fields.target_grids import target_grid
from pipelines.image_sequences.sequences import sequence_counts, sequence_hours

EXPERIMENT = {name: name for name in ("era5_cropped", "mvmmfnist", "taxibj")}

# Table 2 of the paper: training and test windows, channels, rows, columns, inputs, targets.
TABLE_2 = {
    "weather_l": (52_559, 17_495, 5, 32, 64, 12, 12),
    "weather_ha": (54_019, 2_883, 12, 32, 64, 4, 4),
    "weather_h": (52_559, 17_495, 5, 64, 128, 12, 12),
    "era5_cropped": (43_801, 8_737, 4, 128, 128, 12, 12),
    "uv10": (52_559, 17_495, 2, 32, 64, 12, 12),  # the paper counts wind as one channel here
    "t2m": (52_559, 17_495, 1, 32, 64, 12, 12),
    "taxibj": (19_627, 1_334, 2, 32, 32, 4, 4),
    "mvmmfnist": (10_000, 10_000, 3, 64, 64, 10, 10),
}
NOT_IN_TABLE_2 = {
    "weather_l_8": (52_559, 17_495, 8, 32, 64, 12, 12),
    "tcc": (52_559, 17_495, 1, 32, 64, 12, 12),
    "r": (52_559, 17_495, 1, 32, 64, 12, 12),
}
CLEAN = {  # training, validation, test
    "weather_l": (52_561, 8_761, 17_497),
    "weather_l_8": (52_561, 8_761, 17_497),
    "weather_h": (52_561, 8_761, 17_497),
    "weather_ha": (54_049, 1_457, 2_913),
    "era5_cropped": (43_801, 8_737, 8_737),
    "uv10": (52_561, 8_761, 17_497),
    "t2m": (52_561, 8_761, 17_497),
    "tcc": (52_561, 8_761, 17_497),
    "r": (52_561, 8_761, 17_497),
    "taxibj": (18_293, 1_334, 1_334),
    "mvmmfnist": (10_000, 1_000, 10_000),
}


ERA5_GRID = Grid(
    tuple((90 - 0.25 * np.arange(721)).tolist()), tuple((0.25 * np.arange(1440)).tolist())
)


@cache
def load(data: str, *overrides: str) -> Experiment:
    experiment = EXPERIMENT.get(data, "weather")
    return load_experiment([f"experiment={experiment}", f"data={data}", *overrides])


def counts(experiment: Experiment) -> dict[str, int]:
    """Windows of each split, cut as training and scoring cut them, on hours without data."""
    if experiment.period is None:
        num_frames = experiment.window.num_inputs + experiment.window.num_targets
        numbers = sequence_counts(experiment.splits)
        times = sequence_hours(sum(numbers.values()), num_frames)
    else:
        times = experiment.period.hours()
    return {
        name: len(
            find_windows(
                times.astype(np.int64),
                spec=experiment.window.of_split(name),
                in_split=period.contains(times),
            )
        )
        for name, period in experiment.splits.periods().items()
    }


@pytest.mark.parametrize("data", [*TABLE_2, *NOT_IN_TABLE_2])
def test_the_paper_protocol_counts_as_table_2(data: str) -> None:
    train, test, channels, *_, inputs, targets = (TABLE_2 | NOT_IN_TABLE_2)[data]
    experiment = load(data, "protocol=paper")
    assert counts(experiment) == {"train": train, "validation": test, "test": test}
    assert sum(map(len, experiment.variables.values())) == channels
    assert (experiment.window.num_inputs, experiment.window.num_targets) == (inputs, targets)
    assert experiment.protocol.name == "paper"


@pytest.mark.parametrize("data", list(CLEAN))
def test_the_clean_protocol_uses_every_window(data: str) -> None:
    found = counts(load(data))
    assert tuple(found[name] for name in ("train", "validation", "test")) == CLEAN[data]


@pytest.mark.parametrize("data", list(CLEAN))
def test_the_released_code_counts_otherwise_for_era5_alone(data: str) -> None:
    found = counts(load(data, "protocol=released"))
    if data == "era5_cropped":
        assert found == {"train": 7_301, "validation": 729, "test": 729}
    else:
        assert found == counts(load(data, "protocol=paper"))


@pytest.mark.parametrize("data", [name for name in TABLE_2 if name not in ("taxibj", "mvmmfnist")])
def test_grids_have_the_published_points(data: str) -> None:
    grid = load(data).grid
    assert grid is not None
    assert target_grid(ERA5_GRID, grid).shape == TABLE_2[data][3:5]


@pytest.mark.parametrize("data", ["weather_l", "era5_cropped", "simulated", "mumbai"])
def test_only_a_clean_protocol_keeps_validation_apart_from_test(data: str) -> None:
    experiments = {"simulated": "demo", "mumbai": "mumbai"}
    for protocol, is_test in (("clean", False), ("paper", True), ("released", True)):
        base = EXPERIMENT.get(data) or experiments.get(data, "weather")
        found = load_experiment([f"experiment={base}", f"data={data}", f"protocol={protocol}"])
        assert found.splits.validates_on_test == is_test
        assert found.protocol.own_statistics == is_test
        assert found.protocol.is_clean != is_test


def test_published_habits_are_no_part_of_a_clean_run() -> None:
    habit = "data.habits.paper.window.drop_last_hours=5"
    assert load("t2m").science == load("t2m", habit).science
    paper = [load("t2m", "protocol=paper", *more).science for more in ((), (habit,))]
    assert paper[0] != paper[1] and paper[0] != load("t2m").science


def test_weather_and_images_are_not_mixed_up() -> None:
    with pytest.raises(ConfigError, match="data.form is weather, and the source gives image seq"):
        load_experiment(["experiment=mvmmfnist", "data=t2m"])
    with pytest.raises(ConfigError, match="form is image_sequences, and the source gives weather"):
        load_experiment(["experiment=weather", "data=taxibj"])
    with pytest.raises(ConfigError, match="data.form is 'film'; expected weather or image_seq"):
        load_experiment(["experiment=taxibj", "data.form=film"])


def test_a_data_set_without_habits_has_no_published_protocol() -> None:
    with pytest.raises(ConfigError, match="protocol is 'released'; data.habits .* has paper"):
        load("t2m", "~data.habits.released", "protocol=released")
