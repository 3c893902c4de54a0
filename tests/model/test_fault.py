"""Faults, copy on write, swap and migration."""

from __future__ import annotations

import pytest

from ksm_rmap import MmError, State, ops
from ksm_rmap.model.state import Folio, PteKind
from tests.support import Found, truth


def nothing(_state: State, _folio: int) -> Found:
    return Found(())


def only_process_0(state: State, folio: int) -> Found:
    return Found(tuple(found for found in truth(state, folio).ptes if found[0] == 0))


def written(*contents: int, mergeable: bool = False) -> State:
    state = ops.mmap(State(), mm=0, start=0, pages=len(contents))
    if mergeable:
        state = ops.madvise(state, mm=0, start=0, pages=len(contents), advice="mergeable")
    for page, content in enumerate(contents):
        state = ops.write(state, mm=0, start=page, content=content)
    return state


def folio(state: State, mm: int, page: int) -> Folio:
    number = state.folio_at(mm, page)
    assert number is not None
    state.check()
    return state.folios[number]


def kind(state: State, mm: int, page: int) -> PteKind:
    pte = state.pte(mm, page)
    assert pte is not None
    state.check()
    return pte.kind


def test_a_write_makes_an_exclusive_folio() -> None:
    found = folio(written(5), 0, 0)
    assert (found.mapcount, found.exclusive, found.content, found.index) == (1, True, 5, 0)


def test_a_second_write_changes_the_same_folio() -> None:
    state = written(5)
    again = ops.write(state, mm=0, start=0, content=6)
    assert again.folio_at(0, 0) == state.folio_at(0, 0)
    assert folio(again, 0, 0).content == 6
    assert folio(state, 0, 0).content == 5  # the argument is untouched


def test_a_write_over_the_zero_page() -> None:
    state = ops.read(ops.mmap(State(), mm=0, start=0, pages=1), mm=0, start=0)
    assert kind(state, 0, 0) is PteKind.ZERO
    assert folio(ops.write(state, mm=0, start=0, content=1), 0, 0).content == 1


def test_fork_shares_and_a_write_copies() -> None:
    state = ops.fork(written(5), mm=0, child=1)
    assert folio(state, 1, 0).mapcount == 2
    assert not folio(state, 1, 0).exclusive
    copied = ops.write(state, mm=1, start=0, content=6)
    assert folio(copied, 0, 0).content == 5
    assert folio(copied, 1, 0).mapping == copied.mms[1].vmas[0].anon_vma
    # The last mapper takes the folio over; from then on walks of others skip it.
    reused = ops.write(copied, mm=0, start=0, content=7)
    assert reused.folio_at(0, 0) == state.folio_at(0, 0)
    assert folio(reused, 0, 0).exclusive


def test_the_child_that_is_left_takes_the_folio_to_its_own_anon_vma() -> None:
    state = ops.exit_mm(ops.fork(written(5), mm=0, child=1), mm=0)
    assert folio(state, 1, 0).mapping != state.mms[1].vmas[0].anon_vma
    state = ops.write(state, mm=1, start=0, content=6)
    assert folio(state, 1, 0).mapping == state.mms[1].vmas[0].anon_vma


def test_a_pinned_folio_is_copied_though_nobody_else_maps_it() -> None:
    state = ops.hold(ops.fork(written(5), mm=0, child=1), mm=0, page=0)
    state = ops.exit_mm(state, mm=1)
    copied = ops.write(state, mm=0, start=0, content=6)
    assert copied.folio_at(0, 0) != state.folio_at(0, 0)
    assert len(copied.folios) == 2  # the pin keeps the old one


@pytest.mark.parametrize("operation", ["read", "write"])
def test_a_fault_outside_or_against_the_protection(operation: str) -> None:
    call = getattr(ops, operation)
    extra = {"content": 1} if operation == "write" else {}
    state = ops.mmap(State(), mm=0, start=0, pages=1, prot="-")
    with pytest.raises(MmError, match=rf"{operation}: process 0 may not {operation} page 0"):
        call(state, mm=0, start=0, **extra)
    with pytest.raises(MmError, match=r"nothing mapped at page 9 \(EFAULT\)"):
        call(state, mm=0, start=9, **extra)


def test_dontneed_empties_and_the_next_read_is_zero() -> None:
    state = ops.madvise(written(5), mm=0, start=0, pages=1, advice="dontneed")
    assert not state.folios
    assert kind(ops.read(state, mm=0, start=0), 0, 0) is PteKind.ZERO


# Swap


def test_swap_out_and_in_by_the_only_process() -> None:
    state = ops.swap_out(written(5), mm=0, page=0, walk=truth)
    assert kind(state, 0, 0) is PteKind.SWAP
    assert not state.folios
    assert [slot.content for slot in state.slots.values_in_order()] == [5]
    back = ops.read(state, mm=0, start=0)
    assert folio(back, 0, 0).content == 5
    assert folio(back, 0, 0).exclusive
    assert not back.slots


def test_swap_in_of_a_shared_slot_goes_through_the_swap_cache() -> None:
    state = ops.fork(written(5), mm=0, child=1)
    state = ops.swap_out(state, mm=0, page=0, walk=truth)
    first = ops.read(state, mm=0, start=0)
    assert folio(first, 0, 0).swap is not None
    assert not folio(first, 0, 0).exclusive
    assert folio(first, 0, 0).mapping == first.anon_vmas[folio(first, 0, 0).mapping].root
    both = ops.read(first, mm=1, start=0)
    assert both.folio_at(0, 0) == both.folio_at(1, 0)
    assert folio(both, 0, 0).mapcount == 2


def test_a_moved_page_swaps_in_as_a_copy() -> None:
    state = ops.fork(written(5, 6), mm=0, child=1)
    state = ops.swap_out(state, mm=0, page=0, walk=truth)
    state = ops.read(state, mm=0, start=0)
    state = ops.munmap(state, mm=1, start=1, pages=1)
    state = ops.mremap(state, mm=1, start=0, pages=1, to=7)
    copied = ops.read(state, mm=1, start=7)
    same = copied.folio_at(1, 7) == copied.folio_at(0, 0)
    assert same  # a move keeps the index, so the folio fits


def test_a_write_to_a_swapped_page_of_the_last_user_owns_it() -> None:
    state = ops.fork(written(5), mm=0, child=1)
    state = ops.swap_out(state, mm=0, page=0, walk=truth)
    state = ops.read(state, mm=0, start=0)
    state = ops.madvise(state, mm=0, start=0, pages=1, advice="dontneed")
    written_to = ops.write(state, mm=1, start=0, content=9)
    assert folio(written_to, 1, 0).exclusive
    assert folio(written_to, 1, 0).content == 9
    assert not written_to.slots


def test_a_read_first_and_a_write_later_frees_the_swap_cache() -> None:
    state = ops.fork(written(5), mm=0, child=1)
    state = ops.swap_out(state, mm=0, page=0, walk=truth)
    state = ops.read(state, mm=0, start=0)
    state = ops.exit_mm(state, mm=1)
    assert folio(state, 0, 0).swap is not None
    owned = ops.write(state, mm=0, start=0, content=6)
    assert owned.folio_at(0, 0) == state.folio_at(0, 0)
    assert not owned.slots
    owned.check()


def test_a_write_to_the_last_entry_of_a_cached_folio_takes_it_out_of_the_cache() -> None:
    state = ops.fork(written(5), mm=0, child=1)
    state = ops.swap_out(state, mm=0, page=0, walk=truth)
    state = ops.exit_mm(ops.read(state, mm=0, start=0), mm=0)
    (cached,) = state.folios
    owned = ops.write(state, mm=1, start=0, content=6)
    assert owned.folio_at(1, 0) == cached
    assert folio(owned, 1, 0).exclusive
    assert folio(owned, 1, 0).swap is None


def test_a_shared_folio_that_is_written_while_others_map_it_is_copied() -> None:
    state = ops.fork(ops.fork(written(5), mm=0, child=1), mm=0, child=2)
    state = ops.swap_out(state, mm=0, page=0, walk=truth)
    state = ops.read(state, mm=0, start=0)
    copied = ops.write(state, mm=1, start=0, content=6)
    assert copied.folio_at(1, 0) != copied.folio_at(0, 0)
    assert not folio(copied, 0, 0).exclusive
    assert folio(copied, 1, 0).exclusive


def test_a_walk_that_misses_leaves_the_folio_stuck_in_the_swap_cache() -> None:
    state = ops.fork(written(5), mm=0, child=1)
    stuck = ops.swap_out(state, mm=0, page=0, walk=only_process_0)
    assert kind(stuck, 0, 0) is PteKind.SWAP
    assert kind(stuck, 1, 0) is PteKind.PRESENT
    assert folio(stuck, 1, 0).swap is not None
    with pytest.raises(MmError, match="stays in the swap cache"):
        ops.drop_swap_cache(stuck, mm=1, page=0)
    freed = ops.swap_out(stuck, mm=1, page=0, walk=truth)
    assert not freed.folios
    assert len(freed.slots) == 1


def test_exclusive_pages_come_back_exclusive_and_fork_takes_it() -> None:
    state = ops.hold(written(5), mm=0, page=0)
    state = ops.swap_out(state, mm=0, page=0, walk=truth)
    pte = state.pte(0, 0)
    assert pte is not None
    assert pte.exclusive
    assert folio(ops.read(state, mm=0, start=0), 0, 0).exclusive
    state = ops.fork(state, mm=0, child=1)
    for mm in (0, 1):
        pte = state.pte(mm, 0)
        assert pte is not None
        assert not pte.exclusive


def test_the_swap_cache_outlives_the_last_mapping_while_entries_refer_to_it() -> None:
    state = ops.fork(written(5), mm=0, child=1)
    state = ops.swap_out(state, mm=0, page=0, walk=truth)
    state = ops.read(state, mm=0, start=0)
    state = ops.exit_mm(state, mm=0)
    assert len(state.folios) == 1
    dropped = ops.drop_swap_cache(state, mm=1, page=0)
    assert not dropped.folios
    assert folio(ops.read(dropped, mm=1, start=0), 1, 0).content == 5
    state = ops.exit_mm(state, mm=1)
    assert not state.folios
    assert not state.slots


@pytest.mark.parametrize(
    ("page", "message"), [(0, "is not in the swap cache"), (1, "no folio or swap entry")]
)
def test_drop_swap_cache_needs_a_cached_folio(page: int, message: str) -> None:
    state = ops.mmap(State(), mm=0, start=0, pages=2)
    state = ops.write(state, mm=0, start=0, content=1)
    with pytest.raises(MmError, match=message):
        ops.drop_swap_cache(state, mm=0, page=page)


def test_reclaim_takes_everything_and_leaves_pinned_folios_in_the_cache() -> None:
    state = ops.hold(ops.fork(written(5, 6), mm=0, child=1), mm=0, page=1)
    state = ops.reclaim(state, walk=truth)
    assert {kind(state, mm, page) for mm in (0, 1) for page in (0, 1)} == {PteKind.SWAP}
    assert [f.content for f in state.folios.values_in_order()] == [6]
    released = ops.release(state, mm=0, page=1)
    assert [f.pins for f in released.folios.values_in_order()] == [0]
    assert not ops.reclaim(released, walk=truth).folios


def test_release_without_hold() -> None:
    with pytest.raises(MmError, match=r"has no extra reference \(EINVAL\)"):
        ops.release(written(5), mm=0, page=0)


# Migration


def test_a_migration_in_two_halves() -> None:
    state = ops.fork(written(5), mm=0, child=1)
    half = ops.migrate_begin(state, mm=0, page=0, walk=truth)
    assert kind(half, 0, 0) is kind(half, 1, 0) is PteKind.MIGRATION
    for call in (ops.read, ops.write):
        extra = {"content": 1} if call is ops.write else {}
        with pytest.raises(MmError, match="waits for the migration of folio"):
            call(half, mm=0, start=0, **extra)
    with pytest.raises(MmError, match="under migration"):
        ops.migrate_begin(half, mm=0, page=0, walk=truth)
    with pytest.raises(MmError, match="under migration"):
        ops.swap_out(half, mm=0, page=0, walk=truth)
    assert ops.migrate_end(half, mm=0, page=0, walk=truth) == state


def test_a_swap_in_waits_for_the_migration_of_the_cached_folio() -> None:
    state = ops.fork(written(5), mm=0, child=1)
    state = ops.swap_out(state, mm=0, page=0, walk=truth)
    state = ops.read(state, mm=0, start=0)
    number = state.folio_at(0, 0)
    half = ops.migrate_begin(state, mm=0, page=0, walk=truth)
    with pytest.raises(
        MmError, match=f"process 1 page 0 waits for the migration of folio {number}"
    ):
        ops.read(half, mm=1, start=0)
    done = ops.migrate_end(half, mm=0, page=0, walk=truth)
    assert ops.read(done, mm=1, start=0).folio_at(1, 0) == number


def test_a_read_of_the_last_entry_leaves_the_folio_in_the_swap_cache() -> None:
    state = ops.fork(written(5), mm=0, child=1)
    state = ops.swap_out(state, mm=0, page=0, walk=truth)
    state = ops.read(ops.read(state, mm=0, start=0), mm=1, start=0)
    assert folio(state, 1, 0).swap is not None
    assert not folio(state, 1, 0).exclusive


def test_a_walk_that_misses_gives_the_migration_up() -> None:
    state = ops.fork(written(5), mm=0, child=1)
    assert ops.migrate_begin(state, mm=0, page=0, walk=only_process_0) == state


def test_a_second_walk_that_misses_leaves_an_entry_behind() -> None:
    state = ops.fork(written(5), mm=0, child=1)
    half = ops.migrate_begin(state, mm=0, page=0, walk=truth)
    left = ops.migrate_end(half, mm=0, page=0, walk=only_process_0)
    assert kind(left, 0, 0) is PteKind.PRESENT
    assert kind(left, 1, 0) is PteKind.MIGRATION
    with pytest.raises(MmError, match="EAGAIN"):
        ops.read(left, mm=1, start=0)


def test_an_exclusive_page_stays_exclusive_over_a_migration() -> None:
    state = written(5)
    half = ops.migrate_begin(state, mm=0, page=0, walk=truth)
    pte = half.pte(0, 0)
    assert pte is not None
    assert pte.exclusive
    assert ops.migrate_end(half, mm=0, page=0, walk=truth) == state


def test_unmapping_drops_the_migration_entry_and_the_folio() -> None:
    half = ops.migrate_begin(written(5), mm=0, page=0, walk=truth)
    assert not ops.munmap(half, mm=0, start=0, pages=1).folios


def test_a_pinned_folio_does_not_migrate() -> None:
    with pytest.raises(MmError, match=r"has an extra reference \(EAGAIN\)"):
        ops.migrate_begin(ops.hold(written(5), mm=0, page=0), mm=0, page=0, walk=truth)


def test_migrate_end_needs_a_migration() -> None:
    with pytest.raises(MmError, match=r"is not under migration \(EINVAL\)"):
        ops.migrate_end(written(5), mm=0, page=0, walk=truth)


@pytest.mark.parametrize("call", [ops.swap_out, ops.migrate_begin])
def test_nothing_mapped_is_refused(call: object) -> None:
    state = ops.mmap(State(), mm=0, start=0, pages=1)
    assert callable(call)
    with pytest.raises(MmError, match=r"maps no folio at page 0 \(EFAULT\)"):
        call(state, mm=0, page=0, walk=nothing)


# Processes and arguments


def test_processes_are_named_and_known() -> None:
    state = State()
    with pytest.raises(MmError, match=r"there is no process 3 \(ESRCH\)"):
        ops.mmap(state, mm=3, start=0, pages=1)
    with pytest.raises(MmError, match=r"process 0 exists already \(EEXIST\)"):
        ops.fork(state, mm=0, child=0)
    with pytest.raises(MmError, match=r"cannot have the number -1 \(EINVAL\)"):
        ops.fork(state, mm=0, child=-1)
    ended = ops.exit_mm(state, mm=0)
    with pytest.raises(MmError, match="ESRCH"):
        ops.exit_mm(ended, mm=0)


@pytest.mark.parametrize(("start", "pages"), [(0, 0), (-1, 1), (0, 10**30), (2**52, 1), (0, -3)])
def test_impossible_ranges(start: int, pages: int) -> None:
    for call in (ops.mmap, ops.munmap, ops.read):
        with pytest.raises(MmError, match=f"no range of {pages} pages at page {start}"):
            call(State(), mm=0, start=start, pages=pages)


@pytest.mark.parametrize("prot", ["", "q", "rwz"])
def test_unknown_protection(prot: str) -> None:
    with pytest.raises(MmError, match="unknown protection"):
        ops.mmap(State(), mm=0, start=0, pages=1, prot=prot)


def test_unknown_advice_names_the_known() -> None:
    with pytest.raises(MmError, match="unknown advice 'free'; known: mergeable, "):
        ops.madvise(State(), mm=0, start=0, pages=1, advice="free")
