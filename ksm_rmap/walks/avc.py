"""David Hildenbrand's thought: take the index from a VMA that is there now, store nothing.

Models a design that exists in prose only (discussion of v3, April 2026): look up the VMA at the
item's address in the item's own process, check that it is linked to the item's anon_vma, and
search at the index that this VMA gives to the address. In the kernel the look-up would need the
mmap lock of that process or the tree search that it is meant to save; here it is free.

What the mail leaves open is decided here:

1. Which VMA: only the item's own process is asked, not its children.
2. No VMA there, or one that is not linked to the item's anon_vma (the process unmapped the page or
   exited, while a child may still map it): `avc` searches everything, `avc-nofallback` nothing.

The fallback does not make it complete: where the process has since moved another VMA of the same
anon_vma to the item's address, the VMA there is linked but has another index than the child's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksm_rmap.model.state import linear_page_index
from ksm_rmap.walks import full
from ksm_rmap.walks.design import KsmDesign

if TYPE_CHECKING:
    from ksm_rmap.model.state import RmapItem, State

__all__ = ("AVC", "AVC_NOFALLBACK", "search_range", "search_range_or_all")


def search_range(item: RmapItem, state: State) -> tuple[int, int] | None:
    """Return the index that the item's process has at the item's address now, or None."""
    vma = state.vma(item.mm, item.address)
    if vma is None or item.anon_vma not in vma.chain:
        return None
    index = linear_page_index(vma, item.address)
    return index, index


def search_range_or_all(item: RmapItem, state: State) -> tuple[int, int]:
    """Return the index as `search_range`, or every index where there is none."""
    return search_range(item, state) or full.search_range(item, state)


AVC = KsmDesign(
    name="avc",
    summary="the index that the item's process has there now; if none, as full",
    source="David Hildenbrand, discussion of v3, April 2026",
    range_of=search_range_or_all,
)
AVC_NOFALLBACK = KsmDesign(
    name="avc-nofallback",
    summary="the index that the item's process has there now; if none, nothing",
    source=AVC.source,
    range_of=search_range,
)
