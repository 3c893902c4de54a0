"""A walk that no kernel has: at the recorded index, at the page where each VMA has that index.

As the merged walk, but it computes the address from each VMA as `rmap_walk_anon` does, instead of
looking at the item's address only. So it would find a PTE that `mremap` moved without un-sharing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksm_rmap.walks.design import KsmDesign
from ksm_rmap.walks.engine import vma_address
from ksm_rmap.walks.index import search_range

if TYPE_CHECKING:
    from ksm_rmap.model.state import RmapItem, Vma

__all__ = ("DERIVE", "address_in")


def address_in(item: RmapItem, vma: Vma) -> int:
    """Return the page of `vma` that has the item's recorded index."""
    return vma_address(vma, item.index)


DERIVE = KsmDesign(
    name="derive",
    summary="the recorded index, the address computed per VMA (in no kernel)",
    source="no analogue in the kernel",
    range_of=search_range,
    address_of=address_in,
)
