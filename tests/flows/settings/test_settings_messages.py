"""A wrong setting is told in one line that names it, what was found and what could stand there."""

import subprocess
import sys
from pathlib import Path

import pytest

from flows.settings.compose import resolve
from flows.settings.config import load_experiment
from flows.settings.config_error import ConfigError
from pipelines.sources.arco import Arco
from pipelines.sources.cds import Cds
from pipelines.sources.files import Files
from pipelines.sources.generated import Generated

ROOT = Path(__file__).resolve().parents[3]
PREFECT = Path(sys.executable).with_name("prefect")
MONTHLY, FORECAST = "monthly_retrain", "forecast"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        # What is at fault, with the experiment that was asked for; not what stands beside it.
        (["experiment=mumbai", "data.variables.msl=[msl]", "training.max_epoch=3"],
         "no setting 'max_epoch' in 'training'; did you mean 'max_epochs'?; valid: accumulate_ba"),
        (["~models.tau", "training.max_epoch=3"], "no setting 'max_epoch' in 'training'; did you"),
        (["experimnt=demo"], "no setting 'experimnt'; did you mean 'experiment'?; valid: archive,"),
        (["max_epochs=3"], "no setting 'max_epochs'; did you mean 'training.max_epochs'?"),
        (["grid.box={north: 20}"], "no setting 'grid'; did you mean 'data.grid'?"),
        (["~models.tauu"], "override '~models.tauu': Could not delete from config"),
        (["source=null"], "no source 'null'; choose one of: arco, cds, "),
        (["+model@models.new=tauu"], "no model 'tauu'; choose one of: convlstm,"),
        (["model@models.new=tau"], "append to your default list use +model@models.new=tau"),
        (["hydra.mode=RUN"], "no setting 'hydra'; valid: archive,"),
        (["=3"], "cannot read the key of override '=3'; expected key=value"),
        # Values of another kind, by the setting's full name.
        (["+data.variables.foo=[foo]"], "data.variables.foo: unknown channel 'foo'; expected one"),
        (["data.variables=[t2m]"], "data.variables is ['t2m']; expected names, each with a li"),
        (["source=files", "source.folder=null"], "source.folder is null; expected a text"),
        (["source=files"], "source.folder has no value; expected one: source.folder=..."),
        (["training.max_epochs=2.5"], "training.max_epochs is 2.5; expected a whole number"),
        (["training.batch_size=8.0"], "training.batch_size is 8.0; expected a whole number"),
        (["seed=4294967296"], "seed is 4294967296; expected 0 to 4294967295"),
        (["seed=-1"], "seed is -1; expected 0 to 4294967295"),
        (["seed=01"], "seed is '01'; expected a whole number"),
        (["seed=true"], "seed is True; expected a whole number"),
        (["seed=[1"], "seed is '[1'; expected a whole number"),
        (["training.learning_rate=inf"], "training.learning_rate is inf; expected a finite number"),
        (["training.patience=none"], "training.patience is 'none'; expected a whole number or n"),
        (["trainer.devices=auto"], "trainer.devices is 'auto'; expected a whole number"),
        (["training.precision=16"], "training.precision is 16; expected one of: 32-true, bf16-mi"),
        (["trainer.compile=1"], "trainer.compile is 1; expected true or false"),
        (["models.tau.network=3"], "models.tau.network is 3; expected settings of Network"),
        (["training._target_=os.system"], "training._target_ is 'os.system'; expected none"),
        (["training.max_epochs=0"], "training.max_epochs is 0; expected at least 1"),
        (["training.seed=-1"], "training.seed is -1; expected 0 to 4294967295"),
        # Several runs.
        (["seed=1,2"], "seed=1,2 asks for several runs; expected one value: run one command each"),
        (["experiment=demo,mumbai"], "no experiment 'demo,mumbai'; choose one of: demo,"),
        # Places that cannot be.
        (["workspace=null"], "workspace is null; expected a path"),
        (["workspace="], "workspace is ''; expected a path"),
        (["workspace=/etc/passwd"], "workspace is '/etc/passwd', and /etc/passwd is a file; expec"),
        (["workspace=/etc/passwd/x"], "workspace is '/etc/passwd/x', and /etc/passwd is a file"),
        # Hours that do not fit each other.
        (["data.splits.test.end=2001-01-01"], "data.splits.test: period ends 2001-01-01, before"),
        (["tracking.uri=nonsense"], "tracking.uri is 'nonsense'; expected sqlite:///FILE or http"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(overrides)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.devices=0", "trainer.devices is 0; expected at least 1"),
        ("models.tau.optimization.max_epochs=0", "models.tau.optimization.max_epochs is 0; expec"),
        ("evaluation.scoring.block_days=0", "evaluation.scoring.block_days is 0"),
        ("data.splits.test.start=2001-01-01", "data.splits: splits train .* overlap"),
        ("source.spin_up_days=0", "source.spin_up_days is 0; expected at least 1"),
    ],
)
def test_what_a_class_refuses_is_told_by_its_full_name(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}") as caught:
        load_experiment([override])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("config", [MONTHLY, FORECAST])
def test_a_flow_of_weather_refuses_images(config: str) -> None:
    with pytest.raises(ConfigError, match="data.form is 'image_sequences'; expected weather"):
        resolve(["experiment=mvmmfnist"], config=config)


@pytest.mark.parametrize(
    ("overrides", "source"),
    [
        (["experiment=mumbai", "source=cds"], Cds),
        (["experiment=mumbai", "source=arco"], Arco),
        (["experiment=demo", "source=generated"], Generated),
        (["experiment=demo", "source=files", "source.folder=x"], Files),
        (["experiment=weather", "source=generated"], Generated),
    ],
)
def test_another_source_takes_the_place_of_an_experiment_s(overrides, source) -> None:
    assert type(load_experiment(overrides).source) is source


PATHS = ["/a/era5 (1)", "/a=b", "/a,b", "/a[0]", "/a#1", "~/era5", "/a b/c", "/ä/測候所", "[y]",
         "/a'b", 'x"y', "a%20b", "what?", "/a;b&c|d", "{x}", "007", "true", "C:\\era5\\", 
         "/a/ b"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_taken_as_it_is(path: str) -> None:
    settings = resolve(["source=files", f"source.folder={path}", f"workspace={path}"])
    assert settings["source"]["folder"] == path
    assert settings["workspace"] == path
    assert settings["tracking"]["uri"] == f"sqlite:///{path}/mlflow.db"


@pytest.mark.parametrize("quoted", ["'a, b'", '"a, b"'])
def test_quotes_around_a_path_are_none_of_it(quoted: str) -> None:
    assert resolve([f"workspace={quoted}"])["workspace"] == "a, b"


def test_a_text_may_refer_to_another_setting() -> None:
    assert resolve(["title=${name}, again"])["title"] == "demo, again"


@pytest.mark.parametrize(
    ("flow", "overrides", "message"),
    [
        # One a flow: the rest is said in the same way, as above.
        ("full_experiment", ["experiment=mumbai", "data.variables.msl=[msl]",
                             "training.max_epoch=3"], "error: no setting 'max_epoch'"),
        ("monthly_retrain", ["experiment=mvmmfnist"], "error: data.form is 'image_sequences'"),
    ],
)  # fmt: skip
def test_it_is_said_before_a_server_starts(
    tmp_path: Path, flow: str, overrides: list[str], message: str
) -> None:
    workspace = tmp_path / "workspace"
    ran = subprocess.run(
        [PREFECT, "run", f"flows/{flow}.py", f"workspace={workspace}", *overrides], cwd=ROOT,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 2
    assert ran.stderr.startswith(message)
    assert len(ran.stderr.strip().splitlines()) == 1
    assert ran.stdout == ""
    assert not workspace.exists()  # where the server keeps its database
