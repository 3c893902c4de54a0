"""Each clause of the validator is broken by a test that breaks nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from ksm_rmap.interval_tree import FrozenIntervalTree
from ksm_rmap.model import validate
from ksm_rmap.model._sorted_map import SortedMap
from ksm_rmap.model.rules import Rules
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


def number_from(next_id: int) -> Step:
    """Set the counter of numbers."""
    return lambda state: dataclasses.replace(state, next_id=next_id)


def after(state: State, *steps: Step) -> State:
    """Return `state` after all steps."""
    for step in steps:
        state = step(state)
    return state


def too_long(table: SortedMap[Any]) -> SortedMap[Any]:
    """Return a map that believes it has one entry more."""
    return SortedMap._of(table._root, table._depth, len(table) + 1)


def out_of_order(anon_vma: int) -> Step:
    """Turn the tree of an anon_vma around."""

    def step(state: State) -> State:
        entries = tuple(state.anon_vmas[anon_vma].tree)
        broken = tree()._made(entries[::-1], len(entries))
        return change("anon_vmas", anon_vma, tree=broken)(state)

    return step


SECOND_ROOT = (
    number_from(12),
    put("anon_vmas", 11, AnonVma(11, 11, 1, 0, 0)),
    inside(2, "items", 5, stable(2, 5, 0, node=9, anon_vma=11)),
    change("nodes", 9, items=((2, 5), (2, 0))),
)
"""Healthy: an anon_vma 11 that only an item of the dead process keeps alive."""

SECOND_VMA = (
    inside(1, "vmas", 6, Vma(1, 6, 7, 6, 0, 1, (0, 1), 6)),
    link(0, 6, 6, (1, 6)),
    link(1, 6, 6, (1, 6)),
    change("anon_vmas", 1, num_active_vmas=2),
)
"""Healthy: process 1 has a second VMA with the anon_vma and the chain set of its first."""

PRESENT, SWAP, MIGRATION, ZERO = PteKind.PRESENT, PteKind.SWAP, PteKind.MIGRATION, PteKind.ZERO

BREAKS: list[tuple[str, str, tuple[Step, ...]]] = [
    (
        "tables-sorted",
        "the folios are filed wrongly: broken rule of SortedMap: the length is the number of keys",
        (lambda state: dataclasses.replace(state, folios=too_long(state.folios)),),
    ),
    (
        "tables-sorted",
        "the PTEs of process 1 are filed wrongly",
        (change("mms", 1, ptes=too_long(healthy().mms[1].ptes)),),
    ),
    ("ids-issued", "anon_vma 10 has a number that next_id 10", (number_from(10),)),
    ("ids-issued", "folio -1 has a number", (put("folios", -1, healthy().folios[7]),)),
    (
        "ids-unique",
        "the anon_vma and a swap slot have the same number 10",
        (drop("slots", 8), put("slots", 10, SwapSlot(1, 4)), pte(1, 2, SWAP, 10, exclusive=True)),
    ),
    (
        "ids-unique",
        "the anon_vma and a folio have the same number 10",
        (put("folios", 10, healthy().folios[7]),),
    ),
    (
        "ids-unique",
        "the swap slot and a stable node have the same number 9",
        (drop("slots", 8), put("slots", 9, SwapSlot(1, 4)), pte(1, 2, SWAP, 9, exclusive=True)),
    ),
    (
        "vma-keys",
        "VMA 0:[9,11) is filed as the VMA at 10 of process 0",
        (inside(0, "vmas", 10, healthy().mms[0].vmas[9]), inside(0, "vmas", 9, None)),
    ),
    ("vma-keys", "VMA 3:[8,9) is filed as the VMA at 8 of process 0", (vma(0, 8, mm=3),)),
    ("vma-ranges", "VMA 0:[9,9) is no range of pages", (vma(0, 9, end=9),)),
    ("vma-ranges", "VMA 0:[9,11) has the negative offset", (vma(0, 9, pgoff=-1, anon_pgoff=-1),)),
    ("vma-disjoint", "VMA 0:[8,10) overlaps VMA 0:[9,11)", (vma(0, 8, end=10),)),
    ("vma-offsets", "VMA 0:[8,9) has anon_pgoff 7 apart from pgoff 8", (vma(0, 8, anon_pgoff=7),)),
    ("vma-offsets", "VMA 0:[9,11) has anon_pgoff 9 apart from pgoff", (vma(0, 9, anon_pgoff=9),)),
    (
        "chain-own",
        "VMA 1:[0,3) has anon_vma 10, not in its chain (1, 0)",
        (
            vma(1, 0, anon_vma=10),
            change("anon_vmas", 1, num_active_vmas=0),
            change("anon_vmas", 10, num_active_vmas=1),
        ),
    ),
    (
        "chain-own",
        "VMA 0:[8,9) has the chain (0,) and no anon_vma",
        (vma(0, 8, chain=(0,)), link(0, 8, 8, (0, 8))),
    ),
    (
        "chain-distinct",
        "VMA 1:[0,3) has an anon_vma twice in its chain (1, 0, 1)",
        (vma(1, 0, chain=(1, 0, 1)), link(1, 0, 2, (1, 0))),
    ),
    (
        "chain-exists",
        "VMA 1:[0,3) is linked to anon_vma 3, which does not exist",
        (vma(1, 0, chain=(1, 0, 3)),),
    ),
    (
        "chain-one-root",
        "VMA 1:[0,3) has a chain with several roots: [0, 10]",
        (
            vma(1, 0, chain=(1, 0, 10)),
            link(10, 0, 2, (1, 0)),
            change("anon_vmas", 10, refcount=2, num_children=1),
        ),
    ),
    (
        "chain-ancestors",
        "VMA 1:[0,3) is linked to anon_vma 1 and not to its parent 0",
        (vma(1, 0, chain=(1,)), unlink(0, 0, 2, (1, 0))),
    ),
    (
        "chain-equal",
        (
            "VMA 1:[6,7) has anon_vma 1 and the chain (1, 0, 3), "
            "another VMA of process 1 has it with the chain (1, 0)"
        ),
        (
            *SECOND_VMA,
            vma(1, 6, chain=(1, 0, 3)),
            put("anon_vmas", 3, AnonVma(0, 0, 1, 0, 0, tree((6, 6, (1, 6))))),
            change("anon_vmas", 0, refcount=5, num_children=3),
        ),
    ),
    (
        "anon-vma-roots",
        "anon_vma 10 is a root and has the parent 0",
        (change("anon_vmas", 10, parent=0),),
    ),
    (
        "anon-vma-roots",
        "anon_vma 10 has the root 3, which does not exist",
        (change("anon_vmas", 10, root=3, parent=3),),
    ),
    (
        "anon-vma-roots",
        "anon_vma 10 has the root 1, whose root is 0",
        (change("anon_vmas", 10, root=1, parent=3), change("anon_vmas", 1, refcount=2)),
    ),
    (
        "anon-vma-parents",
        "anon_vma 10 has the parent 10, which is not older",
        (change("anon_vmas", 10, root=0), change("anon_vmas", 0, refcount=5)),
    ),
    (
        "anon-vma-parents",
        "anon_vma 11 has the root 0, its parent 10 the root 10",
        (
            *SECOND_ROOT,
            change("anon_vmas", 11, root=0, parent=10),
            change("anon_vmas", 0, refcount=5),
        ),
    ),
    (
        "anon-vma-needed",
        "anon_vma 3 exists although nothing refers to it",
        (put("anon_vmas", 3, AnonVma(3, 3, 0, 0, 0)),),
    ),
    ("tree-sound", "the interval tree of anon_vma 0 is filed wrongly", (out_of_order(0),)),
    (
        "tree-links",
        (
            "the interval tree of anon_vma 0 and the chains differ: "
            "[3,3] of the VMA at 0:4 is missing there"
        ),
        (unlink(0, 3, 3, (0, 4)),),
    ),
    (
        "tree-links",
        (
            "the interval tree of anon_vma 0 and the chains differ: "
            "[3,4] of the VMA at 0:4 is in no chain"
        ),
        (link(0, 3, 4, (0, 4)),),
    ),
    (
        "tree-links",
        "the interval tree of anon_vma 1 holds a link twice",
        (link(1, 0, 2, (1, 0)),),
    ),
    (
        "num-children",
        "anon_vma 0 has num_children 1, not 2",
        (change("anon_vmas", 0, num_children=1),),
    ),
    (
        "num-active-vmas",
        "anon_vma 0 has num_active_vmas 3, not 2",
        (change("anon_vmas", 0, num_active_vmas=3),),
    ),
    ("refcount", "anon_vma 0 has refcount 2, not 4", (change("anon_vmas", 0, refcount=2),)),
    ("refcount", "anon_vma 10 has refcount 2, not 1", (change("anon_vmas", 10, refcount=2),)),
    ("pte-in-vma", "the zero PTE 0:7 lies in no VMA", (pte(0, 7, ZERO),)),
    (
        "pte-in-faulted-vma",
        "the present PTE 0:8 lies in VMA 0:[8,9), which has no anon_vma",
        (pte(0, 8, PRESENT, 2), change("folios", 2, mapcount=3)),
    ),
    (
        "pte-targets",
        "the present PTE 1:1 leads to folio 3, which does not exist",
        (pte(1, 1, PRESENT, 3), change("slots", 5, ptes=0)),
    ),
    (
        "pte-targets",
        "the swap PTE 1:1 leads to swap slot 3, which does not exist",
        (pte(1, 1, SWAP, 3), change("slots", 5, ptes=0)),
    ),
    ("pte-targets", "the zero PTE 0:8 has the target 2", (pte(0, 8, ZERO, 2),)),
    (
        "pte-exclusive",
        "the present PTE 0:1 has the exclusive bit of a swap or migration entry",
        (pte(0, 1, PRESENT, 4, exclusive=True),),
    ),
    (
        "pte-exclusive",
        "the swap PTE 1:1 is exclusive and folio 4 is KSM or mapped",
        (pte(1, 1, SWAP, 5, exclusive=True),),
    ),
    (
        "pte-exclusive",
        "the migration PTE 1:0 is exclusive and folio 2 is KSM or mapped",
        (
            pte(1, 0, MIGRATION, 2, exclusive=True),
            change("folios", 2, migrating=1),
            drop("folios", 6),
        ),
    ),
    (
        "pte-exclusive",
        "the swap PTE 0:2 is exclusive and not the only one to 8",
        (pte(0, 2, SWAP, 8, exclusive=True), pte(1, 2, SWAP, 8), change("slots", 8, ptes=2)),
    ),
    (
        "anon-index",
        "the present PTE 0:1 has index 1 in VMA 0:[0,3), folio 4 has index 2",
        (change("folios", 4, index=2),),
    ),
    (
        "anon-index",
        "the migration PTE 1:0 has index 0 in VMA 1:[0,3), folio 6 has index 7",
        (change("folios", 6, index=7),),
    ),
    (
        "anon-linked",
        "the present PTE 0:1 leads to folio 4 of anon_vma 1, to which VMA 0:[0,3) is not linked",
        (change("folios", 4, mapping=1),),
    ),
    ("mapcount", "folio 2 has mapcount 3 and 2 present PTEs", (change("folios", 2, mapcount=3),)),
    (
        "mapcount",
        "folio 6 has mapcount 1 and 0 present PTEs",
        (change("folios", 6, mapcount=1), pte(1, 0, MIGRATION, 6)),
    ),
    (
        "migrating",
        "folio 6 has migrating 0 and 1 migration entries",
        (change("folios", 6, migrating=0),),
    ),
    ("pins", "folio 7 has -1 pins", (change("folios", 7, pins=-1),)),
    (
        "folio-needed",
        "folio 7 exists although nothing refers to it",
        (change("folios", 7, pins=0),),
    ),
    (
        "exclusive-alone",
        "folio 4 is exclusive and swap slot 5 has PTEs",
        (change("folios", 4, exclusive=True),),
    ),
    (
        "exclusive-alone",
        "folio 6 is exclusive and has 2 PTEs",
        (
            pte(1, 0, MIGRATION, 6),
            pte(0, 0, PRESENT, 6),
            change("folios", 6, exclusive=True, mapping=0, mapcount=1),
            change("folios", 2, mapcount=1),
        ),
    ),
    (
        "exclusive-not-ksm",
        "folio 2 is exclusive and KSM",
        (change("folios", 2, exclusive=True, mapcount=1), inside(0, "ptes", 4, None)),
    ),
    ("slot-ptes", "swap slot 5 has ptes 2 and 1 swap entries", (change("slots", 5, ptes=2),)),
    (
        "slot-needed",
        "swap slot 8 exists although nothing refers to it",
        (inside(1, "ptes", 2, None), change("slots", 8, ptes=0)),
    ),
    (
        "swap-cache",
        "swap slot 8 has folio 7, which is not cached for it",
        (change("slots", 8, folio=7, content=6),),
    ),
    (
        "swap-cache",
        "folio 7 is cached for swap slot 8, which has another folio",
        (change("folios", 7, swap=8, exclusive=False),),
    ),
    (
        "swap-content",
        "swap slot 5 has content 0x1, its folio 4 content 0x3",
        (change("slots", 5, content=1),),
    ),
    (
        "ksm-folio-node",
        "KSM folio 3 has the mapping 9, which is no node of it",
        (put("folios", 3, Folio(Mapping.KSM, 9, 0, 0, exclusive=False, content=CONTENT, pins=1)),),
    ),
    (
        "node-folio",
        "stable node 9 has folio 7, whose mapping is another",
        (change("nodes", 9, folio=7), change("folios", 7, content=CONTENT)),
    ),
    (
        "node-content",
        "stable node 2 has content 0x77, its folio 2 content 0x1",
        (change("folios", 2, content=1),),
    ),
    (
        "node-items",
        "stable node 9 lists rmap item 1:1, which is not its own",
        (change("nodes", 9, items=((2, 0), (1, 1))),),
    ),
    (
        "node-items",
        "stable node 9 lists rmap item 5:0, which is not its own",
        (change("nodes", 9, items=((2, 0), (5, 0))),),
    ),
    (
        "node-items",
        "stable node 9 lists an rmap item twice",
        (change("nodes", 9, items=((2, 0), (2, 0))),),
    ),
    (
        "stable-tree",
        "stable node 9 is not in the stable tree",
        (also_listed("stable", CONTENT, 2),),
    ),
    (
        "stable-tree",
        "the stable tree lists node 9 by content 0x5 wrongly",
        (also_listed("stable", 5, 9),),
    ),
    (
        "stable-tree",
        "the stable tree lists node 2 by content 0x77 wrongly",
        (also_listed("stable", CONTENT, 2, 9, 2),),
    ),
    (
        "stable-tree",
        "the stable tree keeps content 0x5 without a node",
        (also_listed("stable", 5),),
    ),
    ("item-keys", "rmap item 1:7 is filed as item 1 of process 1", (item(1, 1, address=7),)),
    (
        "item-stable",
        "STABLE rmap item 2:0 has anon_vma 3, which does not exist",
        (item(2, 0, anon_vma=3), drop("anon_vmas", 10)),
    ),
    (
        "item-stable",
        "STABLE rmap item 0:0 has node 2, which does not list it",
        (change("nodes", 2, items=((0, 4),)),),
    ),
    (
        "item-stable",
        "STABLE rmap item 2:0 has node None, which does not list it",
        (item(2, 0, node=None), change("nodes", 9, items=())),
    ),
    ("item-not-stable", "LOOSE rmap item 1:1 still records a merge", (item(1, 1, index=4),)),
    ("item-not-stable", "UNSTABLE rmap item 1:0 still records a merge", (item(1, 0, anon_vma=0),)),
    (
        "unstable-tree",
        "UNSTABLE rmap item 1:0 is not in the unstable tree",
        (ksmd(unstable=SortedMap()),),
    ),
    (
        "unstable-tree",
        "the unstable tree lists rmap item 1:1 by content 0x3 wrongly",
        (also_listed("unstable", 3, (1, 1)),),
    ),
    (
        "unstable-tree",
        "the unstable tree lists rmap item 5:0 by content 0x3 wrongly",
        (also_listed("unstable", 3, (5, 0)),),
    ),
    (
        "unstable-tree",
        "the unstable tree lists rmap item 1:0 by content 0x9 wrongly",
        (also_listed("unstable", 9, (1, 0), (1, 0)),),
    ),
    (
        "unstable-tree",
        "the unstable tree lists rmap item 1:0 by content 0x9 wrongly",
        (item(1, 0, checksum=8),),
    ),
    (
        "unstable-tree",
        "the unstable tree keeps content 0x5 without an item",
        (also_listed("unstable", 5),),
    ),
    ("ksmd-slots", "ksmd lists process 2 twice", (ksmd(slots=(0, 1, 2, 2)),)),
    ("ksmd-slots", "ksmd lists process 3, which does not exist", (ksmd(slots=(0, 1, 2, 3)),)),
    (
        "ksmd-knows",
        "process 0 has 2 rmap items and is not on ksmd's list",
        (ksmd(slots=(1, 2)),),
    ),
    (
        "ksmd-knows",
        "process 3 is dead and is not on ksmd's list",
        (put("mms", 3, Mm(alive=False)),),
    ),
    (
        "ksmd-cursor",
        "ksmd's cursor is at process 3, which is not on its list",
        (ksmd(mm=3),),
    ),
    ("ksmd-cursor", "ksmd's cursor is at page -1", (ksmd(address=-1),)),
    ("ksmd-knobs", "max_page_sharing is 1, below 2", (ksmd(max_page_sharing=1),)),
    ("ksmd-knobs", "ksmd's seqnr is -1", (ksmd(seqnr=-1),)),
    (
        "dead-mm",
        "process 2 is dead and has 1 VMAs, 0 PTEs",
        (inside(2, "vmas", 0, Vma(2, 0, 1, 0, 0)),),
    ),
]
"""Clause, how a problem that it reports begins, and what breaks it in the healthy state."""


def test_the_hand_made_state_is_healthy() -> None:
    assert validate.broken_clauses(healthy()) == {}
    healthy().check()
    State().check()


@pytest.mark.parametrize(
    ("clause", "problem", "steps"),
    BREAKS,
    ids=[f"{clause}-{number}" for number, (clause, _, _) in enumerate(BREAKS)],
)
def test_a_broken_state_breaks_one_clause(
    clause: str, problem: str, steps: tuple[Step, ...]
) -> None:
    state = after(healthy(), *steps)
    broken = validate.broken_clauses(state)
    assert list(broken) == [clause], broken
    assert any(found.startswith(problem) for found in broken[clause]), broken
    with pytest.raises(validate.InvariantError) as caught:
        state.check()
    assert caught.value.clause == clause
    assert caught.value.problem == broken[clause][0]
    assert str(caught.value) == f"{broken[clause][0]} ({clause})"


def test_each_clause_is_broken_by_a_test() -> None:
    assert list(dict.fromkeys(clause for clause, _, _ in BREAKS)) == list(validate.CLAUSES)


def test_each_clause_says_what_must_hold() -> None:
    for name, clause in validate.CLAUSES.items():
        assert clause.__doc__, name
        assert clause.__name__ == name.replace("-", "_")


@pytest.mark.parametrize("steps", [SECOND_ROOT, SECOND_VMA])
def test_what_some_breaks_add_is_healthy(steps: tuple[Step, ...]) -> None:
    assert validate.broken_clauses(after(healthy(), *steps)) == {}


def test_file_offsets_may_differ_where_the_rules_tell_them_apart() -> None:
    state = dataclasses.replace(healthy(), rules=Rules.preset("mm-2026-08"))
    after(state, vma(0, 9, anon_pgoff=9)).check()
    broken = validate.broken_clauses(after(state, vma(0, 8, anon_pgoff=7)))
    assert list(broken) == ["vma-offsets"]


@pytest.mark.parametrize("clause", ["chain-ancestors", "chain-equal"])
def test_equal_chains_are_a_rule_of_kernels_that_lend_simple_chains_only(clause: str) -> None:
    [steps] = [steps for name, _, steps in BREAKS if name == clause]
    old = Rules().replace(lends_simple_only=False)
    after(dataclasses.replace(healthy(), rules=old), *steps).check()


def test_a_stale_node_is_legal_until_ksmd_notices() -> None:
    state = healthy()
    assert state.nodes[9].folio not in state.folios
    assert state.item((2, 0)).node == 9
    state.check()


def test_a_ksm_folio_may_have_lost_its_node() -> None:
    folio = Folio(Mapping.KSM, -1, 0, 0, exclusive=False, content=1, pins=1)
    after(healthy(), put("folios", 3, folio)).check()


def test_only_an_emptied_anon_vma_may_lose_its_parent() -> None:
    orphan = change("anon_vmas", 10, root=0, parent=3)
    after(healthy(), orphan, change("anon_vmas", 0, refcount=5)).check()
    linked = after(healthy(), orphan, link(10, 0, 2, (1, 0)))
    assert validate.broken_clauses(linked)["anon-vma-parents"] == [
        "anon_vma 10 has the parent 3, which does not exist"
    ]
