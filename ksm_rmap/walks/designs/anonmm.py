"""anonmm: a page knows one process and one address. Hugh Dickins, March to April 2004.

Models "rmap 10 add anonmm" and "rmap 11 mremap moves" (6bccf794, 70b671f80eda in historical trees):
the processes that descend from one exec form a ring; a page notes the anonmm of the process that
mapped it first, and its virtual page. A walk goes once round the ring from there and looks at that
one page in each process, until it has found as many entries as the page has.

Rules of this module:

1. All entries of a shared page must be at one address. What keeps it so is not the design but the
   kernel of its time, which copies shared pages that move: `Rules.copies_moved`.
2. An exclusive page that moves is labelled anew; a page that nothing maps forgets its label.
3. The walk starts at the noted process but may not rely on it being the oldest: the ring is
   walked whole.

Variants that were discussed and never merged:

- `anonmm-chains` (2b): a page also keeps the other addresses at which it has been mapped.
- `anonmm-vmas` (2c, Andrea Arcangeli's remark): a page keeps its linear index, and the walk tries
  every VMA of every process of the ring.

Left out: exec (there is one ring for each process of the first state), reference-count races, and
that the walk re-points a page whose first process is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ksm_rmap.model._sorted_map import SortedMap
from ksm_rmap.model.events import (
    Exited,
    FolioBorn,
    FolioFreed,
    FolioUpgraded,
    Forked,
    PteMoved,
    PteSet,
)
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.state import linear_page_index
from ksm_rmap.walks.designs.base import Design, Search
from ksm_rmap.walks.designs.pte_chain import mapped_by
from ksm_rmap.walks.engine import vma_address

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping

    from ksm_rmap.model.events import Event
    from ksm_rmap.model.state import Mm, State, Vma
    from ksm_rmap.walks.result import WalkResult

__all__ = ("ANONMM", "ANONMM_CHAINS", "ANONMM_VMAS", "Anonmm", "AnonmmVmas", "Side")

_ANONMM = 48
"""Bytes of `struct anonmm`: count, lock, mm, head and a list head."""
_RMAP_CHAIN = 16
"""Bytes of one more address of a page: the address and a pointer."""


class _Member(NamedTuple):
    """`struct anonmm`."""

    head: int
    mm: int | None
    """None after exit."""
    folios: int = 0
    """Folios that note it: it is freed with the last of them."""


class _Label(NamedTuple):
    """What a page notes."""

    member: int
    pages: tuple[int, ...]
    """Virtual pages; more than one in the variant with chains only. With VMAs: the index."""
    mapcount: int = 0


class Side(NamedTuple):
    """The rings and the labels of pages."""

    members: SortedMap[_Member] = SortedMap()
    rings: SortedMap[tuple[int, ...]] = SortedMap()
    """By head: the members in order."""
    of_mm: SortedMap[int] = SortedMap()
    labels: SortedMap[_Label] = SortedMap()
    """By folio."""
    next_id: int = 0

    def joined(self, mm: int, head: int | None) -> Side:
        """Return the side with an anonmm for `mm`, at the end of the ring of `head`."""
        number = self.next_id
        head = number if head is None else head
        ring = (*self.rings.get(head, ()), number)
        return self._replace(
            members=self.members.with_item(number, _Member(head, mm)),
            rings=self.rings.with_item(head, ring),
            of_mm=self.of_mm.with_item(mm, number),
            next_id=number + 1,
        )

    def counted(self, number: int, by: int) -> Side:
        """Return the side with `by` folios more that note the member."""
        member = self.members[number]
        member = member._replace(folios=member.folios + by)
        return self._replace(members=self.members.with_item(number, member)).collected(number)

    def left(self, mm: int) -> Side:
        """Return the side without the pointer to a process that exited."""
        number = self.of_mm[mm]
        members = self.members.with_item(number, self.members[number]._replace(mm=None))
        return self._replace(members=members, of_mm=self.of_mm.without(mm)).collected(number)

    def collected(self, number: int) -> Side:
        """Return the side without the member if nothing needs it; the head goes last."""
        member = self.members[number]
        ring = self.rings[member.head]
        if member.mm is not None or member.folios or (number == member.head and len(ring) > 1):
            return self
        ring = tuple(other for other in ring if other != number)
        head = member.head
        rings = self.rings.with_item(head, ring) if ring else self.rings.without(head)
        side = self._replace(members=self.members.without(number), rings=rings)
        return side.collected(head) if ring == (head,) else side


class Anonmm(Design[Side]):
    """A label of one address, or with `chains` of several."""

    name = "anonmm"
    summary = "a ring of processes, one address per page; needs copies at mremap (2004)"
    source = "Hugh Dickins, rmap 10 and rmap 11, April 2004"
    rules = Rules(name="2004", copies_moved=True)

    def __init__(self, *, chains: bool = False) -> None:
        self.chains = chains
        if chains:
            self.name = "anonmm-chains"
            self.summary = "anonmm, and a chain of further addresses per page (variant 2b)"
            self.rules = Rules()

    def start(self) -> Side:
        """Process 0 is the head of a ring."""
        return Side().joined(0, None)

    def handle(self, side: Side, event: Event, state: State) -> Side:
        """Keep rings and labels; splits and merges are no concern of this design."""
        del state
        if isinstance(event, PteSet):
            old, new = mapped_by(event.old), mapped_by(event.new)
            if old != new:
                side = self._unmapped(self._mapped(side, new, event), old)
        elif isinstance(event, PteMoved):
            side = self._moved(side, event)
        elif isinstance(event, Forked):
            head = side.members[side.of_mm[event.mm]].head
            side = side.joined(event.child, head)
        elif isinstance(event, Exited):
            side = side.left(event.mm)
        return side

    def _mapped(self, side: Side, folio: int | None, event: PteSet) -> Side:
        """`page_add_anon_rmap`."""
        if folio is None:
            return side
        label: _Label | None = side.labels.get(folio)
        if label is None:
            member = side.of_mm[event.mm]
            side, label = side.counted(member, 1), _Label(member, (event.page,))
        label = self._also_at(label, event.page)._replace(mapcount=label.mapcount + 1)
        return side._replace(labels=side.labels.with_item(folio, label))

    def _also_at(self, label: _Label, page: int) -> _Label:
        if self.chains and page not in label.pages:
            return label._replace(pages=(*label.pages, page))
        return label

    @staticmethod
    def _unmapped(side: Side, folio: int | None) -> Side:
        """`page_remove_rmap`."""
        if folio is None:
            return side
        label = side.labels[folio]
        if label.mapcount > 1:
            label = label._replace(mapcount=label.mapcount - 1)
            return side._replace(labels=side.labels.with_item(folio, label))
        return side._replace(labels=side.labels.without(folio)).counted(label.member, -1)

    def _moved(self, side: Side, event: PteMoved) -> Side:
        """Label an exclusive page anew; a shared one should have been copied before."""
        folio = mapped_by(event.pte)
        if folio is None:
            return side
        label = side.labels[folio]
        exclusive = label.mapcount == 1
        moved = label._replace(pages=(event.to,)) if exclusive else self._also_at(label, event.to)
        return side._replace(labels=side.labels.with_item(folio, moved))

    def walk(self, side: Side, state: State, folio: int) -> WalkResult:
        """Go round the ring; O(processes of the family), less if all entries turn up early."""
        search = Search(state, folio)
        label: _Label | None = side.labels.get(folio)
        if label is not None:
            for number in _around(side, label.member):
                if search.found == label.mapcount:
                    break
                mm = side.members[number].mm
                if mm is None or not state.mms[mm].ptes:
                    search.skip()
                else:
                    self._visit(search, state.mms[mm], mm, label)
        return search.result()

    def _visit(self, search: Search, owner: Mm, mm: int, label: _Label) -> None:
        del owner
        for page in label.pages:
            search.visit(mm, page)

    def objects(self, side: Side) -> Mapping[Hashable, Hashable]:
        """Return the anonmms, the further addresses, and the labels in `struct page`."""
        found: dict[Hashable, Hashable] = {("anonmm", n): m for n, m in side.members.pairs()}
        for folio, label in side.labels.pairs():
            found["label", folio] = label[:1] + label.pages[:1]
            found.update((("chain", folio, page), page) for page in label.pages[1:])
        return found

    def size_of(self, identity: Hashable) -> int:
        """Return the bytes of an anonmm or of one more address."""
        assert isinstance(identity, tuple)  # noqa: S101 - made by objects()
        return {"anonmm": _ANONMM, "chain": _RMAP_CHAIN, "label": 0}[identity[0]]


def _around(side: Side, member: int) -> Iterator[int]:
    """Yield the members of a ring once, from `member` on."""
    ring = side.rings[side.members[member].head]
    at = ring.index(member)
    yield from ring[at:]
    yield from ring[:at]


class AnonmmVmas(Anonmm):
    """Variant 2c: the label is a linear index and each VMA of each process is tried."""

    name = "anonmm-vmas"
    summary = "anonmm with an index per page; tries all VMAs of the family (variant 2c)"
    source = "Andrea Arcangeli, March 2004"
    rules = Rules()

    def __init__(self) -> None:
        super().__init__()
        self.name, self.summary, self.rules = type(self).name, type(self).summary, Rules()

    def handle(self, side: Side, event: Event, state: State) -> Side:
        """Label a folio when it is born; moves carry `vm_pgoff` and change no label."""
        if isinstance(event, FolioBorn):
            member = side.of_mm[event.vma.mm]
            label = _Label(member, (linear_page_index(event.vma, event.page),))
            side = side.counted(member, 1)
            return side._replace(labels=side.labels.with_item(event.folio, label))
        if isinstance(event, FolioFreed | FolioUpgraded):
            known: _Label | None = side.labels.get(event.folio)
            if known is None:
                return side
            side = side._replace(labels=side.labels.without(event.folio))
            return side.counted(known.member, -1)
        if isinstance(event, PteSet):
            side = _recount(side, mapped_by(event.old), -1)
            return _recount(side, mapped_by(event.new), 1)
        return side if isinstance(event, PteMoved) else super().handle(side, event, state)

    def _visit(self, search: Search, owner: Mm, mm: int, label: _Label) -> None:
        del mm
        vma: Vma
        for vma in owner.vmas.values_in_order():
            search.visit_vma(vma, vma_address(vma, label.pages[0]))


def _recount(side: Side, folio: int | None, by: int) -> Side:
    label: _Label | None = None if folio is None else side.labels.get(folio)
    if label is None or folio is None:
        return side
    label = label._replace(mapcount=label.mapcount + by)
    return side._replace(labels=side.labels.with_item(folio, label))


ANONMM = Anonmm()
ANONMM_CHAINS = Anonmm(chains=True)
ANONMM_VMAS = AnonmmVmas()
