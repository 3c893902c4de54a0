"""Whom `collect_procs_ksm` would kill, rightly or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksm_rmap import walks
from ksm_rmap.model import scenario
from ksm_rmap.walks import full
from ksm_rmap.walks.memory_failure import Kill, collect_procs_ksm

if TYPE_CHECKING:
    from ksm_rmap.model.state import State

BASE = """
P mmap 0 4
P madvise 0 4 mergeable
P write 0 2 0x77
P write 2 2 0x33
P madvise 2 2 unmergeable
ksmd 2
P fork C
"""


def run(text: str) -> tuple[State, int]:
    state = scenario.Scenario.parse(text, name="test").run()
    (folio,) = state.ksm_folios()
    return state, folio


def test_everybody_who_maps_the_page_is_killed_once_with_the_first_address() -> None:
    state, folio = run(BASE)
    node = state.stable_node(folio)
    assert node is not None
    first = node.items[0][1]
    assert collect_procs_ksm(state, folio) == (Kill(0, first), Kill(1, first))
    assert collect_procs_ksm(state, folio, range_of=full.search_range) == (
        Kill(0, first),
        Kill(1, first),
    )


def test_the_full_range_kills_a_process_that_only_has_another_vma() -> None:
    state, folio = run(BASE + "C munmap 0 2\n")
    assert walks.get("full")(state, folio).ptes == ((0, 1), (0, 0))
    wide = collect_procs_ksm(state, folio, range_of=full.search_range)
    assert [kill.mm for kill in wide] == [0, 1]
    assert [kill.mm for kill in collect_procs_ksm(state, folio)] == [0]


def test_the_narrow_range_still_kills_a_process_that_has_written_the_page() -> None:
    state, folio = run(BASE + "C write 0 2 1\n")
    assert {mm for mm, _ in walks.get("full")(state, folio).ptes} == {0}
    assert [kill.mm for kill in collect_procs_ksm(state, folio)] == [0, 1]


def test_an_address_may_be_one_at_which_the_process_has_nothing() -> None:
    state, folio = run(BASE + "C munmap 1 1\n")
    kills = dict(collect_procs_ksm(state, folio, range_of=full.search_range))
    assert state.folio_at(1, 0) == folio
    assert kills[1] == 1
    assert state.vma(1, 1) is None
    assert dict(collect_procs_ksm(state, folio))[1] == 0


@pytest.mark.parametrize("wanted", [(), (0,), (1,), (0, 1), (7,)])
def test_only_those_who_want_to_be_killed_early(wanted: tuple[int, ...]) -> None:
    state, folio = run(BASE)
    kills = collect_procs_ksm(state, folio, early_kill=wanted)
    assert [kill.mm for kill in kills] == [mm for mm in (0, 1) if mm in wanted]


def test_the_dead_are_not_killed() -> None:
    state, folio = run(BASE + "P exit\n")
    assert [kill.mm for kill in collect_procs_ksm(state, folio)] == [1]


def test_only_ksm_folios_have_items() -> None:
    state, _ = run(BASE)
    ordinary = state.folio_at(0, 2)
    assert ordinary is not None
    assert collect_procs_ksm(state, ordinary) == ()
    with pytest.raises(walks.WalkError, match="no such folio"):
        collect_procs_ksm(state, 999)
