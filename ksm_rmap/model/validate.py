"""Every structural invariant of a `State`, as a table of named clauses.

No analogue in the kernel, which has CONFIG_DEBUG_VM_RB, page_table_check and WARN_ONs for parts of
this. A state that passes is well-formed; it need not be reachable by any operation.

Rules of this module:

1. A clause is one function of `CLAUSES`. It yields one sentence for each broken place and names
   the objects; its docstring states the invariant and the source, or says that it is deduced.
2. Each clause can be broken alone: it passes over what another clause reports (a PTE to a folio
   that does not exist is the matter of `pte-targets`, not of `anon-index`).
3. What a clause compares with is counted from scratch (`ksm_rmap.model._census`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ksm_rmap.model import _clauses_ksm as ksm
from ksm_rmap.model import _clauses_page as page
from ksm_rmap.model import _clauses_vma as vma
from ksm_rmap.model._census import Census

if TYPE_CHECKING:
    from ksm_rmap.model.state import State

__all__ = ("CLAUSES", "InvariantError", "broken_clauses", "validate_state")

Clause = Callable[[Census], Iterator[str]]

CLAUSES: Final[Mapping[str, Clause]] = MappingProxyType(
    {
        # tables and numbers
        "tables-sorted": vma.tables_sorted,
        "ids-issued": vma.ids_issued,
        "ids-unique": vma.ids_unique,
        # VMAs
        "vma-keys": vma.vma_keys,
        "vma-ranges": vma.vma_ranges,
        "vma-disjoint": vma.vma_disjoint,
        "vma-offsets": vma.vma_offsets,
        # chains
        "chain-own": vma.chain_own,
        "chain-distinct": vma.chain_distinct,
        "chain-exists": vma.chain_exists,
        "chain-one-root": vma.chain_one_root,
        "chain-ancestors": vma.chain_ancestors,
        "chain-equal": vma.chain_equal,
        # anon_vmas
        "anon-vma-roots": vma.anon_vma_roots,
        "anon-vma-parents": vma.anon_vma_parents,
        "anon-vma-needed": vma.anon_vma_needed,
        "tree-sound": vma.tree_sound,
        "tree-links": vma.tree_links,
        "num-children": vma.num_children,
        "num-active-vmas": vma.num_active_vmas,
        "refcount": vma.refcount,
        # page tables
        "pte-in-vma": page.pte_in_vma,
        "pte-in-faulted-vma": page.pte_in_faulted_vma,
        "pte-targets": page.pte_targets,
        "pte-exclusive": page.pte_exclusive,
        "anon-index": page.anon_index,
        "anon-linked": page.anon_linked,
        # folios
        "mapcount": page.mapcount,
        "migrating": page.migrating,
        "pins": page.pins,
        "folio-needed": page.folio_needed,
        "exclusive-alone": page.exclusive_alone,
        "exclusive-not-ksm": page.exclusive_not_ksm,
        # swap
        "slot-ptes": page.slot_ptes,
        "slot-needed": page.slot_needed,
        "swap-cache": page.swap_cache,
        "swap-content": page.swap_content,
        # KSM
        "ksm-folio-node": ksm.ksm_folio_node,
        "node-folio": ksm.node_folio,
        "node-content": ksm.node_content,
        "node-items": ksm.node_items,
        "stable-tree": ksm.stable_tree,
        "item-keys": ksm.item_keys,
        "item-stable": ksm.item_stable,
        "item-not-stable": ksm.item_not_stable,
        "unstable-tree": ksm.unstable_tree,
        "ksmd-slots": ksm.ksmd_slots,
        "ksmd-knows": ksm.ksmd_knows,
        "ksmd-cursor": ksm.ksmd_cursor,
        "ksmd-knobs": ksm.ksmd_knobs,
        "dead-mm": ksm.dead_mm,
    }
)
"""Name of each invariant and the function that yields what breaks it, in the order of checking."""


class InvariantError(AssertionError):
    """A state that no sequence of correct operations could have made.

    Attributes:
        clause: name of the first broken clause, a key of `CLAUSES`.
        problem: the sentence that names the objects.

    """

    def __init__(self, clause: str, problem: str) -> None:
        super().__init__(clause, problem)
        self.clause = clause
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.problem} ({self.clause})"


def broken_clauses(state: State) -> dict[str, list[str]]:
    """Return the broken clauses with their problems, in the order of `CLAUSES`; O(n log n)."""
    census = Census(state)
    found = {name: list(clause(census)) for name, clause in CLAUSES.items()}
    return {name: problems for name, problems in found.items() if problems}


def validate_state(state: State) -> None:
    """Raise `InvariantError` with the first problem of the first broken clause; O(n log n)."""
    census = Census(state)
    for name, clause in CLAUSES.items():
        for problem in clause(census):
            raise InvariantError(name, problem)
