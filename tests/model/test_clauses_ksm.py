"""Each clause on KSM and dead processes is broken by a test that breaks nothing else."""

from __future__ import annotations

from ksm_rmap.model import _clauses_ksm
from ksm_rmap.model._sorted_map import SortedMap
from ksm_rmap.model.state import Folio, Mapping, Mm, Vma
from tests.model.broken_states import (
    CONTENT,
    Break,
    Step,
    after,
    also_listed,
    broken_by,
    change,
    check_break,
    clauses_of,
    drop,
    each,
    healthy,
    inside,
    item,
    ksmd,
    put,
)

BREAKS: list[Break] = [
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


@each(BREAKS)
def test_a_broken_state_breaks_one_clause(
    clause: str, problem: str, steps: tuple[Step, ...]
) -> None:
    check_break(clause, problem, steps)


def test_each_clause_is_broken_by_a_test() -> None:
    assert broken_by(BREAKS) == clauses_of(_clauses_ksm)


def test_a_stale_node_is_legal_until_ksmd_notices() -> None:
    state = healthy()
    assert state.nodes[9].folio not in state.folios
    assert state.item((2, 0)).node == 9
    state.check()


def test_a_ksm_folio_may_have_lost_its_node() -> None:
    folio = Folio(Mapping.KSM, -1, 0, 0, exclusive=False, content=1, pins=1)
    after(healthy(), put("folios", 3, folio)).check()
