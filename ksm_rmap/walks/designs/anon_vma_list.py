"""anon_vma, one list for a whole family of processes. Andrea Arcangeli, Linux 2.6.7 to 2.6.33.

Models mm/rmap.c of the time (18 May 2004, "rmap 39"): the first write fault of a VMA makes an
anon_vma or shares that of a neighbour; fork, split and mremap put the new VMA at the end of the
same list; `vm_pgoff` says where in each VMA a page is. A walk tries every VMA of the list.

Rules of this module:

1. A page notes the anon_vma and the linear index of its first VMA, for good.
2. Which neighbour lends its anon_vma is what the model did (`VmaFaulted.lender`); so merges, which
   the model decides, always join VMAs of the same list.

Left out: locks, and the order of visits that mremap relies on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ksm_rmap.model._sorted_map import SortedMap
from ksm_rmap.model.rules import AnonVmaReuse, MergeRule, Rules
from ksm_rmap.model.state import linear_page_index
from ksm_rmap.walks.designs._links import LinkDesign
from ksm_rmap.walks.designs.base import Search, place
from ksm_rmap.walks.engine import vma_address

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from ksm_rmap.model.events import FolioBorn, VmaFaulted, VmaForked
    from ksm_rmap.model.state import State, Vma
    from ksm_rmap.walks.result import WalkResult

__all__ = ("ANON_VMA_LIST", "AnonVmaList", "Side")

_ANON_VMA = 24
"""Bytes of `struct anon_vma` in 2.6.7: a lock and a list head."""
_LINKS = 24
"""Bytes in each VMA: a list head and the pointer to the anon_vma."""


class _Linked(NamedTuple):
    """What a VMA has for the reverse map."""

    anon_vma: int
    seq: int
    """Its place in the list."""


class _Home(NamedTuple):
    """`page->mapping` and `page->index`."""

    anon_vma: int
    page_index: int


class Side(NamedTuple):
    """Lists, VMAs and pages."""

    lists: SortedMap[SortedMap[tuple[int, int]]] = SortedMap()
    """By anon_vma: its VMAs, `(mm, start)`, in the order in which they joined."""
    vmas: SortedMap[_Linked] = SortedMap()
    """By `place(mm, start)`."""
    folios: SortedMap[_Home] = SortedMap()
    next_id: int = 0

    def of(self, vma: Vma) -> _Linked | None:
        """Return what `vma` has, None if it is unfaulted."""
        linked: _Linked | None = self.vmas.get(place(vma.mm, vma.start))
        return linked

    def linked(self, vma: Vma, like: Vma | None) -> Side:
        """Return the side with `vma` at the end of the list of `like`, or of a new one."""
        source = None if like is None else self.of(like)
        anon_vma = self.next_id if source is None else source.anon_vma
        members: SortedMap[tuple[int, int]] = self.lists.get(anon_vma, SortedMap())
        members = members.with_item(self.next_id, vma.key)
        return self._replace(
            lists=self.lists.with_item(anon_vma, members),
            vmas=self.vmas.with_item(place(*vma.key), _Linked(anon_vma, self.next_id)),
            next_id=self.next_id + 1,
        )

    def unlinked(self, vma: Vma) -> Side:
        """Return the side without `vma`, and without its anon_vma if the list is empty."""
        found = self.of(vma)
        if found is None:
            return self
        members = self.lists[found.anon_vma].without(found.seq)
        lists = self.lists
        return self._replace(
            lists=lists.with_item(found.anon_vma, members)
            if members
            else lists.without(found.anon_vma),
            vmas=self.vmas.without(place(*vma.key)),
        )

    def renamed(self, old: Vma, new: Vma) -> Side:
        """Return the side in which the VMA `old` is known by the start of `new`."""
        found = self.of(old)
        if found is None or old.start == new.start:
            return self
        members = self.lists[found.anon_vma].with_item(found.seq, new.key)
        return self._replace(
            lists=self.lists.with_item(found.anon_vma, members),
            vmas=self.vmas.without(place(*old.key)).with_item(place(*new.key), found),
        )


class AnonVmaList(LinkDesign[Side]):
    """One list of VMAs for each family."""

    name = "anon_vma_list"
    summary = "one list of VMAs for a whole family of processes (2.6.7 to 2.6.33)"
    source = "Andrea Arcangeli, rmap 39, May 2004; general knowledge"
    rules = Rules(
        name="2.6.7",
        merge_rule=MergeRule.OLD,
        reuse=AnonVmaReuse.NEVER,
        multi_vma_move=False,
        mremap_unmerges=False,
    )

    def start(self) -> Side:
        """Nothing is faulted."""
        return Side()

    def _born(self, side: Side, event: FolioBorn, _: State) -> Side:
        linked = side.vmas[place(*event.vma.key)]
        home = _Home(linked.anon_vma, linear_page_index(event.vma, event.page))
        return side._replace(folios=side.folios.with_item(event.folio, home))

    def _prepare(self, side: Side, event: VmaFaulted, _: State) -> Side:
        return side.linked(event.vma, event.lender)

    def _fork(self, side: Side, event: VmaForked, state: State) -> Side:
        return self._clone(side, event.vma, event.parent, state)

    def _clone(self, side: Side, vma: Vma, source: Vma, _: State) -> Side:
        return side if side.of(source) is None else side.linked(vma, source)

    def _changed(self, side: Side, old: Vma, new: Vma) -> Side:
        return side.renamed(old, new)

    def _unlink(self, side: Side, vma: Vma) -> Side:
        return side.unlinked(vma)

    def walk(self, side: Side, state: State, folio: int) -> WalkResult:
        """Try every VMA of the list; O(VMAs of the family)."""
        search = Search(state, folio)
        home: _Home | None = side.folios.get(folio)
        if home is not None and home.anon_vma in side.lists:
            for mm, start in side.lists[home.anon_vma].values_in_order():
                vma = state.mms[mm].vmas[start]
                search.visit_vma(vma, vma_address(vma, home.page_index))
        return search.result()

    def objects(self, side: Side) -> Mapping[Hashable, Hashable]:
        """Return the anon_vmas and the links in the VMAs."""
        found: dict[Hashable, Hashable] = {("anon_vma", n): None for n in side.lists}
        found.update((("link", linked.seq), linked) for linked in side.vmas.values_in_order())
        return found

    def size_of(self, identity: Hashable) -> int:
        """Return the bytes of an anon_vma, or of the fields in a VMA."""
        assert isinstance(identity, tuple)  # noqa: S101 - made by objects()
        return _ANON_VMA if identity[0] == "anon_vma" else _LINKS


ANON_VMA_LIST = AnonVmaList()
