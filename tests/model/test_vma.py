"""Split, merge and unmap: the facts of the kernel's own VMA tests, through system calls.

`tools/testing/selftests/mm/merge.c` and `tools/testing/vma/` say how large the VMA must be
afterwards; the letters are theirs. A page is 0x1000 there and 1 here.
"""

from __future__ import annotations

import errno

import pytest

from ksm_rmap import MmError, Rules, State, ops
from ksm_rmap.model.calls import Call
from ksm_rmap.model.state import VmFlag

BASE = 100


def vmas(state: State, mm: int = 0) -> list[tuple[int, int, int]]:
    return [(v.start, v.end, v.pgoff) for v in state.mms[mm].vmas.values_in_order()]


def mapped(*ranges: tuple[int, int], rules: str = "7.0", prot: str = "rw") -> State:
    state = State(rules=Rules.preset(rules))
    for start, pages in ranges:
        state = ops.mmap(state, mm=0, start=start, pages=pages, prot=prot)
        state.check()
    return state


def size_at(state: State, page: int, mm: int = 0) -> int:
    vma = state.vma(mm, page)
    assert vma is not None
    state.check()
    return vma.pages


def test_new_mapping_joins_both_neighbours() -> None:
    state = mapped((0, 1), (2, 1), (1, 1))
    assert vmas(state) == [(0, 3, 0)]


def test_new_mapping_joins_one_neighbour_only_where_it_touches() -> None:
    assert vmas(mapped((0, 1), (1, 1), (3, 1))) == [(0, 2, 0), (3, 4, 3)]
    assert vmas(mapped((3, 1), (2, 1))) == [(2, 4, 2)]


def test_different_protection_keeps_neighbours_apart() -> None:
    state = ops.mmap(mapped((0, 1)), mm=0, start=1, pages=1, prot="r")
    assert vmas(state) == [(0, 1, 0), (1, 2, 1)]


def test_a_mapping_that_was_never_writable_does_not_join_one_that_was() -> None:
    state = ops.mprotect(mapped((0, 1)), mm=0, start=0, pages=1, prot="r")
    state = ops.write(mapped((0, 1)), mm=0, start=0, content=1)
    state = ops.mprotect(state, mm=0, start=0, pages=1, prot="r")
    assert state.vma(0, 0) is not None
    assert state.mms[0].vmas[0].flags & VmFlag.ACCOUNT  # faulted: the charge stays
    state = ops.mmap(state, mm=0, start=1, pages=1, prot="r")
    assert vmas(state) == [(0, 1, 0), (1, 2, 1)]


def test_mprotect_of_unfaulted_memory_takes_the_charge_back() -> None:
    state = ops.mprotect(mapped((0, 1)), mm=0, start=0, pages=1, prot="r")
    assert not state.mms[0].vmas[0].flags & VmFlag.ACCOUNT
    assert vmas(ops.mmap(state, mm=0, start=1, pages=1, prot="r")) == [(0, 2, 0)]


def test_mmap_over_the_middle_splits_and_joins_again_when_alike() -> None:
    state = ops.mmap(mapped((0, 6)), mm=0, start=2, pages=2, prot="r")
    assert vmas(state) == [(0, 2, 0), (2, 4, 2), (4, 6, 4)]
    assert vmas(ops.mmap(state, mm=0, start=2, pages=2)) == [(0, 6, 0)]


def test_modify_splits_where_no_neighbour_is_alike() -> None:
    state = ops.mprotect(mapped((0, 3)), mm=0, start=1, pages=1, prot="r")
    assert vmas(state) == [(0, 1, 0), (1, 2, 1), (2, 3, 2)]


@pytest.mark.parametrize(
    ("start", "pages", "expected"),
    [
        (3, 3, [(0, 3, 0), (3, 9, 3)]),  # right partial: the next VMA grows down
        (0, 3, [(0, 3, 0), (3, 6, 3), (6, 9, 6)]),  # a part in front: split
        (4, 1, [(0, 4, 0), (4, 5, 4), (5, 6, 5), (6, 9, 6)]),  # interior: split twice
        (0, 6, [(0, 9, 0)]),  # the whole: the next VMA takes it
    ],
)
def test_merge_existing_with_the_next(
    start: int, pages: int, expected: list[tuple[int, int, int]]
) -> None:
    state = ops.mmap(mapped((0, 6)), mm=0, start=6, pages=3, prot="r")
    state = ops.mprotect(state, mm=0, start=start, pages=pages, prot="r")
    state.check()
    assert vmas(state) == expected


@pytest.mark.parametrize(
    ("start", "pages", "expected"),
    [
        (3, 3, [(0, 6, 0), (6, 7, 6)]),  # left partial: the previous VMA grows
        (3, 4, [(0, 7, 0)]),  # left full
        (5, 1, [(0, 3, 0), (3, 5, 3), (5, 6, 5), (6, 7, 6)]),
    ],
)
def test_merge_existing_with_the_previous(
    start: int, pages: int, expected: list[tuple[int, int, int]]
) -> None:
    state = ops.mmap(mapped((3, 4)), mm=0, start=0, pages=3, prot="r")
    state = ops.mprotect(state, mm=0, start=start, pages=pages, prot="r")
    state.check()
    assert vmas(state) == expected


def test_merge_existing_with_both_sides() -> None:
    state = ops.mmap(mapped((3, 4)), mm=0, start=0, pages=3, prot="r")
    state = ops.mmap(state, mm=0, start=7, pages=2, prot="r")
    state = ops.mprotect(state, mm=0, start=3, pages=4, prot="r")
    assert vmas(state) == [(0, 9, 0)]


@pytest.mark.parametrize("faulted", ["left", "middle", "right"])
def test_the_survivor_of_a_merge_gets_the_anon_vma(faulted: str) -> None:
    page = {"left": 0, "middle": 3, "right": 7}[faulted]
    state = ops.mmap(mapped((0, 9)), mm=0, start=3, pages=4)
    state = ops.write(state, mm=0, start=page, content=1)
    state = ops.mprotect(state, mm=0, start=3, pages=4, prot="r")
    state = ops.mprotect(state, mm=0, start=3, pages=4, prot="rw")
    state.check()
    assert vmas(state) == [(0, 9, 0)]
    (vma,) = state.mms[0].vmas.values_in_order()
    assert vma.chain == (vma.anon_vma,)
    assert state.anon_vmas[vma.chain[0]].num_active_vmas == 1


@pytest.mark.parametrize("side", ["left", "right"])
def test_unfaulted_and_faulted_halves_merge_by_the_new_rule(side: str) -> None:
    """`mprotect_unfaulted_left` and `_right`: one VMA of 10 again."""
    fault, change = (5, 0) if side == "left" else (0, 5)
    state = ops.mprotect(mapped((0, 10)), mm=0, start=change, pages=5, prot="r")
    for page in range(fault, fault + 5):
        state = ops.write(state, mm=0, start=page, content=page)
    state = ops.mprotect(state, mm=0, start=change, pages=5, prot="rw")
    assert size_at(state, 0) == 10


@pytest.mark.parametrize(("rules", "merged"), [("6.12", False), ("6.18", True)])
def test_a_faulted_range_joins_an_unfaulted_target_by_the_new_rule_only(
    rules: str, *, merged: bool
) -> None:
    state = ops.write(mapped((5, 5), rules=rules), mm=0, start=5, content=1)
    # An unfaulted range into a faulted target is allowed at all times.
    assert size_at(ops.mmap(state, mm=0, start=0, pages=5), 0) == 10
    state = ops.mremap(state, mm=0, start=5, pages=5, to=50)
    state = ops.mmap(state, mm=0, start=0, pages=5)
    state = ops.mremap(state, mm=0, start=50, pages=5, to=5)
    assert (size_at(state, 0) == 10) is merged


def test_a_fork_child_never_merges_faulted_with_unfaulted() -> None:
    """`forked_target_vma` and `forked_source_vma`: 5 pages stay 5."""
    state = mapped((0, 5))
    state = ops.write(state, mm=0, start=0, content=1)
    state = ops.fork(state, mm=0, child=1)
    target = ops.mmap(state, mm=1, start=5, pages=5)
    assert size_at(target, 0, mm=1) == 5
    assert size_at(target, 5, mm=1) == 5
    parent = ops.mmap(state, mm=0, start=5, pages=5)
    assert size_at(parent, 0) == 10


def test_neighbours_with_different_anon_vmas_stay_apart() -> None:
    state = ops.mmap(mapped((0, 3)), mm=0, start=6, pages=3)
    state = ops.write(ops.write(state, mm=0, start=0, content=1), mm=0, start=6, content=2)
    state = ops.mmap(state, mm=0, start=3, pages=3)
    state.check()
    assert vmas(state) == [(0, 6, 0), (6, 9, 6)]  # only the previous one is extended


def test_mremap_of_unfaulted_memory_behind_faulted() -> None:
    """`mremap_unfaulted_to_faulted` and `_behind_faulted`: 10."""
    state = ops.write(mapped((0, 5), (40, 5)), mm=0, start=2, content=1)
    assert size_at(ops.mremap(state, mm=0, start=40, pages=5, to=5), 0) == 10


def test_mremap_of_unfaulted_memory_next_to_moved_memory() -> None:
    state = ops.write(mapped((0, 5), (40, 5)), mm=0, start=2, content=1)
    state = ops.mremap(state, mm=0, start=0, pages=5, to=60)
    state = ops.mremap(state, mm=0, start=40, pages=5, to=65)
    assert vmas(state) == [(60, 65, 0), (65, 70, 65)]  # adjacent by address, not by offset


def test_pieces_moved_out_and_back_merge_again() -> None:
    """`mremap_correct_placed_faulted`: 15 at the end."""
    state = mapped((BASE, 15))
    for page in range(BASE, BASE + 15):
        state = ops.write(state, mm=0, start=page, content=page)
    state = ops.mremap(state, mm=0, start=BASE + 5, pages=5, to=300)
    assert [v[:2] for v in vmas(state)] == [(100, 105), (110, 115), (300, 305)]
    state = ops.mremap(state, mm=0, start=300, pages=5, to=BASE + 5)
    assert size_at(state, BASE) == 15


def test_a_moved_faulted_vma_does_not_merge_by_address_alone() -> None:
    state = ops.write(mapped((0, 5), (20, 5)), mm=0, start=20, content=1)
    state = ops.mremap(state, mm=0, start=20, pages=5, to=5)
    assert vmas(state) == [(0, 5, 0), (5, 10, 20)]


@pytest.mark.parametrize(("forked", "size"), [(False, 6), (True, 3)])
def test_a_moved_range_and_an_unfaulted_neighbour(*, forked: bool, size: int) -> None:
    """`merge_with_fork`: mremap_faulted_to_unfaulted_prev is 6, in a fork child 3."""
    state = ops.write(mapped((3, 3)), mm=0, start=3, content=1)
    state = ops.fork(state, mm=0, child=1) if forked else state
    mm = 1 if forked else 0
    state = ops.mremap(state, mm=mm, start=3, pages=3, to=50)
    state = ops.mmap(state, mm=mm, start=0, pages=3)
    state = ops.mremap(state, mm=mm, start=50, pages=3, to=3)
    assert size_at(state, 0, mm=mm) == size


def test_a_moved_range_between_two_unfaulted_neighbours() -> None:
    """`mremap_faulted_to_unfaulted_prev_unfaulted_next`: 9."""
    state = ops.write(mapped((3, 3)), mm=0, start=3, content=1)
    state = ops.mremap(state, mm=0, start=3, pages=3, to=50)
    state = ops.mmap(ops.mmap(state, mm=0, start=0, pages=3), mm=0, start=6, pages=3)
    state = ops.mremap(state, mm=0, start=50, pages=3, to=3)
    assert size_at(state, 0) == 9
    assert state.mms[0].vmas[0].chain == (state.mms[0].vmas[0].anon_vma,)


def test_munmap_splits_the_ends_and_ignores_holes() -> None:
    state = ops.munmap(mapped((0, 4), (6, 4)), mm=0, start=2, pages=6)
    assert vmas(state) == [(0, 2, 0), (8, 10, 8)]
    assert ops.munmap(state, mm=0, start=2, pages=6) == state


def test_munmap_inside_one_vma_keeps_the_offset_of_the_upper_piece() -> None:
    state = ops.write(mapped((0, 5)), mm=0, start=0, pages=5, content=7)
    state = ops.munmap(state, mm=0, start=1, pages=2)
    state.check()
    assert vmas(state) == [(0, 1, 0), (3, 5, 3)]
    assert sorted(state.mms[0].ptes) == [0, 3, 4]
    assert len(state.folios) == 3


def test_mprotect_over_a_hole_changes_what_lies_below_it() -> None:
    state = mapped((0, 2), (4, 2))
    with pytest.raises(MmError, match=r"hole at page 2 \(ENOMEM\)") as caught:
        ops.mprotect(state, mm=0, start=0, pages=6, prot="r")
    assert caught.value.errno == errno.ENOMEM
    assert caught.value.operation == "mprotect"
    after = caught.value.state
    assert after is not None
    assert [v.flags & VmFlag.WRITE for v in after.mms[0].vmas.values_in_order()] == [0, 2]
    assert [v.flags & VmFlag.WRITE for v in state.mms[0].vmas.values_in_order()] == [2, 2]


def test_mprotect_that_begins_in_a_hole_changes_nothing() -> None:
    with pytest.raises(MmError) as caught:
        ops.mprotect(mapped((4, 2)), mm=0, start=2, pages=4, prot="r")
    assert caught.value.state is None


def test_madvise_over_a_hole_does_every_mapped_part() -> None:
    with pytest.raises(MmError, match="ENOMEM") as caught:
        ops.madvise(mapped((0, 2), (4, 2)), mm=0, start=0, pages=6, advice="mergeable")
    after = caught.value.state
    assert after is not None
    assert all(v.has(VmFlag.MERGEABLE) for v in after.mms[0].vmas.values_in_order())


@pytest.mark.parametrize("start", [4, 9])
def test_madvise_that_ends_in_a_hole_fails_as_well(start: int) -> None:
    with pytest.raises(MmError, match="ENOMEM"):
        ops.madvise(mapped((0, 5)), mm=0, start=start, pages=3, advice="dontneed")


@pytest.mark.parametrize(
    ("advice", "flag"),
    [
        ("mergeable", VmFlag.MERGEABLE),
        ("dontfork", VmFlag.DONTCOPY),
        ("wipeonfork", VmFlag.WIPEONFORK),
    ],
)
def test_advice_sets_a_flag_and_its_opposite_clears_it(advice: str, flag: int) -> None:
    opposite = {"mergeable": "unmergeable", "dontfork": "dofork", "wipeonfork": "keeponfork"}
    state = mapped((0, 3))
    advised = ops.madvise(state, mm=0, start=1, pages=1, advice=advice)
    assert [v.has(flag) for v in advised.mms[0].vmas.values_in_order()] == [False, True, False]
    back = ops.madvise(advised, mm=0, start=1, pages=1, advice=opposite[advice])
    assert vmas(back) == vmas(state)


def test_a_private_file_mapping_has_the_offset_of_the_file() -> None:
    state = ops.mmap(State(), mm=0, start=500, pages=4, file="data", offset=3)
    assert vmas(state) == [(500, 504, 3)]
    assert state.mms[0].vmas[500].anon_pgoff == 3
    newest = State(rules=Rules.preset("mm-2026-08"))
    newest = ops.mmap(newest, mm=0, start=500, pages=4, file="data", offset=3)
    assert newest.mms[0].vmas[500].anon_pgoff == 500
    newest.check()


@pytest.mark.parametrize(("rules", "merged"), [("7.0", True), ("mm-2026-08", False)])
def test_the_anon_offset_must_be_contiguous_as_well(rules: str, *, merged: bool) -> None:
    state = State(rules=Rules.preset(rules))
    state = ops.mmap(state, mm=0, start=0, pages=2, file="data", offset=0)
    state = ops.mmap(state, mm=0, start=9, pages=2, file="data", offset=2)
    state = ops.write(state, mm=0, start=9, content=1)
    state = ops.mremap(state, mm=0, start=9, pages=2, to=2)
    state.check()
    assert (len(state.mms[0].vmas) == 1) is merged


def test_different_files_do_not_merge() -> None:
    state = ops.mmap(State(), mm=0, start=0, pages=2, file="a", offset=0)
    state = ops.mmap(state, mm=0, start=2, pages=2, file="b", offset=2)
    assert len(state.mms[0].vmas) == 2


def advised(state: State, *areas: tuple[int, int]) -> State:
    """Make areas mergeable: a flag that keeps neighbours apart and is no access bit."""
    for start, pages in areas:
        state = ops.madvise(state, mm=0, start=start, pages=pages, advice="mergeable")
        state.check()
    return state


def sole(state: State) -> tuple[int | None, int]:
    """Return the anon_vma of the only VMA and how many VMAs are active on it."""
    (vma,) = state.mms[0].vmas.values_in_order()
    assert vma.anon_vma is not None
    assert vma.chain == (vma.anon_vma,)
    state.check()
    return vma.anon_vma, state.anon_vmas[vma.anon_vma].num_active_vmas


@pytest.mark.parametrize("unfaulted", ["previous", "next", "both"])
def test_an_unfaulted_survivor_takes_the_anon_vma_of_what_it_swallows(unfaulted: str) -> None:
    """`merge_existing` of tools/testing/vma: the survivor gets the anon_vma of the middle."""
    sides = {"previous": ((0, 3),), "next": ((7, 2),), "both": ((0, 3), (7, 2))}[unfaulted]
    state = advised(mapped((0, 9)), *sides)
    state = ops.write(state, mm=0, start=4, content=1)
    number = state.mms[0].vmas[0 if unfaulted == "next" else 3].anon_vma
    start = 0 if unfaulted == "next" else 3
    end = 9 if unfaulted == "previous" else 7
    state = advised(state, (start, end - start))
    assert sole(state) == (number, 1)


@pytest.mark.parametrize(("start", "pages", "survivor"), [(3, 2, 0), (5, 2, 5)])
def test_a_part_that_moves_over_brings_its_anon_vma(start: int, pages: int, survivor: int) -> None:
    """`dup_anon_vma`, left and right partial: both VMAs are active afterwards."""
    state = advised(mapped((0, 9)), (0, 3), (7, 2))
    state = ops.write(state, mm=0, start=4, content=1)
    number = state.mms[0].vmas[3].anon_vma
    state = advised(state, (start, pages))
    state.check()
    assert state.mms[0].vmas[survivor].anon_vma == number
    assert number is not None
    assert state.anon_vmas[number].num_active_vmas == 2


@pytest.mark.parametrize("faulted", [0, 7])
def test_a_new_range_between_a_faulted_and_an_unfaulted_neighbour(faulted: int) -> None:
    state = ops.write(mapped((0, 3), (6, 3)), mm=0, start=faulted, content=1)
    number = state.mms[0].vmas[0 if faulted == 0 else 6].anon_vma
    assert sole(ops.mmap(state, mm=0, start=3, pages=3)) == (number, 1)


def test_a_faulted_middle_joins_two_neighbours_that_share_its_anon_vma() -> None:
    state = ops.write(mapped((0, 9)), mm=0, start=0, content=1)
    state = advised(state, (3, 3))
    state = ops.madvise(state, mm=0, start=3, pages=3, advice="unmergeable")
    assert sole(state)[1] == 1


def test_an_unfaulted_middle_between_strangers_joins_the_previous_one_only() -> None:
    state = ops.write(mapped((0, 3), (6, 3)), mm=0, start=0, content=1)
    state = ops.write(state, mm=0, start=6, content=1)
    state = ops.mmap(state, mm=0, start=3, pages=3, prot="r")
    state = ops.mprotect(state, mm=0, start=3, pages=3, prot="rw")
    state.check()
    assert vmas(state) == [(0, 6, 0), (6, 9, 6)]


@pytest.mark.parametrize(("forked", "size"), [(False, 6), (True, 3)])
def test_a_moved_range_and_an_unfaulted_next_neighbour(*, forked: bool, size: int) -> None:
    """`merge_with_fork`: mremap_faulted_to_unfaulted_next is 6, in a fork child 3."""
    state = ops.write(mapped((3, 3)), mm=0, start=3, content=1)
    state = ops.fork(state, mm=0, child=1) if forked else state
    mm = 1 if forked else 0
    state = ops.mremap(state, mm=mm, start=3, pages=3, to=50)
    moved = state.mms[mm].vmas[50]
    state = ops.mmap(state, mm=mm, start=6, pages=3)
    state = ops.mremap(state, mm=mm, start=50, pages=3, to=3)
    assert size_at(state, 3, mm=mm) == size
    assert state.mms[mm].vmas[3].anon_vma == moved.anon_vma


def test_a_private_file_mapping_splits_and_joins_again() -> None:
    state = ops.mmap(State(), mm=0, start=0, pages=6, file="f", offset=9)
    state = ops.write(state, mm=0, start=1, content=1)
    split = ops.mprotect(state, mm=0, start=2, pages=2, prot="r")
    split.check()
    assert vmas(split) == [(0, 2, 9), (2, 4, 11), (4, 6, 13)]
    assert vmas(ops.mprotect(split, mm=0, start=2, pages=2, prot="rw")) == [(0, 6, 9)]


def test_a_faulted_middle_does_not_join_a_stranger() -> None:
    state = ops.write(mapped((0, 3)), mm=0, start=0, content=1)
    state = ops.madvise(state, mm=0, start=0, pages=3, advice="mergeable")
    state = ops.mmap(state, mm=0, start=3, pages=3)
    state = ops.write(state, mm=0, start=3, content=1)
    assert state.mms[0].vmas[0].anon_vma != state.mms[0].vmas[3].anon_vma
    state = ops.madvise(state, mm=0, start=3, pages=3, advice="mergeable")
    state.check()
    assert vmas(state) == [(0, 3, 0), (3, 6, 3)]


@pytest.mark.parametrize(
    ("call", "hole"),
    [
        (Call.of("mprotect", mm=0, start=1, pages=5, prot="r"), 2),
        (Call.of("madvise", mm=0, start=1, pages=5, advice="dontneed"), 2),
        (Call.of("madvise", mm=0, start=1, pages=8, advice="dontneed"), 2),
        (Call.of("madvise", mm=0, start=4, pages=3, advice="dontneed"), 6),
    ],
    ids=str,
)
def test_the_first_hole_is_named(call: Call, hole: int) -> None:
    state = mapped((0, 2), (4, 2))
    with pytest.raises(MmError) as caught:
        call.apply(state)
    start, pages = call.get("start"), call.get("pages")
    assert isinstance(start, int)
    assert isinstance(pages, int)
    assert caught.value.detail == (
        f"process 0 range [{start}, {start + pages}) has a hole at page {hole}"
    )


@pytest.mark.parametrize("op", ["mprotect", "madvise"])
def test_an_impossible_range_is_refused(op: str) -> None:
    extra = {"prot": "r"} if op == "mprotect" else {"advice": "dontneed"}
    with pytest.raises(MmError, match=r"no range of 0 pages at page 3 \(EINVAL\)"):
        Call.of(op, mm=0, start=3, pages=0, **extra).apply(mapped((0, 5)))
