"""A metric from outside the package, one class, stands in all scores."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from met2net.verification.metrics import METRICS
from met2net.verification.own_metrics import OwnMetric, register_metric, unregister_metric
from met2net.verification.score_stream import compute_statistics
from met2net.verification.statistics import PLAIN, Statistics, own_names
from tests.met2net.verification.test_score_intervals import _intervals, _scored
from tests.met2net.verification.test_scores import _fields, _score, _windows
from tests.own_metric import MeanDistance

PAGE = (Path(__file__).parents[3] / "docs" / "library.md").read_text(encoding="utf-8")
(HIT_RATE,) = re.findall(r"```python\n(from met2net import OwnMetric.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def hit_rate():
    exec(HIT_RATE, {})
    yield "hit_rate"
    unregister_metric("hit_rate")


def test_the_metric_of_the_page_stands_in_the_scores(hit_rate) -> None:
    def last(inputs, init_time):
        return inputs[:, -1:].expand(-1, 3, -1, -1, -1)

    fields = _fields()
    scores = _score({"last": last}, fields)
    assert scores["metric"].values.tolist()[-1] == "hit_rate"
    batch = _windows(fields).batch(np.arange(len(_windows(fields))))
    observed, forecast = batch["targets"].numpy() > 1, last(batch["inputs"], None).numpy() > 1
    for lead in range(3):
        for channel in range(2):
            events, hits = observed[:, lead, channel], forecast[:, lead, channel]
            found = scores["score"].sel(model="last", metric="hit_rate", weighting="plain")
            expected = (events & hits).sum() / events.sum()
            np.testing.assert_allclose(found[channel, lead], expected, rtol=1e-12)
    for name in ("regional", "seasonal", "hourly"):
        assert "hit_rate" in scores[name]["metric"].values
    again = _score({"last": last}, fields, batch_size=5)
    np.testing.assert_allclose(again["score"], scores["score"], rtol=1e-12)


def test_a_metric_with_sums_of_its_own_has_the_intervals_of_the_built_in_one() -> None:
    register_metric(MeanDistance)
    try:
        found = _intervals(*_scored())
    finally:
        unregister_metric("mean_distance")
    for name in ("score_low", "score_high", "pooled_low", "pooled_high"):
        own, built_in = (found[name].sel(metric=m).values for m in ("mean_distance", "mae"))
        assert np.isfinite(own).all()
        np.testing.assert_allclose(own, built_in, rtol=1e-12, atol=1e-14)
    alone = _intervals(*_scored())  # and changes no other
    np.testing.assert_allclose(
        found["score_low"].drop_sel(metric="mean_distance"), alone["score_low"],
        rtol=1e-12, atol=1e-14,
    )  # fmt: skip


def test_without_it_the_sums_are_those_of_before(hit_rate) -> None:
    assert own_names() == ("hit_rate.hits", "hit_rate.events")
    fields = torch.zeros(1, 1, 1, 2, 2)
    with_own = compute_statistics(
        fields, fields, climatology=fields, latitude_weights=np.ones(2)
    ).stacked()
    assert len(with_own) == 13
    known = Statistics.of(with_own[:11])  # as out of a file that knows no metrics of one's own
    assert np.isnan(METRICS["hit_rate"].compute(known)).all()
    with pytest.raises(ValueError, match="found 1 sums of registered metrics; expected 2"):
        Statistics.of(with_own[:12])


def test_a_metric_of_the_sums_that_are_there_needs_no_others() -> None:
    @register_metric
    class ErrorSpread(OwnMetric):
        name = "error_spread"
        power = 1

        def compute(self, sums):
            mean = sums["error"] / sums["weight"]
            return np.sqrt(sums["squared_error"] / sums["weight"] - mean**2)

    try:
        assert own_names() == ()
        forecast = torch.tensor([1.0, 3.0]).view(1, 1, 1, 1, 2)
        zero = torch.zeros_like(forecast)
        s = compute_statistics(forecast, zero, climatology=zero, latitude_weights=np.ones(1))
        np.testing.assert_allclose(METRICS["error_spread"].compute(s)[PLAIN], 1.0)
    finally:
        unregister_metric("error_spread")


def _metric(**changes) -> type[OwnMetric]:
    given = {"name": "odd", "compute": lambda self, sums: sums["weight"]}
    return type("Odd", (OwnMetric,), given | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "metric Odd has name ''; expected one of its own"),
        ({"name": "rmse"}, "metric Odd has name 'rmse'; expected one of its own, none of: acc"),
        ({"statistics": ("error",)}, "has statistics error; expected names of their own"),
        ({"statistics": ("a", "a")}, "expected names of their own, each once"),
    ],
)
def test_wrong_metrics_are_refused(changes, message) -> None:
    with pytest.raises(ValueError, match=message):
        register_metric(_metric(**changes))
    assert "odd" not in METRICS


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "metric odd gives sums none; expected a, as its `statistics` say"),
        ({"a": torch.zeros(1)}, r"gives a of shape \(1,\); expected \(1, 1, 1, 2, 2\), one number"),
    ],
)
def test_sums_must_be_those_that_were_said(given, message) -> None:
    register_metric(_metric(statistics=("a",), summands=lambda self, f, o, c: given))
    try:
        fields = torch.zeros(1, 1, 1, 2, 2)
        with pytest.raises(ValueError, match=message):
            compute_statistics(fields, fields, climatology=fields, latitude_weights=np.ones(2))
    finally:
        unregister_metric("odd")


def test_only_a_registered_metric_can_be_left_out() -> None:
    for name in ("rmse", "nothing"):
        with pytest.raises(ValueError, match="expected a registered one of one's own"):
            unregister_metric(name)
