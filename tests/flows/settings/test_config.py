from pathlib import Path

import pytest

from flows.settings.compose import CONFIGS, compose
from flows.settings.config import load_experiment
from flows.settings.config_error import ConfigError
from pipelines.fingerprint import fingerprint

EXPERIMENTS = sorted(path.stem for path in (CONFIGS / "experiment").glob("*.yaml"))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_composes_and_builds(name: str) -> None:
    experiment = load_experiment([f"experiment={name}"])
    assert experiment.name == name
    assert "met2net" in experiment.models  # built, to see that they can be, without memory


@pytest.mark.parametrize(
    "group",
    # Models and their optimization have their own tests; rosters are parts of experiments.
    sorted({p.name for p in CONFIGS.iterdir() if p.is_dir()} - {"model", "optimization", "roster"}),
)
def test_every_choice_of_every_group_composes(group: str) -> None:
    sign = "+" if group == "study" else ""  # which only tables and figures have
    for choice in (CONFIGS / group).glob("*.yaml"):
        compose([f"{sign}{group}={choice.stem}"])


def test_overrides_reach_the_settings() -> None:
    experiment = load_experiment(["seed=7", "data.window.stride_hours=3", "workspace=/elsewhere"])
    assert experiment.seed == 7
    assert experiment.window.stride_hours == 3
    assert experiment.workspace == Path("/elsewhere")
    assert experiment.tracking_uri == "sqlite:////elsewhere/mlflow.db"


def test_places_do_not_count_as_science() -> None:
    here, there = (load_experiment([f"workspace=/{w}"]).science for w in ("here", "there"))
    assert here == there
    assert load_experiment(["seed=1"]).science != here


@pytest.mark.parametrize(
    ("override", "counts"),
    [
        ("title=Other", False),
        ("evaluation.num_examples=2", False),
        ("evaluation.num_analysis_samples=8", False),
        ("evaluation.batch_size=7", False),
        ("evaluation.scoring.save_forecasts=true", False),
        ("trainer.num_threads=1", False),
        ("cluster.memory_limit=1GiB", False),
        ("tracking.registered_model=other", False),
        ("trainer.devices=2", True),
        ("training.batch_size=7", True),
        ("evaluation.split=validation", True),
        ("evaluation.scoring.block_days=3", True),
        ("models.tau.network.num_blocks=3", True),
    ],
)
def test_what_changes_no_score_does_not_count_as_science(override: str, counts: bool) -> None:
    keys = [fingerprint(load_experiment(o).science) for o in ([], [override])]
    assert (keys[0] != keys[1]) == counts


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("experiment=demoo", "no experiment 'demoo'; choose one of: .*demo"),
        ("sourc=gcm", "no setting 'sourc'; did you mean 'source'"),
        ("data.window.num_input=3", "no setting 'num_input' in 'data.window'; did you mean"),
        ("seed.x=3", "seed is {'x': 3}; expected a whole number"),
        ("experiment", "has no value; expected key=value"),
        ("training.max_epochs=0", "max_epochs is 0; expected"),
        ("training.learning_rate=fast", "learning_rate"),
        ("data.splits.test.start=2001-01-01", "overlap"),
        ("data.window.num_targets=0", "num_targets is 0; expected at least 1"),
        ("seed=a=b", "seed is 'a=b'; expected a whole number"),
        ("~models.met2net", "models has no 'met2net', which is to be registered; found: tau"),
        ("data.window.input_only=[tp]", "window.input_only has tp; expected some of"),
        ("data.window.output_only=t2m", "output_only is 't2m'; expected a list of texts"),
        (
            "reference_frame=first",
            "reference_frame is 'first'; expected one of: none, last_input, linear",
        ),
    ],
)
def test_a_wrong_override_is_explained_in_one_line(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_experiment([override])
    assert "\n" not in str(caught.value)


def test_a_missing_value_is_named() -> None:
    with pytest.raises(ConfigError, match="source.folder"):
        load_experiment(["source=files"])


def test_roles_of_channels_name_another_experiment_and_none_name_the_same() -> None:
    plain, empty, roles = (
        load_experiment(["experiment=mumbai_sst", *more])
        for more in ([], ["data.window.input_only=[]"], ["data.window.input_only=[sst]"])
    )
    assert roles.window.input_only == ("sst",) and empty.window == plain.window
    assert fingerprint(empty.science) == fingerprint(plain.science) != fingerprint(roles.science)
    assert fingerprint(roles.inputs) == fingerprint(plain.inputs)  # the same training set
