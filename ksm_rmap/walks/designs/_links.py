"""What the designs with an anon_vma have in common: VMAs are linked to it, pages have a home.

Models where mm/mmap.c and mm/mremap.c, from 2.6.7 on, call into mm/rmap.c for each kind of event.
What a link is, and what an anon_vma keeps of it, is the design's own.

Rules of this module:

1. A VMA that a split, a move or a merge makes or fills is linked as its source is.
2. A split changes the VMA that stays before it links the new one; a merge links first, then
   unlinks what was swallowed, then changes what shrank, then what grew.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, TypeVar

from ksm_rmap.model.events import (
    FolioBorn,
    FolioFreed,
    FolioUpgraded,
    VmaCopied,
    VmaFaulted,
    VmaForked,
    VmaMerged,
    VmaRemoved,
    VmaSplit,
    VmaUnfaulted,
)
from ksm_rmap.walks.designs.base import Handler, TableDesign

if TYPE_CHECKING:
    from ksm_rmap.model.state import State, Vma

__all__ = ("LinkDesign",)

S = TypeVar("S", bound=Hashable)


class LinkDesign(TableDesign[S]):
    """A design whose side state has `folios`, homes by number; a VMA has links once faulted."""

    def table(self) -> dict[type, Handler]:
        """Return what is done at each event; `folio_move_anon_rmap` changes nothing here."""
        return {
            FolioBorn: self._born,
            FolioFreed: _forgotten,
            FolioUpgraded: _forgotten,
            VmaFaulted: self._prepare,
            VmaForked: self._fork,
            VmaCopied: lambda side, event, state: self._clone(side, event.vma, event.source, state),
            VmaSplit: self._split,
            VmaMerged: self._merge,
            VmaRemoved: lambda side, event, _: self._unlink(side, event.vma),
            VmaUnfaulted: lambda side, event, _: self._unlink(side, event.old),
        }

    @abstractmethod
    def _born(self, side: S, event: FolioBorn, state: State) -> S:
        """Return the side with the home of a new folio."""

    @abstractmethod
    def _prepare(self, side: S, event: VmaFaulted, state: State) -> S:
        """Return the side in which the VMA has an anon_vma."""

    @abstractmethod
    def _fork(self, side: S, event: VmaForked, state: State) -> S:
        """Return the side with the child's VMA linked; nothing if the parent's is unfaulted."""

    @abstractmethod
    def _clone(self, side: S, vma: Vma, source: Vma, state: State) -> S:
        """Return the side with `vma` linked as `source` is; nothing if that has no links."""

    @abstractmethod
    def _changed(self, side: S, old: Vma, new: Vma) -> S:
        """Return the side after start, end or offset of a VMA changed."""

    @abstractmethod
    def _unlink(self, side: S, vma: Vma) -> S:
        """Return the side without the links of `vma`, and without what nothing needs then."""

    def _split(self, side: S, event: VmaSplit, state: State) -> S:
        stays, new = event.lower, event.upper
        if event.new_below:
            stays, new = new, stays
        return self._clone(self._changed(side, event.old, stays), new, stays, state)

    def _merge(self, side: S, event: VmaMerged, state: State) -> S:
        if event.donor is not None:
            side = self._clone(side, event.old, event.donor, state)
        for vma in event.removed:
            side = self._unlink(side, vma)
        if event.shrunk is not None:
            side = self._changed(side, *event.shrunk)
        return self._changed(side, event.old, event.vma)


def _forgotten(side: Any, event: FolioFreed | FolioUpgraded, _: State) -> Any:  # noqa: ANN401 - S with `folios`
    known = event.folio in side.folios
    return side._replace(folios=side.folios.without(event.folio)) if known else side
