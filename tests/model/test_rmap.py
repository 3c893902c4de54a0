"""anon_vmas: who shares one, what fork makes of them, when they are freed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksm_rmap import Rules, State, ops
from ksm_rmap.model.rules import AnonVmaReuse

if TYPE_CHECKING:
    from ksm_rmap.model.state import AnonVma, Vma


def build(pages: int = 4, rules: str = "7.0") -> State:
    return ops.mmap(State(rules=Rules.preset(rules)), mm=0, start=0, pages=pages)


def the_vma(state: State, mm: int, page: int = 0) -> Vma:
    vma = state.vma(mm, page)
    assert vma is not None
    return vma


def anon_vma_of(state: State, mm: int, page: int = 0) -> AnonVma:
    number = the_vma(state, mm, page).anon_vma
    assert number is not None
    return state.anon_vmas[number]


def forks(state: State, *pairs: tuple[int, int]) -> State:
    for parent, child in pairs:
        state = ops.fork(state, mm=parent, child=child)
        state.check()
    return state


def test_the_first_write_makes_a_root() -> None:
    state = ops.write(build(), mm=0, start=2, content=1)
    number = the_vma(state, 0).anon_vma
    assert number is not None
    anon_vma = state.anon_vmas[number]
    assert (anon_vma.root, anon_vma.parent) == (number, number)
    assert (anon_vma.refcount, anon_vma.num_children, anon_vma.num_active_vmas) == (1, 1, 1)
    assert [(i.start, i.last, i.value) for i in anon_vma.tree] == [(0, 3, (0, 0))]


def test_a_read_leaves_the_vma_unfaulted() -> None:
    state = ops.read(build(), mm=0, start=2)
    assert the_vma(state, 0).anon_vma is None
    assert not state.anon_vmas


@pytest.mark.parametrize("faulted", [0, 2])
def test_pieces_of_one_protection_split_share_an_anon_vma(faulted: int) -> None:
    state = ops.mprotect(build(), mm=0, start=2, pages=2, prot="r")
    state = ops.mprotect(state, mm=0, start=2, pages=2, prot="rw") if faulted else state
    state = ops.mprotect(state, mm=0, start=0, pages=2, prot="r") if faulted else state
    first, second = (2, 0) if faulted else (0, 2)
    state = ops.write(state, mm=0, start=first, content=1)
    assert the_vma(state, 0, second).anon_vma is None
    # Writable, but apart by another flag that is no access bit: nothing is shared.
    apart = ops.madvise(state, mm=0, start=second, pages=2, advice="mergeable")
    apart = ops.mprotect(apart, mm=0, start=second, pages=2, prot="rwx")
    apart = ops.write(apart, mm=0, start=second, content=1)
    assert the_vma(apart, 0, second).anon_vma != the_vma(apart, 0, first).anon_vma
    shared = ops.mprotect(state, mm=0, start=second, pages=2, prot="rwx")
    shared = ops.write(shared, mm=0, start=second, content=1)
    shared.check()
    # ACCOUNT differs between a VMA that lost it and one that has it: read-only at map time.
    same = the_vma(shared, 0, second).anon_vma == the_vma(shared, 0, first).anon_vma
    assert same
    assert anon_vma_of(shared, 0).num_active_vmas == 2


def test_the_next_vma_lends_before_the_previous_one() -> None:
    state = ops.mmap(State(), mm=0, start=0, pages=2)
    state = ops.write(state, mm=0, start=0, content=1)
    state = ops.mmap(state, mm=0, start=4, pages=2)
    state = ops.write(state, mm=0, start=4, content=1)
    state = ops.mmap(state, mm=0, start=2, pages=2, prot="rwx")
    state = ops.write(state, mm=0, start=2, content=1)
    assert the_vma(state, 0, 2).anon_vma == the_vma(state, 0, 4).anon_vma
    assert the_vma(state, 0, 2).anon_vma != the_vma(state, 0, 0).anon_vma


def test_a_fork_child_does_not_lend() -> None:
    state = forks(ops.write(build(2), mm=0, start=0, content=1), (0, 1))
    state = ops.mmap(state, mm=1, start=2, pages=2)
    state = ops.write(state, mm=1, start=2, content=1)
    assert the_vma(state, 1, 2).anon_vma != the_vma(state, 1, 0).anon_vma


def test_fork_links_the_child_to_all_and_gives_it_one_of_its_own() -> None:
    state = forks(ops.write(build(), mm=0, start=0, content=1), (0, 1), (1, 2))
    root = the_vma(state, 0).anon_vma
    child, grandchild = the_vma(state, 1), the_vma(state, 2)
    assert child.anon_vma == child.chain[0]
    assert set(child.chain) == {root, child.anon_vma}
    assert set(grandchild.chain) == {root, child.anon_vma, grandchild.anon_vma}
    assert anon_vma_of(state, 2).parent == child.anon_vma
    assert anon_vma_of(state, 2).root == root
    assert anon_vma_of(state, 0).refcount == 3
    assert anon_vma_of(state, 0).num_children == 2


@pytest.mark.parametrize(("rules", "kept"), [("6.18", True), ("7.0", False)])
def test_the_order_of_a_cloned_chain(rules: str, *, kept: bool) -> None:
    state = forks(ops.write(build(rules=rules), mm=0, start=0, content=1), (0, 1), (1, 2))
    before = the_vma(state, 2).chain
    state = ops.mprotect(state, mm=2, start=3, pages=1, prot="r")
    new = the_vma(state, 2, 0).chain  # mprotect splits the piece below off as the new VMA
    assert set(new) == set(before)
    assert (new == before) is kept


def test_unfaulted_memory_gives_a_child_no_anon_vma() -> None:
    state = forks(ops.read(build(), mm=0, start=0), (0, 1))
    assert the_vma(state, 1).chain == ()
    assert not state.mms[1].ptes  # nor the zero page: nothing is copied


def test_dontfork_and_wipeonfork() -> None:
    state = ops.write(build(), mm=0, start=0, pages=4, content=1)
    state = ops.madvise(state, mm=0, start=0, pages=1, advice="dontfork")
    state = ops.madvise(state, mm=0, start=1, pages=1, advice="wipeonfork")
    state = forks(state, (0, 1))
    assert state.vma(1, 0) is None
    assert the_vma(state, 1, 1).anon_vma is None
    assert sorted(state.mms[1].ptes) == [2, 3]


def reused(state: State) -> bool:
    """Fork 0-1-2, end 1: does a child of 2 get the anon_vma that 1 left?"""
    state = forks(ops.write(build_with(state.rules), mm=0, start=0, content=1), (0, 1), (1, 2))
    left = the_vma(state, 1).anon_vma
    state = forks(ops.exit_mm(state, mm=1), (2, 3))
    return the_vma(state, 3).anon_vma == left


def build_with(rules: Rules) -> State:
    return ops.mmap(State(rules=rules), mm=0, start=0, pages=4)


@pytest.mark.parametrize("reuse", list(AnonVmaReuse))
def test_an_anon_vma_that_is_free_again_is_reused(reuse: AnonVmaReuse) -> None:
    rules = Rules().replace(reuse=reuse)
    assert reused(State(rules=rules)) is (reuse is not AnonVmaReuse.NEVER)


def test_one_counter_for_children_and_vmas_reuses_twice() -> None:
    """2555283eb40d: degree 1 may be an active VMA, so two VMAs share one with unequal chains."""
    results = {}
    for reuse in (AnonVmaReuse.DEGREE, AnonVmaReuse.SPLIT):
        state = build_with(Rules().replace(reuse=reuse, clone_oldest_first=True))
        state = forks(ops.write(state, mm=0, start=0, content=1), (0, 1), (1, 2), (2, 3))
        left = the_vma(state, 1).anon_vma
        state = ops.exit_mm(state, mm=1)
        state = ops.fork(state, mm=2, child=4)  # takes what process 1 left
        state = ops.fork(state, mm=3, child=5)
        users = [m for m in (4, 5) if the_vma(state, m).anon_vma == left]
        results[reuse] = users
    assert results == {AnonVmaReuse.DEGREE: [4], AnonVmaReuse.SPLIT: [4]}


def test_a_root_is_never_reused() -> None:
    state = forks(ops.write(build(), mm=0, start=0, content=1), (0, 1))
    root = the_vma(state, 0).anon_vma
    state = forks(ops.exit_mm(state, mm=0), (1, 2))
    assert the_vma(state, 2).anon_vma != root


def test_the_last_vma_frees_the_anon_vma_and_the_reference_on_the_root() -> None:
    state = forks(ops.write(build(), mm=0, start=0, content=1), (0, 1))
    root = the_vma(state, 0).anon_vma
    assert root is not None
    state = ops.munmap(state, mm=0, start=0, pages=4)
    assert root in state.anon_vmas  # the child is linked to it
    state.check()
    state = ops.exit_mm(state, mm=1)
    assert not state.anon_vmas
    state.check()


def test_ties_in_a_tree_are_in_order_of_insertion() -> None:
    state = forks(ops.write(build(), mm=0, start=0, content=1), (0, 1), (0, 2))
    root = the_vma(state, 0).anon_vma
    assert root is not None
    assert [i.value for i in state.anon_vmas[root].tree] == [(0, 0), (1, 0), (2, 0)]


@pytest.mark.parametrize(("rules", "first"), [("7.0", 1), ("mm-2026-08", 0)])
def test_a_vma_that_grows_keeps_its_place_only_when_updated_in_place(
    rules: str, first: int
) -> None:
    state = forks(ops.write(build(rules=rules), mm=0, start=0, content=1), (0, 1))
    root = the_vma(state, 0).anon_vma
    assert root is not None
    state = ops.mremap(state, mm=0, start=0, pages=4, new_pages=5)
    assert [i.value[0] for i in state.anon_vmas[root].tree] == [first, 1 - first]
    assert {i.value[0]: i.last for i in state.anon_vmas[root].tree} == {0: 4, 1: 3}
    state.check()


def test_the_index_of_a_page_survives_everything_but_a_new_fault() -> None:
    state = ops.write(build(6), mm=0, start=0, pages=6, content=1)
    folio = state.folio_at(0, 4)
    assert folio is not None
    index = state.folios[folio].index
    state = ops.mprotect(state, mm=0, start=2, pages=2, prot="r")
    state = ops.mremap(state, mm=0, start=4, pages=2, to=30)
    state = ops.mremap(state, mm=0, start=31, pages=1, to=40)
    state = ops.fork(state, mm=0, child=1)
    state = ops.mprotect(state, mm=0, start=2, pages=2, prot="rw")
    state.check()  # every present page: index(vma, page) == folio.index
    assert state.folios[folio].index == index == 4
    assert state.folio_at(0, 30) == state.folio_at(1, 30) == folio


def test_the_combined_counter_lets_go_of_an_anon_vma_with_two_children() -> None:
    """Degree two is too much, whatever the two are."""
    for children, taken in ((1, True), (2, False)):
        state = build_with(Rules().replace(reuse=AnonVmaReuse.DEGREE, clone_oldest_first=True))
        state = forks(ops.write(state, mm=0, start=0, content=1), (0, 1))
        left = the_vma(state, 1).anon_vma
        state = forks(state, *((1, 2 + n) for n in range(children)))
        state = ops.fork(ops.exit_mm(state, mm=1), mm=2, child=9)
        assert (the_vma(state, 9).anon_vma == left) is taken
