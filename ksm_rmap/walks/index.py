"""The merged walk: at the page's index, recorded when the page was merged.

Models mm/ksm.c of linux-mm 019e71aec8a8 (v7 to v9, merged in June 2026): the item stores
`linear_page_index`, for private file mappings the anonymous one. Splits, merges and forks keep an
index; `mremap` un-shares what it moves, so an item whose index went stale maps nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksm_rmap.walks.design import KsmDesign

if TYPE_CHECKING:
    from ksm_rmap.model.state import RmapItem, State

__all__ = ("INDEX", "search_range")


def search_range(item: RmapItem, _state: State) -> tuple[int, int]:
    """Return the index that was recorded at merge time."""
    return item.index, item.index


INDEX = KsmDesign(
    name="index",
    summary="the page's index recorded at merge time (merged in 2026)",
    source="linux-mm 019e71aec8a8, mm/ksm.c, June 2026",
    range_of=search_range,
)
