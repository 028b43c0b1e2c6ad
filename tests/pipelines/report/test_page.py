import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from pipelines.errors import DataError
from pipelines.evaluation.summary import decimals_for, open_scores, skill, verdict
from pipelines.evaluation.terminal_table import scores_table
from pipelines.maps.settings import MapSettings
from pipelines.report.page import write_report
from pipelines.report.published import PublishedTable
from pipelines.report.tables import lead_time_tables, pooled_table, skill_table, window_tables
from tests.pipelines.synthetic_run import (
    make_example,
    make_full_scores,
    make_run_folder,
    make_scores,
)

ATTRIBUTION = "Contains modified Copernicus Climate Change Service information 2020."


class Page(HTMLParser):
    """Collects tags, addresses and visible text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.opened, self.addresses, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.opened.append(tag)
        self.addresses += [value for key, value in attrs if key in ("src", "href")]

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    run = make_run_folder(tmp_path_factory.mktemp("run"))
    out = write_report(
        run,
        title="Demo <script>alert(1)</script>",
        provenance={"archive snapshot": "K3Z9", "note": "a & b < c"},
        attribution=ATTRIBUTION,
        out=run / "report.html",
    )
    return out.read_text(encoding="utf-8")


def test_the_page_needs_no_other_file(page):
    parsed = Page(page)
    assert parsed.opened.count("script") == 1 and "link" not in parsed.opened
    assert "<script>" in page  # inside, without an address
    allowed = ("data:image/png;base64,", "data:text/csv;charset=utf-8,", "#")
    assert all(a.startswith(allowed) for a in parsed.addresses)
    assert "default-src 'none'" in page
    assert not re.search(r"url\(|@import|https?://", page)
    assert parsed.opened.count("img") == 11
    assert len(set(re.findall(r"data:image/png;base64,[^\"]+", page))) == 11, "a figure twice"
    assert len(page) < 1_100_000  # of 4 MB, a tenth of a megabyte a figure


def test_texts_are_escaped(page):
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "a &amp; b &lt; c" in page


def test_the_page_has_verdict_sections_and_attribution(page):
    text = " ".join(Page(page).words)
    assert "met2net beats persistence by" in text
    for word in ("K3Z9", ATTRIBUTION, "Normalized RMSE", "Grid point 19° N 72.25° E, +1 h"):
        assert word in text
    for anchor in re.findall(r'href="#(\w+)"', page):
        assert f'id="{anchor}"' in page


def test_a_run_with_scores_alone_has_a_report_without_empty_sections(tmp_path):
    make_scores().to_netcdf(tmp_path / "scores.nc")
    out = write_report(
        tmp_path, title="t", provenance={}, attribution=None, out=tmp_path / "r.html"
    )
    page = out.read_text()
    assert 'id="window"' not in page and 'id="analyses"' not in page and "<footer" not in page


def test_a_whole_run_shows_all_that_was_computed(tmp_path):
    run = make_run_folder(tmp_path)
    make_full_scores().to_netcdf(run / "scores.nc")
    stale = run / "tables" / "of_an_earlier_report.csv"
    stale.parent.mkdir()
    stale.touch()
    out = write_report(
        run, title="t", provenance={"Git commit": "abc"}, attribution=None, out=run / "r.html",
        published=PublishedTable("table5", {name: (name,) for name in ("t2m", "u10", "v10")}),
        maps=MapSettings(lead_hours=[2, 6]),
    )  # fmt: skip
    page = out.read_text(encoding="utf-8")
    parsed = Page(page)
    text = " ".join(parsed.words)
    for words in (
        "met2net against every other model", "Published numbers (Table 5) beside ours",
        "RMSE by season",
        "RMSE by region", "RMSE by hour of day", "Skill against climatology", "SSIM",
        "RMSE of wind vectors", "PCC, all lead times", "Power spectra", "ACC of single init times",
        "brackets: 95 % intervals", "blocks of 10 days", "240 windows of the test split",
    ):  # fmt: skip
        assert words in text, words
    for anchor in re.findall(r'href="#(\w+)"', page):
        assert f'id="{anchor}"' in page
    written = {path.stem for path in (run / "tables").glob("*.csv")}
    offered = re.findall(r'download="([\w.]+)\.csv"', page)
    assert written == set(offered) and len(offered) == len(written) == parsed.opened.count("table")
    rows = (run / "tables" / "rmse_plain.csv").read_text().splitlines()
    assert rows[0].startswith("model,normalized,normalized low,normalized high,t2m [K]")
    # Provenance comes before the first score.
    assert page.index("Git commit") < page.index('<section id="scores">')


def test_a_report_of_images_speaks_of_frames_and_pixels(tmp_path):
    run = make_run_folder(tmp_path, channels=("t2m",), lead_times=(1, 2, 3), shape=(16, 16))
    scores = make_full_scores(channels=("t2m",), lead_times=(1, 2, 3))
    for name, dataset in (("scores", scores), ("example", make_example(channels=("t2m",),
                          lead_times=(1, 2, 3), shape=(16, 16)))):  # fmt: skip
        dataset.attrs["form"] = "image_sequences"
        dataset.to_netcdf(run / f"{name}.nc")
    out = write_report(run, title="t", provenance={}, attribution=None, out=run / "r.html")
    text = " ".join(Page(out.read_text(encoding="utf-8")).words)
    for words in ("Pixel in row 8, column 8, frame 1", "One sequence.", "DM, frame 3", "frame 2"):
        assert words in text, words
    for words in ("+1 h", "initialized", "° N", "Scores by seasons", "RMSE by hour of day"):
        assert words not in text, words


def test_verdict_names_margins_over_each_baseline():
    scores = make_scores(["net"], ["t2m"])
    scores["normalized_rmse"].values[:] = [0.4, 0.5, 0.3, 0.8]
    found = verdict(scores)
    assert found.margins == pytest.approx(
        {"persistence": 0.2, "anomaly_persistence": -1 / 3, "climatology": 0.5}
    )
    assert not found.beats_all
    assert str(found) == (
        "net beats persistence by 20.0% and climatology by 50.0% but is behind anomaly "
        "persistence by 33.3% in normalized RMSE (0.4000, 240 windows of the test split)."
    )


def test_verdict_is_on_the_best_network_unless_told_otherwise():
    scores = make_scores(["worse", "better"])
    scores["normalized_rmse"].values[:2] = [0.3, 0.2]
    assert verdict(scores).network == "better"
    assert verdict(scores).beats_all
    worse = verdict(scores, network="worse")
    assert worse.normalized_rmse == 0.3 and not worse.beats_all
    assert "worse by 33.3%" in str(verdict(scores))
    assert "but is behind better by 50.0% in normalized RMSE (0.3000" in str(worse)


def test_scores_that_allow_no_verdict_are_refused(tmp_path):
    scores = make_scores()
    with pytest.raises(DataError, match="no scores for network 'persistence'; found: met2net, tau"):
        verdict(scores, network="persistence")
    with pytest.raises(DataError, match="no network among the scored models: persistence"):
        verdict(make_scores([]))
    scores["normalized_rmse"].values[1] = np.nan
    with pytest.raises(DataError, match="normalized RMSE of tau is not finite"):
        verdict(scores)
    scores.drop_vars("pooled").to_netcdf(tmp_path / "scores.nc")
    with pytest.raises(DataError, match="lacks pooled; found"):
        open_scores(tmp_path / "scores.nc")


def test_skill_is_zero_for_persistence_and_one_for_a_perfect_forecast():
    rmse = xr.DataArray([0.0, 1.0, 2.0], dims="model", coords={"model": ["a", "b", "persistence"]})
    np.testing.assert_array_equal(skill(rmse), [1.0, 0.5, 0.0])


@pytest.mark.parametrize(
    ("values", "decimals"),
    [([331.2, 1000], 0), ([1.27], 2), ([0.0892, 3], 4), ([0.0, np.nan], 2), ([1e-20], 9)],
)
def test_decimals_show_three_digits_of_the_smallest_value(values, decimals):
    assert decimals_for(values) == decimals


def test_tables_show_the_scores_and_mark_the_best():
    scores = make_scores(["met2net", "tau"], ["t2m", "tcc"])
    rmse = pooled_table(scores, metric="rmse", weighting="plain")
    assert rmse.header == ("model", "normalized", "t2m [K]", "tcc")
    expected = scores["pooled"].sel(model="tau", metric="rmse", weighting="plain", channel="t2m")
    assert float(rmse.rows[1][2]) == pytest.approx(expected.item(), abs=0.005)
    assert rmse.best == {(0, 1), (0, 2), (0, 3)}
    acc = pooled_table(scores, metric="acc", weighting="area")
    assert acc.rows[-1] == ("climatology", "–", "–") and acc.header[1] == "t2m"
    first, _ = lead_time_tables(scores)
    assert first.header == ("model", "+1 h", "+2 h", "+3 h", "+6 h")
    assert first.rows[0][1] == "1.40"  # 0.1 of the std 14 K
    assert [row[0] for row in skill_table(scores).rows] == [
        "met2net", "tau", "anomaly_persistence", "climatology",
    ]  # fmt: skip


def test_window_tables_show_values_errors_and_area_weighted_means():
    example = make_example(["net"], ["t2m"], [6], shape=(2, 2))
    example = example.assign_coords(latitude=[60.0, 0.0])  # edges 90, 30, -30: areas as 1/2 to 1
    example["targets"].values[:] = [[[[[300.0, 300.0], [270.0, 270.0]]]]]
    example["predictions"].values[:] = 271.5
    point, mean = window_tables(example)
    assert point.title == "Grid point 0° N 71.25° E, +6 h"
    assert point.rows[1] == ("truth", "270.0")
    assert point.rows[2] == ("net", "271.5 (+1.5)")
    assert mean.rows[1] == ("truth", "280.0")
    assert mean.rows[2] == ("net", "271.5 (-8.5)")


def test_terminal_table_is_ranked_and_complete(tmp_path):
    make_scores().to_netcdf(tmp_path / "scores.nc")
    console = Console(width=120, file=io.StringIO())
    console.print(scores_table(tmp_path / "scores.nc"))
    text = console.file.getvalue()
    rule = next(i for i, line in enumerate(text.splitlines()) if "───" in line)
    lines = [line.split()[0] for line in text.splitlines()[rule + 1 :] if line.strip()]
    assert lines == ["met2net", "tau", "persistence", "anomaly_persistence", "climatology"]
    assert "[m s-1]" in text and "240 windows" in text
