"""anon_vma_chain: what the list of 2.6.34 and the interval tree of 3.7 have in common.

Models mm/rmap.c from commit 5beb49305251 on, independently of `ksm_rmap.model._rmap`: a test holds
the two against each other. Each VMA has an anon_vma of its own and links (avc) to those of all its
ancestors. The two designs differ in what an anon_vma keeps: `Links`.

Rules of this module:

1. A VMA object keeps its number when its start changes; an avc is named by VMA and anon_vma.
2. A page notes the anon_vma of its VMA if it is exclusive, the root if it may be shared, and the
   VMA's own again when a write finds it unshared.
3. How an index is computed from a VMA is the design's choice (`offset_of`).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, NamedTuple

from ksm_rmap.interval_tree import FrozenIntervalTree
from ksm_rmap.model._sorted_map import SortedMap
from ksm_rmap.model.events import FolioOwned
from ksm_rmap.model.rules import AnonVmaReuse
from ksm_rmap.walks.designs._links import LinkDesign
from ksm_rmap.walks.designs.base import Handler, Search, place

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

    from ksm_rmap.model.events import FolioBorn, VmaFaulted, VmaForked
    from ksm_rmap.model.state import State, Vma
    from ksm_rmap.walks.result import WalkResult

__all__ = ("AnonVma", "AvcDesign", "Home", "Linked", "Links", "Side")

Links = SortedMap[None] | FrozenIntervalTree[int]
"""What an anon_vma keeps: the numbers of its VMAs, in a list or in an interval tree."""

_ANON_VMA = 104
"""Bytes of `struct anon_vma` in its slab (6.12): root, rwsem, counts, parent, tree, free list."""
_AVC = 64
"""Bytes of `struct anon_vma_chain` (6.12)."""


class AnonVma(NamedTuple):
    """`struct anon_vma`; `links` is a `Links` of the design."""

    root: int
    parent: int
    links: Links
    children: int = 0
    """anon_vmas whose parent this is; a root counts itself."""
    active: int = 0
    """VMAs whose own anon_vma this is."""
    owner: int = -1
    """The process whose VMA it was made for."""


class Linked(NamedTuple):
    """The fields of a VMA that serve the reverse map."""

    number: int
    """Identity of the VMA object."""
    anon_vma: int
    chain: tuple[int, ...]
    """The anon_vmas it is linked to, the newest link first."""


class Home(NamedTuple):
    """`folio->mapping` and `folio->index`."""

    anon_vma: int
    page_index: int


class Side(NamedTuple):
    """anon_vmas, VMAs and pages."""

    anon_vmas: SortedMap[AnonVma] = SortedMap()
    vmas: SortedMap[Linked] = SortedMap()
    """By `place(mm, start)`."""
    where: SortedMap[tuple[int, int]] = SortedMap()
    """By number of the VMA: `(mm, start)`."""
    folios: SortedMap[Home] = SortedMap()
    next_id: int = 0


class AvcDesign(LinkDesign[Side]):
    """Upkeep of anon_vmas and avcs; a subclass says what an anon_vma keeps of a link."""

    def __init__(self, reuse: AnonVmaReuse = AnonVmaReuse.SPLIT) -> None:
        super().__init__()
        self.reuse = reuse

    # What the two designs differ in

    empty: Links
    """The links of a new anon_vma."""

    @abstractmethod
    def add_link(self, links: Links, number: int, vma: Vma) -> Links:
        """Return `links` with the VMA `number`, whose fields are `vma`."""

    @abstractmethod
    def drop_link(self, links: Links, number: int, vma: Vma) -> Links:
        """Return `links` without it."""

    @abstractmethod
    def change_link(self, links: Links, number: int, old: Vma, new: Vma) -> Links:
        """Return `links` after the VMA changed from `old` to `new`."""

    @abstractmethod
    def query(self, links: Links, page_index: int) -> Iterable[int]:
        """Return the VMAs that a walk for a page looks at, by number."""

    def offset_of(self, vma: Vma) -> int:
        """Return the index of the VMA's first page."""
        return vma.anon_pgoff

    # Upkeep

    def start(self) -> Side:
        """Nothing is faulted."""
        return Side()

    def table(self) -> dict[type, Handler]:
        """Return what is done at each event."""
        return {**super().table(), FolioOwned: self._owned}

    @staticmethod
    def _owned(side: Side, event: FolioOwned, _: State) -> Side:
        """`folio_move_anon_rmap`."""
        home = side.folios[event.folio]
        own = side.vmas[place(*event.vma.key)].anon_vma
        folios = side.folios.with_item(event.folio, home._replace(anon_vma=own))
        return side._replace(folios=folios)

    def _born(self, side: Side, event: FolioBorn, _: State) -> Side:
        vma = event.vma
        own = side.vmas[place(*vma.key)].anon_vma
        home = own if event.exclusive else side.anon_vmas[own].root
        noted = Home(home, event.page - vma.start + self.offset_of(vma))
        return side._replace(folios=side.folios.with_item(event.folio, noted))

    def _prepare(self, side: Side, event: VmaFaulted, _: State) -> Side:
        """`__anon_vma_prepare`."""
        if event.lender is None:
            own = side.next_id
            fresh = AnonVma(own, own, self.empty, 1, 0, event.vma.mm)
            side = side._replace(
                anon_vmas=side.anon_vmas.with_item(own, fresh), next_id=side.next_id + 1
            )
        else:
            own = side.vmas[place(*event.lender.key)].anon_vma
        return self._linked(side, event.vma, own, (own,))

    def _linked(self, side: Side, vma: Vma, own: int, chain: tuple[int, ...]) -> Side:
        """Return the side with a new VMA object linked to all of `chain`; `own` is active."""
        number = side.next_id
        anon_vmas = side.anon_vmas
        for name in chain:
            anon_vma: AnonVma = anon_vmas[name]
            links = self.add_link(anon_vma.links, number, vma)
            active = anon_vma.active + (name == own)
            root, parent, _, children, _, owner = anon_vma
            changed = AnonVma(root, parent, links, children, active, owner)
            anon_vmas = anon_vmas.with_item(name, changed)
        vmas = side.vmas.with_item(place(*vma.key), Linked(number, own, chain))
        where = side.where.with_item(number, vma.key)
        return Side(anon_vmas, vmas, where, side.folios, number + 1)

    def _clone(self, side: Side, vma: Vma, source: Vma, state: State) -> Side:
        """`anon_vma_clone` for split, mremap and merge."""
        like = side.vmas.get(place(*source.key))
        if like is None:
            return side
        return self._linked(side, vma, like.anon_vma, _cloned(like.chain, state))

    def _fork(self, side: Side, event: VmaForked, state: State) -> Side:
        """`anon_vma_fork`: links to all of the parent's, and one more or a spare one."""
        parent = side.vmas.get(place(*event.parent.key))
        if parent is None or event.vma.anon_vma is None:
            return side
        oldest_first = state.rules.clone_oldest_first
        order = reversed(parent.chain) if oldest_first else iter(parent.chain)
        own = next((n for n in order if self._spare(side.anon_vmas[n], n, parent)), None)
        chain = _cloned(parent.chain, state)
        if own is not None:
            return self._linked(side, event.vma, own, chain)
        side, own = self.descendant(side, parent.anon_vma, event.vma.mm)
        return self._linked(side, event.vma, own, (own, *chain))

    def descendant(self, side: Side, parent: int, owner: int) -> tuple[Side, int]:
        """Return the side with a new anon_vma below `parent`, not linked yet, and its number."""
        number, up = side.next_id, side.anon_vmas[parent]
        anon_vmas = side.anon_vmas.with_item(parent, up._replace(children=up.children + 1))
        fresh = AnonVma(up.root, parent, self.empty, owner=owner)
        anon_vmas = anon_vmas.with_item(number, fresh)
        return side._replace(anon_vmas=anon_vmas, next_id=number + 1), number

    def _spare(self, anon_vma: AnonVma, number: int, parent: Linked) -> bool:
        """Whether a fork may take an anon_vma of the parent's chain for the child's own."""
        if self.reuse is AnonVmaReuse.SPLIT:
            return anon_vma.children < 2 and not anon_vma.active  # noqa: PLR2004 - "one child"
        if self.reuse is AnonVmaReuse.DEGREE:
            degree = anon_vma.children + anon_vma.active
            return number != parent.anon_vma and degree < 2  # noqa: PLR2004 - "one child or VMA"
        return False

    def _changed(self, side: Side, old: Vma, new: Vma) -> Side:
        """Return the side after start, end or offset of a VMA changed."""
        linked = side.vmas.get(place(*old.key))
        if linked is None:
            return side
        anon_vmas = side.anon_vmas
        for name in linked.chain:
            anon_vma: AnonVma = anon_vmas[name]
            links = self.change_link(anon_vma.links, linked.number, old, new)
            if links is not anon_vma.links:
                anon_vmas = anon_vmas.with_item(name, anon_vma._replace(links=links))
        vmas, where = side.vmas, side.where
        if old.start != new.start:
            vmas = vmas.without(place(*old.key)).with_item(place(*new.key), linked)
            where = where.with_item(linked.number, new.key)
        return side._replace(anon_vmas=anon_vmas, vmas=vmas, where=where)

    def _unlink(self, side: Side, vma: Vma) -> Side:
        """`unlink_anon_vmas`: anon_vmas without links are freed, and children counted down."""
        linked = side.vmas.get(place(*vma.key))
        if linked is None:
            return side
        anon_vmas = side.anon_vmas
        for name in linked.chain:
            anon_vma: AnonVma = anon_vmas[name]
            links = self.drop_link(anon_vma.links, linked.number, vma)
            active = anon_vma.active - (name == linked.anon_vma)
            anon_vmas = anon_vmas.with_item(name, anon_vma._replace(links=links, active=active))
            up: AnonVma | None = None if links else anon_vmas.get(anon_vma.parent)
            if up is not None:
                up = up._replace(children=up.children - 1)
                anon_vmas = anon_vmas.with_item(anon_vma.parent, up)
        for name in linked.chain:
            if not anon_vmas[name].links:
                anon_vmas = anon_vmas.without(name)
        vmas = side.vmas.without(place(*vma.key))
        return side._replace(
            anon_vmas=anon_vmas, vmas=vmas, where=side.where.without(linked.number)
        )

    # Walk and price

    def walk(self, side: Side, state: State, folio: int) -> WalkResult:
        """Try the VMAs that the page's anon_vma yields, each where it has the page's index."""
        search = Search(state, folio)
        home: Home | None = side.folios.get(folio)
        if home is not None:
            self.search_home(search, side, state, home)
        return search.result()

    def search_home(self, search: Search, side: Side, state: State, home: Home) -> None:
        """Try the VMAs at one index of one anon_vma; nothing if that is freed."""
        if home.anon_vma not in side.anon_vmas:
            return
        for number in self.query(side.anon_vmas[home.anon_vma].links, home.page_index):
            mm, start = side.where[number]
            vma: Vma = state.mms[mm].vmas[start]
            search.visit_vma(vma, vma.start + home.page_index - self.offset_of(vma))

    def objects(self, side: Side) -> Mapping[Hashable, Hashable]:
        """Return the anon_vmas (their counters as content) and the avcs."""
        found: dict[Hashable, Hashable] = {}
        for name, anon_vma in side.anon_vmas.pairs():
            found["anon_vma", name] = (anon_vma.parent, anon_vma.children, anon_vma.active)
            for number, content in self.contents(anon_vma.links):
                found["avc", number, name] = content
        return found

    @abstractmethod
    def contents(self, links: Links) -> Iterable[tuple[int, Hashable]]:
        """Return for each link the number of the VMA and what the avc holds."""

    def size_of(self, identity: Hashable) -> int:
        """Return the bytes of an anon_vma or an avc."""
        assert isinstance(identity, tuple)  # noqa: S101 - made by objects()
        return _ANON_VMA if identity[0] == "anon_vma" else _AVC


def _cloned(chain: tuple[int, ...], state: State) -> tuple[int, ...]:
    """Return the chain of a clone: each link is put at the head."""
    return chain if state.rules.clone_oldest_first else chain[::-1]
