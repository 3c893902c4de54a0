"""The test vectors, in states made by hand and by system calls."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from ksm_rmap import walks
from ksm_rmap.interval_tree import FrozenIntervalTree
from ksm_rmap.model import scenario
from ksm_rmap.model._sorted_map import SortedMap
from ksm_rmap.model.state import (
    AnonVma,
    Folio,
    ItemState,
    Mapping,
    Mm,
    Pte,
    PteKind,
    RmapItem,
    StableNode,
    State,
    Vma,
)

if TYPE_CHECKING:
    from collections.abc import Callable

VECTORS = configparser.ConfigParser()
VECTORS.read(Path(__file__).with_name("test_vectors.ini"))
STATES = [name for name in VECTORS.sections() if "items" in VECTORS[name]]
CASES = [
    (state, walk)
    for state in STATES
    for walk in VECTORS[state]
    if walk not in {"items", "vmas", "ptes"}
]
FOLIO = 50


class Expected(NamedTuple):
    loops: list[tuple[int, int, int, int]] | None
    visits: int
    found: int
    wanted: int


def rows(state: str, kind: str) -> list[list[str]]:
    return [row.split() for row in VECTORS[state][kind].split(";")]


def number(process: str) -> int:
    return {"P": 0, "C": 1}[process]


def expected(state: str, walk: str) -> Expected:
    """Parse `0:2/1/0 x2 1:2/1/1 x2, 2 of 2`, `6 visits, 4 of 4` or `as full`."""
    text = VECTORS[state][walk]
    if text.startswith("as "):
        return expected(state, text.removeprefix("as "))
    counters, found = text.split(",")
    some, _, every = found.split()
    if counters.endswith("visits"):
        return Expected(None, int(counters.split()[0]), int(some), int(every))
    loops: list[tuple[int, int, int, int]] = []
    for row, times in re.findall(r"(\S+:\S+)(?: x(\d))?", counters):
        pass_, iterations, address, mm = map(int, re.split("[:/]", row))
        loops += [(pass_, iterations, address, mm)] * int(times or 1)
    visits = sum(row[1] - row[2] - row[3] for row in loops)
    return Expected(loops, visits, int(some), int(every))


def by_hand(name: str) -> State:
    """Make the state from its description, without a system call."""
    vmas = []
    for process, start, end, offset, anon_vmas in rows(name, "vmas"):
        chain = tuple(reversed([number(owner) for owner in anon_vmas.split(",")]))
        vmas.append(
            Vma(number(process), int(start), int(end), int(offset), 0, chain[0], chain, int(offset))
        )
    items = []
    for process, *numbers, owner in rows(name, "items"):
        address, index, vm_pgoff = map(int, numbers)
        stable = (ItemState.STABLE, None, FOLIO, number(owner))
        items.append(RmapItem(number(process), address, *stable, index, vm_pgoff))
    ptes = [(number(process), int(page)) for process, page in rows(name, "ptes")]
    processes = sorted({vma.mm for vma in vmas})
    mms = {
        mm: Mm(
            SortedMap(sorted((vma.start, vma) for vma in vmas if vma.mm == mm)),
            SortedMap((page, Pte(PteKind.PRESENT, FOLIO)) for at, page in ptes if at == mm),
            SortedMap(sorted((item.address, item) for item in items if item.mm == mm)),
        )
        for mm in processes
    }
    trees = {
        anon_vma: FrozenIntervalTree(
            (vma.anon_pgoff, vma.last_index, vma.key) for vma in vmas if anon_vma in vma.chain
        )
        for anon_vma in processes
    }
    folio = Folio(Mapping.KSM, FOLIO, 0, len(ptes), exclusive=False, content=0x77)
    return State(
        mms=SortedMap(mms.items()),
        anon_vmas=SortedMap((at, AnonVma(0, 0, tree=tree)) for at, tree in trees.items()),
        folios=SortedMap([(FOLIO, folio)]),
        nodes=SortedMap([(FOLIO, StableNode(FOLIO, 0x77, tuple(item.key for item in items)))]),
    )


def by_calls(name: str) -> State:
    return scenario.load(name).run()


@pytest.mark.parametrize("make", [by_hand, by_calls])
@pytest.mark.parametrize(("name", "walk"), CASES)
def test_loops_are_those_of_the_table(name: str, walk: str, make: Callable[[str], State]) -> None:
    state = make(name)
    (folio,) = state.ksm_folios()
    result = walks.get(walk)(state, folio)
    wanted = expected(name, walk)
    if wanted.loops is not None:
        loops = [(row.pass_, *row[2:5]) for row in result.loops]
        assert loops == wanted.loops
    assert result.visits == wanted.visits
    assert len(result.ptes) == wanted.found
    assert wanted.wanted == len(rows(name, "ptes"))
    assert set(result.ptes) <= {(number(mm), int(page)) for mm, page in rows(name, "ptes")}
    for row in result.loops:
        assert row.iterations == row.skip_address + row.skip_mm + row.skip_invalid + row.visits


@pytest.mark.parametrize("name", STATES)
def test_the_scenario_leads_to_the_state_of_the_table(name: str) -> None:
    made, called = by_hand(name), by_calls(name)
    (folio,) = called.ksm_folios()
    node = called.stable_node(folio)
    assert node is not None
    assert [(*key, called.item(key).index, called.item(key).vm_pgoff) for key in node.items] == [
        (*key, made.item(key).index, made.item(key).vm_pgoff) for key in made.nodes[FOLIO].items
    ]
    for mm, owner in made.mms.pairs():
        theirs = called.mms[mm]
        extents = [(v.start, v.end, v.anon_pgoff, len(v.chain)) for _, v in theirs.vmas.pairs()]
        assert extents == [
            (v.start, v.end, v.anon_pgoff, len(v.chain)) for _, v in owner.vmas.pairs()
        ]
        assert [page for page, pte in theirs.ptes.pairs() if pte.folio == folio] == list(owner.ptes)


@pytest.mark.parametrize("name", STATES)
def test_avc_is_index_where_each_item_still_has_its_vma(name: str) -> None:
    state = by_hand(name)
    assert walks.get("avc")(state, FOLIO) == walks.get("index")(state, FOLIO)
    assert walks.get("avc-nofallback")(state, FOLIO) == walks.get("index")(state, FOLIO)


@pytest.mark.parametrize("name", STATES)
def test_counted_is_address_and_full_on_top_when_that_is_short(name: str) -> None:
    state = by_hand(name)
    narrow, full = walks.get("address")(state, FOLIO), walks.get("full")(state, FOLIO)
    result = walks.get("counted")(state, FOLIO)
    first = expected(name, "address")
    short = first.found < first.wanted
    again = tuple(loop._replace(fallback=True) for loop in full.loops) if short else ()
    assert result.loops == narrow.loops + again
    assert set(result.ptes) == set(full.ptes)


@pytest.mark.parametrize("walk", ["full", "address"])
def test_a_scanned_child_is_met_twice(walk: str) -> None:
    met: list[tuple[int, int]] = []

    def rmap_one(vma: Vma, page: int) -> bool:
        met.append((vma.mm, page))
        return True

    control = walks.RmapWalkControl(rmap_one=rmap_one)
    walks.get(walk)(by_hand("fork-scanned"), FOLIO, control=control)
    assert met == [(1, 101), (1, 100), (0, 101), (0, 100), (1, 101), (1, 100)]


@pytest.fixture(scope="module")
def zte_table() -> State:
    return by_calls("zte-table")


@pytest.mark.parametrize("walk", ["full", "address"])
def test_the_table_of_the_patch(zte_table: State, walk: str) -> None:
    (folio,) = zte_table.ksm_folios()
    worst = walks.get(walk)(zte_table, folio).worst
    assert worst is not None
    assert worst.pass_ == 0
    assert list(worst[2:5]) == [int(text) for text in VECTORS["zte-table"][f"worst {walk}"].split()]


def one_page_vmas(n: int, s: int) -> State:
    """Return n one-page VMAs on one anon_vma, the first s pages one KSM folio."""
    vmas = [Vma(0, page, page + 1, page, 0, 0, (0,), page) for page in range(n)]
    stable = (ItemState.STABLE, None, FOLIO, 0)
    mm = Mm(
        SortedMap((vma.start, vma) for vma in vmas),
        SortedMap((page, Pte(PteKind.PRESENT, FOLIO)) for page in range(s)),
        SortedMap((page, RmapItem(0, page, *stable, page, page)) for page in range(s)),
    )
    tree = FrozenIntervalTree((vma.start, vma.start, vma.key) for vma in vmas)
    return State(
        mms=SortedMap([(0, mm)]),
        anon_vmas=SortedMap([(0, AnonVma(0, 0, tree=tree))]),
        folios=SortedMap([(FOLIO, Folio(Mapping.KSM, FOLIO, 0, s, exclusive=False, content=0x77))]),
        nodes=SortedMap([(FOLIO, StableNode(FOLIO, 0x77, tuple((0, page) for page in range(s))))]),
    )


@pytest.mark.parametrize(("n", "s"), [(1, 1), (7, 3), (63, 5), (64, 5), (65, 64), (500, 256)])
def test_the_counts_of_one_page_vmas(n: int, s: int) -> None:
    """What a walk of s items over n VMAs must count."""
    state = one_page_vmas(n, s)
    full, narrow = walks.get("full")(state, FOLIO), walks.get("index")(state, FOLIO)
    assert (len(full.loops), full.iterations, full.visits) == (2 * s, 2 * s * n, s)
    assert sum(row.skip_address for row in full.loops) == 2 * s * (n - 1)
    assert sum(row.skip_mm for row in full.loops) == s
    assert (len(narrow.loops), narrow.iterations, narrow.visits) == (2 * s, 2 * s, s)
    assert narrow.max_skip_address == 0
    assert sum(row.skip_mm for row in narrow.loops) == s
    unmapping = walks.get("full")(state, FOLIO, control=walks.TRY_TO_UNMAP)
    assert len(unmapping.loops) == s
    assert unmapping.ptes == full.ptes


def test_vectors_are_all_read() -> None:
    assert len(CASES) == 4 * 5
