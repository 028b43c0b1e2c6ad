"""What a training set does not have is refused before anything is trained."""

from pathlib import Path

import pytest

from met2net.data.windows import WindowSpec
from pipelines.errors import DataError
from pipelines.evaluation.score_checks import check_scoring
from pipelines.evaluation.settings import EvaluationSettings, ScoringSettings
from tests.pipelines.small_project import WINDOW, make_training_set

NOWHERE = {"south": 88.0, "north": 88.1, "west": 1.0, "east": 1.1}


@pytest.fixture(scope="module")
def training_set(tmp_path_factory):
    return make_training_set(tmp_path_factory.mktemp("project"))


def test_what_is_there_passes(training_set: Path) -> None:
    check_scoring(training_set, window=WINDOW, evaluation=EvaluationSettings(num_examples=44))


@pytest.mark.parametrize(
    ("evaluation", "window", "message"),
    [
        # Two days of 48 hours hold 48 - 5 + 1 windows of five hours.
        (EvaluationSettings(num_examples=45), WINDOW, "num_examples is 45; expected at most 44"),
        (EvaluationSettings(), WindowSpec.regular(num_inputs=3, num_targets=46),
         "found no window in split 'validation'"),
        (EvaluationSettings(), WindowSpec.regular(num_inputs=3, num_targets=43),
         "found 3 windows in split 'test'; expected at least 4 to analyze"),
        (EvaluationSettings(scoring=ScoringSettings(regions={"a": NOWHERE})), WINDOW,
         "regions: region a has no point"),
        (EvaluationSettings(scoring=ScoringSettings(land_sea_mask="no.nc")), WINDOW,
         "found no file no.nc; expected a land-sea mask"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named(
    training_set: Path, evaluation: EvaluationSettings, window: WindowSpec, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        check_scoring(training_set, window=window, evaluation=evaluation)


def test_few_windows_are_enough_where_nothing_is_analyzed(training_set: Path) -> None:
    window = WindowSpec.regular(num_inputs=3, num_targets=43)
    check_scoring(training_set, window=window, evaluation=EvaluationSettings(), analyzes=False)
