import pytest

from flows.profile_training import profile_training
from flows.settings.compose import resolve
from flows.settings.config import load_experiment
from pipelines.errors import DataError


def test_its_configuration_is_an_experiment_s_and_its_own() -> None:
    overrides = ["experiment=demo", "profile.num_batches=3"]
    assert resolve(overrides, config="profile_training")["profile"] == {
        "models": [], "num_batches": 3,
    }  # fmt: skip
    here = load_experiment(overrides, config="profile_training")
    assert here.models == load_experiment(["experiment=demo"]).models


def test_an_unknown_model_is_refused_before_anything_runs() -> None:
    with pytest.raises(DataError, match="profile.models has 'tao'; expected some of: met2net, tau"):
        profile_training.fn(["profile.models=[tao]"])
