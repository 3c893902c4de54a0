"""A state counted from scratch: what `validate` compares the kept counters with.

No analogue in the kernel. A `Census` makes one pass over the processes and trusts no counter, no
tree and no back pointer: only VMAs, page-table entries and rmap items are read. It never fails,
whatever is broken, so that each clause can report its own matter.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from ksm_rmap.model.state import ItemState, PteKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ksm_rmap.model.state import AnonVma, ItemKey, Pte, RmapItem, State, Vma, VmaKey

__all__ = ("Census", "Site", "vma_name")


class Site(NamedTuple):
    """A page-table entry with the place it stands at."""

    mm: int
    page: int
    pte: Pte
    vma: Vma | None
    """The VMA that covers `page`; None: a stray entry."""

    def __str__(self) -> str:
        return f"the {self.pte.kind.value} PTE {self.mm}:{self.page}"


class Census:
    """What a state contains, counted in one pass; O(n log n)."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.vmas: list[tuple[int, int, Vma]] = []
        """`(mm, key, VMA)`, as filed."""
        self.items: list[tuple[ItemKey, RmapItem]] = []
        """Rmap items with the `(mm, address)` under which they are filed."""
        self.sites: list[Site] = []
        self.targets: dict[PteKind, dict[int, int]] = {kind: defaultdict(int) for kind in PteKind}
        """By kind and target: page-table entries."""
        self.links: dict[int, list[tuple[int, int, VmaKey]]] = defaultdict(list)
        """By anon_vma: `(first index, last index, VMA)` of each link in a chain."""
        self.active: dict[int, int] = defaultdict(int)
        """By anon_vma: VMAs whose `anon_vma` it is."""
        self.children: dict[int, int] = defaultdict(int)
        """By anon_vma: linked anon_vmas whose parent it is, itself included."""
        self.references: dict[int, int] = defaultdict(int)
        """By anon_vma: one while linked, anon_vmas of which it is the root, STABLE items."""
        for number, mm in state.mms.pairs():
            self.vmas += [(number, start, vma) for start, vma in mm.vmas.pairs()]
            self.items += [((number, address), item) for address, item in mm.items.pairs()]
            for page, pte in mm.ptes.pairs():
                self.sites.append(Site(number, page, pte, state.vma(number, page)))
                self.targets[pte.kind][pte.target] += 1
        self._count_links()
        self._count_references()

    def _count_links(self) -> None:
        for mm, start, vma in self.vmas:
            for anon_vma in vma.chain:
                self.links[anon_vma].append((vma.anon_pgoff, vma.last_index, (mm, start)))
            if vma.anon_vma is not None:
                self.active[vma.anon_vma] += 1

    def _count_references(self) -> None:
        for number, anon_vma in self.state.anon_vmas.pairs():
            if number in self.links:
                self.references[number] += 1
                self.children[anon_vma.parent] += 1
            if anon_vma.root != number:
                self.references[anon_vma.root] += 1
        for _, item in self.items:
            if item.state is ItemState.STABLE and item.anon_vma is not None:
                self.references[item.anon_vma] += 1

    def chain(self, vma: Vma) -> Iterator[tuple[int, AnonVma]]:
        """Yield the anon_vmas of the VMA's chain that exist, with their numbers."""
        for number in vma.chain:
            anon_vma = self.state.anon_vmas.get(number)
            if anon_vma is not None:
                yield number, anon_vma


def vma_name(mm: int, vma: Vma) -> str:
    """Return how a message names a VMA: process and page range, the end exclusive."""
    return f"VMA {mm}:[{vma.start},{vma.end})"
