"""Candidates of our own: reverse maps of KSM folios that miss nothing. No analogue in the kernel.

The walks of the kernel lose a KSM page-table entry where an rmap item says less than the entry's
VMA: an in-place upgrade makes KSM entries of all that mapped the folio, but notes one address; a
swap-in maps a KSM folio wherever the swap entry has been moved to; an item goes when its page goes,
though a forked child may still be found by nothing else.

- `ksm_anchor`: a KSM folio keeps anchors, `(anon_vma, index)`, and a walk looks in every VMA there
  at the page that has the index, as `rmap_walk_anon` does. An upgrade turns the folio's own mapping
  and index into the first anchor; a merge adds that of the page that is replaced; anchors stay as
  long as the folio. Addresses are not kept, so moves, splits, merges and forks need no upkeep, and
  mremap would not have to un-share.
- `ksm_chain`: a KSM folio keeps its entries, as pte_chain did, and each change of one is noted.

Ordinary folios are found as in `anon_vma_tree` and as in the model's own anon_vmas, respectively.

Rules of this module:

1. Every entry of a KSM folio has an anchor whose anon_vma its VMA is linked to and whose index it
   has: true at upgrade (that is how `rmap_walk_anon` would find it) and merge; kept by fork (a
   child is linked to all that its parent is), by moves, splits and merges (the index of a page and
   the links of its VMA stay), by swap and migration (entries move with their VMA).
2. Equal anchors are kept once, so a family of processes that was scanned whole has one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ksm_rmap.model._sorted_map import SortedMap
from ksm_rmap.model.events import FolioFreed, FolioMerged, FolioUpgraded
from ksm_rmap.walks.anon import rmap_walk_anon
from ksm_rmap.walks.designs._avc import Home, Side
from ksm_rmap.walks.designs.anon_vma_tree import AnonVmaTree
from ksm_rmap.walks.designs.base import Design, Search, place
from ksm_rmap.walks.designs.pte_chain import PTE_CHAIN, Chains

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from ksm_rmap.model.events import Event
    from ksm_rmap.model.state import State
    from ksm_rmap.walks.result import WalkResult

__all__ = ("KSM_ANCHOR", "KSM_CHAIN", "AnchorSide", "KsmAnchor", "KsmChain")

_ANCHOR = 64
"""Bytes of an anchor: an rmap item, which has the fields already."""
_SLOT = 16
"""Bytes of an entry of a chain: an mm and an address."""


class AnchorSide(NamedTuple):
    """The side state of the interval trees, and the anchors."""

    tree: Side
    anchors: SortedMap[tuple[Home, ...]] = SortedMap()
    """By KSM folio, in the order in which they were noted."""


class KsmAnchor(Design[AnchorSide]):
    """Anchors instead of items."""

    name = "ksm_anchor"
    summary = "a KSM folio keeps (anon_vma, index) of each merge and its own; in no kernel"
    ksm = True

    def __init__(self) -> None:
        self._tree = AnonVmaTree(anon_pgoff=True)

    def start(self) -> AnchorSide:
        """Nothing is mapped."""
        return AnchorSide(self._tree.start())

    def handle(self, side: AnchorSide, event: Event, state: State) -> AnchorSide:
        """Keep anchors here, all else in the trees."""
        if isinstance(event, FolioUpgraded):
            own = side.tree.folios[event.folio]
            side = side._replace(anchors=side.anchors.with_item(event.folio, (own,)))
        elif isinstance(event, FolioMerged):
            return self._merged(side, event)
        elif isinstance(event, FolioFreed) and event.folio in side.anchors:
            return side._replace(anchors=side.anchors.without(event.folio))
        tree = self._tree.handle(side.tree, event, state)
        return side if tree is side.tree else side._replace(tree=tree)

    def _merged(self, side: AnchorSide, event: FolioMerged) -> AnchorSide:
        vma, known = event.vma, side.anchors[event.folio]
        linked = side.tree.vmas[place(*vma.key)]
        first = self._tree.offset_of(vma)
        anchor = Home(linked.anon_vma, event.page - vma.start + first)
        # The child of a known anchor's VMA is linked to the same anon_vma: nothing to add.
        if any(
            old.page_index == anchor.page_index and old.anon_vma in linked.chain for old in known
        ):
            return side
        return side._replace(anchors=side.anchors.with_item(event.folio, (*known, anchor)))

    def walk(self, side: AnchorSide, state: State, folio: int) -> WalkResult:
        """Look at each anchor; O(anchors x (log n + VMAs at the index))."""
        anchors = side.anchors.get(folio)
        if anchors is None:
            return self._tree.walk(side.tree, state, folio)
        search = Search(state, folio)
        for anchor in anchors:
            self._tree.search_home(search, side.tree, state, anchor)
            search.end_loop()
        return search.result()

    def objects(self, side: AnchorSide) -> Mapping[Hashable, Hashable]:
        """Return the objects of the trees and the anchors."""
        found = dict(self._tree.objects(side.tree))
        for folio, anchors in side.anchors.pairs():
            found.update((("anchor", folio, at), home) for at, home in enumerate(anchors))
        return found

    def size_of(self, identity: Hashable) -> int:
        """Return the bytes of an object."""
        assert isinstance(identity, tuple)  # noqa: S101 - made by objects()
        return _ANCHOR if identity[0] == "anchor" else self._tree.size_of(identity)


class ChainSide(NamedTuple):
    """Entries by folio, and which folios are KSM folios."""

    chains: Chains
    ksm: frozenset[int] = frozenset()


class KsmChain(Design[ChainSide]):
    """A chain of entries for KSM folios only.

    The entries of a folio that becomes one are those that `rmap_walk_anon` finds; here they are
    known from the start, but have no price before.
    """

    name = "ksm_chain"
    summary = "a KSM folio keeps a list of its entries, as pte_chain did; in no kernel"
    ksm = True

    def start(self) -> ChainSide:
        """Nothing is mapped."""
        return ChainSide(PTE_CHAIN.start())

    def handle(self, side: ChainSide, event: Event, state: State) -> ChainSide:
        """Keep the chains."""
        if isinstance(event, FolioUpgraded):
            return side._replace(ksm=side.ksm | {event.folio})
        if isinstance(event, FolioFreed) and event.folio in side.ksm:
            return side._replace(ksm=side.ksm - {event.folio})
        chains = PTE_CHAIN.handle(side.chains, event, state)
        return side if chains is side.chains else side._replace(chains=chains)

    def walk(self, side: ChainSide, state: State, folio: int) -> WalkResult:
        """Visit the chain of a KSM folio; O(mapcount)."""
        if folio in side.ksm:
            return PTE_CHAIN.walk(side.chains, state, folio)
        return rmap_walk_anon(state, folio)

    def objects(self, side: ChainSide) -> Mapping[Hashable, Hashable]:
        """Return the entries of the chains of KSM folios."""
        chains = ((folio, side.chains.get(folio, ())) for folio in sorted(side.ksm))
        return {("slot", folio, *entry): None for folio, chain in chains for entry in chain}

    def size_of(self, identity: Hashable) -> int:
        """Return the bytes of an entry."""
        del identity
        return _SLOT


KSM_ANCHOR = KsmAnchor()
KSM_CHAIN = KsmChain()
