"""Every key of a configuration is known, or refused with the nearest that is."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.settings import compose as composing
from flows.settings.closed import checked
from flows.settings.compose import CONFIGS, compose, resolve
from flows.settings.config import load_experiment
from flows.settings.config_error import ConfigError
from pipelines.period import Period
from pipelines.trusted_packages import TRUSTED

ROOTS = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
HEAD = """# @package _global_
defaults: [/data: simulated, /model@models.met2net: met2net, override /source: gcm, _self_]
name: mine
title: Mine
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Compose an experiment of somebody's own, in a copy of `configs/`."""
    shutil.copytree(CONFIGS, tmp_path / "configs")
    monkeypatch.setattr(composing, "CONFIGS", tmp_path / "configs")

    def write(text: str, name: str = "experiment/mine", head: str = HEAD) -> None:
        (tmp_path / "configs" / f"{name}.yaml").write_text(head + text)

    return write


@pytest.mark.parametrize("config", ROOTS)
def test_every_flow_s_settings_are_declared_and_hold(config: str) -> None:
    compose([], config=config)
    with pytest.raises(ConfigError, match="no setting 'foo'; valid: "):
        compose(["+foo=1"], config=config)


@pytest.mark.parametrize(
    ("scale", "experiment"),
    [
        (scale, experiment)
        for scale in ("paper", "small", "smoke")
        for experiment in sorted(p.stem for p in (CONFIGS / "experiment").glob("*"))
        # Tables and figures: the others in tests/flows/studies, where they are built, too.
        if scale == "small" or not re.match(r"(table|fig)\d", experiment)
    ],
)
def test_every_experiment_holds_at_every_scale(scale: str, experiment: str) -> None:
    compose([f"experiment={experiment}", f"scale={scale}"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training: {max_epoch: 1}", "no setting 'max_epoch' in 'training'; did you mean 'max_epo"),
        ("reference_fram: last_input", "no setting 'reference_fram'; did you mean 'reference_"),
        ("evalution: {split: train}", "no setting 'evalution'; did you mean 'evaluation'"),
        ("evaluation: {scoring: {blok_days: 2}}", "'blok_days' in 'evaluation.scoring'; did you m"),
        ("normalisation: min_max", "'normalisation'; did you mean 'data.normalization'"),
        ("data: {normalisation: min_max}", "in 'data'; did you mean 'normalization'"),
        ("data: {splits: {trian: 2001-01/2001-02}}", "'trian' in 'data.splits'; did you mean 'tra"),
        ("data: {grid: {resolutoin: 5.625}}", "in 'data.grid'; did you mean 'resolution'"),
        ("data: {window: {step_hour: 6}}", "in 'data.window'; did you mean 'step_hours'"),
        ("data: {habits: {paper: {own_statistic: true}}}", "'data.habits.paper'; did you mean"),
        ("data: {habits: {papier: {}}}", "'papier' in 'data.habits'; did you mean 'paper'"),
        ("size: {num_block: 2}", "no setting 'num_block' in 'size'; did you mean 'num_blocks'"),
        ("tracking: {url: x}", "no setting 'url' in 'tracking'; did you mean 'uri'"),
        ("source: {spinup_days: 3}", "in 'source'; did you mean 'spin_up_days'"),
        ("trainer: {num_thread: 3}", "in 'trainer'; did you mean 'num_threads'"),
        ("cluster: {worker: 3}", "in 'cluster'; did you mean 'workers'"),
        ("models: {met2net: {reference_fram: none}}", "'models.met2net'; did you mean"),
        ("models: {met2net: {optimisation: {}}}", "'models.met2net'; did you mean 'optimization'"),
        ("models: {met2net: {optimization: {seeds: 1}}}", "in 'models.met2net.optimization'; did"),
        ("models: {met2net: {network: {latent_dims: 8}}}", "did you mean 'latent_dim'"),
        ("models: {met2net: {objective: {momentum: 8}}}", "no setting 'momentum' in 'models.met2n"),
        ("study: {shows: x, metric: [mse]}", "in 'study'; did you mean 'metrics'"),
        ("study: {shows: x, parts: {all: {row: {}}}}", "in 'study.parts.all'; did you mean 'rows'"),
        ("evaluation: {maps: null}", "evaluation.maps is null; expected settings of MapSettings"),
        ("models: {tau: {network: {latent_dim: 8}}}", "models.tau.reference_frame is missing"),
        ("data: {variables: {t2m: t2m}}", "data.variables.t2m is 't2m'; expected a list of texts"),
    ],
)  # fmt: skip
def test_a_misspelt_key_of_somebody_s_yaml_is_refused(own, text: str, message: str) -> None:
    own(text)
    with pytest.raises(ConfigError, match=message) as caught:
        compose(["experiment=mine"])
    assert "\n" not in str(caught.value)


def test_what_an_experiment_says_of_another_source_is_told_apart(own) -> None:
    own("source: {spin_up_days: 3}")
    assert load_experiment(["experiment=mine"]).source.spin_up_days == 3
    other = ["experiment=mine", "source=generated"]
    with pytest.raises(ConfigError, match="for another source: ~source.spin_up_days removes it"):
        compose(other)
    assert load_experiment([*other, "~source.spin_up_days"]).source.name == "generated"
    with pytest.raises(ConfigError, match="no setting 'spin_up_days' in 'source'") as caught:
        compose([*other, "source.spin_up_days=3"])
    assert "removes it" not in str(caught.value)


@pytest.mark.parametrize("sign", ["", "+", "++"])
@pytest.mark.parametrize(
    ("key", "where"),
    [
        ("foo", ""), ("training.foo", "training"), ("data.foo", "data"), ("size.foo", "size"),
        ("models.tau.network.foo", "models.tau.network"), ("study.foo", "study"),
        ("models.tau_single.network.forecaster.foo", "models.tau_single.network.forecaster"),
        ("data.habits.paper.window.foo", "data.habits.paper.window"),
        ("evaluation.maps.foo", "evaluation.maps"), ("protocol.foo", "protocol"),
    ],
)  # fmt: skip
def test_an_unknown_override_is_refused_whatever_its_sign(sign: str, key: str, where: str) -> None:
    inside = f" in '{where}'" if where else ""
    with pytest.raises(ConfigError, match=f"^no setting 'foo'{inside}; valid: "):
        compose([f"{sign}{key}=1"])


def test_a_setting_that_the_yaml_leaves_out_needs_no_plus() -> None:
    settings = resolve(["data.grid.nan_threshold=0.5", "data.window.drop_last_hours=1"])
    assert settings["data"]["grid"]["nan_threshold"] == 0.5
    assert settings["data"]["window"]["drop_last_hours"] == 1


def test_names_that_are_anyone_s_choice_are_open_at_their_level_alone() -> None:
    settings = resolve([
        "+data.variables.pressure=[msl]", "+model@models.mine=tau",
        "evaluation.scoring.regions={south: {south: -90, north: 0, west: 0, east: 360}}",
    ])  # fmt: skip
    assert settings["data"]["variables"]["pressure"] == ["msl"]
    assert "mine" in settings["models"]
    with pytest.raises(
        ConfigError, match="evaluation.scoring: region south has south, north, west, ost"
    ):
        load_experiment(
            ["evaluation.scoring.regions={south: {south: 1, north: 2, west: 3, ost: 4}}"]
        )


def test_a_whole_mapping_of_such_names_replaces_what_was_there() -> None:
    assert resolve(["data.variables={t2m: [t2m]}"])["data"]["variables"] == {"t2m": ["t2m"]}
    size = resolve(["models.tau.network={num_blocks: 3}"])["models"]["tau"]["network"]
    assert size["num_blocks"] == 3 and size["latent_dim"] == 32  # settings of a class: one by one


def test_periods_splits_grids_and_boxes_are_plain_yaml(own) -> None:
    own("""
data:
  period: {end: 2001-05}
  grid: {box: {north: 20, west: 70, south: 10, east: 80}, resolution: 1.0}
  habits: {paper: {splits: {validation: {start: 2001-05, end: 2001-05}}}}
""")
    experiment = load_experiment(["experiment=mine"])
    assert experiment.period == Period("2001-01-01", "2001-05")
    assert experiment.grid.box.east == 80
    paper = load_experiment(["experiment=mine", "protocol=paper"])
    assert paper.splits.validation == Period("2001-05", "2001-05")


def test_classes_of_a_trusted_package_have_their_own_keys(monkeypatch) -> None:
    own_source = ["source._target_=tests.builders.FakeSource", "~source.spin_up_days"]
    monkeypatch.setenv(TRUSTED, "tests")
    assert load_experiment([*own_source, "source.seed=3"]).source.seed == 3
    with pytest.raises(ConfigError, match="no setting 'sed' in 'source'; did you mean 'seed'"):
        compose([*own_source, "source.sed=3"])
    monkeypatch.delenv(TRUSTED)
    with pytest.raises(ConfigError, match="inside met2net or pipelines"):
        load_experiment([*own_source, "source.seed=3"])


def test_settings_of_a_flow_of_somebody_s_own_are_checked_where_they_name_classes() -> None:
    node = {"_target_": "pipelines.period.Period", "start": "2020", "end": "2021"}
    assert checked({"mine": 1, "when": node}, config="mine") == {"mine": 1, "when": node}
    with pytest.raises(ConfigError, match="no setting 'last' in 'when'"):
        checked({"when": {**node, "last": 1}}, config="mine")


def test_a_refusal_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom flows.settings.compose import compose\n"
        "try: compose(['training.max_epoch=3'])\nexcept ValueError as error: print(error)\n"
        "print([m for m in ('torch', 'xarray', 'numpy', 'prefect') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3],
                         capture_output=True, text=True, timeout=120, check=True)  # fmt: skip
    assert "did you mean 'max_epochs'" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "[]"
