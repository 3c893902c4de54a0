"""anon_vma_chain with interval trees. Michel Lespinasse, commit bf181b9f9d8d, Linux 3.7 to today.

Models the list design with one change: an anon_vma keeps its avcs in an interval tree by index, so
a walk meets only VMAs that have a page at the index. The price: a VMA whose start, end or offset
changes leaves all its trees and enters them again.

- `anon_vma_tree`: keys and indexes from `vm_pgoff`; pages of private file mappings are filed by
  file offset, so unrelated VMAs share indexes.
- `anon_vma_tree-anon`: from the anonymous page offset of 2026; the two differ only under
  `Rules(anon_pgoff=True)`, where mappings have one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksm_rmap.interval_tree import FrozenIntervalTree
from ksm_rmap.model.rules import Rules
from ksm_rmap.walks.designs._avc import AvcDesign, Links

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from ksm_rmap.model.state import Vma

__all__ = ("ANON_VMA_TREE", "ANON_VMA_TREE_ANON", "AnonVmaTree")


class AnonVmaTree(AvcDesign):
    """An anon_vma keeps an interval tree of VMA numbers."""

    source = "commit bf181b9f9d8d; Linux 6.12 mm/rmap.c"
    empty = FrozenIntervalTree[int]()

    def __init__(self, *, anon_pgoff: bool = False) -> None:
        super().__init__()
        self.anon_pgoff = anon_pgoff
        self.name = "anon_vma_tree-anon" if anon_pgoff else "anon_vma_tree"
        field = "anonymous page offset (2026)" if anon_pgoff else "vm_pgoff (3.7 to today)"
        self.summary = f"anon_vma_chain with an interval tree by {field}"
        self.rules = Rules.preset("mm-2026-08" if anon_pgoff else "7.0")

    def offset_of(self, vma: Vma) -> int:
        """Return the key of a VMA."""
        return vma.anon_pgoff if self.anon_pgoff else vma.pgoff

    def _key(self, vma: Vma) -> tuple[int, int]:
        first = self.offset_of(vma)
        return first, first + vma.end - vma.start - 1

    def add_link(self, links: Links, number: int, vma: Vma) -> Links:
        """Insert an avc."""
        return _tree(links).insert(*self._key(vma), number)

    def drop_link(self, links: Links, number: int, vma: Vma) -> Links:
        """Remove an avc."""
        return _tree(links).remove(*self._key(vma), number)

    def change_link(self, links: Links, number: int, old: Vma, new: Vma) -> Links:
        """Remove an avc, and insert it at its new key."""
        if self._key(old) == self._key(new):
            return links
        return self.add_link(self.drop_link(links, number, old), number, new)

    def query(self, links: Links, page_index: int) -> Iterable[int]:
        """Return the VMAs at the index."""
        return [entry.value for entry in _tree(links).overlap(page_index, page_index)]

    def contents(self, links: Links) -> Iterable[tuple[int, Hashable]]:
        """Return each link with its key."""
        return ((entry.value, (entry.start, entry.last)) for entry in _tree(links))


def _tree(links: Links) -> FrozenIntervalTree[int]:
    assert isinstance(links, FrozenIntervalTree)  # noqa: S101 - made here
    return links


ANON_VMA_TREE = AnonVmaTree()
ANON_VMA_TREE_ANON = AnonVmaTree(anon_pgoff=True)
