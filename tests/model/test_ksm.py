"""ksmd: what merges, who gets an item, when items and nodes go."""

from __future__ import annotations

import pytest

from ksm_rmap import MmError, Rules, State, ops
from ksm_rmap.model.calls import Call
from ksm_rmap.model.state import Folio, ItemState, RmapItem, StableNode
from tests.support import Found, truth


def written(*contents: int, rules: str = "7.0") -> State:
    """One mergeable VMA of process 0 from page 0 on; 0 leaves a page untouched."""
    state = State(rules=Rules.preset(rules))
    state = ops.mmap(state, mm=0, start=0, pages=len(contents))
    state = ops.madvise(state, mm=0, start=0, pages=len(contents), advice="mergeable")
    for page, content in enumerate(contents):
        if content:
            state = ops.write(state, mm=0, start=page, content=content)
    return state


def scanned(state: State, passes: int = 2) -> State:
    state = ops.ksmd(state, passes=passes)
    state.check()
    return state


def the_folio(state: State, mm: int, page: int) -> Folio:
    number = state.folio_at(mm, page)
    assert number is not None
    return state.folios[number]


def node_of(state: State, mm: int, page: int) -> StableNode:
    number = state.folio_at(mm, page)
    assert number is not None
    node = state.stable_node(number)
    assert node is not None
    return node


def items(state: State, mm: int = 0) -> dict[int, RmapItem]:
    return dict(state.mms[mm].items.pairs())


def test_the_first_visit_notes_the_content_and_the_second_merges() -> None:
    once = scanned(written(7, 7), 1)
    assert {item.checksum for item in items(once).values()} == {7}
    assert not once.nodes
    twice = scanned(once, 1)
    assert twice.folio_at(0, 0) == twice.folio_at(0, 1)


def test_the_scanned_page_is_upgraded_and_the_page_from_the_tree_replaced() -> None:
    before = written(7, 8, 7)
    state = scanned(before)
    assert state.folio_at(0, 0) == state.folio_at(0, 2) == before.folio_at(0, 2)
    assert before.folio_at(0, 0) not in state.folios
    assert node_of(state, 0, 0).items == ((0, 2), (0, 0))  # the scanned one first
    folio = the_folio(state, 0, 0)
    assert (folio.ksm, folio.mapcount, folio.exclusive) == (True, 2, False)
    assert not the_folio(state, 0, 1).ksm


def test_a_third_equal_page_joins_at_the_head() -> None:
    assert node_of(scanned(written(7, 7, 7)), 0, 0).items == ((0, 2), (0, 1), (0, 0))


def test_items_hold_a_reference_and_record_index_and_offset() -> None:
    state = scanned(written(9, 7, 7))
    found = items(state)[2]
    assert (found.state, found.index, found.vm_pgoff) == (ItemState.STABLE, 2, 0)
    assert found.anon_vma is not None
    assert state.anon_vmas[found.anon_vma].refcount == 1 + 2
    assert items(state)[0].state is ItemState.LOOSE


def test_a_page_that_changes_every_round_never_merges() -> None:
    state = written(7, 7)
    for content in (1, 2, 3):
        state = scanned(ops.write(state, mm=0, start=0, content=content), 1)
        state = ops.write(state, mm=0, start=1, content=content)
    assert not state.nodes


def test_only_mergeable_faulted_memory_is_scanned() -> None:
    state = ops.mmap(written(7, 7), mm=0, start=10, pages=2)
    state = scanned(ops.write(state, mm=0, start=10, content=7))
    assert 10 not in items(state)
    assert not the_folio(state, 0, 10).ksm


def test_zero_and_swapped_pages_are_skipped_and_lose_their_items() -> None:
    state = scanned(ops.read(written(7, 7, 0), mm=0, start=2))
    assert sorted(items(state)) == [0, 1]
    state = ops.swap_out(state, mm=0, page=0, walk=truth)
    state = scanned(state, 1)
    assert not items(state)
    assert not state.nodes


def test_a_forked_page_is_never_merged_with_itself() -> None:
    state = scanned(ops.fork(written(7), mm=0, child=1), 3)
    assert not the_folio(state, 0, 0).ksm


def test_an_upgrade_takes_the_relatives_along_without_an_item() -> None:
    """Birth B2: every entry that mapped the folio maps a KSM page now."""
    state = ops.mmap(State(), mm=0, start=0, pages=2)
    state = ops.write(state, mm=0, start=0, pages=2, content=7)
    state = ops.fork(state, mm=0, child=1)
    state = ops.madvise(state, mm=1, start=0, pages=2, advice="mergeable")
    state = scanned(state)
    assert the_folio(state, 0, 1).ksm
    assert the_folio(state, 0, 1).mapcount == 3
    assert not items(state, 0)
    assert sorted(items(state, 1)) == [0, 1]


def test_a_child_that_is_scanned_gets_items_of_its_own() -> None:
    state = scanned(ops.fork(scanned(written(7, 7)), mm=0, child=1), 1)
    assert node_of(state, 0, 0).items == ((1, 1), (1, 0), (0, 1), (0, 0))
    assert items(state, 1)[0].anon_vma == state.mms[1].vmas[0].anon_vma


def test_a_known_page_is_left_alone_and_nothing_is_refreshed() -> None:
    state = scanned(written(7, 7))
    split = ops.mprotect(state, mm=0, start=0, pages=1, prot="r")
    assert items(scanned(split))[1] == items(state)[1]
    assert items(state)[1].vm_pgoff == 0
    assert split.mms[0].vmas[1].pgoff == 1


def test_a_written_page_keeps_its_item_until_ksmd_comes_by() -> None:
    state = ops.write(scanned(written(7, 7)), mm=0, start=0, content=9)
    state.check()
    assert items(state)[0].state is ItemState.STABLE
    state = scanned(state, 1)
    assert items(state)[0].state is ItemState.LOOSE
    assert node_of(state, 0, 1).items == ((0, 1),)


def test_a_node_whose_folio_is_gone_is_stale_until_ksmd_notices() -> None:
    state = ops.madvise(scanned(written(7, 7)), mm=0, start=0, pages=2, advice="dontneed")
    state.check()
    assert len(state.nodes) == 1
    assert not state.folios
    (anon_vma,) = state.anon_vmas.values_in_order()
    assert anon_vma.refcount == 3
    state = scanned(state, 1)
    assert not state.nodes
    (anon_vma,) = state.anon_vmas.values_in_order()
    assert anon_vma.refcount == 1


def test_a_search_for_the_same_content_prunes_a_stale_node() -> None:
    state = scanned(written(7, 7, 0, 0))
    state = ops.madvise(state, mm=0, start=0, pages=2, advice="dontneed")
    state = ops.write(state, mm=0, start=2, pages=2, content=7)
    state = scanned(state)
    assert node_of(state, 0, 2).items == ((0, 3), (0, 2))
    assert len(state.nodes) == 1


def test_max_page_sharing_opens_a_second_folio() -> None:
    state = ops.max_page_sharing(written(7, 7, 7, 7, 7), limit=2)
    state = scanned(state)
    folios = [state.folio_at(0, page) for page in range(5)]
    assert folios[0] == folios[1]
    assert folios[2] == folios[3]
    assert folios[0] != folios[2]
    assert not the_folio(state, 0, 4).ksm
    assert len(state.nodes) == 2


def test_a_forked_page_goes_over_the_limit() -> None:
    state = scanned(ops.max_page_sharing(written(7, 7), limit=2))
    state = scanned(ops.fork(state, mm=0, child=1), 1)
    assert len(node_of(state, 0, 0).items) == 4


def test_max_page_sharing_has_bounds() -> None:
    with pytest.raises(MmError, match=r"1 is less than 2 \(EINVAL\)"):
        ops.max_page_sharing(State(), limit=1)
    with pytest.raises(MmError, match=r"there are 1 stable nodes \(EBUSY\)"):
        ops.max_page_sharing(scanned(written(7, 7)), limit=4)


def test_unmergeable_breaks_and_stops() -> None:
    state = ops.madvise(scanned(written(7, 7)), mm=0, start=0, pages=2, advice="unmergeable")
    state.check()
    assert not the_folio(state, 0, 0).ksm
    assert the_folio(state, 0, 0).exclusive
    assert not scanned(state).ksm_folios()


def test_unmergeable_leaves_a_swap_entry_of_a_ksm_folio_alone() -> None:
    state = ops.fork(scanned(written(7, 7)), mm=0, child=1)
    state = ops.hold(state, mm=0, page=0)
    state = ops.swap_out(state, mm=0, page=0, walk=truth)
    (cached,) = state.ksm_folios()
    state = ops.madvise(state, mm=0, start=0, pages=2, advice="unmergeable")
    back = ops.read(state, mm=0, start=0)
    assert back.folio_at(0, 0) == cached
    assert the_folio(back, 0, 0).ksm  # in a VMA that is not mergeable any more
    back.check()


def test_a_mm_without_mergeable_memory_leaves_the_list() -> None:
    state = ops.madvise(written(7), mm=0, start=0, pages=1, advice="unmergeable")
    assert state.ksmd.slots == (0,)
    assert scanned(state, 1).ksmd.slots == ()
    assert scanned(written(0), 1).ksmd.slots == (0,)  # unfaulted but mergeable: it stays


def test_an_exiting_mm_keeps_its_items_for_ksmd() -> None:
    state = ops.fork(scanned(written(7, 7)), mm=0, child=1)
    state = ops.exit_mm(state, mm=0)
    state.check()
    assert not state.mms[0].alive
    assert node_of(state, 1, 0).items == ((0, 1), (0, 0))
    state = scanned(state, 1)
    assert 0 not in state.mms
    assert node_of(state, 1, 0).items == ((1, 1), (1, 0))


def test_an_exiting_mm_without_items_is_forgotten_at_once() -> None:
    state = ops.exit_mm(written(7), mm=0)
    assert 0 not in state.mms
    assert state.ksmd.slots == ()


def test_a_child_is_scanned_after_its_parent() -> None:
    state = ops.fork(written(7), mm=0, child=1)
    assert state.ksmd.slots == (0, 1)
    middle = ops.ksmd_step(state)
    assert (middle.ksmd.mm, middle.ksmd.address) == (0, 1)
    late = ops.fork(middle, mm=0, child=2)
    assert late.ksmd.slots == (2, 0, 1)  # just behind the cursor: last in this round
    late.check()


def test_exit_in_the_middle_of_a_pass() -> None:
    state = ops.ksmd_step(ops.fork(written(7, 7), mm=0, child=1))
    under_the_cursor = ops.exit_mm(state, mm=0)
    under_the_cursor.check()
    assert under_the_cursor.ksmd.slots == (0, 1)
    assert 0 not in scanned(under_the_cursor, 1).mms
    elsewhere = ops.exit_mm(state, mm=1)
    assert elsewhere.ksmd.slots == (0,)


def test_steps_make_up_a_pass() -> None:
    state = written(7, 8, 7)
    stepped = state
    for _ in range(4):  # three pages and the end of the pass
        stepped = ops.ksmd_step(stepped)
        stepped.check()
    assert stepped == ops.ksmd(state)
    assert stepped.ksmd.seqnr == 1


def test_a_pass_with_nothing_to_do() -> None:
    assert ops.ksmd_step(State()) == State()
    with pytest.raises(MmError, match=r"0 passes \(EINVAL\)"):
        ops.ksmd(State(), passes=0)


def test_pages_go_away_between_two_steps() -> None:
    """The page that waits in the unstable tree is gone: the search gives up."""
    state = ops.ksmd_step(scanned(written(7, 7, 7), 1))
    state = ops.munmap(state, mm=0, start=0, pages=1)
    state = ops.ksmd_step(state)
    state.check()
    assert items(state)[1].state is ItemState.LOOSE
    assert not state.nodes


def test_a_page_that_waits_may_change_before_it_is_found() -> None:
    state = ops.ksmd_step(scanned(written(7, 7, 7), 1))
    state = ops.write(state, mm=0, start=0, content=5)
    state = ops.ksmd_step(ops.ksmd_step(state))
    state.check()
    assert state.folio_at(0, 1) == state.folio_at(0, 2)
    assert the_folio(state, 0, 0).content == 5


def test_a_page_that_waits_may_become_unmergeable() -> None:
    state = ops.ksmd_step(scanned(written(7, 7), 1))
    state = ops.madvise(state, mm=0, start=0, pages=1, advice="unmergeable")
    state = ops.ksmd_step(state)
    assert not state.nodes
    assert items(state)[1].state is ItemState.LOOSE


def test_a_pinned_page_does_not_merge() -> None:
    for page in (0, 1):
        state = scanned(ops.hold(written(7, 7), mm=0, page=page), 3)
        assert not the_folio(state, 0, page).ksm
        assert state.folio_at(0, 0) != state.folio_at(0, 1)
    joined = ops.mmap(scanned(written(7, 7)), mm=0, start=5, pages=1)
    joined = ops.madvise(joined, mm=0, start=5, pages=1, advice="mergeable")
    joined = ops.hold(ops.write(joined, mm=0, start=5, content=7), mm=0, page=5)
    assert not the_folio(scanned(joined), 0, 5).ksm


@pytest.mark.parametrize("page", [0, 1])
def test_a_held_page_that_a_read_brought_back_from_swap_merges(page: int) -> None:
    """Its entry is clean and read-only, so `write_protect_page` counts no references."""
    state = ops.fork(ops.hold(written(7, 7), mm=0, page=page), mm=0, child=1)
    state = ops.read(ops.reclaim(state, walk=truth), mm=0, start=0, pages=2)
    assert the_folio(state, 0, page).pins == 1
    state = scanned(state, 2)
    assert the_folio(state, 0, page).ksm
    assert state.folio_at(0, 0) == state.folio_at(0, 1)


def test_the_second_page_fails_and_the_first_is_broken_again() -> None:
    """A relative that maps the upgraded folio is left with a KSM page without a node."""
    state = ops.mmap(State(), mm=0, start=0, pages=2)
    state = ops.write(state, mm=0, start=0, pages=2, content=7)
    state = ops.fork(state, mm=0, child=1)
    state = ops.madvise(state, mm=1, start=0, pages=2, advice="mergeable")
    state = ops.hold(state, mm=1, page=0)
    state = scanned(state)
    assert not the_folio(state, 1, 1).ksm
    assert the_folio(state, 0, 1).ksm
    assert not state.nodes
    again = ops.madvise(state, mm=0, start=0, pages=2, advice="mergeable")
    scanned(again, 3)


def test_a_folio_under_migration_is_passed_over() -> None:
    state = ops.fork(written(7, 7, 8), mm=0, child=1)
    state = ops.munmap(state, mm=1, start=0, pages=2)
    state = scanned(ops.write(state, mm=1, start=2, content=9))
    state = ops.ksmd_step(ops.ksmd_step(ops.ksmd_step(state)))  # the cursor is past process 0
    state = ops.migrate_begin(ops.write(state, mm=1, start=2, content=7), mm=0, page=0, walk=truth)
    state = ops.ksmd_step(state)
    assert items(state, 1)[2].checksum == 7
    half = ops.ksmd_step(state)  # the end of the pass
    with pytest.raises(MmError, match=r"ksmd waits for the migration of folio \d+ \(EAGAIN\)"):
        ops.ksmd(half)
    done = ops.migrate_end(half, mm=0, page=0, walk=truth)
    assert the_folio(scanned(done), 1, 2).ksm


def test_a_candidate_under_migration_is_not_taken() -> None:
    state = ops.fork(written(7, 7, 8), mm=0, child=1)
    state = ops.munmap(state, mm=1, start=0, pages=2)
    state = scanned(ops.write(state, mm=1, start=2, content=9))
    state = scanned(ops.write(state, mm=1, start=2, content=7), 1)  # its content is known now
    state = ops.ksmd_step(ops.ksmd_step(ops.ksmd_step(state)))
    state = ops.migrate_begin(state, mm=0, page=0, walk=truth)
    state = ops.ksmd_step(state)
    state.check()
    assert not the_folio(state, 1, 2).ksm
    assert items(state, 1)[2].state is ItemState.LOOSE


def test_entries_that_a_migration_left_behind_do_not_stop_ksmd() -> None:
    state = ops.migrate_begin(scanned(written(7, 7)), mm=0, page=0, walk=truth)
    state = ops.migrate_end(state, mm=0, page=0, walk=lambda *_: Found(((0, 0),)))
    state = scanned(state, 1)
    assert sorted(items(state)) == [0]
    folio = the_folio(state, 0, 0)
    assert (folio.mapcount, folio.migrating) == (1, 1)


@pytest.mark.parametrize(
    "call",
    [
        Call.of("mremap", mm=0, start=0, pages=1, to=9),
        Call.of("madvise", mm=0, start=0, pages=2, advice="unmergeable"),
    ],
)
def test_breaking_waits_for_a_migration(call: Call) -> None:
    state = ops.migrate_begin(scanned(written(7, 7)), mm=0, page=0, walk=truth)
    with pytest.raises(MmError, match="page 0 waits for the migration"):
        call.apply(state)


def test_run_2_unmerges_everything_mergeable() -> None:
    state = ops.unmerge_all(scanned(written(7, 7)))
    state.check()
    assert not state.ksm_folios()
    assert not state.nodes
    assert not items(state)
    assert state.ksmd.slots == (0,)
    assert scanned(state).ksm_folios()  # and ksmd may begin again


def test_run_2_keeps_a_node_that_somebody_else_maps() -> None:
    state = ops.mmap(State(), mm=0, start=0, pages=2)
    state = ops.write(state, mm=0, start=0, pages=2, content=7)
    state = ops.fork(state, mm=0, child=1)
    state = ops.madvise(state, mm=1, start=0, pages=2, advice="mergeable")
    state = ops.unmerge_all(scanned(state))
    state.check()
    assert the_folio(state, 0, 1).ksm
    assert node_of(state, 0, 1).items == ()


def test_run_2_forgets_a_folio_in_the_swap_cache() -> None:
    state = ops.hold(scanned(written(7, 7)), mm=0, page=0)
    state = ops.swap_out(state, mm=0, page=0, walk=truth)
    state = ops.unmerge_all(state)
    state.check()
    assert not state.nodes
    back = ops.read(state, mm=0, start=0)
    assert not the_folio(back, 0, 0).ksm  # it had to be copied
    back.check()


def test_run_2_after_everything_is_gone() -> None:
    state = ops.munmap(scanned(written(7, 7)), mm=0, start=0, pages=2)
    state = ops.exit_mm(ops.fork(state, mm=0, child=1), mm=0)
    state = ops.unmerge_all(state)
    state.check()
    assert not state.nodes
    assert 0 not in state.mms


def test_merge_any_marks_memory_of_now_and_later() -> None:
    state = ops.mmap(State(), mm=0, start=0, pages=1)
    state = ops.prctl_merge_any(state, mm=0, enable=True)
    assert ops.prctl_merge_any(state, mm=0, enable=True) == state
    state = ops.mmap(state, mm=0, start=1, pages=1)
    assert len(state.mms[0].vmas) == 1  # `ksm_merge`: adjacent mappings merge
    state = scanned(ops.write(state, mm=0, start=0, pages=2, content=7))
    assert the_folio(state, 0, 0).ksm
    child = ops.fork(state, mm=0, child=1)
    assert child.mms[1].merge_any
    off = ops.prctl_merge_any(child, mm=0, enable=False)
    off.check()
    assert not the_folio(off, 0, 0).ksm
    assert the_folio(off, 1, 0).ksm
    assert off.ksmd.slots == (0, 1)


def test_a_private_file_page_records_the_file_offset() -> None:
    state = ops.mmap(State(), mm=0, start=500, pages=4, file="f", offset=3)
    state = ops.madvise(state, mm=0, start=500, pages=4, advice="mergeable")
    state = scanned(ops.write(state, mm=0, start=501, pages=2, content=7))
    assert {item.address: item.index for item in items(state).values()} == {501: 4, 502: 5}
    newest = State(rules=Rules.preset("mm-2026-08"))
    newest = ops.mmap(newest, mm=0, start=500, pages=4, file="f", offset=3)
    newest = ops.madvise(newest, mm=0, start=500, pages=4, advice="mergeable")
    newest = scanned(ops.write(newest, mm=0, start=501, pages=2, content=7))
    assert {i.address: (i.index, i.vm_pgoff) for i in items(newest).values()} == {
        501: (501, 3),
        502: (502, 3),
    }


def test_run_2_starts_the_scan_over() -> None:
    state = ops.ksmd_step(scanned(written(7, 7)))
    assert (state.ksmd.mm, state.ksmd.address, state.ksmd.seqnr) == (0, 1, 2)
    state = ops.unmerge_all(state)
    assert (state.ksmd.mm, state.ksmd.address, state.ksmd.seqnr) == (None, 0, 0)


def test_run_2_breaks_mergeable_vmas_only() -> None:
    """A relative whose own VMA is not mergeable keeps the page, though its mm is on the list."""
    state = ops.mmap(State(), mm=0, start=0, pages=2)
    state = ops.write(state, mm=0, start=0, pages=2, content=7)
    state = ops.mmap(state, mm=0, start=10, pages=1, prot="r")
    state = ops.madvise(state, mm=0, start=10, pages=1, advice="mergeable")
    state = ops.fork(state, mm=0, child=1)
    state = ops.madvise(state, mm=1, start=0, pages=2, advice="mergeable")
    state = scanned(state)
    assert 0 in state.ksmd.slots
    state = ops.unmerge_all(state)
    state.check()
    assert the_folio(state, 0, 1).ksm
    assert not the_folio(state, 1, 1).ksm
    assert not the_folio(state, 1, 0).ksm


def test_merge_any_off_clears_just_that_flag() -> None:
    state = ops.mmap(State(), mm=0, start=0, pages=2)
    state = ops.mmap(state, mm=0, start=5, pages=1, prot="r")
    before = {start: vma.flags for start, vma in state.mms[0].vmas.pairs()}
    on = ops.prctl_merge_any(state, mm=0, enable=True)
    off = ops.prctl_merge_any(on, mm=0, enable=False)
    assert {start: vma.flags for start, vma in off.mms[0].vmas.pairs()} == before
    assert not off.mms[0].merge_any


def test_merge_any_off_waits_for_a_migration_in_its_own_vmas_only() -> None:
    state = ops.prctl_merge_any(written(7, 7), mm=0, enable=True)
    state = scanned(ops.fork(state, mm=0, child=1))
    state = ops.migrate_begin(state, mm=1, page=0, walk=truth)
    with pytest.raises(MmError, match="page 0 waits"):
        ops.prctl_merge_any(state, mm=0, enable=False)


def test_a_dead_process_merges_nothing_any_more() -> None:
    state = ops.prctl_merge_any(written(7, 7), mm=0, enable=True)
    state = ops.exit_mm(scanned(state), mm=0)
    assert not state.mms[0].merge_any
    assert not state.mms[0].vmas


def test_an_exiting_mm_is_moved_right_behind_the_cursor() -> None:
    state = scanned(ops.fork(ops.fork(written(7, 7), mm=0, child=1), mm=0, child=2))
    middle = ops.ksmd_step(state)
    assert middle.ksmd.slots == (0, 1, 2)
    assert middle.ksmd.mm == 0
    assert ops.exit_mm(middle, mm=2).ksmd.slots == (0, 2, 1)
    assert ops.exit_mm(state, mm=2).ksmd.slots == (2, 0, 1)


def test_the_fullest_node_with_room_takes_the_next_page() -> None:
    state = ops.max_page_sharing(written(*[7] * 6, 0, 0), limit=3)
    state = scanned(state)
    assert sorted(len(node.items) for node in state.nodes.values_in_order()) == [3, 3]
    state = ops.madvise(state, mm=0, start=0, pages=2, advice="dontneed")
    state = ops.madvise(state, mm=0, start=3, pages=1, advice="dontneed")
    state = scanned(state, 1)
    assert sorted(len(node.items) for node in state.nodes.values_in_order()) == [1, 2]
    state = scanned(ops.write(state, mm=0, start=6, content=7))
    assert sorted(len(node.items) for node in state.nodes.values_in_order()) == [1, 3]
    state = scanned(ops.write(state, mm=0, start=7, content=7))
    assert sorted(len(node.items) for node in state.nodes.values_in_order()) == [2, 3]


def test_a_ksm_folio_without_node_gets_no_item() -> None:
    state = ops.mmap(State(), mm=0, start=0, pages=2)
    state = ops.write(state, mm=0, start=0, pages=2, content=7)
    state = ops.fork(state, mm=0, child=1)
    state = ops.madvise(state, mm=1, start=0, pages=2, advice="mergeable")
    state = scanned(ops.hold(state, mm=1, page=0))
    state = ops.release(state, mm=1, page=0)
    state = ops.madvise(state, mm=0, start=1, pages=1, advice="mergeable")
    state = scanned(state, 1)
    assert the_folio(state, 0, 1).ksm
    assert items(state)[1].state is ItemState.LOOSE


def test_a_node_that_is_dropped_leaves_the_others_of_its_content() -> None:
    state = scanned(ops.max_page_sharing(written(7, 7, 7, 7), limit=2))
    first, second = state.ksmd.stable[7]
    state = scanned(ops.madvise(state, mm=0, start=0, pages=2, advice="dontneed"), 1)
    assert state.ksmd.stable[7] == (second,)
    assert first not in state.nodes


def test_the_unstable_tree_holds_what_waits_and_is_emptied() -> None:
    state = ops.ksmd_step(scanned(written(7, 8), 1))
    assert dict(state.ksmd.unstable.pairs()) == {7: ((0, 0),)}
    state = ops.ksmd_step(state)
    assert dict(state.ksmd.unstable.pairs()) == {7: ((0, 0),), 8: ((0, 1),)}
    state = ops.ksmd_step(state)
    assert not state.ksmd.unstable
    assert {item.checksum for item in items(state).values()} == {7, 8}
