"""Tables and figures of the paper: every one composes at every scale, and one runs."""

import csv
from functools import cache
from pathlib import Path

import pytest

from flows import full_experiment
from flows.settings.compose import CONFIGS
from flows.settings.config_error import ConfigError
from flows.settings.study import SCALES, Part, Study
from flows.stages import prepare_data
from flows.studies.part_runs import PartRun, part_experiments
from flows.studies.study import Stages, load_study, run_study
from pipelines.errors import DataError
from pipelines.paper.published_scores import published_scores
from pipelines.tracking.mlflow_quiet import mlflow
from pipelines.training import train as training
from pipelines.training.job import TrainingJob

STUDIES = [f"table{n}" for n in range(1, 13)] + ["fig1"] + [f"fig{n}" for n in range(4, 17)]
_FILES = {  # what only the user knows, by source
    "source=weatherbench": ["source.folder=/data"],
    "source=mvmmfnist": ["source.mnist_folder=/a", "source.fashion_folder=/b"],
    "source=taxibj": ["source.file=/taxi.npz"],
}


def stages() -> Stages:
    """Give the stages without Prefect around them."""

    def train(job: TrainingJob, folder: Path, in_process: bool) -> Path:
        assert in_process
        return training.train(job, folder=folder, in_process=True)

    return Stages(
        update_archive=prepare_data.update_archive.fn, prepare=prepare_data.prepare.fn,
        score=full_experiment.score.fn, explain=full_experiment.explain.fn, train=train,
    )  # fmt: skip


@cache
def built(name: str, scale: str) -> tuple[Study, list[PartRun]]:
    """Load a study and build every node of its parts, networks without memory for weights."""
    overrides = [f"experiment={name}", f"scale={scale}"]
    study = load_study(overrides)
    assert study is not None and study.shows == name and study.scale == scale
    places = {*study.at.get(scale, ())}.union(*(p.at.get(scale, ()) for p in study.parts.values()))
    files = [] if "source=arco" in places else [
        file for source, some in _FILES.items() if source in places for file in some
    ]  # fmt: skip
    return study, part_experiments(study, [*overrides, *files])


@pytest.mark.slow
@pytest.mark.parametrize(
    "scale", [s if s == "paper" else pytest.param(s, marks=pytest.mark.long) for s in SCALES]
)
@pytest.mark.parametrize("name", STUDIES)
def test_every_study_composes_and_builds(name: str, scale: str) -> None:
    for run in built(name, scale)[1]:
        assert set(run.rows.values()) == set(run.experiment.models)


def test_the_results_on_mumbai_give_every_network_as_many_steps() -> None:
    study = load_study(["experiment=results_mumbai"])
    assert study is not None and study.protocols == ("clean",)
    for run in part_experiments(study, ["experiment=results_mumbai"]):
        budgets = {
            (m.optimization.max_epochs, m.optimization.batches_per_epoch, m.optimization.batch_size)
            for m in run.experiment.models.values()
        }
        assert len(budgets) == 1 and set(run.rows.values()) == set(run.experiment.models)


def test_the_results_of_the_year_compare_thirteen_systems_that_correct_ridge() -> None:
    study = load_study(["experiment=results_year"])
    assert study is not None and "step_time" in study.costs  # how long each was trained
    run, *again = part_experiments(study, ["experiment=results_year"])
    assert [set(r.experiment.models) for r in again] == 2 * [set(study.repeated)]
    assert [r.experiment.seed for r in (run, *again)] == [0, 1, 2]
    assert [r.is_measured for r in (run, *again)] == [True, False, False]
    linear = [
        m for m in run.experiment.models.values() if "linear_reference" in m.network["_target_"]
    ]
    assert len(linear) >= 13 and set(run.rows.values()) == set(run.experiment.models)
    assert all(m.optimization.batches_per_epoch is not None for m in linear)


@pytest.mark.parametrize("name", [name for name in STUDIES if name.startswith("table")])
def test_every_published_row_has_a_model(name: str) -> None:
    study, runs = built(name, "smoke")
    rows = {run.name for run in runs} if study.counts_only else {r for x in runs for r in x.rows}
    assert rows >= {score.row for score in published_scores(name)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    workspace = tmp_path_factory.mktemp("study") / "workspace"
    overrides = ["experiment=table12", "scale=smoke", f"workspace={workspace}"]
    study = load_study(overrides)
    assert study is not None
    return run_study(study, overrides, stages=stages()), overrides


def test_a_table_has_ours_under_both_protocols_beside_the_published(finished) -> None:
    folder, _ = finished
    with (folder / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    scores = [row for row in rows if row["metric"] in ("mse", "rmse")]
    assert len(scores) == 4 * 4
    assert all(float(row["clean"]) > 0 and float(row["paper"]) > 0 for row in scores)
    published = {s.value for s in published_scores("table12")}
    assert {float(row["published"]) for row in rows} == published
    params = {row["row"]: float(row["clean"]) for row in rows if row["metric"] == "params"}
    assert params["Met2Net_8"] > params["Met2Net_4"] > 0
    assert "| uv10 MSE, m2 s-2 | TAU_8 |" in (folder / "table.md").read_text()


def test_a_table_is_logged_and_the_second_time_nothing_is_trained(finished) -> None:
    folder, overrides = finished
    workspace = folder.parents[1]
    client = mlflow.MlflowClient(f"sqlite:///{workspace / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("table12").experiment_id])
    assert {f.path for f in client.list_artifacts(run.info.run_id)} >= {"table.csv", "table.md"}
    assert run.data.metrics["clean/Met2Net_4/tcc/mse"] > 0
    watched = [*workspace.glob("trainings/*/model.safetensors"), *workspace.glob("**/scores.nc")]
    assert len(watched) == 8 + 4  # four networks and two parts, twice: both protocols
    before = {path: path.stat().st_mtime_ns for path in watched}
    study = load_study(overrides)
    assert study is not None
    assert run_study(study, overrides, stages=stages()) == folder
    assert {path: path.stat().st_mtime_ns for path in watched} == before


def test_a_model_that_is_repeated_has_to_be_one_of_a_row() -> None:
    overrides = ["experiment=results_year", "study.repeated=[tau, unet]"]
    study = load_study(overrides)
    assert study is not None
    with pytest.raises(DataError, match="study.repeated has 'unet'; expected some of \\['conv"):
        part_experiments(study, overrides)


def test_a_part_without_a_repeated_model_has_the_first_seed_alone() -> None:
    overrides = ["experiment=table12", "scale=smoke", "study.seeds=[0,1]"]
    study = load_study([*overrides, "study.repeated=[tau]"])
    assert study is not None
    runs = part_experiments(study, overrides)
    assert {run.experiment.seed for run in runs if "tau" not in run.rows.values()} == {0}
    assert {run.experiment.seed for run in runs if "tau" in run.rows.values()} == {0, 1}


def test_the_user_overrides_what_a_part_adds() -> None:
    overrides = ["experiment=table12", "scale=smoke", "++data.grid.resolution=30.0"]
    study = load_study(overrides)
    assert study is not None
    for run in part_experiments(study, overrides):
        assert run.experiment.grid is not None and run.experiment.grid.resolution == 30.0


def test_an_experiment_without_a_study_is_none() -> None:
    assert load_study(["experiment=demo"]) is None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("++study.protocols=[clan]", "study.protocols has 'clan'; expected some of clean, paper"),
        ("++study.metrics=[msee]", "study.metrics has 'msee'"),
        ("++study.costs=[price]", "study.costs has 'price'"),
        ("++study.drawings=[chart]", "study.drawings has 'chart'"),
        ("++study.protocols=[]", "study.protocols is empty"),
        ("study.seeds=[0,1,0]", "study.seeds has 0 more than once; expected different seeds"),
        ("++study.learning_rates=[-1]", "study.learning_rates has -1"),
        ("++study.search_epochs=0", "study.search_epochs is 0"),
        ("++study.colour=red", "no setting 'colour' in 'study'; valid: analyze"),
        ("++study.scale=huge", "study has scales huge"),
    ],
)
def test_a_wrong_setting_is_one_line(override: str, message: str) -> None:
    overrides = ["experiment=table12", override]
    with pytest.raises(ConfigError, match=message):
        load_study(overrides)


def test_a_scale_makes_no_study_of_an_experiment_that_is_none() -> None:
    assert load_study(["experiment=pearl_river", "scale=smoke"]) is None
    with pytest.raises(ConfigError, match="study has no 'shows'"):
        load_study(["experiment=demo", "study.seeds=[0,1]"])


def test_a_study_without_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="study.parts is empty"):
        Study(shows="table1", parts={})


def test_a_row_of_no_model_is_refused() -> None:
    study = Study(shows="table12", parts={"all": Part(rows={"TAU_1": "tao"})})
    with pytest.raises(DataError, match="a row names model 'tao'; expected one of"):
        part_experiments(study, ["experiment=table12"])


def test_every_study_has_a_file() -> None:
    files = {path.stem for path in (CONFIGS / "experiment").glob("*.yaml")}
    assert files.issuperset(STUDIES)
