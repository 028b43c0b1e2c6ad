from collections.abc import Mapping

import pytest
from synthetic_run import make_scores
from torch import nn

from met2net.checkpoint import Checkpoint
from met2net.grid import equiangular
from met2net.normalization import Normalizer
from met2net.windows import WindowSpec
from pipelines.model_card import model_card, picture_addresses, report_address, shorten


def make_card(
    attribution: str = "Contains Copernicus information",
    more_tags: Mapping[str, str] | None = None,
    report: str | None = None,
    **figures: str,
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
    scores = make_scores(["met2net", "tau"], ["t2m", "tcc"])
    tags = {"archive_snapshot": "S1", "protocol": "clean", **(more_tags or {})}
    return model_card(
        name="demo", model="tau", checkpoint=checkpoint, scores=scores, tags=tags,
        figures=figures, report=report,
    )  # fmt: skip


def test_card_compares_the_model_with_the_baselines_alone():
    card = make_card()
    rows = [line for line in card.splitlines() if line.startswith("|")]
    assert rows[0] == "| model | normalized | t2m [K] | tcc |"
    assert [row.split("|")[1].strip() for row in rows[2:]] == [
        "tau", "persistence", "anomaly_persistence", "climatology",
    ]  # fmt: skip
    assert "met2net" not in card
    assert card.count("|", card.index("| model")) == 5 * 6


def test_card_says_shape_provenance_limits_and_attribution():
    card = make_card(scoreboard="get-artifact?x")
    for text in (
        "Channels, in this order: t2m [K], tcc",
        "12 frames at -66, -60, ..., 0 h",
        "2 frames at +6, +12 h",
        "- archive_snapshot: `S1`",
        "- training_set: `0123`",
        "Not for warnings",
        "![scoreboard](get-artifact?x)",
        "*Contains Copernicus information*",
    ):
        assert text in card
    assert "*" not in make_card(attribution="").replace("*normalized*", "")


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
    assert picture_addresses(paths, run_id="r1") == {
        "map a b": "get-artifact?path=figures%2Fmap_a%20b.png&run_uuid=r1",
        "training": "get-artifact?path=figures%2Ftraining.png&run_uuid=r1",
    }


@pytest.mark.parametrize("length", [200, 500, 10_000])
def test_a_shortened_card_fits_and_says_where_the_rest_is(length):
    card = make_card()
    short = shorten(card, length=length)
    assert len(short) <= length
    assert (short == card) == (len(card) <= length)
    if short != card:
        assert "model_card.md" in short and card.startswith(short.split("\n\n...")[0])
