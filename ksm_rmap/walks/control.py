"""What the caller of a walk asks for: `struct rmap_walk_control` of include/linux/rmap.h.

Rules of this module:

1. A state does not change under a walk, so `rmap_one` cannot take a PTE away. Instead the walk
   counts what it has found, and `done` decides by that count.
2. A callback is a pure function of its arguments, but for `rmap_one`, which may collect.

The constants are the controls of the callers in mm/rmap.c (6.12). Left out: `anon_lock`,
`invalid_vma` for reclaim of another memory control group, VM_LOCKED.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from ksm_rmap.model.state import Folio, Vma

__all__ = (
    "FOLIO_REFERENCED",
    "REMOVE_MIGRATION_PTES",
    "TRY_TO_MIGRATE",
    "TRY_TO_UNMAP",
    "Progress",
    "RmapWalkControl",
    "folio_not_mapped",
)


class Progress(NamedTuple):
    """How far a walk has come. No analogue in the kernel, where the folio itself tells."""

    unmapped: int
    """Different present PTEs found; a caller that unmaps has lowered mapcount by so many."""
    sightings: int
    """Visits at which a PTE that maps the folio was there; the same PTE counts again."""


def folio_not_mapped(folio: Folio, progress: Progress) -> bool:
    """Whether nothing maps `folio` any more after so much of the walk; `folio_not_mapped()`."""
    return progress.unmapped >= folio.mapcount


def _all_referenced(folio: Folio, progress: Progress) -> bool:
    """Whether `folio_referenced_one` has counted its private copy of mapcount down to 0."""
    return progress.sightings >= folio.mapcount


class RmapWalkControl(NamedTuple):
    """`struct rmap_walk_control`; each field may be left out, as in the kernel."""

    rmap_one: Callable[[Vma, int], bool] | None = None
    """Called at each visit with the VMA and the page; False ends the walk."""
    done: Callable[[Folio, Progress], bool] | None = None
    """Asked after each visit; True ends the walk."""
    invalid_vma: Callable[[Vma], bool] | None = None
    """VMAs to leave out."""
    try_lock: bool = False
    """Give the walk up, `contended`, rather than wait for a lock."""
    locked: frozenset[int] = frozenset()
    """Roots of the anon_vmas whose lock another holds. No analogue in the kernel's struct."""


TRY_TO_UNMAP = RmapWalkControl(done=folio_not_mapped)
"""`try_to_unmap()`: ends when nothing maps the folio."""
TRY_TO_MIGRATE = TRY_TO_UNMAP
"""`try_to_migrate()`: the same; its `invalid_vma` is not set for KSM folios."""
REMOVE_MIGRATION_PTES = RmapWalkControl()
"""`remove_migration_ptes()`: no `done`, both passes run to the end."""
FOLIO_REFERENCED = RmapWalkControl(done=_all_referenced, try_lock=True)
"""`folio_referenced()`: does not wait for locks; ends after mapcount sightings, even if one
PTE was seen twice and another not at all."""
