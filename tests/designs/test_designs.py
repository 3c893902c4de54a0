"""Each design: what it finds, what it misses and why, and that two accounts of one thing agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksm_rmap.check import oracle
from ksm_rmap.check.actions import KINDS, Scope
from ksm_rmap.check.histories import WalkRun, breadth_first, wander
from ksm_rmap.check.menu import Menu
from ksm_rmap.model import ops
from ksm_rmap.model.calls import Call
from ksm_rmap.model.events import PteMoved, recording
from ksm_rmap.model.rules import AnonVmaReuse, Rules
from ksm_rmap.model.state import State
from ksm_rmap.walks import designs, get
from ksm_rmap.walks.designs import DesignRun, DesignWalk, side_of, work
from ksm_rmap.walks.designs.anon_vma_chain import AnonVmaChain
from ksm_rmap.walks.designs.anon_vma_tree import ANON_VMA_TREE, AnonVmaTree
from ksm_rmap.walks.designs.cow_context import CowContext, Repair
from ksm_rmap.walks.designs.pte_chain import PTE_CHAIN, PteChain
from tests.designs.histories import runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ksm_rmap.model.events import Event
    from ksm_rmap.walks.designs.pte_chain import Chains

CALM = tuple(kind for kind in KINDS if kind not in {"hold", "release", "ksmd_step", "merge_any"})
FALL = {"anonmm", "cow_context", "anon_vma_lazy"}
"""Designs that miss something under the rules of today."""


def after(name: str, *calls: Call, rules: Rules | None = None) -> DesignRun:
    run = DesignRun.begin(designs.get(name), Rules() if rules is None else rules)
    for call in calls:
        run = run.apply(call)
    return run


def area(pages: int = 1) -> tuple[Call, Call]:
    return (
        Call.of("mmap", mm=0, start=0, pages=pages),
        Call.of("write", mm=0, start=0, content=1, pages=pages),
    )


def fork(mm: int, child: int) -> Call:
    return Call.of("fork", mm=mm, child=child)


def move(mm: int, start: int, to: int, **more: bool | int) -> Call:
    return Call.of("mremap", mm=mm, start=start, **{"pages": 1, **more}, to=to)


@pytest.mark.parametrize("name", sorted(set(designs.names()) - FALL))
def test_a_sound_design_misses_nothing_in_random_histories(name: str) -> None:
    design = designs.get(name)
    for run in runs(design, Rules(), 14, CALM):
        assert run.judge() == ()


@pytest.mark.parametrize("name", designs.names())
def test_a_design_survives_the_rules_of_its_time_or_its_name_says_so(name: str) -> None:
    design = designs.get(name)
    missed = any(run.judge() for run in runs(design, design.rules, 8, CALM))
    assert missed == (name in FALL - {"anonmm"})


def test_pte_chain_is_exact() -> None:
    walk = DesignWalk(PTE_CHAIN)
    for run in runs(PTE_CHAIN, Rules(), 10):
        for number, folio in run.state.folios.pairs():
            result = walk(run.state, number)
            assert frozenset(result.ptes) == oracle.truth(run.state, number)
            assert result.iterations == folio.mapcount + folio.migrating


@pytest.mark.parametrize("reuse", list(AnonVmaReuse))
@pytest.mark.parametrize("base", ["6.12", "7.0"])
def test_the_chain_design_keeps_what_the_model_keeps(reuse: AnonVmaReuse, base: str) -> None:
    rules = Rules.preset(base).replace(reuse=reuse)
    # Without KSM: an rmap item keeps an empty anon_vma alive, which the design does not hear of.
    kinds = tuple(kind for kind in CALM if kind not in {"mergeable", "ksmd"})
    for run in runs(AnonVmaChain(reuse), rules, 12, kinds):
        names: dict[int, int] = {}
        vmas = run.side.vmas
        model = [v for mm in run.state.mms.values_in_order() for v in mm.vmas.values_in_order()]
        for vma in model:
            linked = vmas.get(vma.mm << 52 | vma.start)
            assert (linked is None) == (vma.anon_vma is None)
            if linked is not None:
                assert names.get(vma.anon_vma or 0, linked.anon_vma) == linked.anon_vma
                for theirs, own in zip(vma.chain, linked.chain, strict=True):
                    assert names.setdefault(theirs, own) == own
        assert len(set(names.values())) == len(names) == len(run.side.anon_vmas)
        for theirs, own in names.items():
            one, two = run.state.anon_vmas[theirs], run.side.anon_vmas[own]
            assert (one.num_children, one.num_active_vmas) == (two.children, two.active)
            assert (names[one.root], names[one.parent]) == (two.root, two.parent)
            assert len(one.tree) == len(two.links)


def test_the_tree_design_walks_as_rmap_walk_anon_does() -> None:
    walk, anon = DesignWalk(ANON_VMA_TREE), get("anon")
    compared = 0
    for run in runs(ANON_VMA_TREE, Rules(), 20):
        for number, folio in run.state.folios.pairs():
            if not folio.ksm and folio.mapcount:
                one, two = walk(run.state, number), anon(run.state, number)
                assert sorted(one.ptes) == sorted(two.ptes)
                assert one.iterations == two.iterations
                compared += 1
    assert compared > 100


def test_files_collide_by_file_offset_and_not_by_anonymous_offset() -> None:
    def iterations(*, anon_pgoff: bool) -> int:
        design = AnonVmaTree(anon_pgoff=anon_pgoff)
        run = DesignRun.begin(design, Rules.preset("mm-2026-08"))
        for call in (
            Call.of("mmap", mm=0, start=0, pages=1, file="f", offset=7),
            Call.of("mmap", mm=0, start=1, pages=1, file="f", offset=8),
            Call.of("write", mm=0, start=0, content=1),
            Call.of("write", mm=0, start=1, content=1),
        ):
            run = run.apply(call)
        assert run.judge() == ()
        (index,) = {h.page_index for h in run.side.folios.values_in_order() if h.page_index % 7 < 1}
        return int(index)

    assert iterations(anon_pgoff=False) == 7
    assert iterations(anon_pgoff=True) == 0


# Misses that are known, by hand: the searches must not be needed to see them


def test_anonmm_loses_a_shared_page_that_moves_unless_it_is_copied() -> None:
    calls = (*area(), fork(0, 1), move(0, 0, 4))
    assert after("anonmm", *calls).judge() == ((1, ((0, 4),)),)
    assert after("anonmm", *calls, rules=designs.get("anonmm").rules).judge() == ()
    for variant in ("anonmm-chains", "anonmm-vmas"):
        assert after(variant, *calls).judge() == ()


def test_anonmm_relabels_an_exclusive_page_that_moves() -> None:
    run = after("anonmm", *area(), move(0, 0, 4), fork(0, 1))
    assert run.judge() == ()


CAUSES: dict[Repair, Sequence[Call]] = {
    Repair.STOP_ON_HIT: (*area(), move(0, 0, 4)),
    Repair.COUNT_MIGRATION: (*area(), fork(0, 1), Call.of("migrate_begin", mm=0, page=0)),
    Repair.SHARED_TO_ROOT: (
        *area(),
        fork(0, 1),
        Call.of("swap_out", mm=0, page=0),
        Call.of("read", mm=1, start=0),
        Call.of("read", mm=0, start=0),
    ),
    Repair.KEEP_SOURCE: (
        *area(3),
        move(0, 0, 10, pages=3),
        move(0, 11, 20, dontunmap=True),
        Call.of("write", mm=0, start=11, content=2),
    ),
    Repair.AT_FAULT: (
        *area(),
        move(0, 0, 4),
        move(0, 4, 8, dontunmap=True),
        Call.of("write", mm=0, start=4, content=2),
    ),
}


@pytest.mark.parametrize("repair", list(Repair), ids=lambda repair: repair.value)
def test_each_repair_of_cow_context_is_needed_and_enough(repair: Repair) -> None:
    for repairs, sound in ((set(Repair) - {repair}, False), (set(Repair), True)):
        run = DesignRun.begin(CowContext(repairs), Rules())
        for call in CAUSES[repair]:
            run = run.apply(call)
        assert (run.judge() == ()) is sound, (repairs, run.judge())


def test_a_lazy_child_must_be_linked_to_all_anon_vmas_of_its_parent() -> None:
    calls = (*area(), fork(0, 1), fork(1, 2))
    assert after("anon_vma_lazy", *calls).judge() == ((1, ((2, 0),)),)
    assert after("anon_vma_lazy-all", *calls).judge() == ()


def test_a_design_answers_for_ksm_pages_only_if_it_says_so() -> None:
    calls = (*area(2), Call.of("madvise", mm=0, start=0, pages=2, advice="mergeable"))
    merged = (*calls, Call.of("ksmd", passes=2))
    chain, tree = after("pte_chain", *merged), after("anon_vma_tree", *merged)
    (folio,) = chain.state.ksm_folios()
    assert set(DesignWalk(PTE_CHAIN)(chain.state, folio).ptes) == {(0, 0), (0, 1)}
    assert tree.judge() == ()  # its own walk knows nothing of the page; `full` stands in
    stand_in = DesignWalk(tree.design)(tree.state, folio)
    assert stand_in == get("full")(tree.state, folio)


# Searches


class Forgetful(PteChain):
    """Planted bug: a move is not heard."""

    name = "forgetful"

    def handle(self, side: Chains, event: Event, state: State) -> Chains:
        return side if isinstance(event, PteMoved) else super().handle(side, event, state)


def test_a_planted_bug_is_found_by_both_searches() -> None:
    begin = DesignRun.begin(Forgetful())
    kinds = ("mmap", "write", "move")
    found = breadth_first(begin, Menu(pages=2, contents=1, kinds=kinds), seconds=20)
    assert found.calls is not None
    assert [call.op for call in found.calls] == ["mmap", "write", "mremap"]
    assert found.depth == 3
    walked = wander(begin, Scope(pages=3, contents=1, kinds=kinds), seconds=0.5)
    assert walked.calls is not None
    assert len(walked.calls) == 3
    assert walked.missed[0].ptes


def test_breadth_first_tells_how_deep_it_came() -> None:
    begin = DesignRun.begin(PTE_CHAIN)
    menu = Menu(processes=1, pages=1, contents=1, kinds=("mmap", "write"))
    found = breadth_first(begin, menu, seconds=20, depth=4)
    # Nothing mapped, mapped, written: no third call leads anywhere else.
    assert (found.calls, found.missed, found.depth, found.exhausted) == (None, (), 2, True)
    assert [level.subjects for level in found.levels] == [1, 1, 1]
    assert dict(found.fired) == {"mmap": 1, "write": 2}
    assert breadth_first(begin, Menu(), seconds=0).depth < 2


BUGS = {
    "1ff829957316": (
        "full",
        Rules.preset("2.6.37"),
        ("mmap", "write", "mergeable", "ksmd", "move"),
    ),
    "v1-v3": ("address", Rules(), ("mmap", "write", "mergeable", "ksmd", "move")),
    "v4": ("vm_pgoff", Rules(), ("mmap", "write", "mergeable", "ksmd", "mprotect")),
}


@pytest.mark.parametrize("bug", BUGS)
def test_historic_bugs_are_found_again_by_search(bug: str) -> None:
    name, rules, kinds = BUGS[bug]
    begin = WalkRun.begin(get(name), rules)
    found = breadth_first(begin, Menu(1, 3, 1, 3, kinds), seconds=20)
    assert found.calls is not None
    assert len(found.calls) <= 5
    sound = Rules() if bug == "1ff829957316" else rules
    healed = WalkRun.begin(get("full"), sound)
    for call in found.calls:
        healed = healed.apply(call)
    assert healed.judge() == []


def test_a_merge_with_another_chain_is_found_again_by_search() -> None:
    # d0e9fe1758f2: an anon_vma is lent although its VMA has ancestors.
    rules = Rules.preset("6.12").replace(lends_simple_only=False)
    begin = WalkRun.begin(get("anon"), rules)
    calls = (
        *area(2),
        fork(0, 1),
        Call.of("mmap", mm=1, start=0, pages=1),
        Call.of("write", mm=1, start=0, content=1),
        Call.of("mprotect", mm=1, start=0, pages=2, prot="r"),
    )
    for call in calls:
        begin = begin.apply(call)
    assert begin.judge() == [(2, ((1, 1),))]
    today = WalkRun.begin(get("anon"), Rules.preset("6.12"))
    for call in calls:
        today = today.apply(call)
    assert today.judge() == []


DOUBLE_REUSE = (
    Call.of("mmap", mm=0, start=0, pages=2),
    Call.of("write", mm=0, start=0, content=1),
    fork(0, 1),
    fork(1, 2),
    Call.of("exit_mm", mm=1),
    fork(2, 3),
    Call.of("mprotect", mm=3, start=1, pages=1, prot="r"),
    fork(2, 4),
    fork(3, 5),
    Call.of("exit_mm", mm=2),
    Call.of("exit_mm", mm=4),
    Call.of("write", mm=5, start=0, content=1),
    fork(5, 6),
    Call.of("mprotect", mm=6, start=0, pages=1, prot="r"),
)
"""What random histories found for 2555283eb40d, shrunk: see docs/designs.md."""


@pytest.mark.parametrize("reuse", list(AnonVmaReuse))
def test_the_combined_degree_counter_loses_a_page_and_no_other_rule_does(
    reuse: AnonVmaReuse,
) -> None:
    run = WalkRun.begin(get("anon"), Rules.preset("6.12").replace(reuse=reuse))
    for call in DOUBLE_REUSE:
        run = run.apply(call)
    assert bool(run.judge()) is (reuse is AnonVmaReuse.DEGREE)
    own = DesignRun.begin(AnonVmaChain(reuse), Rules.preset("6.12").replace(reuse=reuse))
    for call in DOUBLE_REUSE:
        own = own.apply(call)
    assert bool(own.judge()) is (reuse is AnonVmaReuse.DEGREE)


# Runs, walks, costs


def test_a_run_is_a_value_of_state_and_side() -> None:
    one = after("anonmm", *area(), fork(0, 1))
    two = after("anonmm", *area(), fork(0, 1))
    assert one == two
    assert hash(one) == hash(two)
    # The same state, but the page was mapped by another address first.
    moved = after("cow_context", *area(), move(0, 0, 4), move(0, 4, 0))
    assert moved.judge() == ()
    assert one != after("anonmm-chains", *area(), fork(0, 1))


def test_a_refused_call_changes_what_it_changes() -> None:
    run = after("pte_chain", *area())
    assert run.apply(move(0, 9, 20)) is run
    half = run.apply(Call.of("mprotect", mm=0, start=0, pages=3, prot="r"))
    assert half != run
    assert half.judge() == ()


def test_swap_out_in_a_run_uses_the_design() -> None:
    kept = after("anonmm", *area(), fork(0, 1), move(0, 0, 4), Call.of("swap_out", mm=1, page=0))
    assert kept.state.folio_at(0, 4) is not None
    gone = after("pte_chain", *area(), fork(0, 1), move(0, 0, 4), Call.of("swap_out", mm=1, page=0))
    assert gone.state.folio_at(0, 4) is None


def test_a_walk_in_the_middle_of_an_operation_hears_what_was_done_so_far() -> None:
    state = ops.mmap(recording(State()), mm=0, start=0, pages=2)
    state = ops.write(state, mm=0, start=0, content=1, pages=2)
    state = ops.reclaim(state, walk=DesignWalk(PTE_CHAIN))
    assert [pte.kind.value for pte in state.mms[0].ptes.values_in_order()] == ["swap", "swap"]
    assert side_of(PTE_CHAIN, state) == after("pte_chain", *area(2), Call.of("reclaim")).side


def test_work_counts_objects_made_changed_and_freed() -> None:
    run = after("anon_vma_tree", *area(3))
    before = run.design.objects(run.side)
    # A fork makes an anon_vma and two links, and the parent's anon_vma has a child more.
    forked = run.apply(fork(0, 1))
    assert work(before, forked.design.objects(forked.side)) == 4
    assert run.design.cost(run.side) == (2, 104 + 64)


def test_memory_follows_the_table_of_the_designs() -> None:
    def objects(name: str, levels: int) -> int:
        run = after(name, *area(), *(fork(n, n + 1) for n in range(levels)))
        return run.design.cost(run.side).objects

    for levels in (1, 3, 6):
        avcs = (levels + 1) * (levels + 2) // 2
        assert objects("anon_vma_tree", levels) == levels + 1 + avcs
        assert objects("anon_vma_list", levels) == 1 + levels + 1
        assert objects("anonmm", levels) == levels + 1
        assert objects("cow_context", levels) == levels + 1


def test_forks_and_exits_without_reuse_grow_without_bound() -> None:
    def chain(name: str, generations: int) -> int:
        run = after(name, *area())
        for n in range(generations):
            run = run.apply(fork(n, n + 1)).apply(Call.of("exit_mm", mm=n))
        return run.design.cost(run.side).objects

    assert chain("anon_vma_chain-never", 20) > chain("anon_vma_chain-never", 10)
    for name in ("anon_vma_chain", "anon_vma_chain-degree"):
        assert chain(name, 20) == chain(name, 10)


def test_names_are_unique_and_every_design_describes_itself() -> None:
    assert len(set(designs.names())) == len(designs.names())
    for name in designs.names():
        walk = get(name)
        assert isinstance(walk, DesignWalk)
        assert walk.name == walk.design.name == name
        assert 20 < len(walk.summary) <= 95
        assert walk.design.source
        assert name in repr(walk)
