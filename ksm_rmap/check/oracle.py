"""The judge of all walks: brute force over every page-table entry.

No analogue in the kernel, which has no other way to its PTEs than the walks on trial.

Rules of this module:

1. It imports nothing of the walks and uses no interval tree, item or anon_vma: only page tables.
2. A PTE maps a folio if it is present, or a migration entry that will be present again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ksm_rmap.model.state import PteKind

if TYPE_CHECKING:
    from collections.abc import Collection

    from ksm_rmap.model.state import State

__all__ = ("Found", "missed", "missed_against", "truth")


class Found(Protocol):
    """What the oracle asks of the result of a walk."""

    @property
    def ptes(self) -> Collection[tuple[int, int]]:
        """`(mm, page)` of each PTE that the walk found."""


def truth(state: State, folio: int) -> frozenset[tuple[int, int]]:
    """Return `(mm, page)` of every PTE that maps `folio`; O(all PTEs)."""
    return frozenset(
        (number, page)
        for number, mm in state.mms.pairs()
        for page, pte in mm.ptes.pairs()
        if pte.kind in (PteKind.PRESENT, PteKind.MIGRATION) and pte.target == folio
    )


def missed(state: State, folio: int, result: Found) -> frozenset[tuple[int, int]]:
    """Return the PTEs that map `folio` and that the walk did not find; O(all PTEs)."""
    return truth(state, folio).difference(result.ptes)


def missed_against(result: Found, other: Found) -> frozenset[tuple[int, int]]:
    """Return the PTEs that the walk `other` found and this one did not."""
    return frozenset(other.ptes).difference(result.ptes)
