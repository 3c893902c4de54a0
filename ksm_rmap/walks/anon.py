"""The walk of ordinary anonymous folios: `rmap_walk_anon` of mm/rmap.c.

One pass over the VMAs of the folio's anon_vma at the folio's index; the address is computed from
each VMA; no process is left out (6.12, mm/rmap.c). Of a KSM folio, which has no anon_vma
(`folio_anon_vma()` is NULL), it finds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ksm_rmap.walks.engine import Traversal

if TYPE_CHECKING:
    from ksm_rmap.model.state import State
    from ksm_rmap.walks.control import RmapWalkControl
    from ksm_rmap.walks.result import WalkResult

__all__ = ("ANON", "AnonDesign", "rmap_walk_anon")


def rmap_walk_anon(
    state: State, folio: int, *, control: RmapWalkControl | None = None
) -> WalkResult:
    """Walk the reverse map of an ordinary anonymous `folio`; O(log n + VMAs at its index).

    WalkError if there is no such folio.
    """
    walk = Traversal(state, folio, control)
    walk.search_anon()
    return walk.result()


@dataclass(frozen=True, slots=True)
class AnonDesign:
    """`rmap_walk_anon` as a named walk."""

    name: str
    summary: str
    source: str

    def __call__(
        self, state: State, folio: int, /, *, control: RmapWalkControl | None = None
    ) -> WalkResult:
        """Walk the reverse map of `folio`; nothing is found of a KSM folio."""
        return rmap_walk_anon(state, folio, control=control)


ANON = AnonDesign(
    name="anon",
    summary="rmap_walk_anon: the folio's own anon_vma and index; for ordinary folios",
    source="Linux 6.12, mm/rmap.c",
)
