from collections.abc import Mapping

import pytest
import xarray as xr
from PIL import Image
from torch import nn

from met2net.checkpoint import Checkpoint
from met2net.data.grid import equiangular
from met2net.data.normalization import Normalizer
from met2net.data.windows import WindowSpec
from pipelines.registry.model_card import (
    card_pictures,
    model_card,
    picture_addresses,
    report_address,
    shorten,
    shrink_pictures,
)
from tests.pipelines.synthetic_run import make_scores


def make_card(
    attribution: str = "Contains Copernicus information",
    more_tags: Mapping[str, str] | None = None,
    report: str | None = None,
    scores: xr.Dataset | None = None,
    **figures: tuple[str, str],
) -> str:
    checkpoint = Checkpoint(
        network=nn.Identity(),
        settings={},
        normalizer=Normalizer(("t2m", "tcc"), (285.0, 0.5), (14.0, 0.3)),
        grid=equiangular(5.625),
        window=WindowSpec.regular(num_inputs=12, num_targets=2, step_hours=6),
        variables={"t2m": ("t2m",), "tcc": ("tcc",)},
        units=("K", "1"),
        provenance={"training_set": "0123", "attribution": attribution},
    )
    scores = make_scores(["met2net", "tau"], ["t2m", "tcc"]) if scores is None else scores
    tags = {"archive_snapshot": "S1", "protocol": "clean", **(more_tags or {})}
    return model_card(
        name="demo", model="tau", checkpoint=checkpoint, scores=scores, tags=tags,
        figures=figures, report=report,
    )  # fmt: skip


def test_card_has_every_scored_model_best_first_and_marks_its_own():
    card = make_card()
    rows = [line for line in card.splitlines() if line.startswith("|")]
    assert rows[0] == "| model | normalized (plain) | t2m [K] | tcc |"
    scores = make_scores(["met2net", "tau"], ["t2m", "tcc"])
    ranked = scores["normalized_rmse"].to_series().sort_values()
    found = [row.split("|")[1].strip() for row in rows[2:]]
    assert [name.removeprefix("**").split("**")[0] for name in found] == list(ranked.index)
    assert [name for name in found if "**" in name] == ["**tau** (this model)"]
    assert card.count("|", card.index("| model")) == 5 * (2 + len(ranked))


def test_all_columns_of_the_card_count_points_alike():
    scores = make_scores(["met2net", "tau"], ["t2m", "tcc"])
    scores["pooled"].loc[{"weighting": "area"}] = 99.0
    scores["pooled"].loc[{"weighting": "plain", "metric": "rmse", "model": "tau"}] = 1.25
    card = make_card(scores=scores)
    row = next(line for line in card.splitlines() if line.startswith("| **tau**"))
    assert row.count("1.25") == 2 and "99" not in row
    assert "plain, not weighted by area" in card


def test_card_says_shape_provenance_limits_and_attribution():
    card = make_card(scoreboard=("get-artifact?x", "get-artifact?y"))
    for text in (
        "Channels, in this order: t2m [K], tcc",
        "12 frames at -66, -60, ..., 0 h",
        "2 frames at +6, +12 h",
        "- archive_snapshot: `S1`",
        "- training_set: `0123`",
        "Not for warnings",
        "[![scoreboard](get-artifact?x)](get-artifact?y)",
        "*Contains Copernicus information*",
    ):
        assert text in card
    assert "*" not in make_card(attribution="").replace("*normalized*", "").replace("**", "")


def test_a_monthly_model_says_first_what_was_decided_and_why():
    card = make_card(
        more_tags={"month": "2020-02", "decision": "declined", "champion_before": "3",
                   "reasons": '["1 % worse", "not surely"]', "decided_at": "2020-03-07"},
    )  # fmt: skip
    assert "**Challenger of 2020-02: declined**, against version 3:\n\n- 1 % worse\n" in card
    assert card.index("not surely") < card.index("## Scores")
    assert "decided_at" not in card and "reasons" not in card
    assert "no champion before it" in make_card(
        more_tags={"month": "2020-01", "decision": "promoted", "reasons": "[]"}
    )
    assert "Challenger" not in make_card()


def test_a_card_leads_to_the_report_where_there_is_one():
    address = report_address(experiment_id="7", run_id="r1")
    assert address == "#/experiments/7/runs/r1/artifacts/report.html"
    card = make_card(report=address)
    assert f"[The report]({address})" in card and card.index("report") < card.index("## Scores")
    assert "The report" not in make_card()


def test_pictures_are_chosen_in_order_and_addressed_safely(tmp_path):
    paths = [tmp_path / f"{name}.png" for name in ("map_a b", "training", "cka", "map_c")]
    chosen = card_pictures(paths)
    assert [path.stem for path in chosen] == ["map_a b", "training"]
    assert picture_addresses(chosen, run_id="r1") == {
        name: (
            f"get-artifact?path=card_pictures%2F{quoted}.png&run_uuid=r1",
            f"get-artifact?path=figures%2F{quoted}.png&run_uuid=r1",
        )
        for name, quoted in (("map a b", "map_a%20b"), ("training", "training"))
    }


@pytest.mark.parametrize(
    ("size", "expected"), [((1280, 500), (512, 200)), ((300, 200), (300, 200))]
)
def test_no_picture_of_a_card_is_wider_than_its_page(tmp_path, size, expected):
    (tmp_path / "small").mkdir()
    Image.new("RGB", size).save(tmp_path / "map.png")
    (small,) = shrink_pictures([tmp_path / "map.png"], tmp_path / "small")
    with Image.open(small) as picture:
        assert picture.size == expected
    with Image.open(tmp_path / "map.png") as picture:
        assert picture.size == size


@pytest.mark.parametrize("length", [200, 500, 10_000])
def test_a_shortened_card_fits_and_says_where_the_rest_is(length):
    card = make_card()
    short = shorten(card, length=length)
    assert len(short) <= length
    assert (short == card) == (len(card) <= length)
    if short != card:
        assert "model_card.md" in short and card.startswith(short.split("\n\n...")[0])
