"""The page: one file that loads nothing, whose data is what the walks say."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from ksm_rmap import walks
from ksm_rmap.check import oracle
from ksm_rmap.model import scenario
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.scenario import Scenario, load
from ksm_rmap.report import html
from ksm_rmap.report.chapters import Chapter
from ksm_rmap.report.export import Job
from ksm_rmap.report.style import PALETTE, packaged
from ksm_rmap.walks.explain import LookKind

SMALL = [name for name in scenario.bundled() if not name.startswith("zte")]
LOADING = re.compile(
    r"\bsrc\s*=|\bhref\s*=|@import|\burl\(|\bfetch\b|XMLHttpRequest|WebSocket|sendBeacon|EventSource"
    r"|importScripts|import\s*\(|https?:|//[a-z]|@font-face|<link|<img|<iframe|<base",
    re.IGNORECASE,
)


class _Page(HTMLParser):
    """The elements of a page, and the text in each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._inside = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag == "script"
        if self._inside:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "script"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[-1] += data

    @property
    def ids(self) -> list[str]:
        return [value for _, attrs in self.tags if (value := attrs.get("id"))]


def _data(text: str) -> Any:  # noqa: ANN401 - any JSON value
    return json.loads(_Page(text).scripts[0])


def _page(name: str, *chosen: str) -> str:
    return html.export(Job(load(name), walks=chosen))


@pytest.mark.parametrize("name", SMALL)
def test_the_page_loads_nothing(name: str) -> None:
    assert LOADING.findall(_page(name)) == []


def test_the_page_forbids_to_load_anything() -> None:
    page = _Page(_page("hugh"))
    (policy,) = (a["content"] for t, a in page.tags if a.get("http-equiv"))
    assert policy is not None
    rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert set(rules) == {"default-src", "style-src", "script-src"}


@pytest.mark.parametrize("name", SMALL)
def test_the_same_scenario_gives_the_same_bytes(name: str) -> None:
    assert _page(name) == _page(name)


@pytest.mark.parametrize("name", SMALL)
def test_a_page_of_a_few_steps_is_small(name: str) -> None:
    assert len(load(name).calls) <= 10
    assert len(_page(name).encode()) <= 300_000


@pytest.mark.parametrize("name", SMALL)
def test_the_data_is_what_the_walks_say(name: str) -> None:
    data = _data(_page(name))
    (chapter,) = data["chapters"]
    steps = list(load(name).states(walks.get("full"), walks=walks.get))
    assert [step["n"] for step in chapter["steps"]] == list(range(1, len(steps) + 1))
    for shown, step in zip(chapter["steps"], steps, strict=True):
        missing = set()
        for folio in shown["folios"]:
            state, number = step.state, folio["id"]
            assert folio["ksm"] == state.folios[number].ksm
            truth = oracle.truth(state, number)
            for walk, index in folio["walks"].items():
                trace = data["traces"][index]
                result = walks.get(walk)(state, number)
                assert trace["found"] == [list(pte) for pte in result.ptes]
                missed = sorted(truth.difference(result.ptes))
                assert trace["missed"] == [list(pte) for pte in missed]
                missing |= {walk} if missed else set()
                assert (trace["iterations"], trace["visits"]) == (result.iterations, result.visits)
                assert len(trace["legs"]) + trace["more"] == trace["loops"] == len(result.loops)
                for leg, loop in zip(trace["legs"], result.loops, strict=False):
                    counters = [loop.iterations, loop.skip_address, loop.skip_mm, loop.visits]
                    assert leg["n"] == counters
                    assert sum(look[-1] for look in leg["looks"]) == loop.iterations
        assert set(shown["misses"]) == missing
        assert {f["id"] for f in shown["folios"] if f["ksm"]} == {
            n for n in step.state.ksm_folios() if oracle.truth(step.state, n)
        }


def test_what_can_be_lit_up_is_in_the_picture() -> None:
    data = _data(_page("move-fork-move"))
    for step in data["chapters"][0]["steps"]:
        keys = set(re.findall(r'data-k="([^"]+)"', data["pictures"][step["picture"]]))
        assert set(step["fresh"]) <= keys
        for folio in step["folios"]:
            assert f"f{folio['id']}" in keys
            for index in folio["walks"].values():
                trace = data["traces"][index]
                assert {f"p{mm}:{page}" for mm, page in trace["found"] + trace["missed"]} <= keys
                for leg in trace["legs"]:
                    assert f"m{leg['av']}" in keys
                    assert {f"n{leg['av']}:{slot}" for slot in leg["ways"]} <= keys or (
                        set(leg["ways"]) <= {"0"}
                    )
                    assert {f"b{leg['av']}:{look[0]}" for look in leg["looks"]} <= keys


def test_every_class_of_the_script_has_a_style() -> None:
    sheet = packaged("picture.css")
    for kind in LookKind:
        assert f".pic .{kind.value} .box" in sheet
    for name in ("missed", "wanted", "now", "on", "fresh", "node.match", "node.pruned"):
        assert f".pic .{name} .box" in sheet


def test_every_element_that_the_script_asks_for_is_there() -> None:
    page = _Page(_page("hugh"))
    assert len(page.ids) == len(set(page.ids))
    script = packaged("page.js")
    assert set(re.findall(r'\$\("(\w+)"\)', script)) <= set(page.ids)
    assert 100 < len(script.splitlines()) < 450


def test_every_colour_of_the_page_is_known() -> None:
    used = set(re.findall(r"var\(--([a-z-]+)\)", packaged("page.css") + packaged("picture.css")))
    assert used == set(PALETTE)


NASTY = "</script><script>alert(1)</script>{{data}}&<!--"


def test_text_from_outside_cannot_leave_its_place() -> None:
    told = Scenario.parse(f"# {NASTY}\nP mmap 0 1\nP write 0 1 1", name=NASTY)
    text = html.export(Job(told))
    page = _Page(text)
    assert [tag for tag, _ in page.tags if tag == "script"] == ["script"] * 2
    (chapter,) = _data(text)["chapters"]
    assert (chapter["name"], chapter["about"]) == (NASTY, NASTY)
    assert "<" not in page.scripts[0]
    assert page.scripts[1] == packaged("page.js")
    assert "alert(1)</" not in text


def test_a_walk_with_a_nasty_name() -> None:
    nasty = walks.UserWalk("<i>walk", lambda *_: [])
    chapter = Chapter(load("hugh"), {"<i>walk": nasty}, Rules())
    text = html.explorer_page([chapter])
    assert "<i>" not in text
    assert _data(text)["chapters"][0]["open"]["walks"][0] == "<i>walk"


def test_the_walk_that_misses_is_shown_beside_one_that_does_not() -> None:
    opened = _data(_page("hugh"))["chapters"][0]["open"]
    assert opened == {"walks": ["address", "index"], "two": True}
    opened = _data(_page("split-after-merge"))["chapters"][0]["open"]
    assert opened == {"walks": ["vm_pgoff", "index"], "two": True}
    opened = _data(_page("child-mergeable", "full"))["chapters"][0]["open"]
    assert opened == {"walks": ["full", "full"], "two": False}


def test_only_walks_that_were_asked_for_can_be_picked() -> None:
    data = _data(_page("hugh", "index", "full"))
    assert data["chapters"][0]["names"] == ["index", "full"]
    assert list(data["walks"]) == ["index", "full", "anon"]


def test_a_scenario_without_a_call_has_a_page() -> None:
    data = _data(html.export(Job(Scenario.parse("# nothing\n"))))
    (step,) = data["chapters"][0]["steps"]
    assert (step["call"], step["folios"]) == ("(no calls)", [])


def test_of_a_long_loop_the_ends_are_shown_and_it_is_said() -> None:
    text = "P mmap 0 40\nP write 0 40 1\nfor i in 0..40 step 2: P mprotect i 1 r\nP read 0 1"
    (chapter,) = _data(html.export(Job(Scenario.parse(text))))["chapters"]
    assert [(step["n"], step["skipped"]) for step in chapter["steps"]] == [
        (1, 0), (2, 0), (3, 0), (4, 0), (22, 17), (23, 0),
    ]  # fmt: skip
    assert any(note.startswith("17 calls were made but are not shown") for note in chapter["notes"])
    assert any(re.match(r"Up to \d+ VMAs are counted, not drawn", n) for n in chapter["notes"])


def test_of_very_many_calls_the_first_and_the_last_are_shown() -> None:
    text = "P mmap 0 100\n" + "\n".join(f"P write {n} 1 1" for n in range(99))
    (chapter,) = _data(html.export(Job(Scenario.parse(text))))["chapters"]
    numbers = [step["n"] for step in chapter["steps"]]
    assert numbers == [*range(1, 11), *range(51, 101)]
    assert sum(step["skipped"] for step in chapter["steps"]) == 40


def test_what_a_step_changed_is_marked() -> None:
    (chapter,) = _data(_page("hugh"))["chapters"]
    fresh = [sorted(step["fresh"]) for step in chapter["steps"]]
    assert fresh[0] == ["v0:0"]
    assert fresh[2] == ["p0:0", "p0:1", "v0:0"]
    assert fresh[3] == ["p0:2", "v0:0", "v0:2"]


def test_several_counterexamples_are_chapters() -> None:
    found = [("address", load("hugh")), ("vm_pgoff", load("split-after-merge"))]
    data = _data(html.counterexamples_page(found))
    assert [chapter["open"]["walks"][0] for chapter in data["chapters"]] == ["address", "vm_pgoff"]
    assert [chapter["about"] for chapter in data["chapters"]] == [
        "address misses an entry after 5 calls",
        "vm_pgoff misses an entry after 6 calls",
    ]
    assert len(data["pictures"]) == len(set(data["pictures"]))


def test_a_counterexample_has_the_rules_of_its_scenario() -> None:
    data = _data(html.counterexamples_page([("address", load("move-poisoning"))], Rules()))
    assert "Rules of the kernel: 2.6.37." in data["chapters"][0]["notes"]


def test_a_design_is_walked_with_its_memory() -> None:
    data = _data(_page("fork-unscanned", "anon_vma_tree", "full"))
    (chapter,) = data["chapters"]
    assert chapter["names"] == ["anon_vma_tree", "full"]
    tried = {walk for step in chapter["steps"] for one in step["folios"] for walk in one["walks"]}
    assert tried >= {"anon_vma_tree", "full"}


def test_many_ordinary_folios_are_no_choice_beside_ksm_folios() -> None:
    text = (
        "P mmap 0 20\nfor i in 0..20: P write i 1 i\nP write 3 1 0x77\nP write 9 1 0x77\n"
        "P madvise 0 20 mergeable\nksmd 2"
    )
    (chapter,) = _data(html.export(Job(Scenario.parse(text))))["chapters"]
    assert [folio["ksm"] for folio in chapter["steps"][-1]["folios"]] == [True]
    assert len(chapter["steps"][-3]["folios"]) == 6


def test_a_step_that_changes_everything_marks_nothing() -> None:
    (chapter,) = _data(html.export(Job(Scenario.parse("P mmap 0 200\nP write 0 200 1"))))[
        "chapters"
    ]
    assert [step["fresh"] for step in chapter["steps"]] == [["v0:0"], []]
