"""The walk of v1 to v3 of the patch: the VMAs whose index range holds the item's address.

Models mm/ksm.c with "ksm: Optimize rmap_walk_ksm by passing a suitable address range", v1
(14 January 2026) to v3 (February 2026, in the mm tree until April). An index equals the address
only as long as `mremap` has not moved the VMA while it had anonymous pages, and only in anonymous
memory: a private file mapping is indexed by file offset before the anonymous page offset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksm_rmap.walks.design import KsmDesign

if TYPE_CHECKING:
    from ksm_rmap.model.state import RmapItem, State

__all__ = ("ADDRESS", "search_range")


def search_range(item: RmapItem, _state: State) -> tuple[int, int]:
    """Return the item's address as if it were an index."""
    return item.address, item.address


ADDRESS = KsmDesign(
    name="address",
    summary="the item's address taken for its index (v1 to v3)",
    source='v1 to v3 of "ksm: Optimize rmap_walk_ksm ...", January and February 2026',
    range_of=search_range,
)
