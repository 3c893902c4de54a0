"""pte_chain: each page knows its page-table entries. Rik van Riel, Linux 2.5.27 to 2.6.6.

Models mm/rmap.c of the time as general knowledge has it: a single entry is kept in `struct page`
itself, more of them in a chain of blocks of one cache line, the newest first. Every entry that is
set adds a slot, every entry that is cleared removes one, fork included. The one design that
answers for KSM pages without further ado.

Left out: the pool of blocks that were allocated before the page-table lock was taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksm_rmap.model._sorted_map import SortedMap
from ksm_rmap.model.events import PteMoved, PteSet
from ksm_rmap.model.state import Pte, PteKind
from ksm_rmap.walks.designs.base import Design, Search

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from ksm_rmap.model.events import Event
    from ksm_rmap.model.state import State
    from ksm_rmap.walks.result import WalkResult

__all__ = ("PTE_CHAIN", "PteChain", "mapped_by")

Chains = SortedMap[tuple[tuple[int, int], ...]]
"""By folio: `(mm, page)` of each entry, the newest first."""

_SLOTS = 7
"""Entries of one block: a cache line of 64 bytes less the pointer to the next block."""
_BLOCK = 64


def mapped_by(pte: Pte | None) -> int | None:
    """Return the folio that an entry maps, or will map again after a migration."""
    if pte is None or pte.kind is PteKind.SWAP or pte.kind is PteKind.ZERO:
        return None
    return pte.target


class PteChain(Design[Chains]):
    """The chains themselves are the side state."""

    name = "pte_chain"
    summary = "a list of entries per page, kept up by each change of an entry (2.5)"
    source = "Rik van Riel, Linux 2.5.27; general knowledge"
    ksm = True

    def start(self) -> Chains:
        """Nothing is mapped."""
        return SortedMap()

    def handle(self, side: Chains, event: Event, state: State) -> Chains:
        """`page_add_rmap` and `page_remove_rmap`."""
        del state
        if isinstance(event, PteSet):
            old, new = mapped_by(event.old), mapped_by(event.new)
            if old != new:
                side = self._remove(self._add(side, new, event.mm, event.page), old, event)
        elif isinstance(event, PteMoved):
            folio = mapped_by(event.pte)
            side = self._add(self._remove(side, folio, event), folio, event.mm, event.to)
        return side

    @staticmethod
    def _add(side: Chains, folio: int | None, mm: int, page: int) -> Chains:
        if folio is None:
            return side
        chain: tuple[tuple[int, int], ...] = side.get(folio, ())
        return side.with_item(folio, ((mm, page), *chain))

    @staticmethod
    def _remove(side: Chains, folio: int | None, event: PteSet | PteMoved) -> Chains:
        if folio is None:
            return side
        gone = (event.mm, event.page)
        chain = tuple(entry for entry in side[folio] if entry != gone)
        return side.with_item(folio, chain) if chain else side.without(folio)

    def walk(self, side: Chains, state: State, folio: int) -> WalkResult:
        """Visit the chain; O(mapcount)."""
        search = Search(state, folio)
        for mm, page in side.get(folio, ()):
            search.visit(mm, page)
        return search.result()

    def objects(self, side: Chains) -> Mapping[Hashable, Hashable]:
        """Return the blocks: none for a page with one entry."""
        blocks: dict[Hashable, Hashable] = {}
        for folio, chain in side.pairs():
            if len(chain) > 1:
                for at in range(0, len(chain), _SLOTS):
                    # Counted from the far end: new entries go to the newest block.
                    block = chain[::-1][at : at + _SLOTS]
                    blocks["block", folio, at // _SLOTS] = block
            else:
                blocks["direct", folio] = chain
        return blocks

    def size_of(self, identity: Hashable) -> int:
        """Return the bytes of a block; an entry in `struct page` costs nothing."""
        assert isinstance(identity, tuple)  # noqa: S101 - made by objects()
        return _BLOCK if identity[0] == "block" else 0


PTE_CHAIN = PteChain()
