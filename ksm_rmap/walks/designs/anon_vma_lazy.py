"""ANON_VMA_LAZY: no anon_vma before the first fork. wangtao, May and June 2026, not merged.

Models the cover letter and the discussion; the patches with the algorithm (9, 10 and 13 of 15) were
not read. While a process has not forked, its folios point to the VMA that was faulted first, the
root (LAZY); a child's VMA is linked to the parent's anon_vma and has none of its own (PARENT); a
process that forks first gives all its VMAs regular anon_vmas.

Rules of this module:

1. A lazy root has the life of an anon_vma but costs nothing: an anon_vma without a price until a
   fork. So the forwarding from root to anon_vma is exact by construction.
2. UNCONFIRMED, a switch: whether a PARENT VMA is linked to the parent's anon_vma alone, as the
   saving of 57 % of avcs suggests (`anon_vma_lazy`), or to all that the parent is linked to
   (`anon_vma_lazy-all`).
3. UNCONFIRMED: a page that a PARENT VMA copies belongs to the parent's anon_vma; a VMA shares a
   lazy neighbour's root if their anon_vmas could be shared; what a walk of a lazy folio costs (one
   iteration per VMA of the root at the index).

Left out: the pinning of root VMAs, RCU, the switch at run time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksm_rmap.model.rules import Rules
from ksm_rmap.walks.designs._avc import AnonVma, Linked, Side
from ksm_rmap.walks.designs.anon_vma_tree import AnonVmaTree
from ksm_rmap.walks.designs.base import place

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from ksm_rmap.model.events import VmaFaulted, VmaForked
    from ksm_rmap.model.state import State, Vma

__all__ = ("ANON_VMA_LAZY", "ANON_VMA_LAZY_ALL", "AnonVmaLazy")

_LAZY = -1
"""`parent` of an anon_vma that is still a lazy root."""


class AnonVmaLazy(AnonVmaTree):
    """The interval-tree design with lazy roots and children without an anon_vma."""

    source = "wangtao, ANON_VMA_LAZY, 27 May 2026; algorithm partly inferred"

    def __init__(self, *, links_all: bool = False) -> None:
        super().__init__()
        self.links_all = links_all
        self.name = "anon_vma_lazy-all" if links_all else "anon_vma_lazy"
        to = "all the parent's anon_vmas" if links_all else "the parent's anon_vma only"
        self.summary = f"anon_vmas from the first fork on; a child links to {to} (2026)"
        self.rules = Rules.preset("7.0")

    def _prepare(self, side: Side, event: VmaFaulted, state: State) -> Side:
        """Make a lazy root, or share the neighbour's."""
        side = super()._prepare(side, event, state)
        if event.lender is None:
            own = side.vmas[place(*event.vma.key)].anon_vma
            root: AnonVma = side.anon_vmas[own]
            lazy = side.anon_vmas.with_item(own, root._replace(parent=_LAZY))
            side = side._replace(anon_vmas=lazy)
        return side

    def _fork(self, side: Side, event: VmaForked, _: State) -> Side:
        """Upgrade the parent's VMA, link the child's; the child gets no anon_vma of its own."""
        if place(*event.parent.key) not in side.vmas or event.vma.anon_vma is None:
            return side
        side = self._upgraded(side, event.parent)
        parent = side.vmas[place(*event.parent.key)]
        chain = parent.chain if self.links_all else (parent.anon_vma,)
        return self._linked(side, event.vma, parent.anon_vma, chain)

    def _upgraded(self, side: Side, vma: Vma) -> Side:
        """Return the side in which a VMA that is about to be forked has a regular anon_vma."""
        linked = side.vmas[place(*vma.key)]
        own: AnonVma = side.anon_vmas[linked.anon_vma]
        if own.parent == _LAZY:
            regular = own._replace(parent=linked.anon_vma)
            return side._replace(anon_vmas=side.anon_vmas.with_item(linked.anon_vma, regular))
        if own.owner == vma.mm:
            return side
        side, number = self.descendant(side, linked.anon_vma, vma.mm)
        parent, fresh = side.anon_vmas[linked.anon_vma], side.anon_vmas[number]
        links = self.add_link(fresh.links, linked.number, vma)
        anon_vmas = side.anon_vmas.with_item(number, fresh._replace(links=links, active=1))
        anon_vmas = anon_vmas.with_item(linked.anon_vma, parent._replace(active=parent.active - 1))
        regular_vma = Linked(linked.number, number, (number, *linked.chain))
        vmas = side.vmas.with_item(place(*vma.key), regular_vma)
        return side._replace(anon_vmas=anon_vmas, vmas=vmas)

    def objects(self, side: Side) -> Mapping[Hashable, Hashable]:
        """Return the anon_vmas and avcs; lazy roots and their links are none."""
        lazy = {number for number, anon_vma in side.anon_vmas.pairs() if anon_vma.parent == _LAZY}
        return {
            name: content
            for name, content in super().objects(side).items()
            if isinstance(name, tuple) and name[-1] not in lazy
        }


ANON_VMA_LAZY = AnonVmaLazy()
ANON_VMA_LAZY_ALL = AnonVmaLazy(links_all=True)
