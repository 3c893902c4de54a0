"""The walk of Linux 3.7 to 7.0: every VMA of the item's anon_vma.

Models `rmap_walk_ksm` of mm/ksm.c since commit bf181b9f9d8d, "mm anon rmap: replace same_anon_vma
linked list with an interval tree." (2012), whose message says that KSM is the exception because
the index is not known. The range is everything, so no index can be wrong; a walk of a stable node
with s items on an anon_vma with n VMAs takes 2 * s * n iterations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksm_rmap.walks.design import KsmDesign
from ksm_rmap.walks.engine import ULONG_MAX

if TYPE_CHECKING:
    from ksm_rmap.model.state import RmapItem, State

__all__ = ("FULL", "search_range")


def search_range(_item: RmapItem, _state: State) -> tuple[int, int]:
    """Return every index: 0 to ULONG_MAX, inclusive."""
    return 0, ULONG_MAX


FULL = KsmDesign(
    name="full",
    summary="every VMA of the item's anon_vma, 0 to ULONG_MAX",
    source="Linux 3.7 to 7.0, mm/ksm.c, commit bf181b9f9d8d",
    range_of=search_range,
)
