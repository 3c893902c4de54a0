"""Each clause on page tables, folios and swap is broken by a test that breaks nothing else."""

from __future__ import annotations

from ksm_rmap.model import _clauses_page
from tests.model.broken_states import (
    MIGRATION,
    PRESENT,
    SWAP,
    ZERO,
    Break,
    Step,
    broken_by,
    change,
    check_break,
    clauses_of,
    drop,
    each,
    inside,
    pte,
)

BREAKS: list[Break] = [
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
]


@each(BREAKS)
def test_a_broken_state_breaks_one_clause(
    clause: str, problem: str, steps: tuple[Step, ...]
) -> None:
    check_break(clause, problem, steps)


def test_each_clause_is_broken_by_a_test() -> None:
    assert broken_by(BREAKS) == clauses_of(_clauses_page)
