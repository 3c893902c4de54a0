"""mremap: what moves, what is refused, what KSM has to do with it."""

from __future__ import annotations

import pytest

from ksm_rmap import MmError, Rules, State, ops
from ksm_rmap.model.state import PteKind, VmFlag
from tests.support import truth


def build(*contents: int, mergeable: bool = False, rules: str = "7.0") -> State:
    """Process 0 with one page per content from page 0 on; 0 leaves the page untouched."""
    state = ops.mmap(State(rules=Rules.preset(rules)), mm=0, start=0, pages=len(contents))
    if mergeable:
        state = ops.madvise(state, mm=0, start=0, pages=len(contents), advice="mergeable")
    for page, content in enumerate(contents):
        if content:
            state = ops.write(state, mm=0, start=page, content=content)
    return state


def merged(*contents: int, rules: str = "7.0") -> State:
    return ops.ksmd(build(*contents, mergeable=True, rules=rules), passes=2)


def layout(state: State, mm: int = 0) -> list[tuple[int, int, int]]:
    return [(v.start, v.end, v.pgoff) for v in state.mms[mm].vmas.values_in_order()]


def contents(state: State, mm: int = 0) -> dict[int, int]:
    return {
        page: state.folios[pte.target].content
        for page, pte in state.mms[mm].ptes.pairs()
        if pte.kind is PteKind.PRESENT
    }


def test_a_faulted_move_keeps_offset_folios_and_anon_vma() -> None:
    before = build(1, 2, 3)
    state = ops.mremap(before, mm=0, start=1, pages=2, to=10)
    state.check()
    assert layout(state) == [(0, 1, 0), (10, 12, 1)]
    assert contents(state) == {0: 1, 10: 2, 11: 3}
    assert state.folio_at(0, 10) == before.folio_at(0, 1)
    assert state.mms[0].vmas[10].moved
    assert state.mms[0].vmas[10].anon_vma == before.mms[0].vmas[0].anon_vma
    (anon_vma,) = state.anon_vmas.values_in_order()
    assert [i.value for i in anon_vma.tree] == [(0, 0), (0, 10)]
    assert anon_vma.num_active_vmas == 2


def test_an_unfaulted_move_takes_the_offset_of_its_new_address() -> None:
    state = ops.mremap(build(0, 0), mm=0, start=0, pages=2, to=10)
    assert layout(state) == [(10, 12, 10)]
    assert not state.mms[0].vmas[10].moved


def test_an_unfaulted_private_file_mapping_keeps_its_file_offset() -> None:
    for name, anon_pgoff in (("7.0", 3), ("mm-2026-08", 50)):
        state = State(rules=Rules.preset(name))
        state = ops.mmap(state, mm=0, start=0, pages=2, file="f", offset=3)
        state = ops.mremap(state, mm=0, start=0, pages=2, to=50)
        vma = state.mms[0].vmas[50]
        assert (vma.pgoff, vma.anon_pgoff) == (3, anon_pgoff)


def test_an_unfaulted_move_may_join_its_own_source() -> None:
    state = ops.mremap(build(0, 0), mm=0, start=1, pages=1, to=2)
    state.check()
    assert layout(state) == [(0, 1, 0), (2, 3, 2)]


def test_what_is_mapped_at_the_target_goes() -> None:
    state = ops.mremap(build(1, 2, 3), mm=0, start=0, pages=1, to=2)
    assert contents(state) == {1: 2, 2: 1}
    assert len(state.folios) == 2
    state.check()


def test_a_growing_move_has_room_behind() -> None:
    state = ops.mremap(build(1, 2), mm=0, start=0, pages=2, new_pages=4, to=10)
    assert layout(state) == [(10, 14, 0)]
    assert contents(state) == {10: 1, 11: 2}


def test_a_shrinking_move_unmaps_the_tail_first() -> None:
    state = ops.mremap(build(1, 2, 3), mm=0, start=0, pages=3, new_pages=1, to=10)
    state.check()
    assert layout(state) == [(10, 11, 0)]
    assert contents(state) == {10: 1}


def test_shrink_and_expand_in_place() -> None:
    state = ops.mremap(build(1, 2, 3), mm=0, start=0, pages=3, new_pages=1)
    assert layout(state) == [(0, 1, 0)]
    state = ops.mremap(state, mm=0, start=0, pages=1, new_pages=5)
    assert layout(state) == [(0, 5, 0)]
    assert ops.mremap(state, mm=0, start=0, pages=5) == state
    state.check()


def test_an_expansion_may_swallow_the_next_vma() -> None:
    state = ops.munmap(build(1, 2, 3, 4), mm=0, start=1, pages=2)
    state = ops.mremap(state, mm=0, start=0, pages=1, new_pages=3)
    state.check()
    assert layout(state) == [(0, 4, 0)]
    assert contents(state) == {0: 1, 3: 4}


def test_shrinking_in_place_may_span_vmas_and_holes() -> None:
    state = ops.mprotect(ops.munmap(build(1, 2, 3, 4), mm=0, start=1, pages=1), mm=0,
                         start=3, pages=1, prot="r")  # fmt: skip
    state = ops.mremap(state, mm=0, start=0, pages=4, new_pages=1)
    assert layout(state) == [(0, 1, 0)]


def test_a_move_of_several_vmas_keeps_the_gaps() -> None:
    state = ops.munmap(build(1, 2, 3, 4), mm=0, start=1, pages=1)
    state = ops.mprotect(state, mm=0, start=3, pages=1, prot="r")
    state = ops.mmap(state, mm=0, start=20, pages=4)
    state = ops.mremap(state, mm=0, start=0, pages=4, to=20)
    state.check()
    assert contents(state) == {20: 1, 22: 3, 23: 4}
    assert layout(state) == [(20, 21, 0), (21, 22, 21), (22, 23, 2), (23, 24, 3)]


def test_older_kernels_refuse_a_move_of_several_vmas() -> None:
    state = ops.mprotect(build(1, 2, rules="6.12"), mm=0, start=1, pages=1, prot="r")
    with pytest.raises(MmError, match=r"leaves the VMA \[0, 1\) \(EFAULT\)"):
        ops.mremap(state, mm=0, start=0, pages=2, to=10)


def test_dontunmap_leaves_the_source_empty_and_unfaulted() -> None:
    state = ops.mremap(build(1, 2), mm=0, start=0, pages=2, to=10, dontunmap=True)
    state.check()
    assert layout(state) == [(0, 2, 0), (10, 12, 0)]
    assert state.mms[0].vmas[0].anon_vma is None
    assert contents(state) == {10: 1, 11: 2}


def test_dontunmap_of_a_part_leaves_the_links() -> None:
    state = ops.mremap(build(1, 2), mm=0, start=0, pages=1, to=10, dontunmap=True)
    state.check()
    assert layout(state) == [(0, 2, 0), (10, 11, 0)]
    assert state.mms[0].vmas[0].anon_vma is not None
    assert contents(state) == {1: 2, 10: 1}


@pytest.mark.parametrize(("rules", "pgoff"), [("6.18", 0), ("7.0", 0), ("mm-2026-08", 10)])
def test_the_offset_of_what_dontunmap_leaves_behind(rules: str, pgoff: int) -> None:
    state = ops.mremap(build(1, rules=rules), mm=0, start=0, pages=1, to=10)
    state = ops.mremap(state, mm=0, start=10, pages=1, to=20, dontunmap=True)
    state.check()
    assert layout(state) == [(10, 11, pgoff), (20, 21, 0)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": 0, "pages": 1, "new_pages": 0}, "new size of 0 pages (EINVAL)"),
        ({"start": 0, "pages": 0, "new_pages": 1}, "old size 0) (EINVAL)"),
        ({"start": 0, "pages": 2, "to": 1}, "source [0, 2) overlaps target [1, 3) (EINVAL)"),
        ({"start": 50, "pages": 2, "to": 51}, "overlaps target [51, 53) (EINVAL)"),
        ({"start": 50, "pages": 2, "to": 60}, "nothing mapped at page 50 (EFAULT)"),
        ({"start": 50, "pages": 2}, "nothing mapped at page 50 (EFAULT)"),
        ({"start": 0, "pages": 1, "dontunmap": True}, "DONTUNMAP needs a target address (EINVAL)"),
        (
            {"start": 0, "pages": 1, "new_pages": 2, "to": 9, "dontunmap": True},
            "DONTUNMAP cannot change the size (EINVAL)",
        ),
        ({"start": 0, "pages": 9, "new_pages": 12, "to": 20}, "leaves the VMA [0, 2) (EFAULT)"),
        ({"start": 0, "pages": 9, "new_pages": 12}, "leaves the VMA [0, 2) (EFAULT)"),
        ({"start": 0, "pages": 1, "new_pages": 2}, "cannot extend [0, 2) to 3 (ENOMEM)"),
        ({"start": 1, "pages": 1, "new_pages": 3}, "cannot extend [0, 2) to 4 (ENOMEM)"),
        ({"start": -1, "pages": 1}, "no range of 1 pages at page -1 (EINVAL)"),
        ({"start": 0, "pages": 1, "to": 10**30}, "(EINVAL)"),
    ],
)
def test_refusals(arguments: dict[str, int], message: str) -> None:
    state = ops.mmap(build(1, 2), mm=0, start=3, pages=1)
    with pytest.raises(MmError) as caught:
        ops.mremap(state, mm=0, **arguments)  # type: ignore[arg-type]  # mixed int and bool
    assert message in str(caught.value)
    assert str(caught.value).startswith("mremap: ")
    assert caught.value.state is None


def test_a_move_breaks_the_ksm_pages_of_the_range_and_leaves_them_mergeable() -> None:
    state = ops.mremap(merged(7, 7), mm=0, start=1, pages=1, to=5)
    state.check()
    here, there = state.folio_at(0, 0), state.folio_at(0, 5)
    assert here is not None
    assert there is not None
    assert state.folios[here].ksm
    assert not state.folios[there].ksm
    assert state.folios[there].index == 1
    assert state.mms[0].vmas[5].has(VmFlag.MERGEABLE)
    again = ops.ksmd(state, passes=2)
    assert again.folio_at(0, 5) == again.folio_at(0, 0)
    assert again.mms[0].items[5].index == 1  # recorded from the moved VMA


def test_before_2_6_38_a_move_takes_ksm_pages_along() -> None:
    before = merged(7, 7, rules="2.6.37")
    state = ops.mremap(before, mm=0, start=1, pages=1, to=5)
    state.check()
    assert state.folio_at(0, 5) == before.folio_at(0, 1)
    assert 1 in state.mms[0].items  # the item stays at the old address


def test_a_vma_that_is_not_mergeable_keeps_its_ksm_pages_when_moved() -> None:
    state = ops.fork(build(7, 7, mergeable=False), mm=0, child=1)
    state = ops.madvise(state, mm=1, start=0, pages=2, advice="mergeable")
    state = ops.ksmd(state, passes=2)  # upgrades a folio that process 0 maps, too
    shared = [p for p in (0, 1) if state.folio_at(0, p) == state.folio_at(1, p)]
    assert len(shared) == 1
    (page,) = shared
    moved = ops.mremap(state, mm=0, start=page, pages=1, to=9)
    moved.check()
    folio = moved.folio_at(0, 9)
    assert folio is not None
    assert moved.folios[folio].ksm


def test_swap_and_zero_entries_move_as_they_are() -> None:
    state = ops.read(build(1, 0), mm=0, start=1)
    state = ops.swap_out(state, mm=0, page=0, walk=truth)
    state = ops.mremap(state, mm=0, start=0, pages=2, to=8)
    state.check()
    assert [pte.kind for pte in state.mms[0].ptes.values_in_order()] == [
        PteKind.SWAP,
        PteKind.ZERO,
    ]
    assert sorted(state.mms[0].ptes) == [8, 9]


def ksm_pages(state: State) -> list[int]:
    return [
        page
        for page, pte in state.mms[0].ptes.pairs()
        if pte.kind is PteKind.PRESENT and state.folios[pte.target].ksm
    ]


def test_only_the_pages_of_the_range_are_broken() -> None:
    state = merged(7, 7, 7, 7)
    moved = ops.mremap(state, mm=0, start=1, pages=1, to=9)
    assert ksm_pages(moved) == [0, 2, 3]
    advised = ops.madvise(state, mm=0, start=1, pages=2, advice="unmergeable")
    assert ksm_pages(advised) == [0, 3]


def test_a_vma_right_behind_the_range_stays() -> None:
    state = ops.mprotect(build(1, 2, 3), mm=0, start=2, pages=1, prot="r")
    state = ops.mremap(state, mm=0, start=0, pages=2, to=9)
    assert layout(state) == [(2, 3, 2), (9, 11, 0)]


def test_an_expansion_of_a_faulted_file_mapping_is_one_vma() -> None:
    state = ops.mmap(State(), mm=0, start=0, pages=2, file="f", offset=3)
    state = ops.write(state, mm=0, start=1, content=1)
    state = ops.mremap(state, mm=0, start=0, pages=2, new_pages=4)
    state.check()
    assert layout(state) == [(0, 4, 3)]
    assert state.mms[0].vmas[0].file == "f"


def test_an_expansion_meets_a_neighbour_with_another_anon_vma() -> None:
    state = ops.write(build(1), mm=0, start=0, content=1)
    state = ops.mmap(state, mm=0, start=3, pages=1)
    state = ops.write(state, mm=0, start=3, content=2)
    state = ops.mremap(state, mm=0, start=0, pages=1, new_pages=3)
    state.check()
    assert layout(state) == [(0, 3, 0), (3, 4, 3)]


def test_dontunmap_next_to_itself() -> None:
    """An unfaulted source that joins its own copy is not left behind as another VMA."""
    state = ops.mremap(build(0, 0), mm=0, start=0, pages=2, to=2, dontunmap=True)
    state.check()
    assert layout(state) == [(0, 4, 0)]


def test_a_copy_before_a_move_concerns_the_range_only() -> None:
    rules = Rules().replace(copies_moved=True)
    state = ops.mmap(State(rules=rules), mm=0, start=0, pages=3)
    state = ops.fork(ops.write(state, mm=0, start=0, pages=3, content=5), mm=0, child=1)
    moved = ops.mremap(state, mm=1, start=1, pages=1, to=9)
    assert [moved.folio_at(1, page) == state.folio_at(0, page) for page in (0, 2)] == [True, True]
    assert moved.folio_at(1, 9) != state.folio_at(0, 1)
    half = ops.migrate_begin(state, mm=0, page=1, walk=truth)
    with pytest.raises(MmError, match=r"process 1 page 1 waits for the migration of folio \d+"):
        ops.mremap(half, mm=1, start=1, pages=1, to=9)
