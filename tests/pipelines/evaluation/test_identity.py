from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from met2net.data.windows import WindowSpec
from met2net.verification.own_metrics import register_metric, unregister_metric
from pipelines.errors import DataError
from pipelines.evaluation import identity as result_identity
from pipelines.evaluation.identity import ScoredModels, scoring_identity
from pipelines.evaluation.protocol import Protocol
from pipelines.evaluation.settings import ScoringSettings
from pipelines.fingerprint import file_sha256
from tests.own_metric import MeanDistance


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScoredModels:
    opened = SimpleNamespace(open=lambda path: SimpleNamespace(attrs={"fingerprint": path.stem}))
    monkeypatch.setattr(result_identity, "TrainingSet", opened)
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(result_identity, "content_of", file_sha256)
    checkpoints = {"met2net": tmp_path / "a", "tau": tmp_path / "b"}
    window = WindowSpec.regular(num_inputs=2, num_targets=2)
    return ScoredModels(Path("set.zarr"), window, "test", checkpoints, Protocol())


def test_scores_follow_from_weights_and_not_from_their_place(
    models: ScoredModels, tmp_path: Path
) -> None:
    before = models.scores(ScoringSettings())
    (tmp_path / "elsewhere").write_text("a")
    moved = replace(models, checkpoints={**models.checkpoints, "met2net": tmp_path / "elsewhere"})
    assert moved.scores(ScoringSettings()) == before
    (tmp_path / "elsewhere").write_text("trained again")
    assert replace(moved).scores(ScoringSettings()) != before
    names = {
        replace(models, split="validation").scores(ScoringSettings()),
        replace(models, training_set=Path("other.zarr")).scores(ScoringSettings()),
        replace(models, checkpoints=dict(reversed(models.checkpoints.items()))).scores(
            ScoringSettings()
        ),
        models.scores(ScoringSettings(block_days=5)),
        models.examples(1),
        models.examples(2),
        models.analysis(num_samples=8, seed=0),
        before,
    }
    assert len(names) == 8


def test_a_metric_of_one_s_own_counts_by_its_name_while_it_is_registered() -> None:
    before = scoring_identity(ScoringSettings())
    register_metric(MeanDistance)
    try:
        assert scoring_identity(ScoringSettings()) == [*before, ["mean_distance"]]
    finally:
        unregister_metric("mean_distance")
    assert scoring_identity(ScoringSettings()) == before


def test_a_mask_counts_by_its_content(tmp_path: Path) -> None:
    mask = tmp_path / "mask.nc"
    with pytest.raises(DataError, match="land_sea_mask is .*mask.nc; expected a file, or"):
        scoring_identity(ScoringSettings(land_sea_mask=str(mask)))
    mask.write_text("land")
    land = scoring_identity(ScoringSettings(land_sea_mask=str(mask)))
    mask.rename(tmp_path / "moved.nc")
    assert scoring_identity(ScoringSettings(land_sea_mask=str(tmp_path / "moved.nc"))) == land


def test_a_mask_may_be_a_zarr_store(tmp_path: Path) -> None:
    store = tmp_path / "mask.zarr"
    (store / "c").mkdir(parents=True)
    (store / "c" / "0").write_text("land")
    before = scoring_identity(ScoringSettings(land_sea_mask=str(store)))
    (store / "c" / "0").write_text("sea")
    assert scoring_identity(ScoringSettings(land_sea_mask=str(store))) != before


def test_kept_forecasts_change_no_score() -> None:
    kept = scoring_identity(ScoringSettings(save_forecasts=True))
    assert kept == scoring_identity(ScoringSettings())


def test_tracks_follow_from_the_best_track_and_not_from_how_the_storm_is_written(
    models: ScoredModels, tmp_path: Path
) -> None:
    table = tmp_path / "best.csv"
    table.write_text("one")
    before = models.tracks("Mawar 2023", table=table)
    assert models.tracks("mawar 2023", table=table) == before
    assert models.tracks("2023138N05151", table=table) == before
    table.write_text("two")
    assert models.tracks("Mawar 2023", table=table) != before
