"""What a new user types, taken from the pages: commands compose, and YAML does where it is put.

As docs/adding_a_model.md and docs/library.md are tried elsewhere: test_adding_a_model.py,
test_public_names.py.
"""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from flows import archive, full_experiment
from flows.settings import compose
from flows.settings.backfill import load_backfill
from flows.settings.config import load_experiment
from flows.settings.config_error import ConfigError
from flows.settings.forecast import load_forecast
from flows.settings.monthly import load_monthly
from flows.stages import prepare_data
from met2net.checkpoint import load_checkpoint
from met2net.data.training_set import TrainingSet
from met2net.data.variables import required_fields, variable
from pipelines.archive.state import ArchiveState
from pipelines.fields.target_grids import Box

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
DATA = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")

COMMAND = re.compile(r"(?:prefect run|python) flows/(\w+)\.py\b((?:\\\n|[^\n`])*)")
OF_ANOTHER_PLACE = (  # their own tests put first what they name
    "local_tendency",  # test_adding_a_model.py
    "mypackage.stations",  # a package of the user's
    "<name>",  # below
)


def commands() -> list[tuple[str, str]]:
    """Give every flow that a page starts, and the overrides that it gives it."""
    found = [
        (flow, " ".join(text.replace("\\\n", " ").partition(" #")[0].split()))
        for page in PAGES
        for flow, text in COMMAND.findall(page.read_text(encoding="utf-8"))
    ]
    return [
        (flow, text)
        for flow, text in dict.fromkeys(found)
        if not any(name in text for name in OF_ANOTHER_PLACE)
    ]


LOAD: dict[str, Callable[[list[str]], object]] = {
    "archive": lambda overrides: compose.resolve(overrides, config="archive"),
    "backfill": load_backfill,
    "backfill_status": lambda overrides: load_backfill(overrides, config="backfill_status"),
    "forecast": load_forecast,
    "full_experiment": compose.resolve,
    "monthly_retrain": load_monthly,
    "profile_training": lambda overrides: compose.resolve(overrides, config="profile_training"),
    "registry": lambda overrides: compose.resolve(overrides, config="registry"),
    "replay": lambda overrides: load_monthly(overrides, config="replay"),
}


def test_the_pages_start_every_flow() -> None:
    assert {flow for flow, _ in commands()} == set(LOAD)
    assert len(commands()) > 25


def is_plain(flow: str, text: str) -> bool:
    """Tell an experiment that is started as it is: it composes with all of them, elsewhere."""
    keys = {override.partition("=")[0] for override in text.split()}
    return flow == "full_experiment" and keys <= {"experiment", "scale"}


def test_every_experiment_of_the_pages_is_there() -> None:
    named = {override for _, text in commands() for override in text.split()}
    experiments = {name[11:] for name in named if name.startswith("experiment=")}
    assert {"demo", "mumbai", "table1"} <= experiments
    assert experiments <= {path.stem for path in (compose.CONFIGS / "experiment").glob("*.yaml")}


@pytest.mark.parametrize(
    ("flow", "text"),
    [command for command in commands() if not is_plain(*command)],
    ids=lambda text: text or "no-override",
)
def test_every_command_of_the_pages_composes(flow: str, text: str) -> None:
    assert LOAD[flow](shlex.split(text)) is not None


def test_every_make_target_of_the_pages_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        named = re.findall(r"(?:^|`)make ([a-z][a-z-]*)", text, re.MULTILINE)
        assert set(named) <= targets, page.name


def section(title: str) -> str:
    """Give a part of docs/data.md."""
    return re.split(r"^##+ ", DATA.partition(f" {title}\n")[2], flags=re.MULTILINE)[0]


def yaml_of(title: str) -> dict[str, Any]:
    """Give the only YAML of a part."""
    [text] = re.findall(r"```yaml\n(.*?)```", section(title), re.DOTALL)
    return dict(yaml.safe_load(text))


@pytest.fixture
def configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `configs/`, in which the user writes."""
    shutil.copytree(compose.CONFIGS, tmp_path / "configs")
    monkeypatch.setattr(compose, "CONFIGS", tmp_path / "configs")
    return tmp_path / "configs"


def copy_mumbai(configs: Path, name: str, changes: dict[str, Any]) -> list[str]:
    """Do what "Your own region" says; give what its command starts the flow with."""
    page = section("Your own region")
    copied = re.findall(r"`configs/(\w+)/mumbai\.yaml`", page)
    assert copied == ["data", "experiment"]
    data = yaml.safe_load((configs / "data" / "mumbai.yaml").read_text()) | changes
    (configs / "data" / f"{name}.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
    text = (configs / "experiment" / "mumbai.yaml").read_text()
    text = text.replace("/data: mumbai", f"/data: {name}").replace("name: mumbai", f"name: {name}")
    (configs / "experiment" / f"{name}.yaml").write_text(text)
    [(flow, command)] = [(f, t) for f, t in COMMAND.findall(page) if "<name>" in t]
    assert flow == "full_experiment"
    return shlex.split(command.replace("<name>", name))


def test_a_region_of_one_s_own_is_two_copied_files(configs: Path) -> None:
    written = yaml_of("Your own region")
    experiment = load_experiment(copy_mumbai(configs, "konkan", written))
    assert experiment.name == "konkan" and experiment.source.name == "files"
    assert experiment.grid is not None and experiment.grid.box == Box(**written["grid"]["box"])
    assert experiment.grid.resolution == written["grid"]["resolution"]
    assert (experiment.period.start, experiment.period.end) == tuple(written["period"].values())
    assert experiment.splits.train.end == written["splits"]["train"]["end"]


def test_a_mistake_in_a_region_s_yaml_is_told_with_the_nearest_key(configs: Path) -> None:
    written = yaml_of("Your own region")
    written["grid"]["resolutoin"] = written["grid"].pop("resolution")
    with pytest.raises(ConfigError, match="resolutoin.*resolution"):
        load_experiment(copy_mumbai(configs, "konkan", written))


def test_a_variable_of_one_s_own_is_a_channel(configs: Path) -> None:
    written = yaml_of("Variables of your own")
    experiment = load_experiment(copy_mumbai(configs, "stormy", written))
    assert experiment.channels == ("cin", "t2m")
    fields = required_fields(experiment.channels)
    assert fields == {"convective_inhibition": (), "2m_temperature": ()}
    known = variable("convective_inhibition")
    assert (known.units, known.valid_range) == ("J kg-1", (0, 2000))
    assert experiment.models["met2net"].network["variables"]


@pytest.mark.long
def test_a_region_of_one_s_own_is_fetched_trained_and_kept(configs: Path, tmp_path: Path) -> None:
    """With made-up weather, of some days."""
    days = [f"data.{key}={{start: '2016-01-{a:02d}', end: '2016-01-{b:02d}'}}" for key, a, b in (
        ("period", 1, 9), ("splits.train", 1, 5), ("splits.validation", 6, 7),
        ("splits.test", 8, 9),
    )]  # fmt: skip
    asked = copy_mumbai(configs, "konkan", yaml_of("Your own region"))
    experiment = load_experiment([
        asked[0], "source=generated", "scale=smoke", *days, f"workspace={tmp_path / 'workspace'}",
    ])  # fmt: skip
    state = prepare_data.update_archive.fn(experiment)
    assert isinstance(state, ArchiveState)
    store = prepare_data.prepare.fn(experiment, state)
    data = TrainingSet.open(store)
    assert data.grid.latitude == tuple(np.arange(20.0, 9.0, -1.0))
    run = full_experiment.open_run_folder(experiment, store)
    checkpoint = full_experiment._train(experiment, "met2net", store, run)
    assert load_checkpoint(checkpoint).grid == data.grid
    assert archive._load([f"archive={state.path}"]).archive == state.path
