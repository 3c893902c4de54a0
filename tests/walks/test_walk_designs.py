"""What is particular to each design: where it finds more or less than the full walk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksm_rmap import walks
from ksm_rmap.model import ops, scenario
from ksm_rmap.walks.counted import COUNTED

if TYPE_CHECKING:
    from ksm_rmap.model.state import State

SMALL = [name for name in scenario.bundled() if not name.startswith("zte-")]


def final(name: str) -> State:
    return scenario.load(name).run(walk=walks.get("full"))


def found(walk: str, state: State) -> set[tuple[int, int]]:
    return {pte for folio in state.ksm_folios() for pte in walks.get(walk)(state, folio).ptes}


class TestCounted:
    @pytest.mark.parametrize("name", SMALL)
    def test_it_finds_what_full_finds(self, name: str) -> None:
        state = final(name)
        assert found("counted", state) == found("full", state)

    def test_enough_found_is_enough(self) -> None:
        state = final("fork-scanned")
        (folio,) = state.ksm_folios()
        assert walks.get("counted")(state, folio) == walks.get("address")(state, folio)

    def test_the_second_walk_is_the_full_walk_and_marked(self) -> None:
        state = final("hugh")
        (folio,) = state.ksm_folios()
        result = walks.get("counted")(state, folio)
        first = [loop for loop in result.loops if not loop.fallback]
        second = [loop._replace(fallback=False) for loop in result.loops if loop.fallback]
        assert tuple(first) == walks.get("address")(state, folio).loops
        assert tuple(second) == walks.get("full")(state, folio).loops

    def test_migration_entries_count(self) -> None:
        """Decision 1: when entries are restored mapcount is 0, and yet the walk must fall back."""
        state = final("hugh")
        (folio,) = state.ksm_folios()
        state = ops.migrate_begin(state, mm=0, page=0, walk=walks.get("full"))
        assert state.folios[folio].mapcount == 0
        assert set(walks.get("counted")(state, folio).ptes) == {(0, 0), (0, 2)}
        assert set(COUNTED(state, folio, expected=0).ptes) == {(0, 0)}

    def test_a_count_that_was_not_kept_up_to_date_is_too_small(self) -> None:
        """Carried from try_to_migrate over a fork, the count stops the walk too early."""
        state = final("hugh")
        (folio,) = state.ksm_folios()
        assert len(COUNTED(state, folio, expected=1).ptes) == 1
        assert len(COUNTED(state, folio, expected=2).ptes) == 2

    def test_a_pte_met_twice_counts_once(self) -> None:
        """Decision 2: the narrow walk meets the child's PTE twice, and misses the moved one."""
        text = (
            "P mmap 0 3\nP madvise 0 3 mergeable\nP write 0 2 0x77\nP mremap 1 1 to 2\nksmd 2\n"
            "P fork C\nksmd 1\n"
        )
        state = scenario.Scenario.parse(text, name="test").run()
        (folio,) = state.ksm_folios()
        narrow = walks.get("address")(state, folio)
        assert narrow.visits > len(narrow.ptes)
        assert len(walks.get("counted")(state, folio).ptes) == state.folios[folio].mapcount == 4

    def test_a_vma_left_out_does_not_count(self) -> None:
        """Decision 3: so the full walk runs, in vain."""
        state = final("fork-scanned")
        (folio,) = state.ksm_folios()
        control = walks.RmapWalkControl(invalid_vma=lambda vma: vma.mm == 1)
        result = walks.get("counted")(state, folio, control=control)
        assert set(result.ptes) == {(0, 100), (0, 101)}
        assert any(loop.fallback for loop in result.loops)

    @pytest.mark.parametrize(
        "control",
        [
            walks.RmapWalkControl(rmap_one=lambda *_: False),
            walks.RmapWalkControl(done=lambda *_: True),
            walks.RmapWalkControl(try_lock=True, locked=frozenset({0})),
        ],
    )
    def test_no_second_walk_after_an_early_end(self, control: walks.RmapWalkControl) -> None:
        """Decision 4."""
        state = final("hugh")
        (folio,) = state.ksm_folios()
        result = walks.get("counted")(state, folio, control=control)
        assert result == walks.get("address")(state, folio, control=control)
        assert result.stopped or result.contended

    def test_done_goes_on_counting_in_the_second_walk(self) -> None:
        state = final("hugh")
        (folio,) = state.ksm_folios()
        result = walks.get("counted")(state, folio, control=walks.TRY_TO_UNMAP)
        assert len(result.ptes) == 2
        assert result.stopped
        assert len([loop for loop in result.loops if loop.fallback]) == 1

    def test_swap_entries_do_not_count(self) -> None:
        """Decision 5."""
        text = (
            "P mmap 0 2\nP madvise 0 2 mergeable\nP write 0 2 0x77\nksmd 2\n"
            "P hold 0\nP swapout 0\nP read 0 1\n"
        )
        state = scenario.Scenario.parse(text, name="test").run(walk=walks.get("full"))
        (folio,) = state.ksm_folios()
        result = walks.get("counted")(state, folio)
        assert result == walks.get("address")(state, folio)
        assert result.ptes == ((0, 0),)


class TestAvc:
    @pytest.mark.parametrize("name", ["parent-gone", "parent-unmaps"])
    def test_without_fallback_it_misses_the_child_of_a_parent_that_is_gone(self, name: str) -> None:
        state = final(name)
        assert found("avc", state) == found("full", state)
        assert found("avc-nofallback", state) < found("full", state)

    def test_the_fallback_is_the_full_range(self) -> None:
        state = final("parent-gone")
        (folio,) = state.ksm_folios()
        assert walks.get("avc")(state, folio) == walks.get("full")(state, folio)
        assert walks.get("avc-nofallback")(state, folio).iterations == 0

    def test_a_vma_that_is_not_linked_is_no_help(self) -> None:
        """The parent has other memory now at the address of the item."""
        text = (
            "P mmap 0 2\nP madvise 0 2 mergeable\nP write 0 2 0x77\nksmd 2\nP fork C\n"
            "P munmap 0 2\nP mmap 0 2\nP write 0 2 1\n"
        )
        state = scenario.Scenario.parse(text, name="test").run()
        assert state.vma(0, 0) is not None
        assert found("avc", state) == found("full", state) == {(1, 0), (1, 1)}
        assert found("avc-nofallback", state) == set()

    def test_the_fallback_does_not_make_it_complete(self) -> None:
        """A linked VMA with another index, moved to the item's address, leads it astray."""
        text = (
            "P mmap 0 3\nP madvise 0 3 mergeable\nP write 0 2 0x77\nP write 2 1 0x33\nksmd 2\n"
            "P fork C\nP mremap 2 1 to 1\nC mprotect 2 1 r\n"
        )
        state = scenario.Scenario.parse(text, name="test").run()
        assert found("full", state) - found("avc", state) == {(1, 1)}
        assert found("index", state) == found("full", state)


class TestDerive:
    def test_it_finds_what_was_moved_without_unsharing(self) -> None:
        """Up to 2.6.37 a move took KSM pages along; only the computed address leads to them."""
        state = final("move-poisoning")
        assert found("derive", state) > found("full", state)


class TestVerdicts:
    @pytest.mark.parametrize(
        ("name", "missing"),
        [
            ("hugh", {"address"}),
            ("split-after-merge", {"vm_pgoff"}),
            ("private-file", {"address"}),
            ("parent-gone", {"avc-nofallback"}),
            ("move-merge-split", {"address", "vm_pgoff"}),
            ("fork-unscanned", set()),
        ],
    )
    def test_who_misses_what_full_finds(self, name: str, missing: set[str]) -> None:
        state = final(name)
        full = found("full", state)
        assert {walk for walk in walks.ksm_names() if full - found(walk, state)} == missing
