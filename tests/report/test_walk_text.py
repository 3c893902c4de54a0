"""A walk as text: what becomes of each node of the tree, and colour."""

from __future__ import annotations

import re

import pytest

from ksm_rmap import walks
from ksm_rmap.check import oracle
from ksm_rmap.check.judge import judge, judged_folios
from ksm_rmap.model import scenario
from ksm_rmap.model.scenario import Scenario, load
from ksm_rmap.report.colour import STYLES, has_colour, paint
from ksm_rmap.report.journey import journey_of, why_missed
from ksm_rmap.report.panels import panel_of
from ksm_rmap.report.scene import scene_of
from ksm_rmap.report.walk_text import verdict_lines, walk_lines

SMALL = [name for name in scenario.bundled() if not name.startswith("zte")]
FATES = ("not reached", "left alone", "not in the range", "skipped", "visited", "HIT")


def _lines(text: str, walk: str) -> list[str]:
    told = load(text) if text in scenario.bundled() else Scenario.parse(text)
    state = told.run(walks.get("full"), walks=walks.get)
    panel = panel_of(state, told.processes, walk=walks.get(walk))
    assert panel.journey is not None
    return [line for line, _ in walk_lines(panel.scene, panel.journey)]


def test_the_address_walk_of_hugh() -> None:
    assert _lines("hugh", "address")[:6] == [
        "address of folio 2: MISSES P:2 (iterations: 2, visits: 1)",
        "  pass 0, item P:2: search [2,2] in anon_vma 0",
        "      [0,0] P:A max 0                    not reached",
        "    [1,1] P:b max 1                      left alone: the maximum is below 2",
        "  pass 0, item P:0: search [0,0] in anon_vma 0",
        "      [0,0] P:A max 0                    HIT: the entry at page 0 maps the folio",
    ]
    last = _lines("hugh", "address")[-1]
    assert last == (
        "  MISSED: P:2 is at index 1 of anon_vma 0, which was searched for [2,2] [0,0] only"
    )


@pytest.mark.parametrize("name", SMALL)
def test_every_node_of_every_search_has_a_fate(name: str) -> None:
    told = load(name)
    state = told.run(walks.get("full"), walks=walks.get)
    for verdict in judge(
        state, {n: walks.get(n) for n in walks.names()}, judged_folios(state, ordinary=True)
    ):
        scene = scene_of(state, told.processes)
        for walk, done in verdict.walks.items():
            journey = journey_of(
                scene, verdict.folio, walk, walks.get(walk), done.result, verdict.ptes
            )
            lines = [line for line, _ in walk_lines(scene, journey)]
            assert all(len(line) <= 100 and line.isascii() for line in lines)
            assert ("MISSES" in lines[0]) == bool(done.missed)
            assert sum("MISSED" in line for line in lines) == len(done.missed)
            searches = [line for line in lines if re.match(r"  pass|  search", line)]
            assert len(searches) == len(done.result.loops)
            nodes = [line for line in lines if re.match(r" {4,}\[", line)]
            expected = sum(
                len(state.anon_vmas[loop.anon_vma].tree)
                for loop in done.result.loops
                if loop.anon_vma is not None
            )
            assert len(nodes) == expected
            assert all(sum(fate in line for fate in FATES) == 1 for line in nodes)
            assert sum("HIT" in line for line in nodes) == len(done.result.ptes)


@pytest.mark.parametrize(
    ("name", "walk", "why"),
    [
        ("hugh", "address", "at index 1 of anon_vma 0, which was searched for [2,2] [0,0] only"),
        ("child-mergeable", "full", "linked to anon_vma 0, but anon_vma 3 was searched"),
        ("child-moved", "index", "at index 1 of anon_vma 0 and its VMA was met, but no item says"),
        ("parent-gone", "avc-nofallback", "which was searched for nothing only"),
    ],
)
def test_why_something_was_missed(name: str, walk: str, why: str) -> None:
    assert why in _lines(name, walk)[-1]


def test_why_a_walk_of_ones_own_missed_something() -> None:
    told = load("hugh")
    state = told.run()
    (folio,) = state.ksm_folios()
    own = walks.UserWalk("own", lambda *_: [(0, 0)])
    scene = scene_of(state, told.processes)
    result = own(state, folio)
    journey = journey_of(scene, folio, "own", own, result, oracle.truth(state, folio))
    assert journey.missed == ((0, 2),)
    assert why_missed(state, ["P"], journey, (0, 2)) == "P:2 is not where the walk looked"
    assert why_missed(state, ["P"], journey, (0, 9)) == "P:9 is in no VMA"
    lines = [line for line, _ in walk_lines(scene, journey)]
    assert lines[1] == "  1 visits, the walk does not say of what"
    assert lines[2] == "    1 VMAs: 0 skipped by address, 0 by mm, 1 visited"


def test_many_vmas_are_passed_in_one_line_and_many_loops_are_counted() -> None:
    text = (
        "P mmap 0 200\nP write 0 200 1\nP write 100 12 0x77\n"
        "for i in 0..200 step 2: P mprotect i 1 r\nP madvise 100 12 mergeable\nksmd 2"
    )
    lines = _lines(text, "full")
    assert len(lines) < 250
    passed = [
        int(m[1]) for line in lines if (m := re.search(r"VMAs max \d+ +(\d+)x skipped", line))
    ]
    assert max(passed) > 50
    assert lines[-1] == "  ... 8 more loops"


def test_each_walk_of_a_verdict_has_its_lines() -> None:
    told = load("hugh")
    state = told.run()
    chosen = {name: walks.get(name) for name in ("address", "index")}
    (verdict,) = judge(state, chosen, judged_folios(state))
    styled = list(verdict_lines(state, told.processes, verdict, chosen))
    heads = [line for line, _ in styled if line and not line.startswith(" ")]
    assert [head.split()[0] for head in heads] == ["address", "index"]
    assert [style for line, style in styled if "MISSED" in line] == ["bad"]
    assert {style for _, style in styled} <= set(STYLES)


def test_colour_only_where_it_is_wanted() -> None:
    assert has_colour({"TERM": "xterm"}, terminal=True)
    assert has_colour({"TERM": "xterm", "NO_COLOR": ""}, terminal=True)
    assert not has_colour({"TERM": "xterm", "NO_COLOR": "1"}, terminal=True)
    assert not has_colour({"TERM": "xterm"}, terminal=False)
    assert not has_colour({"TERM": "dumb"}, terminal=True)
    assert not has_colour({}, terminal=True)


def test_paint() -> None:
    assert paint("x", "bad", colour=False) == "x"
    assert paint("x", "", colour=True) == "x"
    assert re.sub(r"\x1b\[[0-9;]*m", "", paint("x", "good", colour=True)) == "x"
    assert paint("x", "good", colour=True) != paint("x", "bad", colour=True)


def test_many_missed_entries_are_counted() -> None:
    pages = 9
    text = (
        f"P mmap 0 {pages}\nP madvise 0 {pages} mergeable\nP write 0 {pages} 0x77\n"
        f"P mremap 0 {pages} to 50\nksmd 2"
    )
    lines = _lines(text, "address")
    assert lines[-1] == f"  MISSED: {pages - 4} more"
    assert " ... only" in " ".join(" ".join(lines[-3:-1]).split())


def test_a_walk_that_cannot_be_explained_shows_its_counters() -> None:
    told = load("hugh")
    state = told.run()
    (folio,) = state.ksm_folios()
    hidden = walks.UserWalk(
        "hidden",
        lambda state, folio: walks.ksm_walk(
            state, folio, range_of=lambda *_: (0, 9), address_of=lambda *_: 0
        ),
    )
    scene = scene_of(state, told.processes)
    truth = oracle.truth(state, folio)
    journey = journey_of(scene, folio, "hidden", hidden, hidden(state, folio), truth)
    lines = [line for line, _ in walk_lines(scene, journey)]
    assert "    2 VMAs: 0 skipped by address, 0 by mm, 2 visited" in lines
