"""The walk of v4 of the patch: at the `vm_pgoff` that the VMA had when the page was merged.

Models mm/ksm.c with v4 (3 May 2026), where the item stores `vma->vm_pgoff` instead of the index
of its own page. The VMA of merge time is found while it begins where it began; a split or a trim
below the address leaves the page in a VMA that begins at a greater index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksm_rmap.walks.design import KsmDesign

if TYPE_CHECKING:
    from ksm_rmap.model.state import RmapItem, State

__all__ = ("VM_PGOFF", "search_range")


def search_range(item: RmapItem, _state: State) -> tuple[int, int]:
    """Return the first index of the VMA at merge time."""
    return item.vm_pgoff, item.vm_pgoff


VM_PGOFF = KsmDesign(
    name="vm_pgoff",
    summary="the vm_pgoff that the VMA had at merge time (v4)",
    source='v4 of "ksm: Optimize rmap_walk_ksm ...", May 2026',
    range_of=search_range,
)
