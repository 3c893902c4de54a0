"""A healthy state with one of everything, and steps that break it in one place each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from ksm_rmap.interval_tree import FrozenIntervalTree
from ksm_rmap.model import validate
from ksm_rmap.model._sorted_map import SortedMap
from ksm_rmap.model.state import (
    AnonVma,
    Folio,
    ItemState,
    Ksmd,
    Mapping,
    Mm,
    Pte,
    PteKind,
    RmapItem,
    StableNode,
    State,
    SwapSlot,
    Vma,
)

if TYPE_CHECKING:
    from types import ModuleType

CONTENT = 0x77


def tree(*links: tuple[int, int, tuple[int, int]]) -> FrozenIntervalTree[tuple[int, int]]:
    return FrozenIntervalTree(links)


def stable(mm: int, address: int, index: int, *, node: int = 2, anon_vma: int = 0) -> RmapItem:
    return RmapItem(mm, address, ItemState.STABLE, CONTENT, node, anon_vma, index, 0)


def healthy() -> State:
    """One of everything, written by hand.

    Process 0 has merged two of its pages (folio 2), forked process 1, and moved page 3 to 4.
    Process 1 shares folio 4, half swapped out to slot 5, migrates folio 6 and swapped out a page
    of its own to slot 8. Process 2 is dead: its item keeps the stale node 9 and anon_vma 10. A
    pipe holds folio 7.
    """
    present, swap, migration = PteKind.PRESENT, PteKind.SWAP, PteKind.MIGRATION
    first = Mm(
        vmas=SortedMap(
            [
                (0, Vma(0, 0, 3, 0, 0, 0, (0,), 0)),
                (4, Vma(0, 4, 5, 3, 0, 0, (0,), 3)),
                (8, Vma(0, 8, 9, 8, 0, None, (), 8)),
                (9, Vma(0, 9, 11, 5, 0, None, (), 5, "libc.so")),
            ]
        ),
        ptes=SortedMap(
            [
                (0, Pte(present, 2)),
                (1, Pte(present, 4)),
                (4, Pte(present, 2)),
                (8, Pte(PteKind.ZERO)),
            ]
        ),
        items=SortedMap([(0, stable(0, 0, 0)), (4, stable(0, 4, 3))]),
    )
    second = Mm(
        vmas=SortedMap([(0, Vma(1, 0, 3, 0, 0, 1, (1, 0), 0))]),
        ptes=SortedMap(
            [
                (0, Pte(migration, 6, exclusive=True)),
                (1, Pte(swap, 5)),
                (2, Pte(swap, 8, exclusive=True)),
            ]
        ),
        items=SortedMap(
            [(0, RmapItem(1, 0, ItemState.UNSTABLE, 9)), (1, RmapItem(1, 1, checksum=3))]
        ),
    )
    third = Mm(items=SortedMap([(0, stable(2, 0, 0, node=9, anon_vma=10))]), alive=False)
    return State(
        mms=SortedMap([(0, first), (1, second), (2, third)]),
        anon_vmas=SortedMap(
            [
                (0, AnonVma(0, 0, 4, 2, 2, tree((0, 2, (0, 0)), (0, 2, (1, 0)), (3, 3, (0, 4))))),
                (1, AnonVma(0, 0, 1, 0, 1, tree((0, 2, (1, 0))))),
                (10, AnonVma(10, 10, 1, 0, 0)),
            ]
        ),
        folios=SortedMap(
            [
                (2, Folio(Mapping.KSM, 2, 0, 2, exclusive=False, content=CONTENT)),
                (4, Folio(Mapping.ANON, 0, 1, 1, exclusive=False, content=3, swap=5)),
                (6, Folio(Mapping.ANON, 1, 0, 0, exclusive=False, content=9, migrating=1)),
                (7, Folio(Mapping.ANON, 1, 2, 0, exclusive=True, content=6, pins=1)),
            ]
        ),
        nodes=SortedMap(
            [(2, StableNode(2, CONTENT, ((0, 4), (0, 0)))), (9, StableNode(9, CONTENT, ((2, 0),)))]
        ),
        slots=SortedMap([(5, SwapSlot(1, 3, 4)), (8, SwapSlot(1, 4))]),
        ksmd=Ksmd(
            slots=(0, 1, 2),
            mm=1,
            address=1,
            seqnr=1,
            stable=SortedMap([(CONTENT, (2, 9))]),
            unstable=SortedMap([(9, ((1, 0),))]),
        ),
        next_id=11,
    )


Step = Callable[[State], State]
Fields = Any


def change(table: str, key: int, /, **fields: Fields) -> Step:
    """Change some fields of one entry of a table."""
    return lambda state: put(table, key, getattr(state, table)[key]._replace(**fields))(state)


def put(table: str, key: int, entry: object) -> Step:
    """Replace or add one entry of a table."""
    return lambda state: dataclasses.replace(
        state, **{table: getattr(state, table).with_item(key, entry)}
    )


def drop(table: str, key: int) -> Step:
    """Remove one entry of a table."""
    return lambda state: dataclasses.replace(state, **{table: getattr(state, table).without(key)})


def inside(mm: int, table: str, key: int, entry: object) -> Step:
    """Replace a VMA, PTE or item of a process; None removes it."""

    def step(state: State) -> State:
        old = getattr(state.mms[mm], table)
        new = old.without(key) if entry is None else old.with_item(key, entry)
        return change("mms", mm, **{table: new})(state)

    return step


def vma(mm: int, start: int, /, **fields: Fields) -> Step:
    """Change some fields of a VMA."""
    return lambda state: inside(mm, "vmas", start, state.mms[mm].vmas[start]._replace(**fields))(
        state
    )


def pte(mm: int, page: int, kind: PteKind, target: int = 0, *, exclusive: bool = False) -> Step:
    """Replace a page-table entry."""
    return inside(mm, "ptes", page, Pte(kind, target, exclusive))


def item(mm: int, address: int, /, **fields: Fields) -> Step:
    """Change some fields of an rmap item."""
    return lambda state: inside(mm, "items", address, state.item((mm, address))._replace(**fields))(
        state
    )


def ksmd(**fields: Fields) -> Step:
    """Change some fields of ksmd."""
    return lambda state: dataclasses.replace(state, ksmd=state.ksmd._replace(**fields))


def also_listed(table: str, content: int, *what: Fields) -> Step:
    """Replace what ksmd's stable or unstable tree lists by `content`."""
    return lambda state: ksmd(**{table: getattr(state.ksmd, table).with_item(content, what)})(state)


def link(anon_vma: int, start: int, last: int, key: tuple[int, int]) -> Step:
    """Add an interval to the tree of an anon_vma."""
    return lambda state: change(
        "anon_vmas", anon_vma, tree=state.anon_vmas[anon_vma].tree.insert(start, last, key)
    )(state)


def unlink(anon_vma: int, start: int, last: int, key: tuple[int, int]) -> Step:
    """Remove an interval from the tree of an anon_vma."""
    return lambda state: change(
        "anon_vmas", anon_vma, tree=state.anon_vmas[anon_vma].tree.remove(start, last, key)
    )(state)


def after(state: State, *steps: Step) -> State:
    """Return `state` after all steps."""
    for step in steps:
        state = step(state)
    return state


PRESENT, SWAP, MIGRATION, ZERO = PteKind.PRESENT, PteKind.SWAP, PteKind.MIGRATION, PteKind.ZERO

Break = tuple[str, str, tuple[Step, ...]]
"""Clause, how a problem that it reports begins, and what breaks it in the healthy state."""


def each(breaks: list[Break]) -> pytest.MarkDecorator:
    """Return what makes a test one for each break."""
    names = [f"{clause}-{number}" for number, (clause, _, _) in enumerate(breaks)]
    return pytest.mark.parametrize(("clause", "problem", "steps"), breaks, ids=names)


def check_break(clause: str, problem: str, steps: tuple[Step, ...]) -> None:
    """Assert that the steps break this clause and no other, and that the error says so."""
    state = after(healthy(), *steps)
    broken = validate.broken_clauses(state)
    assert list(broken) == [clause], broken
    assert any(found.startswith(problem) for found in broken[clause]), broken
    with pytest.raises(validate.InvariantError) as caught:
        state.check()
    error = caught.value
    assert (error.clause, error.problem) == (clause, broken[clause][0]), error
    assert str(error) == f"{broken[clause][0]} ({clause})", error


def broken_by(breaks: list[Break]) -> list[str]:
    """Return the clauses that are broken, in order."""
    return list(dict.fromkeys(clause for clause, _, _ in breaks))


def clauses_of(module: ModuleType) -> list[str]:
    """Return the clauses that a module defines, in the order of the table."""
    return [
        name for name, clause in validate.CLAUSES.items() if clause.__module__ == module.__name__
    ]
