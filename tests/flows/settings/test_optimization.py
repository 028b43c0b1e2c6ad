"""How networks are trained: what settings name is found, refused early, and kept plain."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from flows.settings.compose import compose
from flows.settings.config import load_experiment
from flows.settings.config_error import ConfigError
from met2net.models import own_classes
from met2net.training.schedule import schedule_of
from pipelines.training.job import read_job, write_job
from pipelines.trusted_packages import TRUSTED
from tests.own_schedule import PowerDecay
from tests.pipelines.training.training_jobs import make_job

OWN = "{_target_: tests.own_schedule.PowerDecay, power: 2}"


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_classes, "_REGISTERED", {})


def test_an_own_schedule_of_a_trusted_package_comes_by_configuration(tmp_path: Path) -> None:
    experiment = load_experiment(
        [f"training.schedule={OWN}", "models.tau.optimization.schedule=cosine"]
    )
    settings = experiment.models["met2net"].optimization
    assert schedule_of(settings)(1, total_steps=4) == 0.75**2
    assert experiment.models["tau"].optimization.schedule == "cosine"
    job = replace(make_job(Path("set")), optimization=settings)
    write_job(job, tmp_path / "job.json")
    own_classes._REGISTERED.clear()  # as in the process that trains
    kept = read_job(tmp_path / "job.json")
    assert kept == job and kept.fingerprint == job.fingerprint
    assert isinstance(schedule_of(kept.optimization), PowerDecay)


def test_a_schedule_counts_in_what_a_training_is_named_by() -> None:
    job = make_job(Path("set"))
    names = {job.fingerprint}
    for power in (1, 2):
        own_classes.register(PowerDecay)
        schedule = own_classes.settings_of(PowerDecay, power=power)
        names.add(
            replace(job, optimization=replace(job.optimization, schedule=schedule)).fingerprint
        )
    assert len(names) == 3


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.schedule=step", "training.schedule is 'step'; expected one_cycle, cosine, cons"),
        ("training.schedule={power: 2}", "training.schedule: settings have no _target_"),
        (f"training.schedule={OWN.replace('power:', 'exponent:')}", "no setting 'exponent' in 'tr"),
        (f"training.schedule={OWN.replace('2', 'two')}", "training.schedule.power is 'two'; expec"),
        (f"training.schedule={OWN.replace('PowerDecay, power: 2', 'Other')}",
         "training.schedule: _target_ is 'tests.own_schedule.Other', but tests.own_schedule defin"),
        (f"training.schedule={OWN.replace('PowerDecay, power: 2', 'Endless')}",
         "training.schedule is Endless .*; expected a class whose objects are called with .step"),
        ("training.schedule={_target_: os.system}", "training.schedule: _target_ is 'os.system';"),
        ("models.tau.optimization._target_=met2net.training.objective.EndToEnd",
         "no setting 'learning_rate' in 'models.tau.optimization'"),
        ("training.optimizer=LBFGS", "training.optimizer is 'LBFGS', which has no learning rate"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}") as caught:
        compose([override])
    assert "\n" not in str(caught.value)


def test_a_package_that_is_not_trusted_gives_no_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TRUSTED)
    with pytest.raises(
        ConfigError, match=r"^training.schedule: _target_ is 'tests.own_schedule.Po"
    ):
        compose([f"training.schedule={OWN}"])
    model = f"models.tau.optimization.schedule={OWN}"
    with pytest.raises(
        ConfigError, match=r"^models.tau.optimization.schedule: _target_ is 'tests."
    ):
        load_experiment([model])


def test_optimizer_arguments_stay_plain_for_the_file_of_a_job() -> None:
    experiment = load_experiment(["training.optimizer_arguments={betas: [0.9, 0.95]}"])
    settings = experiment.models["met2net"].optimization
    assert json.loads(json.dumps(asdict(settings)))["optimizer_arguments"] == {"betas": [0.9, 0.95]}
