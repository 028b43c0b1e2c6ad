"""The documentation builds without a warning, and nothing on it leads nowhere."""

import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import met2net
from tests.pipelines.report.browser import CHROMIUM, open_tab

ROOT = Path(__file__).parents[2]
PAGES = {  # of a few kinds: what a browser is to show
    "index.html": "Start here",
    "tutorials/forecast_map.html": "From a netCDF file to a forecast map",
    "architecture.html": "Architecture",
    "verification.html": "Verification",
    "reference/library.html": "Public names",
}


@dataclass
class Document(HTMLParser):
    """What a page has and what it asks for."""

    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    without_text: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif "src" in given:
            self.loaded.append(given["src"])
        elif tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload"):
            self.loaded.append(given["href"])
        if tag == "img" and not given.get("alt"):
            self.without_text.append(given["src"])


@functools.cache  # pages are asked for by several tests
def read(path: Path) -> Document:
    document = Document()
    document.feed(path.read_text(encoding="utf-8"))
    return document


def broken(site: Path) -> Iterator[tuple[str, str]]:
    """Give pages and what they link to or load that is not there."""
    documents = {path: read(path) for path in sorted(site.rglob("*.html"))}
    for path, document in documents.items():
        if path.name == "404.html":
            continue  # its links are those of the address that it is shown at
        for link in {*document.links, *document.loaded}:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            anchor = unquote(parts.fragment)
            is_there = target.is_file()
            if is_there and anchor and target in documents:
                is_there = anchor in documents[target].anchors
            if not is_there:
                yield str(path.relative_to(site)), link


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site") / "site"
    ran = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "SITE_URL": "", "SOURCE_URL": ""},
    )  # fmt: skip
    assert ran.returncode == 0 and "WARNING" not in ran.stderr, ran.stderr
    return folder


def test_no_link_picture_or_anchor_is_missing(site: Path) -> None:
    assert len(list(site.rglob("*.html"))) > 30
    assert list(broken(site)) == []


def test_nothing_is_loaded_from_elsewhere_and_pictures_have_a_text(site: Path) -> None:
    for path in site.rglob("*.html"):
        document = read(path)
        assert [url for url in document.loaded if urlsplit(url).netloc] == [], path
        assert document.without_text == [], path


def test_every_public_name_has_its_place_in_the_reference(site: Path) -> None:
    anchors = read(site / "reference" / "library.html").anchors
    names = [f"met2net.{name}" for name in met2net.__all__ if name != "__version__"]
    assert [name for name in names if name not in anchors] == []


def test_every_page_of_the_folder_and_every_module_of_the_library_is_shown(site: Path) -> None:
    pages = {str(p.relative_to(ROOT / "docs")) for p in (ROOT / "docs").rglob("*.md")}
    assert [page for page in pages if not (site / page).with_suffix(".html").is_file()] == []
    anchors = {a for path in site.rglob("*.html") for a in read(path).anchors}
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "met2net").rglob("*.py")
        if path.stem != "__init__"
    }
    assert modules - anchors == set()


def test_no_list_is_shown_as_running_text(site: Path) -> None:
    for path in site.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        paragraphs = re.findall(r"<p>(.*?)</p>", text, re.DOTALL)
        assert [p for p in paragraphs if re.search(r"^(- |\d\. |\|)", p, re.MULTILINE)] == [], path


def test_the_tutorial_shows_what_it_printed_and_drew_and_its_network_is_better(site: Path) -> None:
    folder = site / "tutorials"
    pictures = {path.name for path in folder.glob("*.png")}
    assert pictures == {"error_by_lead_time.png", "forecast_map.png"}
    text = (folder / "forecast_map.html").read_text(encoding="utf-8")
    scores = dict(re.findall(r"^(\w+) +(\d\.\d+)$", text, re.MULTILINE))
    mine = float(scores.pop("mine"))
    assert len(scores) == 3 and mine < 0.85 * min(map(float, scores.values()))
    assert (folder / "forecast_map.py").is_file()


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")
def test_pages_fit_a_screen_and_a_phone_without_an_error_or_a_request(
    site: Path, tmp_path: Path
) -> None:
    with open_tab(tmp_path) as tab:
        for width in (1280, 390):
            tab.look(width=width)
            for name, title in PAGES.items():
                tab.open(site / name)
                assert title in tab.run("document.querySelector('h1').textContent")
                assert tab.run("document.documentElement.scrollWidth") <= width, (name, width)
                assert tab.run("[...document.images].every((i) => i.naturalWidth > 0)"), name
        assert [url for url in tab.requests if not url.startswith(("file:", "data:"))] == []
        assert tab.errors == []


def test_what_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<h1 id="x">a</h1><a href="b.html">1</a><a href="#x">2</a><a href="#y">3</a>'
        '<a href="a.html#x">4</a><img src="c.png"><a href="https://example.org">5</a>'
    )
    assert sorted(broken(tmp_path)) == [("a.html", "#y"), ("a.html", "b.html"), ("a.html", "c.png")]


def test_a_script_is_cut_into_cells_or_refused(tmp_path: Path) -> None:
    def ran(script: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "script.py").write_text(script)
        command = [sys.executable, str(ROOT / "docs" / "hooks" / "run_cells.py"), "script.py"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    cells = json.loads(
        ran("# %% [markdown]\n# # A\n#\n# b\n\n# %%\nx = 2\n\n# %%\nprint(x)\n").stdout
    )
    assert [tuple(cell.values()) for cell in cells] == [
        ("text", "# A\n\nb", ""), ("code", "x = 2", ""), ("code", "print(x)", "2\n"),
    ]  # fmt: skip
    for script, message in [
        ("x = 2\n# %%\n", "does not begin with a cell"),
        ("", "does not begin with a cell"),
        ("# %% [markdown]\nx = 2\n", "found 'x = 2' in a cell of text; expected a comment"),
        ("# %%\n1 / 0\n", "ZeroDivisionError"),
    ]:
        failed = ran(script)
        assert failed.returncode and message in failed.stderr
