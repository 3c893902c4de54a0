"""Pictures: what they show; that they are well-formed, always the same, and read in grey."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ksm_rmap import walks
from ksm_rmap.check import oracle
from ksm_rmap.interval_tree import FrozenIntervalTree
from ksm_rmap.model import scenario
from ksm_rmap.model.scenario import Scenario, load
from ksm_rmap.report import pictures
from ksm_rmap.report.augmented import Way, grow, search_ways
from ksm_rmap.report.axis import CELL, axis_of
from ksm_rmap.report.export import Job
from ksm_rmap.report.panels import Panel, panel_of, sheet
from ksm_rmap.report.pictures import PAGES, PICTURES, picture_text
from ksm_rmap.report.scene import scene_of
from ksm_rmap.report.style import PALETTE, picture_style
from ksm_rmap.report.svg import Overlay, picture, picture_size, verdict_overlay
from ksm_rmap.report.svg_file import export

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ksm_rmap.model.state import State

SMALL = [name for name in scenario.bundled() if not name.startswith("zte")]
BIG_LOOP = (
    "P mmap 0 400\nP write 0 400 1\nP write 200 1 0x77\nP write 300 1 0x77\n"
    "for i in 0..400 step 2: P mprotect i 1 r\nP madvise 200 1 mergeable\n"
    "P madvise 300 1 mergeable\nksmd 2"
)


def _after(text: str) -> tuple[State, tuple[str, ...]]:
    told = load(text) if text in scenario.bundled() else Scenario.parse(text)
    return told.run(walks.get("full"), walks=walks.get), told.processes


def _panel(text: str, walk: str | None = None) -> Panel:
    state, names = _after(text)
    return panel_of(state, names, walk=walks.get(walk) if walk else None)


def _groups(svg: str) -> dict[str, list[str]]:
    """Return the classes of everything that can be lit up, by key."""
    root = ET.fromstring(svg)  # noqa: S314 - made here
    return {
        key: node.get("class", "").split()
        for node in root.iter()
        if (key := node.get("data-k")) is not None
    }


def _texts(svg: str) -> list[str]:
    root = ET.fromstring(svg)  # noqa: S314 - made here
    return [node.text or "" for node in root.iter() if node.tag.rpartition("}")[2] == "text"]


# The ruler


@given(st.sets(st.integers(0, 200), min_size=1, max_size=30), st.sets(st.integers(0, 200)))
def test_pages_are_in_order_on_the_ruler_and_side_by_side(
    pages: set[int], hidden: set[int]
) -> None:
    axis = axis_of(pages, hidden)
    shown = list(axis.pages())
    assert pages <= set(shown)
    places = [axis.x(page) for page in range(202)]
    assert places == sorted(places)
    for page in shown:
        assert axis.x(page + 1) - axis.x(page) == CELL
        assert axis.middle(page) - axis.x(page) == CELL // 2
        assert axis.shows(page)
    assert max(places) == axis.width
    assert not any(axis.shows(page) for page in range(202) if page not in shown)


def test_a_gap_with_something_in_it_is_wider() -> None:
    (plain,) = axis_of([0, 50]).gaps()
    (full,) = axis_of([0, 50], hidden=[20]).gaps()
    (aside,) = axis_of([0, 50], hidden=[60]).gaps()
    assert full[1] > plain[1]
    assert aside == plain
    axis = axis_of([0, 50], hidden=[20])
    assert axis.x(20) == axis.middle(33) == full[0] + full[1] // 2


def test_an_empty_ruler_has_no_width() -> None:
    assert axis_of([]).width == 0
    assert axis_of([]).x(7) == 0


# The tree

KEYS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 6)), max_size=20).map(
    lambda pairs: sorted((start, start + more) for start, more in pairs)
)


@given(KEYS, st.integers(0, 26), st.integers(0, 6))
def test_a_search_of_the_tree_meets_what_overlaps(
    keys: list[tuple[int, int]], first: int, more: int
) -> None:
    root = grow(keys)
    ways = search_ways(root, first, first + more)
    tree = FrozenIntervalTree([(start, last, at) for at, (start, last) in enumerate(keys)])
    met = [at for at, way in ways.items() if way is Way.MATCH]
    assert sorted(met) == sorted(entry.value for entry in tree.overlap(first, first + more))
    for node in root.subtree() if root else ():
        below = [keys[one.at] for one in node.subtree()]
        assert node.subtree_last == max(last for _, last in below)
        assert [key[0] for key in below] == sorted(key[0] for key in below)
        if ways.get(node.at) is Way.PRUNED:
            assert not {one.at for one in node.subtree()} & (set(ways) - {node.at})
            assert node.subtree_last < first
    depth = max((node.depth for node in root.subtree()), default=0) if root else 0
    assert 2**depth <= max(len(keys), 1)


# What is shown


@pytest.mark.parametrize("name", SMALL)
def test_a_small_state_is_shown_whole(name: str) -> None:
    state, names = _after(name)
    scene = scene_of(state, names)
    groups = _groups(picture(scene))
    for number, mm in state.mms.pairs():
        assert all(f"v{number}:{start}" in groups for start in mm.vmas)
        assert all(f"p{number}:{page}" in groups for page in mm.ptes)
    links = sum(len(anon_vma.tree) for anon_vma in state.anon_vmas.values_in_order())
    assert sum(key[0] == "b" for key in groups) == links
    assert sum(key[0] == "c" for key in groups) == links
    assert all(f"a{number}" in groups for number in state.anon_vmas)
    assert scene.hidden_vmas == 0


@pytest.mark.parametrize("name", SMALL)
def test_letters_are_those_of_the_map(name: str) -> None:
    state, names = _after(name)
    text = str(state)
    for process in scene_of(state, names).processes:
        for letter, vma in process.vmas:
            assert f"\n  {letter} [{vma.start},{vma.end})" in text
    for number, letter in scene_of(state, names).letters.items():
        assert f"\n  {letter} folio {number}:" in text


def test_the_missed_entry_is_lit_up_and_nothing_else_is() -> None:
    for name, walk in (("hugh", "address"), ("split-after-merge", "vm_pgoff")):
        panel = _panel(name, walk)
        state = panel.scene.state
        (folio,) = state.ksm_folios()
        missed = oracle.missed(state, folio, walks.get(walk)(state, folio))
        groups = _groups(sheet([panel]))
        lit = {key for key, classes in groups.items() if "missed" in classes}
        assert lit == {f"p{mm}:{page}" for mm, page in missed}
        found = {key for key, classes in groups.items() if key[0] == "p" and "hit" in classes}
        assert found == {f"p{mm}:{page}" for mm, page in walks.get(walk)(state, folio).ptes}
        assert any("misses" in text for text in _texts(sheet([panel])))


def test_the_search_that_ought_to_have_found_it_is_shown() -> None:
    panel = _panel("hugh", "address")
    groups = _groups(sheet([panel]))
    assert "on" in groups["i0:2"]
    assert "on" not in groups["i0:0"]
    assert "pruned" in groups["n0:1"]
    root = ET.fromstring(sheet([panel]))  # noqa: S314 - made here
    (beam,) = (node for node in root.iter() if node.get("data-k") == "m0")
    pages = {text: axis for axis, text in _rulers(root)}
    assert float(beam.get("x", "")) == pages["2"] - CELL / 2
    assert float(beam.get("width", "")) == CELL


def _rulers(root: ET.Element) -> Iterator[tuple[float, str]]:
    for node in root.iter():
        if node.tag.endswith("text") and "small mid" in node.get("class", ""):
            yield float(node.get("x", "")), node.text or ""


def test_without_a_walk_the_first_that_misses_is_taken() -> None:
    missing = _panel("hugh").journey
    assert missing is not None
    assert missing.walk == "address"
    fine = _panel("fork-unscanned").journey
    assert fine is not None
    assert (fine.walk, fine.missed) == ("full", ())
    ordinary = _panel("P mmap 0 2\nP write 0 2 1\nP fork C").journey
    assert ordinary is not None
    assert ordinary.walk == "anon"
    assert _panel("P mmap 0 2").journey is None


def test_moved_vmas_are_told_apart() -> None:
    groups = _groups(sheet([_panel("hugh", "full")]))
    assert "moved" in groups["v0:2"]
    assert "moved" not in groups["v0:0"]
    assert "moved" in groups["b0:1"]


def test_a_chain_that_was_inherited_is_told_apart() -> None:
    state, names = _after("P mmap 0 2\nP write 0 2 1\nP fork C")
    groups = _groups(picture(scene_of(state, names)))
    inherited = {key for key, classes in groups.items() if "inherited" in classes}
    child = next(n for n in state.anon_vmas if state.anon_vmas[n].root != n)
    parent = state.anon_vmas[child].parent
    assert inherited == {f"c{parent}:1"}


def test_each_kind_of_entry_has_its_class() -> None:
    state, names = _after("P mmap 0 4\nP write 0 2 1\nP read 2 1\nP fork C\nP write 3 1 2")
    groups = _groups(picture(scene_of(state, names)))
    assert {key: classes[1:] for key, classes in groups.items() if key.startswith("p0")} == {
        "p0:0": ["shared"],
        "p0:1": ["shared"],
        "p0:2": ["zero"],
        "p0:3": [],
    }
    state, names = _after("P mmap 0 1\nP write 0 1 1\nP swapout 0 via full")
    assert "swap" in _groups(picture(scene_of(state, names)))["p0:0"]


def test_many_vmas_are_counted_not_drawn() -> None:
    state, names = _after(BIG_LOOP)
    scene = scene_of(state, names)
    (process,) = scene.processes
    vmas = len(state.mms[0].vmas)
    assert len(process.vmas) + scene.hidden_vmas == vmas
    assert len(process.vmas) < 14
    shown = {page for page, _ in process.ptes}
    assert {
        page for page, pte in state.mms[0].ptes.pairs() if state.folios[pte.target].ksm
    } <= shown
    (lane,) = scene.lanes
    assert sum(slot.links for slot in lane.slots) == vmas
    for at, entry in enumerate(state.anon_vmas[lane.number].tree):
        slot = lane.slots[lane.slot_at(at)]
        assert slot.start <= entry.start
        assert entry.last <= slot.last
        assert slot.vma in (None, entry.value)
    assert any(re.fullmatch(r"… \d+ VMAs", text) for text in _texts(picture(scene)))


def test_many_processes_and_anon_vmas_are_counted() -> None:
    children = "\n".join(f"P fork C{n}" for n in range(12))
    state, names = _after(f"P mmap 0 1\nP write 0 1 1\n{children}")
    scene = scene_of(state, names)
    assert len(scene.processes) + scene.more_processes == 13
    assert len(scene.lanes) + scene.more_lanes == 13
    words = " ".join(_texts(picture(scene)))
    assert f"{scene.more_processes} more processes" in words
    assert f"{scene.more_lanes} more anon_vmas" in words


def test_a_long_vma_is_cut() -> None:
    state, names = _after("P mmap 0 4096\nP write 2000 1 1\nP madvise 0 4096 mergeable")
    assert len(list(scene_of(state, names).axis.pages())) < 20


@pytest.mark.parametrize("name", [*SMALL, BIG_LOOP])
def test_pictures_are_well_formed_and_inside_their_frame(name: str) -> None:
    scene = _panel(name).scene
    svg = picture(scene)
    root = ET.fromstring(svg)  # noqa: S314 - made here
    width, height = float(root.get("width", "")), float(root.get("height", ""))
    assert (width, height) == picture_size(scene)
    assert root.get("viewBox") == f"0 0 {width:g} {height:g}"
    for node in root.iter():
        if node.tag in ("rect", "text"):
            x, y = float(node.get("x", "0")), float(node.get("y", "0"))
            assert 0 <= x <= x + float(node.get("width", "0")) <= width
            assert 0 <= y <= y + float(node.get("height", "0")) <= height + 1


@pytest.mark.parametrize("name", SMALL)
def test_the_same_state_has_the_same_bytes(name: str) -> None:
    assert export(Job(load(name))) == export(Job(load(name)))


def test_a_file_names_its_scenario_and_has_a_picture_for_each_walk() -> None:
    svg = export(Job(load("hugh"), walks=("address", "index", "full")))
    root = ET.fromstring(svg)  # noqa: S314 - made here
    texts = _texts(svg)
    assert texts[0] == "hugh after 5 calls, rules 7.0"
    assert [text.split()[1] for text in texts if text.startswith("walk ")] == [
        "address", "index", "full",
    ]  # fmt: skip
    assert len(list(root)) >= 5
    assert svg.endswith("\n")


def test_names_from_outside_are_escaped() -> None:
    state, _ = _after("P mmap 0 2\nP write 0 2 1")
    svg = sheet([panel_of(state, ['<script>&"'])], "<b> & 'x'")
    assert "<script>" not in svg
    assert 'process <script>&"' in _texts(svg)
    assert "<b> & 'x'" in _texts(svg)


def test_a_picture_alone_needs_no_variables_and_no_address() -> None:
    svg = export(Job(load("hugh")))
    assert "var(" not in svg
    assert re.findall(r"https?://[^\s\"]+", svg) == ["http://www.w3.org/2000/svg"]


# Colours


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(share * c for share, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(one: str, other: str) -> float:
    bright, dull = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dull + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_what_was_missed_stands_out_in_grey(dark: bool) -> None:  # noqa: FBT001 - a parameter of a test
    colour = {name: pair[dark] for name, pair in PALETTE.items()}
    for other in ("paper", "hit", "ksm", "shared", "own", "again", "vain"):
        assert _contrast(colour["miss"], colour[other]) > 3, other
    assert _contrast(colour["miss"], colour["miss-ink"]) > 7


@pytest.mark.parametrize("dark", [False, True])
def test_words_can_be_read_on_what_they_stand_on(dark: bool) -> None:  # noqa: FBT001 - as above
    colour = {name: pair[dark] for name, pair in PALETTE.items()}
    for ground in ("paper", "card", "vma", "moved", "ksm", "shared", "own", "hit", "again", "vain"):
        assert _contrast(colour["ink"], colour[ground]) > 4.5, ground
    for ground in ("paper", "card", "grid"):
        assert _contrast(colour["dim"], colour[ground]) > 4.5, ground
    assert _contrast(colour["beam-ink"], colour["beam"]) > 4.5


def test_the_style_sheet_has_each_colour_for_light_and_dark() -> None:
    sheet_text = picture_style()
    light, dark = sheet_text.split("@media (prefers-color-scheme:dark)")
    used = set(re.findall(r"#[0-9a-f]{6}", light))
    assert used <= {pair[0] for pair in PALETTE.values()}
    assert set(re.findall(r"#[0-9a-f]{6}", dark)) <= {pair[1] for pair in PALETTE.values()}


# Verdicts


def test_a_vma_keeps_the_best_fate() -> None:
    panel = _panel("fork-scanned", "index")
    assert panel.journey is not None
    classes = verdict_overlay(panel.journey).classes
    # The child's VMA is met in its own anon_vma first, then again in its parent's.
    assert {key: value for key, value in classes.items() if key[0] == "b"} == {
        "b0:0": "hit", "b0:1": "again", "b3:0": "hit",
    }  # fmt: skip
    plain = picture(panel.scene)
    assert picture(panel.scene, Overlay({})) == plain
    assert picture(panel.scene, verdict_overlay(panel.journey)) != plain


# The manual


@pytest.mark.parametrize("name", [name for name in PICTURES if name != "zte-table"])
def test_each_picture_of_the_manual(name: str) -> None:
    svg = picture_text(name)
    texts = _texts(svg)
    assert texts[0] == PICTURES[name].title[:88]
    for walk in PICTURES[name].walks:
        assert any(text.startswith(f"walk {walk} ") for text in texts)
    assert len(svg) < 40_000


def test_pages_of_the_manual_are_bundled() -> None:
    assert set(PAGES) <= set(scenario.bundled())


def test_the_manual_gets_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "PICTURES", {"hugh": PICTURES["hugh"]})
    monkeypatch.setattr(pictures, "PAGES", ("hugh",))
    paths = pictures.write_pictures(tmp_path / "made")
    names = [str(path.relative_to(tmp_path / "made")) for path in paths]
    assert names == ["hugh.svg", "legend.svg", "pages/hugh.html"]
    assert paths[0].read_text("utf-8") == picture_text("hugh")
    assert any("MISSED" in text for text in _texts(paths[1].read_text("utf-8")))


def test_many_items_of_a_node_are_counted() -> None:
    pages = 12
    text = f"P mmap 0 {pages}\nP madvise 0 {pages} mergeable\nP write 0 {pages} 0x77\nksmd 2"
    state, names = _after(text)
    scene = scene_of(state, names)
    (thread,) = scene.threads
    assert len(thread.items) + thread.more == pages
    assert f"… {thread.more} more items" in _texts(picture(scene))


def test_a_walk_that_does_not_say_where_it_looked_lights_up_entries_alone() -> None:
    state, names = _after("hugh")
    own = walks.UserWalk("own", lambda *_: [(0, 0)])
    panel = panel_of(state, names, walk=own)
    assert panel.journey is not None
    overlay = verdict_overlay(panel.journey)
    assert overlay.beam is None
    assert overlay.classes == {"f2": "wanted", "p0:0": "hit", "p0:2": "missed"}


def test_many_folios_are_counted() -> None:
    state, names = _after("P mmap 0 30\nfor i in 0..30: P write i 1 i")
    scene = scene_of(state, names)
    assert len(scene.threads) + scene.more_folios == 30
    assert f"… {scene.more_folios} more folios" in _texts(picture(scene))
