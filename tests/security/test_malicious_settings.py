"""Configurations that name other code than settings classes: refused before anything runs."""

from pathlib import Path

import pytest

from flows.settings.backfill import load_backfill
from flows.settings.compose import compose
from flows.settings.config import load_experiment
from flows.settings.config_error import ConfigError
from flows.settings.forecast import load_forecast
from flows.settings.monthly import load_monthly
from flows.settings.safe_instantiate import check_targets, instantiate
from pipelines.errors import DataError
from pipelines.period import Period
from pipelines.trusted_packages import TRUSTED

TARGETS = [
    "os.system",
    "builtins.eval",
    "builtins.open",
    "subprocess.check_output",
    "pathlib.Path.home",  # harmless, and Hydra's own list of forbidden ones lacks it
    "shutil.rmtree",
    "hydra.utils.instantiate",
    "pipelines.training.train.subprocess.check_output",  # through what a module of ours imported
    "pipelines.training.train.Path",
    "pipelines.training.train.train",  # ours, but no settings class
    "pipelines.atomic.write_text",
    "pipelines.period.Period.hours",  # no class method
    "pipelines.period.Period.__init__.__globals__",
    "pipelines.errors.DataError",
    "pipelines.nothing.Nothing",
    "pipelines..Period",
    "pipelines",
    "pipelinesque.period.Period",
    "flows.settings.config.Experiment",
    "",
    3,
    None,
]
NODES = (
    "source",
    "data.period",
    "data.grid",
    "data.splits",
    "data.splits.train",
    "data.window",
    "cluster",
    "trainer",
    "evaluation",
    "protocol",
    "training",
    "models.met2net.network",
    "models.met2net.objective",
    "models.met2net.optimization",
    "models.met2net.optimization.schedule",
)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_no_other_code_can_be_named_at_any_depth(target: object, depth: int) -> None:
    node: object = {"_target_": target}
    for _ in range(depth):
        node = {"_target_": "pipelines.period.Period", "start": [{"inner": node}], "end": "2020"}
    with pytest.raises(DataError, match="_target_ is .*; expected (a settings class|one)"):
        instantiate(node)


@pytest.mark.parametrize("key", NODES)
def test_every_node_of_an_experiment_is_checked(key: str, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    with pytest.raises(ConfigError) as caught:
        load_experiment([f"{key}._target_=os.mkdir", f"+{key}.path={marker}"])
    assert "\n" not in str(caught.value)
    assert "_target_ is 'os.mkdir'" in str(caught.value)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("load", "key"),
    [(load_backfill, "source"), (load_backfill, "data.grid"), (load_forecast, "source"),
     (load_forecast, "trainer"), (load_monthly, "promotion"), (load_monthly, "drift")],
)  # fmt: skip
def test_every_flow_s_nodes_are_checked(load, key: str, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    with pytest.raises(ConfigError, match="_target_ is 'os.mkdir'"):
        load([f"{key}._target_=os.mkdir", f"+{key}.path={marker}"])
    assert not marker.exists()


def test_an_interpolation_cannot_bring_a_target_in_after_the_check() -> None:
    node = {"_target_": "pipelines.period.Period", "start": "2020", "end": "2020"}
    for late in ("${oc.create:{_target_:os.system}}", "${oc.env:HOME}", "a${b}"):
        with pytest.raises(DataError, match="left to resolve"):
            instantiate({**node, "start": [late]})
    with pytest.raises(DataError, match="settings have '_mode_'"):
        check_targets({**node, "_mode_": "any"})


def test_composing_runs_nothing_that_hydra_itself_is_told_to_call(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    for key in ("hydra.callbacks.x", "hydra.job_logging", "hydra.launcher", "hydra.sweeper"):
        try:
            compose([f"+{key}={{_target_: os.mkdir, path: {marker}, '()': os.mkdir}}"])
        except ConfigError:
            pass
    assert not marker.exists()


def test_settings_classes_and_trusted_packages_are_built(monkeypatch: pytest.MonkeyPatch) -> None:
    period = {"_target_": "pipelines.period.Period", "start": "2020-01", "end": "2020-02"}
    assert instantiate(period) == Period("2020-01", "2020-02")
    month = {"_target_": "pipelines.period.Month.parse", "text": "2020-01"}
    assert str(instantiate(month)) == "2020-01"
    own = {"_target_": "tests.builders.FakeSource", "seed": 3}
    monkeypatch.setenv(TRUSTED, "tests")
    assert instantiate(own).seed == 3
    monkeypatch.delenv(TRUSTED)
    with pytest.raises(DataError, match="inside met2net or pipelines"):
        instantiate(own)
