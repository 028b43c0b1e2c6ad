from pathlib import Path

import pytest

from pipelines.errors import DataError
from pipelines.training.profile import profile_job
from tests.pipelines.small_project import make_training_set
from tests.pipelines.training.training_jobs import make_job, with_trainer

pytestmark = pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers")


@pytest.fixture(scope="module")
def training_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_training_set(tmp_path_factory.mktemp("data"))


def test_a_job_is_profiled_on_its_own_data_and_leaves_no_file(training_set: Path) -> None:
    before = sorted(training_set.parents[1].rglob("*"))
    job = make_job(training_set)
    plain = profile_job(job, num_batches=2)
    assert plain.seconds > 0
    # Recomputing costs operations: the blocks' forward pass once more.
    recomputed = profile_job(with_trainer(job, recompute_activations=True), num_batches=2)
    assert recomputed.multiply_adds > 1.05 * plain.multiply_adds
    assert sorted(training_set.parents[1].rglob("*")) == before


def test_too_few_batches_are_the_user_s_mistake(training_set: Path) -> None:
    with pytest.raises(DataError, match="9 batches; expected at least 22 to measure"):
        profile_job(make_job(training_set), num_batches=10)
