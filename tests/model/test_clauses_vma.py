"""Each clause on tables, VMAs and anon_vmas is broken by a test that breaks nothing else."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ksm_rmap.model import _clauses_vma, validate
from ksm_rmap.model._sorted_map import SortedMap
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.state import AnonVma, State, SwapSlot, Vma
from tests.model.broken_states import (
    SWAP,
    Break,
    Step,
    after,
    broken_by,
    change,
    check_break,
    clauses_of,
    drop,
    each,
    healthy,
    inside,
    link,
    pte,
    put,
    stable,
    tree,
    unlink,
    vma,
)


def number_from(next_id: int) -> Step:
    """Set the counter of numbers."""
    return lambda state: dataclasses.replace(state, next_id=next_id)


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


BREAKS: list[Break] = [
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
]


@each(BREAKS)
def test_a_broken_state_breaks_one_clause(
    clause: str, problem: str, steps: tuple[Step, ...]
) -> None:
    check_break(clause, problem, steps)


def test_each_clause_is_broken_by_a_test() -> None:
    assert broken_by(BREAKS) == clauses_of(_clauses_vma)


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


def test_only_an_emptied_anon_vma_may_lose_its_parent() -> None:
    orphan = change("anon_vmas", 10, root=0, parent=3)
    after(healthy(), orphan, change("anon_vmas", 0, refcount=5)).check()
    linked = after(healthy(), orphan, link(10, 0, 2, (1, 0)))
    assert validate.broken_clauses(linked)["anon-vma-parents"] == [
        "anon_vma 10 has the parent 3, which does not exist"
    ]
