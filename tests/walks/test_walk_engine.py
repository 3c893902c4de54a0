"""The loops that all walks share: order, early ends, locks, errors."""

from __future__ import annotations

import timeit

import pytest

from ksm_rmap import walks
from ksm_rmap.interval_tree import FrozenIntervalTree
from ksm_rmap.model import ops, scenario
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.state import PteKind, RmapItem, State, Vma
from ksm_rmap.walks import engine

FAMILY = """
P mmap 0 3
P madvise 0 3 mergeable
P write 0 2 0x77
ksmd 2
P fork C
P fork D
"""
"""Pages 0 and 1 are one KSM folio, mapped by a parent and two children not yet scanned."""

SPLIT_FAMILY = FAMILY + "P mprotect 2 1 r\n"
"""The same; the parent's VMA was cut, so it is behind the children's among equal keys."""

SMALL = [name for name in scenario.bundled() if not name.startswith("zte-")]


def run(text: str) -> tuple[State, int]:
    state = scenario.Scenario.parse(text, name="test").run(walk=walks.get("full"))
    (folio,) = state.ksm_folios()
    return state, folio


def ksm_state(name: str) -> tuple[State, int]:
    state = scenario.load(name).run(walk=walks.get("full"))
    return state, state.ksm_folios()[0]


def passes(result: walks.WalkResult) -> list[tuple[int, tuple[int, int] | None]]:
    return [(loop.pass_, loop.item) for loop in result.loops]


class TestOrder:
    def test_two_passes_over_the_items_the_last_appended_first(self) -> None:
        state, folio = run(FAMILY)
        node = state.stable_node(folio)
        assert node is not None
        result = walks.get("full")(state, folio)
        assert passes(result) == [(pass_, key) for pass_ in (0, 1) for key in node.items]

    def test_ptes_are_in_order_of_first_visit(self) -> None:
        state, folio = run(FAMILY)
        assert walks.get("full")(state, folio).ptes == (
            *((0, 1), (0, 0)),
            *((1, 1), (2, 1)),
            *((1, 0), (2, 0)),
        )

    def test_vmas_are_tried_in_the_order_of_the_tree(self) -> None:
        state, folio = run(SPLIT_FAMILY)
        keys = [entry.value for entry in state.anon_vmas[0].tree]
        assert keys == [(1, 0), (2, 0), (0, 0), (0, 2)]
        first = walks.RmapWalkControl(rmap_one=lambda *_: False)
        result = walks.get("full")(state, folio, control=first)
        (loop,) = result.loops
        tree = (loop.anon_vma, loop.searched)
        assert tree == (state.item((0, 1)).anon_vma, (0, walks.ULONG_MAX))
        assert loop[:7] == walks.Loop(0, (0, 1), iterations=3, skip_mm=2, visits=1)[:7]

    def test_a_vma_is_counted_under_the_first_test_it_fails(self) -> None:
        state, folio = run(SPLIT_FAMILY)
        control = walks.RmapWalkControl(invalid_vma=lambda vma: vma.mm == 1)
        own, _, others, _ = walks.get("full")(state, folio, control=control).loops
        vmas = {"parent, pages 0 and 1": 1, "parent, page 2": 1, "children": 2}
        assert own[2:7] == (sum(vmas.values()), 1, 2, 0, 1)
        assert others[2:7] == (sum(vmas.values()), 1, 1, 1, 1)
        control = walks.RmapWalkControl(invalid_vma=lambda vma: vma.mm > 0)
        _, _, others, _ = walks.get("full")(state, folio, control=control).loops
        assert others[2:7] == (sum(vmas.values()), 1, 1, 2, 0)


class TestControl:
    def test_rmap_one_sees_the_vma_and_the_page(self) -> None:
        state, folio = run(FAMILY)
        seen: list[tuple[Vma, int]] = []

        def rmap_one(vma: Vma, page: int) -> bool:
            seen.append((vma, page))
            return True

        walks.get("full")(state, folio, control=walks.RmapWalkControl(rmap_one=rmap_one))
        assert [(vma.mm, page) for vma, page in seen] == list(walks.get("full")(state, folio).ptes)
        assert all(state.vma(vma.mm, page) == vma for vma, page in seen)

    @pytest.mark.parametrize("visits", range(1, 7))
    def test_rmap_one_false_ends_the_walk_at_once(self, visits: int) -> None:
        state, folio = run(FAMILY)
        left = [True] * (visits - 1) + [False]
        result = walks.get("full")(
            state, folio, control=walks.RmapWalkControl(rmap_one=lambda *_: left.pop(0))
        )
        whole = walks.get("full")(state, folio)
        assert result.visits == visits
        assert result.ptes == whole.ptes[:visits]
        assert result.stopped
        assert not result.contended
        assert result.loops[:-1] == whole.loops[: len(result.loops) - 1]

    def test_the_last_loop_counts_up_to_the_vma_at_which_the_walk_ended(self) -> None:
        state, folio = run(FAMILY)
        control = walks.RmapWalkControl(rmap_one=lambda vma, _: vma.mm != 1)
        last = walks.get("full")(state, folio, control=control).loops[-1]
        # The tree has the parent's VMA first, then the children's in order of birth.
        assert last[:7] == walks.Loop(1, (0, 1), iterations=2, skip_mm=1, visits=1)[:7]

    def test_done_is_asked_after_each_visit_with_what_was_found(self) -> None:
        state, folio = run(FAMILY)
        asked: list[walks.Progress] = []

        def done(_folio: object, progress: walks.Progress) -> bool:
            asked.append(progress)
            return progress.unmapped == 3

        result = walks.get("full")(state, folio, control=walks.RmapWalkControl(done=done))
        assert asked == [walks.Progress(n, n) for n in (1, 2, 3)]
        assert len(result.ptes) == 3
        assert result.stopped

    def test_unmapping_ends_with_the_last_pte(self) -> None:
        state, folio = ksm_state("fork-scanned")
        whole = walks.get("full")(state, folio)
        ended = walks.get("full")(state, folio, control=walks.TRY_TO_UNMAP)
        assert ended.ptes == whole.ptes
        assert {loop.pass_ for loop in ended.loops} == {0}
        assert ended.stopped

    def test_folio_referenced_counts_a_pte_as_often_as_it_is_met(self) -> None:
        state, folio = run(FAMILY + "ksmd 1\nP fork E\n")
        whole = walks.get("full")(state, folio)
        assert whole.visits > len(whole.ptes) == state.folios[folio].mapcount
        ended = walks.get("full")(state, folio, control=walks.FOLIO_REFERENCED)
        assert ended.visits == len(whole.ptes)
        assert set(ended.ptes) < set(whole.ptes)

    def test_restoring_migration_entries_runs_to_the_end(self) -> None:
        state, folio = run(FAMILY)
        state = ops.migrate_begin(state, mm=0, page=0, walk=walks.get("full"))
        moved = state.pte(0, 0)
        assert moved is not None
        assert moved.kind is PteKind.MIGRATION
        result = walks.get("full")(state, folio, control=walks.REMOVE_MIGRATION_PTES)
        assert len(result.ptes) == 6
        assert not result.stopped

    def test_migration_entries_do_not_count_as_unmapped(self) -> None:
        state, folio = run(FAMILY)
        state = ops.migrate_begin(state, mm=0, page=0, walk=walks.get("full"))
        asked: list[walks.Progress] = []

        def done(_folio: object, progress: walks.Progress) -> bool:
            asked.append(progress)
            return False

        walks.get("full")(state, folio, control=walks.RmapWalkControl(done=done))
        assert asked == [walks.Progress(0, n) for n in range(1, 7)]


class TestLocks:
    def test_a_lock_that_is_held_gives_the_walk_up(self) -> None:
        state, folio = run(FAMILY)
        control = walks.RmapWalkControl(try_lock=True, locked=frozenset(state.anon_vmas))
        assert walks.get("full")(state, folio, control=control) == walks.WalkResult(contended=True)

    def test_a_caller_that_waits_gets_the_lock(self) -> None:
        state, folio = run(FAMILY)
        control = walks.RmapWalkControl(locked=frozenset(state.anon_vmas))
        assert walks.get("full")(state, folio, control=control) == walks.get("full")(state, folio)

    def test_a_lock_of_another_family_does_not_matter(self) -> None:
        state, folio = run(FAMILY)
        control = walks.RmapWalkControl(try_lock=True, locked=frozenset({10**6}))
        assert walks.get("full")(state, folio, control=control) == walks.get("full")(state, folio)

    def test_what_was_found_before_is_kept(self) -> None:
        text = "".join(
            f"{mm} mmap 0 1\n{mm} write 0 1 0x77\n{mm} madvise 0 1 mergeable\n" for mm in "AB"
        )
        state, folio = run(f"A fork B\n{text}ksmd 2\n")
        node = state.stable_node(folio)
        assert node is not None
        first, second = (state.item(key) for key in node.items)
        assert first.anon_vma is not None
        assert second.anon_vma is not None
        root = state.anon_vmas[second.anon_vma].root
        assert root != state.anon_vmas[first.anon_vma].root
        control = walks.RmapWalkControl(try_lock=True, locked=frozenset({root}))
        result = walks.get("full")(state, folio, control=control)
        assert passes(result) == [(0, first.key)]
        assert result.ptes == (first.key,)
        assert result.contended
        assert not result.stopped

    def test_the_lock_is_that_of_the_root(self) -> None:
        state, folio = ksm_state("fork-scanned")
        node = state.stable_node(folio)
        assert node is not None
        child = state.item(node.items[0]).anon_vma
        assert child is not None
        assert state.anon_vmas[child].root != child
        control = walks.RmapWalkControl(try_lock=True, locked=frozenset({child}))
        assert not walks.get("full")(state, folio, control=control).contended

    def test_ordinary_folios_have_a_lock_too(self) -> None:
        state = scenario.Scenario.parse("P mmap 0 1\nP write 0 1 1\n", name="test").run()
        folio = state.folio_at(0, 0)
        assert folio is not None
        control = walks.RmapWalkControl(try_lock=True, locked=frozenset(state.anon_vmas))
        result = walks.rmap_walk_anon(state, folio, control=control)
        assert result == walks.WalkResult(contended=True)


class TestManyVmas:
    """The short cut for queries with many VMAs finds what trying each one finds."""

    CONTROLS = (
        None,
        walks.TRY_TO_UNMAP,
        walks.FOLIO_REFERENCED,
        walks.RmapWalkControl(invalid_vma=lambda vma: vma.start % 2 == 1),
        walks.RmapWalkControl(rmap_one=lambda vma, _: vma.mm == 0),
    )

    @pytest.mark.parametrize("name", SMALL)
    def test_both_ways_agree(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        state = scenario.load(name).run(walk=walks.get("full"))
        cases = [
            (walks.get(walk), folio, control)
            for walk in walks.names()
            for folio in state.folios
            for control in self.CONTROLS
        ]
        for walk, folio, control in cases:
            monkeypatch.setattr(engine._Hits, "many", 10**9)
            tried = walk(state, folio, control=control)
            monkeypatch.setattr(engine._Hits, "many", 1)
            assert walk(state, folio, control=control) == tried

    @pytest.mark.parametrize(("many", "tried"), [(2, False), (3, True)])
    def test_from_so_many_on_no_vma_is_tried(
        self, many: int, monkeypatch: pytest.MonkeyPatch, *, tried: bool
    ) -> None:
        state, folio = ksm_state("hugh")
        assert len(state.anon_vmas[0].tree) == 2
        calls: list[State] = []
        vmas = engine._Hits.vmas

        def counted(hits: engine._Hits, now: State) -> list[Vma]:
            calls.append(now)
            return vmas(hits, now)

        monkeypatch.setattr(engine._Hits, "many", many)
        monkeypatch.setattr(engine._Hits, "vmas", counted)
        walks.get("full")(state, folio)
        assert bool(calls) == tried

    def test_a_query_is_made_once_in_a_walk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        queries: list[int] = []
        make = engine._Hits.__init__

        def counted(hits: engine._Hits, keys: list[tuple[int, int]]) -> None:
            queries.append(len(keys))
            make(hits, keys)

        monkeypatch.setattr(engine._Hits, "__init__", counted)
        walks.get("full")(*ksm_state("fork-scanned"))
        assert sorted(queries) == [1, 2]

    def test_a_vma_that_is_linked_twice_counts_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        state, folio = ksm_state("hugh")
        family = state.anon_vmas[0]
        twice = FrozenIntervalTree([*family.tree, *family.tree])
        broken = state.anon_vmas.with_item(0, family._replace(tree=twice))
        once = walks.get("full")(state, folio)
        for many in (10**9, 1):
            monkeypatch.setattr(engine._Hits, "many", many)
            changed = State(mms=state.mms, anon_vmas=broken, folios=state.folios, nodes=state.nodes)
            result = walks.get("full")(changed, folio)
            assert (result.iterations, result.visits) == (2 * once.iterations, 2 * once.visits)
            assert result.ptes == once.ptes


class TestSearch:
    def test_the_range_is_closed(self) -> None:
        state, folio = ksm_state("split-after-merge")
        found = {
            range_: len(walks.ksm_walk(state, folio, range_of=lambda *_: range_).ptes)  # noqa: B023 - used at once
            for range_ in ((0, 99), (100, 100), (101, 102), (103, 103), (104, 200), (0, 200))
        }
        assert list(found.values()) == [0, 1, 2, 1, 0, 2]

    def test_no_search_is_a_loop_of_nothing(self) -> None:
        state, folio = ksm_state("hugh")
        result = walks.ksm_walk(state, folio, range_of=lambda *_: None)
        assert [loop[2:8] for loop in result.loops] == [(0, 0, 0, 0, 0, False)] * 4
        assert [loop.searched for loop in result.loops] == [None] * 4
        assert {loop.anon_vma for loop in result.loops} == {state.item((0, 2)).anon_vma}

    @pytest.mark.parametrize("wanted", [(2, 1), (-1, 3), (0, 2**64), 7, (1,), ("a", "b"), (0.5, 1)])
    def test_nonsense_is_refused(self, wanted: tuple[int, int]) -> None:
        state, folio = ksm_state("hugh")
        with pytest.raises(walks.WalkError, match=r"not \(first, last\) with 0 <= first") as caught:
            walks.ksm_walk(state, folio, range_of=lambda *_: wanted)
        assert str(caught.value) == (
            f"walk of folio {folio}: range {wanted!r} for item (0, 2) is not "
            "(first, last) with 0 <= first <= last <= ULONG_MAX, nor None"
        )

    def test_no_search_takes_the_lock_all_the_same(self) -> None:
        state, folio = ksm_state("hugh")
        control = walks.RmapWalkControl(try_lock=True, locked=frozenset(state.anon_vmas))
        result = walks.ksm_walk(state, folio, range_of=lambda *_: None, control=control)
        assert result == walks.WalkResult(contended=True)

    def test_address_of_says_where_to_look(self) -> None:
        state, folio = ksm_state("hugh")
        result = walks.ksm_walk(
            state,
            folio,
            range_of=lambda *_: (0, walks.ULONG_MAX),
            address_of=lambda _, vma: vma.end - 1,
        )
        assert result.loops[0].skip_address == 0
        assert result.ptes == ((0, 0), (0, 2))

    def test_the_range_may_depend_on_the_state(self) -> None:
        state, folio = ksm_state("hugh")

        def wide(item: RmapItem, now: State) -> tuple[int, int]:
            return 0, max(end.end for _, end in now.mms[item.mm].vmas.pairs())

        assert len(walks.ksm_walk(state, folio, range_of=wide).ptes) == 2


class TestOddStates:
    def test_no_such_folio(self) -> None:
        with pytest.raises(walks.WalkError, match="walk of folio 99: there is no such folio"):
            walks.get("index")(State(), 99)

    def test_a_folio_without_its_node_is_not_found(self) -> None:
        state, folio = ksm_state("hugh")
        upgrading = State(mms=state.mms, anon_vmas=state.anon_vmas, folios=state.folios)
        for name in walks.ksm_names():
            assert walks.get(name)(upgrading, folio) == walks.WalkResult()

    def test_an_item_that_is_not_stable_is_an_error(self) -> None:
        state, folio = ksm_state("hugh")
        mm = state.mms[0]
        loose = mm._replace(items=mm.items.with_item(2, RmapItem(0, 2)))
        broken = State(
            mms=state.mms.with_item(0, loose),
            anon_vmas=state.anon_vmas,
            folios=state.folios,
            nodes=state.nodes,
        )
        with pytest.raises(walks.WalkError, match=r"item \(0, 2\) has no anon_vma"):
            walks.get("full")(broken, folio)

    def test_stale_items_are_legal(self) -> None:
        state, folio = run(FAMILY + "P munmap 0 3\n")
        assert set(walks.get("full")(state, folio).ptes) == {(1, 0), (1, 1), (2, 0), (2, 1)}


class TestOrdinaryFolios:
    TEXT = "P mmap 0 2\nP write 0 2 1\nP mremap 1 1 to 5\nP fork C\nC mremap 5 1 to 1\n"

    def state(self) -> State:
        return scenario.Scenario.parse(self.TEXT, name="test").run()

    def test_each_design_walks_them_alike(self) -> None:
        state = self.state()
        folio = state.folio_at(0, 5)
        assert folio is not None
        result = walks.rmap_walk_anon(state, folio)
        assert result.ptes == ((0, 5), (1, 1))
        anon_vma, index = state.folios[folio].mapping, state.folios[folio].index
        counters = walks.Loop(0, None, iterations=2, visits=2)
        assert result.loops == (counters._replace(anon_vma=anon_vma, searched=(index, index)),)
        for name in walks.names():
            assert walks.get(name)(state, folio) == result

    def test_the_control_holds_for_them(self) -> None:
        state = self.state()
        folio = state.folio_at(0, 5)
        assert folio is not None
        control = walks.RmapWalkControl(invalid_vma=lambda vma: vma.mm == 0)
        for name in walks.names():
            assert walks.get(name)(state, folio, control=control).ptes == ((1, 1),)
        stop = walks.RmapWalkControl(rmap_one=lambda *_: False)
        result = walks.get("counted")(state, folio, control=stop)
        assert (result.ptes, result.stopped) == (((0, 5),), True)

    def test_rmap_walk_anon_finds_nothing_of_a_ksm_folio(self) -> None:
        state, folio = ksm_state("hugh")
        assert walks.get("anon")(state, folio) == walks.WalkResult()

    def test_a_folio_whose_anon_vma_is_gone_is_not_found(self) -> None:
        state = self.state()
        folio = state.folio_at(0, 5)
        assert folio is not None
        gone = State(mms=state.mms, folios=state.folios)
        assert walks.rmap_walk_anon(gone, folio) == walks.WalkResult()

    @pytest.mark.parametrize("lie", [3, 1, -1, -3])
    def test_a_key_that_lies_about_its_vma_leads_nowhere(self, lie: int) -> None:
        """A planted bug: the VMA's page for the index is outside of the VMA."""
        state = self.state()
        folio = state.folio_at(0, 5)
        assert folio is not None
        vma = state.vma(0, 5)
        assert vma is not None
        moved = state.mms[0].vmas.with_item(5, vma._replace(anon_pgoff=vma.anon_pgoff + lie))
        broken = State(
            rules=Rules(),
            mms=state.mms.with_item(0, state.mms[0]._replace(vmas=moved)),
            anon_vmas=state.anon_vmas,
            folios=state.folios,
        )
        result = walks.rmap_walk_anon(broken, folio)
        assert result.ptes == ((1, 1),)
        assert result.loops[0].skip_address == 1


def test_a_walk_of_a_small_state_takes_no_milliseconds() -> None:
    state, folio = ksm_state("hugh")
    for name in walks.ksm_names():
        walk = walks.get(name)
        best = min(timeit.repeat(lambda: walk(state, folio), number=50, repeat=5)) / 50  # noqa: B023 - called at once
        assert best < 2e-3, name
