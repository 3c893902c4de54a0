"""The page in a real browser: no error, no request, every control works, no step is slow."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest

from ksm_rmap import walks
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.scenario import load
from ksm_rmap.report import html, svg_file
from ksm_rmap.report.chapters import Chapter
from ksm_rmap.report.export import Job
from ksm_rmap.report.style import PALETTE

if TYPE_CHECKING:
    from pathlib import Path

Window = Any
"""A `Browser` of browser.py."""

LEFT, RIGHT, HOME, END = "\ue012", "\ue014", "\ue011", "\ue010"
PICK = """
const select = document.getElementById(arguments[0]);
select.value = arguments[1];
select.dispatchEvent(new Event("change"));
"""
FILL = """
const box = document.querySelectorAll("article.side")[arguments[0]]
  .querySelector(`[data-k="${arguments[1]}"] .box`);
return getComputedStyle(box).fill;
"""
CLASSES = """
return [...document.querySelectorAll("article.side")[arguments[0]].querySelectorAll("[data-k]")]
  .filter((node) => node.classList.contains(arguments[1])).map((node) => node.dataset.k);
"""
SLOWEST = """
const times = [];
const press = (key) => {
  const before = performance.now();
  document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  document.body.getBoundingClientRect();
  times.push(performance.now() - before);
};
const steps = document.querySelectorAll("#steps button").length;
for (let n = 0; n < steps; n++) press("k");
for (let n = 0; n < steps; n++) press("j");
press("Home");
for (let n = Number(document.getElementById("at").max); n > 0; n--) press("ArrowRight");
for (const key of "fwvcc") press(key);
return [Math.max(...times), times.length];
"""


def _rgb(name: str, *, dark: bool = False) -> str:
    colour = PALETTE[name][dark]
    return "rgb({}, {}, {})".format(*(int(colour[at : at + 2], 16) for at in (1, 3, 5)))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the pages of some scenarios."""
    folder = tmp_path_factory.mktemp("pages")
    for name in ("hugh", "move-fork-move"):
        (folder / f"{name}.html").write_text(html.export(Job(load(name))), "utf-8")
    found = [("address", load("hugh")), ("vm_pgoff", load("split-after-merge"))]
    (folder / "found.html").write_text(html.counterexamples_page(found), "utf-8")
    own = walks.UserWalk("own", lambda *_: [(0, 0)])
    chapter = Chapter(load("hugh"), {"own": own}, Rules())
    (folder / "own.html").write_text(html.explorer_page([chapter]), "utf-8")
    return folder


@pytest.fixture
def hugh(chromium: Window, pages: Path) -> Window:
    """Open the page of `hugh`."""
    chromium.resize(1400, 1000)
    chromium.dark(on=False)
    chromium.load(pages / "hugh.html")
    return chromium


def _at(window: Window) -> tuple[int, int]:
    at, _, most = window.text("#count").partition(" of ")
    return int(at), int(most)


def _step(window: Window) -> str:
    return str(window.text("#steps [aria-current] .n"))


def _walks(window: Window) -> list[str]:
    script = "return [...document.querySelectorAll('.side:not([hidden]) h3 span:first-child')]"
    return list(window.run(f"{script}.map((node) => node.textContent)"))


def test_it_opens_without_an_error_or_a_request(chromium: Window, pages: Path) -> None:
    chromium.blank()
    chromium.log("browser")
    chromium.requests()
    for name in ("hugh", "move-fork-move", "found", "own"):
        page = pages / f"{name}.html"
        chromium.load(page)
        for key in ("k", "j", HOME, RIGHT, END, "f", "w", "v", "n", "c", "t"):
            chromium.key(key)
        assert chromium.requests() == [page.as_uri()]
    assert chromium.log("browser") == []


@pytest.mark.parametrize("dark", [False, True])
def test_the_last_picture_shows_the_missed_entry(hugh: Window, dark: bool) -> None:  # noqa: FBT001 - a parameter of a test
    hugh.dark(on=dark)
    assert _walks(hugh) == ["walk address", "walk index"]
    assert hugh.run(CLASSES, 0, "missed") == ["p0:2"]
    assert hugh.run(FILL, 0, "p0:2") == _rgb("miss", dark=dark)
    assert hugh.run(FILL, 0, "p0:0") == _rgb("hit", dark=dark)
    assert hugh.run(CLASSES, 1, "missed") == []
    assert {"b0:0", "b0:1"} <= set(hugh.run(CLASSES, 1, "hit"))
    assert hugh.run(FILL, 1, "p0:2") == _rgb("hit", dark=dark)
    words = hugh.text(".side .say")
    assert words.startswith("MISSED: P:2 is at index 1 of anon_vma 0, which was searched for [2,2]")
    assert hugh.run("return document.querySelector('.verdict').textContent") == "misses P:2"


def test_a_walk_is_stepped_through(hugh: Window) -> None:
    _, most = _at(hugh)
    hugh.click("#first")
    assert _at(hugh) == (0, most)
    assert hugh.run(CLASSES, 0, "hit") == []
    hugh.click("#next")
    assert hugh.text(".side .say") == (
        "Pass 0, item P:2 (only P): search [2,2] in anon_vma 0; no VMA is met."
    )
    assert hugh.run(CLASSES, 0, "pruned") == ["n0:1"]
    width = "return document.querySelector('.side [data-k=m0]').getAttribute('width')"
    assert hugh.run(width) == "30"
    seen = set()
    for n in range(2, most + 1):
        hugh.click("#next")
        assert _at(hugh) == (n, most)
        seen |= set(hugh.run(CLASSES, 1, "hit"))
    assert {"p0:0", "p0:2", "b0:0", "b0:1"} <= seen
    hugh.click("#next")
    assert _at(hugh) == (most, most)
    hugh.click("#back")
    assert _at(hugh) == (most - 1, most)
    hugh.click("#last")
    assert _at(hugh) == (most, most)
    hugh.run("const at = arguments[0]; const bar = document.getElementById('at');"
             "bar.value = at; bar.dispatchEvent(new Event('input'));", 2)  # fmt: skip
    assert _at(hugh) == (2, most)
    hugh.click(".side tbody tr:nth-child(3)")
    assert hugh.text(".side .say").startswith("Pass 1, item P:2 (every process but P)")
    assert "here" in hugh.run("return document.querySelectorAll('.side tbody tr')[2].className")


def test_steps_folios_and_walks_are_picked(hugh: Window) -> None:
    hugh.click("#steps li:nth-child(3) button")
    assert _step(hugh) == "3"
    assert _walks(hugh) == ["walk anon"]
    options = "return [...document.getElementById('folio').options].map((o) => o.textContent)"
    assert hugh.run(options) == ["o: folio 1 at P:0", "o: folio 2 at P:1"]
    hugh.run(PICK, "folio", "2")
    assert "f2" in hugh.run(CLASSES, 0, "wanted")
    hugh.click("#steps li:nth-child(5) button")
    hugh.run(PICK, "walk0", "full")
    hugh.run(PICK, "walk1", "address")
    assert _walks(hugh) == ["walk full", "walk address"]
    assert hugh.run(CLASSES, 0, "missed") == []
    assert hugh.run(CLASSES, 1, "missed") == ["p0:2"]
    hugh.click("#two")
    assert _walks(hugh) == ["walk full"]
    assert not hugh.run("return document.getElementById('second').checkVisibility()")


def test_the_end_of_a_walk_is_the_picture_that_is_exported(hugh: Window) -> None:
    for side, walk in enumerate(("address", "index")):
        svg = svg_file.export(Job(load("hugh"), walks=(walk,)))
        root = ET.fromstring(svg)  # noqa: S314 - made here
        for name in ("hit", "again", "vain", "mm", "address", "missed", "match", "pruned", "on"):
            lit = {
                node.get("data-k")
                for node in root.iter()
                if node.get("data-k") and name in node.get("class", "").split()
            }
            assert set(hugh.run(CLASSES, side, name)) == lit, name


def test_the_keyboard_does_it_all(hugh: Window) -> None:
    _, most = _at(hugh)
    hugh.key(HOME)
    assert _at(hugh) == (0, most)
    hugh.key(RIGHT)
    hugh.key(RIGHT)
    hugh.key(LEFT)
    assert _at(hugh) == (1, most)
    hugh.key(END)
    assert _at(hugh) == (most, most)
    hugh.key("k")
    assert _step(hugh) == "4"
    hugh.key("j")
    assert _step(hugh) == "5"
    hugh.key("w")
    assert _walks(hugh) == ["walk vm_pgoff", "walk index"]
    hugh.key("v")
    assert _walks(hugh) == ["walk vm_pgoff", "walk derive"]
    hugh.key("c")
    assert _walks(hugh) == ["walk vm_pgoff"]
    hugh.key("f")
    assert _at(hugh)[0] == _at(hugh)[1]


def test_it_plays_by_itself(hugh: Window) -> None:
    hugh.click("#play")
    assert _at(hugh)[0] == 0
    for _ in range(100):
        time.sleep(0.05)
        if _at(hugh)[0]:
            break
    assert _at(hugh)[0] > 0
    hugh.click("#play")
    stopped = _at(hugh)
    time.sleep(1)
    assert _at(hugh) == stopped


def test_light_and_dark_can_be_chosen(hugh: Window) -> None:
    paper = "return getComputedStyle(document.documentElement).backgroundColor"
    seen = []
    for _ in range(3):
        hugh.click("#theme")
        seen.append((hugh.text("#theme"), hugh.run(paper)))
    light, dark = _rgb("paper"), _rgb("paper", dark=True)
    assert seen == [("theme: light", light), ("theme: dark", dark), ("theme: auto", light)]
    hugh.dark(on=True)
    assert hugh.run(paper) == dark


def test_the_chapters_of_a_page(chromium: Window, pages: Path) -> None:
    chromium.load(pages / "found.html")
    assert _walks(chromium)[0] == "walk address"
    assert chromium.run("return document.getElementById('choice').checkVisibility()")
    chromium.key("n")
    assert _walks(chromium)[0] == "walk vm_pgoff"
    assert chromium.run(CLASSES, 0, "missed") == ["p0:103"]
    assert "mprotect" in chromium.text("#source")


def test_a_walk_that_does_not_say_where_it_looked(chromium: Window, pages: Path) -> None:
    chromium.load(pages / "own.html")
    assert _walks(chromium) == ["walk own"]
    assert chromium.run(CLASSES, 0, "missed") == ["p0:2"]
    chromium.key(HOME)
    chromium.key(RIGHT)
    said = "The walk does not say what it looked at: 1 visit."
    assert chromium.text(".side .say") == said


@pytest.mark.parametrize("width", [420, 800, 1600])
def test_nothing_is_wider_than_the_window(hugh: Window, width: int) -> None:
    hugh.resize(width, 900)
    wide = "const page = document.documentElement; return [page.scrollWidth, page.clientWidth]"
    scroll, client = hugh.run(wide)
    assert scroll <= client


def test_the_legend_and_the_text_open(hugh: Window) -> None:
    hugh.click("#legend summary")
    assert "augmented tree" in hugh.text("#legend")
    hugh.click("#text summary")
    assert hugh.text("#source") == str(load("hugh"))


def test_a_page_of_22169_vmas_is_small_and_no_step_is_slow(
    chromium: Window, tmp_path: Path
) -> None:
    page = tmp_path / "zte-table.html"
    page.write_text(html.export(Job(load("zte-table"))), "utf-8")
    assert page.stat().st_size <= 2_000_000
    chromium.load(page)
    notes = chromium.text("#notes")
    assert "11,082 calls were made but are not shown" in notes
    assert "VMAs are counted, not drawn" in notes
    chromium.run(PICK, "walk0", "full")
    assert "44,344 iterations" in chromium.text(".side .say")
    slowest, moves = chromium.run(SLOWEST)
    assert moves > 40
    assert slowest < 200
