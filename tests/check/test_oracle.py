"""The judge: page tables only, each clause broken on its own."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

import pytest

from ksm_rmap import walks
from ksm_rmap.check import oracle
from ksm_rmap.model import ops, scenario
from ksm_rmap.model._sorted_map import SortedMap
from ksm_rmap.model.state import Mm, Pte, PteKind, State

FOLIO = 5
SMALL = [name for name in scenario.bundled() if not name.startswith("zte-")]


def with_ptes(*ptes: Pte) -> State:
    return State(mms=SortedMap([(3, Mm(ptes=SortedMap(enumerate(ptes))))]))


def test_it_imports_nothing_of_the_walks() -> None:
    tree = ast.parse(Path(oracle.__file__).read_text(encoding="utf-8"))
    imported = {
        name
        for node in ast.walk(tree)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }
    assert imported <= {"__future__", "typing", "collections.abc", "ksm_rmap.model.state"}


class TestTruth:
    @pytest.mark.parametrize(
        ("kind", "maps"),
        [
            (PteKind.PRESENT, True),
            (PteKind.MIGRATION, True),
            (PteKind.SWAP, False),
            (PteKind.ZERO, False),
        ],
    )
    def test_which_entries_map(self, kind: PteKind, *, maps: bool) -> None:
        state = with_ptes(Pte(PteKind.PRESENT, FOLIO + 1), Pte(kind, FOLIO))
        assert oracle.truth(state, FOLIO) == ({(3, 1)} if maps else set())

    def test_an_entry_of_another_folio_does_not(self) -> None:
        assert oracle.truth(with_ptes(Pte(PteKind.PRESENT, FOLIO + 1)), FOLIO) == frozenset()

    def test_every_process_and_every_page_counts(self) -> None:
        entry = Pte(PteKind.PRESENT, FOLIO)
        ptes = SortedMap([(0, entry), (10**9, entry)])
        state = State(mms=SortedMap([(0, Mm(ptes=ptes)), (4, Mm(ptes=ptes))]))
        assert oracle.truth(state, FOLIO) == {(0, 0), (0, 10**9), (4, 0), (4, 10**9)}

    @pytest.mark.parametrize("name", SMALL)
    def test_it_agrees_with_the_counts_of_the_folio(self, name: str) -> None:
        for step in scenario.load(name).states(walk=walks.get("full")):
            for number, folio in step.state.folios.pairs():
                assert len(oracle.truth(step.state, number)) == folio.mapcount + folio.migrating

    def test_migration_changes_nothing(self) -> None:
        state = scenario.load("fork-unscanned").run()
        (folio,) = state.ksm_folios()
        before = oracle.truth(state, folio)
        state = ops.migrate_begin(state, mm=0, page=0, walk=walks.get("full"))
        assert oracle.truth(state, folio) == before
        assert len(before) == 4


class Stub(NamedTuple):
    ptes: tuple[tuple[int, int], ...]


class TestMissed:
    STATE = with_ptes(*[Pte(PteKind.PRESENT, FOLIO)] * 3)

    @pytest.mark.parametrize(
        ("found", "missed"),
        [
            (((3, 0), (3, 1), (3, 2)), set()),
            (((3, 2), (3, 0)), {(3, 1)}),
            ((), {(3, 0), (3, 1), (3, 2)}),
            (((3, 0), (3, 1), (3, 2), (9, 9)), set()),
        ],
    )
    def test_what_the_walk_did_not_find(
        self, found: tuple[tuple[int, int], ...], missed: set[tuple[int, int]]
    ) -> None:
        assert oracle.missed(self.STATE, FOLIO, Stub(found)) == missed

    def test_against_another_walk(self) -> None:
        one, other = Stub(((3, 0), (3, 1))), Stub(((3, 1), (3, 2)))
        assert oracle.missed_against(one, other) == {(3, 2)}
        assert oracle.missed_against(other, one) == {(3, 0)}
        assert oracle.missed_against(one, one) == frozenset()

    def test_the_judgement_on_the_walk_of_v3(self) -> None:
        state = scenario.load("hugh").run()
        (folio,) = state.ksm_folios()
        result = walks.get("address")(state, folio)
        assert oracle.missed(state, folio, result) == {(0, 2)}
