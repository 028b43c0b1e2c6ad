from pipelines.evaluation.summary import verdict
from pipelines.report.comparisons import comparison_table
from tests.pipelines.synthetic_run import make_full_scores, make_scores


def test_a_network_is_compared_with_every_other_model():
    scores = make_full_scores()
    table = comparison_table(scores, network="tau")
    assert [row[0] for row in table.rows] == [
        "met2net", "persistence", "anomaly_persistence", "climatology",
    ]  # fmt: skip
    # Errors are 0.1, 0.2, ... 0.5 of something: tau is twice met2net and half of the fourth.
    assert [row[1] for row in table.rows] == ["-100.0", "33.3", "50.0", "60.0"]
    assert table.intervals[2, 1] == ("48.0", "52.0")
    assert table.header[2:] == (
        "DM, all leads", "p, all leads", "DM, +1 h", "p, +1 h", "DM, +6 h", "p, +6 h",
    )  # fmt: skip
    assert table.rows[1][3] == "< 0.001"
    assert comparison_table(make_scores(), network="tau") is None


def set_margins(scores, ends):
    """Give the margins of `net` over others their intervals."""
    for other, (low, high) in ends.items():
        place = {"model": "net", "other_model": other}
        scores["margin_low"].loc[place] = low
        scores["margin_high"].loc[place] = high


def test_the_verdict_says_its_margins_with_intervals():
    scores = make_full_scores(["net"], ["t2m"])
    errors = [0.4, 0.5, 0.3, 0.8]
    scores["normalized_rmse"].values[:] = errors
    set_margins(scores, {
        "persistence": (0.18, 0.22), "anomaly_persistence": (-0.4, -0.25),
        "climatology": (0.45, 0.55),
    })  # fmt: skip
    assert str(verdict(scores)) == (
        "net beats persistence by 20.0% [18.0, 22.0] and climatology by 50.0% [45.0, 55.0] but "
        "is behind anomaly persistence by 33.3% [25.0, 40.0] in normalized RMSE (0.4000, 240 "
        "windows of the test split; brackets: 95 % intervals)."
    )


def test_a_margin_of_either_sign_is_no_lead_and_a_small_one_is_shown():
    scores = make_full_scores(["net", "rival", "last"], ["t2m"])
    # persistence, anomaly persistence, climatology
    scores["normalized_rmse"].values[:] = [0.4, 0.40004, 0.6, 0.5, 0.39988, 0.8]
    set_margins(scores, {
        "persistence": (-0.0004, 0.4), "anomaly_persistence": (-0.0004, -0.0002),
        "climatology": (0.45, 0.55), "rival": (0.00004, 0.00016), "last": (0.3, 0.4),
    })  # fmt: skip
    assert str(verdict(scores)) == (
        "net beats climatology by 50.0% [45.0, 55.0] and rival by 0.010% [0.004, 0.016], is level "
        "with persistence [-0.04, 40.00] but is behind anomaly persistence by 0.03% [0.02, 0.04] "
        "in normalized RMSE (0.4000, 240 windows of the test split; brackets: 95 % intervals)."
    )
