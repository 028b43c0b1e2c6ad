import pytest

pytest.importorskip("websockets", reason="the browser is driven through a web socket")

from pipelines.report.page import write_report
from tests.pipelines.report.browser import CHROMIUM, open_tab
from tests.pipelines.synthetic_run import make_full_scores, make_run_folder

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")

FIRST = "document.querySelector('table.sortable')"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    run = make_run_folder(tmp_path_factory.mktemp("run"))
    make_full_scores().to_netcdf(run / "scores.nc")
    return write_report(
        run, title="A run", provenance={"archive snapshot": "K3Z9"}, attribution="Someone.",
        out=run / "report.html",
    )  # fmt: skip


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with open_tab(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_fits_the_window_without_an_error_or_a_request(tab, page, width, scheme):
    tab.requests.clear()
    tab.errors.clear()
    tab.look(width=width, scheme=scheme)
    tab.open(page)
    tab.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert tab.run("document.documentElement.scrollWidth") <= width
    assert tab.run("[...document.images].every((i) => i.complete && i.naturalWidth > 0)")
    colors = tab.run(
        "[document.body, document.querySelector('figure .scroll')]"
        ".map((e) => getComputedStyle(e).backgroundColor)"
    )
    assert colors[0] == ("rgb(20, 23, 26)" if scheme == "dark" else "rgb(255, 255, 255)")
    assert colors[1] == "rgb(255, 255, 255)"  # figures stand on white
    assert tab.errors == []
    asked = {address for address in tab.requests if not address.startswith("data:")}
    assert asked == {page.as_uri()}


def _column(tab, number):
    return tab.run(
        f"[...{FIRST}.tBodies[0].rows].map((r) => r.cells[{number}].firstChild.textContent)"
    )


def test_a_click_sorts_by_number_and_another_one_turns_it_round(tab, page):
    tab.open(page)
    before = _column(tab, 1)
    header = f"{FIRST}.tHead.rows[0].cells[1]"
    for direction, reverse in (("ascending", False), ("descending", True)):
        tab.run(f"{header}.querySelector('button').click()")
        assert tab.run(f"{header}.getAttribute('aria-sort')") == direction
        assert _column(tab, 1) == sorted(before, key=float, reverse=reverse)
    tab.run(f"{FIRST}.tHead.rows[0].cells[0].querySelector('button').click()")
    assert _column(tab, 0) == sorted(_column(tab, 0))
    assert tab.run(f"{header}.getAttribute('aria-sort')") is None


def test_what_is_undefined_stays_last(tab, page):
    tab.open(page)
    table = "[...document.querySelectorAll('table')].find((t) => t.caption.textContent"
    table += ".startsWith('ACC, all'))"
    for _ in range(2):
        tab.run(f"{table}.tHead.rows[0].cells[1].querySelector('button').click()")
        last = tab.run(f"[...{table}.tBodies[0].rows].at(-1).cells[0].textContent")
        assert last == "climatology"


def test_tables_are_sorted_and_the_skip_link_found_with_the_keyboard(tab, page):
    tab.look(width=1280)
    tab.open(page)
    tab.press("Tab")
    skip = "document.querySelector('.skip')"
    assert tab.run(f"document.activeElement === {skip}")
    assert tab.run(f"{skip}.getBoundingClientRect().left") >= 0
    button = f"{FIRST}.tHead.rows[0].cells[2].querySelector('button')"
    tab.run(f"{button}.focus()")
    tab.press("Enter")
    values = [float(text) for text in _column(tab, 2)]
    assert values == sorted(values)
    style = f"getComputedStyle({button})"
    assert tab.run(f"{style}.outlineStyle") == "solid"


def test_boxes_that_scroll_are_stops_of_the_keyboard_and_others_are_not(tab, page):
    tab.look(width=400)
    tab.open(page)
    wide = "[...document.querySelectorAll('.scroll')].filter((b) => b.scrollWidth > b.clientWidth)"
    assert tab.run(f"{wide}.length") > 0
    assert tab.run(f"{wide}.every((b) => b.tabIndex === 0)")
    tab.look(width=2400)
    tab.open(page)
    assert tab.run(f"{FIRST}.parentElement.hasAttribute('tabindex')") is False
