"""COW contexts: one object per process, in the tree of forks. Lorenzo Stoakes, 2026, not merged.

Models mm/cow_context.c of the proof of concept (kernelorg-mirror/linux_kernel_git_ljs_linux
a4ac19665445). A folio points to the context of the process that mapped it first and keeps the page
index of that moment; a walk goes down the tree from there. A VMA that has moved differs from its
index by an offset; contexts remember those offsets by range of indexes (`remaps`).

Rules of this module:

1. As written (`cow_context`): what the source does, errors of a first draft included.
   A `Repair` is the smallest change against one kind of miss; `cow_context-repaired` has all.
2. Where the notes on the source leave a choice, the reading that misses less is taken: of a split
   both pieces are registered again; of a merge everything is removed before anything is added.
3. A context lives while its process, a child's context or a folio needs it.

Left out: KSM (the source has no part for it), locks and their absence, allocation failures.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

from ksm_rmap.model._sorted_map import SortedMap
from ksm_rmap.model.events import (
    Exited,
    FolioBorn,
    FolioFreed,
    FolioOwned,
    FolioUpgraded,
    Forked,
    VmaFaulted,
    VmaForked,
    VmaMerged,
    VmaMoved,
    VmaRemoved,
    VmaSplit,
    VmaUnfaulted,
)
from ksm_rmap.model.rules import Rules
from ksm_rmap.walks.designs import _remaps
from ksm_rmap.walks.designs.base import Handler, Search, TableDesign

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping

    from ksm_rmap.model.state import State, Vma
    from ksm_rmap.walks.designs._remaps import Remaps
    from ksm_rmap.walks.result import WalkResult

__all__ = ("COW_CONTEXT", "COW_CONTEXT_REPAIRED", "Context", "CowContext", "Repair", "Side")

_CONTEXT = 128
"""Bytes of `struct cow_context`: mm, parent, two list heads, count, maple tree, two locks, RCU."""
_ENTRY = 32
"""Bytes of a range with one offset: two slots and two pivots of a maple node (its range and the
gap beside it); each further offset costs a word."""


class Repair(enum.Enum):
    """A change of the design that a search asked for."""

    STOP_ON_HIT = "stop-on-hit"
    """The walk of an exclusive folio ends early only when it has found the entry: the folio may
    have moved, and then offset 0 leads nowhere."""
    COUNT_MIGRATION = "count-migration"
    """A folio under migration, which has no mapcount, is not taken for an exclusive one."""
    SHARED_TO_ROOT = "shared-to-root"
    """A folio that comes back from swap and may be shared belongs to the oldest context."""
    KEEP_SOURCE = "keep-source"
    """A move adds the new offset and leaves it to munmap to remove the old one: with
    MREMAP_DONTUNMAP the source stays, and entries reach beyond what moved."""
    AT_FAULT = "at-fault"
    """The first fault of a VMA registers its offset: MREMAP_DONTUNMAP leaves VMAs that are
    unfaulted and yet displaced."""


class Context(NamedTuple):
    """`struct cow_context`."""

    mm: int | None
    """None after exit."""
    parent: int | None
    children: tuple[int, ...] = ()
    folios: int = 0
    """Folios that point here."""
    remaps: Remaps = SortedMap()


class _Home(NamedTuple):
    """`folio->cow_context` and `folio->index`."""

    context: int
    page_index: int


class Side(NamedTuple):
    """Contexts and folios."""

    contexts: SortedMap[Context] = SortedMap()
    of_mm: SortedMap[int] = SortedMap()
    folios: SortedMap[_Home] = SortedMap()
    next_id: int = 0

    def with_context(self, number: int, context: Context) -> Side:
        """Return the side with a context changed."""
        return self._replace(contexts=self.contexts.with_item(number, context))

    def created(self, mm: int, parent: int | None) -> Side:
        """Return the side with the context of a new process."""
        number = self.next_id
        side = self.with_context(number, Context(mm, parent))
        if parent is not None:
            up = self.contexts[parent]
            side = side.with_context(parent, up._replace(children=(*up.children, number)))
        return side._replace(of_mm=side.of_mm.with_item(mm, number), next_id=number + 1)

    def put(self, number: int) -> Side:
        """Return the side without the context if nothing needs it, and its parents likewise."""
        context = self.contexts[number]
        if context.mm is not None or context.children or context.folios:
            return self
        side = self._replace(contexts=self.contexts.without(number))
        if context.parent is None:
            return side
        up = side.contexts[context.parent]
        left = tuple(child for child in up.children if child != number)
        side = side.with_context(context.parent, up._replace(children=left))
        return side.put(context.parent)

    def homed(self, folio: int, home: _Home | None) -> Side:
        """Return the side in which the folio points to another context, or nowhere."""
        before: _Home | None = self.folios.get(folio)
        side = self
        if home is not None:
            context = side.contexts[home.context]
            context = context._replace(folios=context.folios + 1)
            side = side.with_context(home.context, context)
            side = side._replace(folios=side.folios.with_item(folio, home))
        elif before is not None:
            side = side._replace(folios=side.folios.without(folio))
        if before is not None:
            context = side.contexts[before.context]
            context = context._replace(folios=context.folios - 1)
            side = side.with_context(before.context, context).put(before.context)
        return side

    def root_of(self, number: int) -> int:
        """Return the oldest ancestor of a context."""
        while (parent := self.contexts[number].parent) is not None:
            number = parent
        return number


def _offset(vma: Vma) -> int:
    """Return by how much addresses differ from indexes."""
    return vma.start - vma.pgoff


def _range(vma: Vma) -> tuple[int, int]:
    """Return the indexes of a VMA, both ends inclusive."""
    return vma.pgoff, vma.pgoff + vma.end - vma.start - 1


def _tracked(vma: Vma) -> bool:
    return vma.anon_vma is not None and _offset(vma) != 0


class CowContext(TableDesign[Side]):
    """Contexts with offsets; `repairs` says which errors are mended."""

    name = "cow_context"
    summary = "a context per process in the tree of forks; offsets of what moved (PoC of 2026)"
    source = "Lorenzo Stoakes, mm/cow_context.c at a4ac19665445, 2026"
    rules = Rules.preset("7.0")

    def __init__(self, repairs: Iterable[Repair] = ()) -> None:
        self.repairs = frozenset(repairs)
        super().__init__()
        if self.repairs == frozenset(Repair):
            self.name = "cow_context-repaired"
            self.summary = "cow_context with every repair that a search asked for"
        elif self.repairs:
            self.name = "+".join(["cow_context", *sorted(r.value for r in self.repairs)])

    def start(self) -> Side:
        """Process 0 has a context without a parent."""
        return Side().created(0, None)

    # Upkeep

    def table(self) -> dict[type, Handler]:
        """Return what is done at each event."""
        table: dict[type, Handler] = {
            FolioBorn: self._born,
            FolioOwned: self._owned,
            FolioFreed: self._forgotten,
            FolioUpgraded: self._forgotten,
            Forked: lambda side, event, _: side.created(event.child, side.of_mm[event.mm]),
            Exited: self._exited,
            VmaForked: self._forked,
            VmaSplit: self._split,
            VmaMerged: self._merged,
            VmaMoved: self._moved,
            VmaRemoved: lambda side, event, _: self._adjusted(side, (event.vma,), ()),
            VmaUnfaulted: lambda side, event, _: self._adjusted(side, (event.old,), ()),
        }
        if Repair.AT_FAULT in self.repairs:
            table[VmaFaulted] = lambda side, event, _: self._adjusted(side, (), (event.vma,))
        return table

    def _born(self, side: Side, event: FolioBorn, _: State) -> Side:
        vma = event.vma
        context = side.of_mm[vma.mm]
        if vma.file is not None:
            side = self._add(side, vma)
        if not event.exclusive and Repair.SHARED_TO_ROOT in self.repairs:
            context = side.root_of(context)
        return side.homed(event.folio, _Home(context, event.page - _offset(vma)))

    @staticmethod
    def _owned(side: Side, event: FolioOwned, _: State) -> Side:
        """`folio_move_anon_rmap` pushes a folio down the tree."""
        home = side.folios[event.folio]
        own = home._replace(context=side.of_mm[event.vma.mm])
        return side if own == home else side.homed(event.folio, own)

    @staticmethod
    def _forgotten(side: Side, event: FolioFreed | FolioUpgraded, _: State) -> Side:
        return side.homed(event.folio, None) if event.folio in side.folios else side

    @staticmethod
    def _exited(side: Side, event: Exited, _: State) -> Side:
        number = side.of_mm[event.mm]
        gone = side.contexts[number]._replace(mm=None, remaps=SortedMap())
        side = side.with_context(number, gone)
        return side._replace(of_mm=side.of_mm.without(event.mm)).put(number)

    def _forked(self, side: Side, event: VmaForked, _: State) -> Side:
        if event.parent.file is not None:
            side = self._add(side, event.parent)
        return self._adjusted(side, (), (event.vma,))

    def _split(self, side: Side, event: VmaSplit, _: State) -> Side:
        return self._adjusted(side, (event.old,), (event.lower, event.upper))

    def _merged(self, side: Side, event: VmaMerged, _: State) -> Side:
        shrunk = event.shrunk or ()
        gone = (event.old, *event.removed, *shrunk[:1])
        return self._adjusted(side, gone, (event.vma, *shrunk[1:]))

    def _adjusted(self, side: Side, gone: tuple[Vma, ...], come: tuple[Vma, ...]) -> Side:
        """Take the offsets of VMAs out, then put those of others in."""
        for vma in filter(_tracked, gone):
            number = side.of_mm[vma.mm]
            context = side.contexts[number]
            remaps = _remaps.remove(context.remaps, *_range(vma), _offset(vma))
            side = side.with_context(number, context._replace(remaps=remaps))
        for vma in filter(_tracked, come):
            side = self._add(side, vma)
        return side

    @staticmethod
    def _add(side: Side, vma: Vma) -> Side:
        if not _offset(vma):
            return side
        number = side.of_mm[vma.mm]
        context = side.contexts[number]
        remaps = _remaps.add(context.remaps, *_range(vma), _offset(vma))
        return side.with_context(number, context._replace(remaps=remaps))

    def _moved(self, side: Side, event: VmaMoved, _: State) -> Side:
        """`mremap`: the offset of a range changed."""
        source, vma = event.source, event.vma
        if vma.anon_vma is None or source.anon_vma is None:
            return side
        span, old, new = _range(vma), _offset(source), _offset(vma)
        number = side.of_mm[vma.mm]
        context = side.contexts[number]
        if Repair.KEEP_SOURCE in self.repairs:
            remaps = _remaps.add(context.remaps, *span, new) if new else context.remaps
        else:
            remaps = _remaps.replace(context.remaps, *span, old, new)
        return side.with_context(number, context._replace(remaps=remaps))

    # Walk

    def walk(self, side: Side, state: State, folio: int) -> WalkResult:
        """Go down the tree of contexts; O(contexts x (1 + offsets) x log VMAs)."""
        search = Search(state, folio)
        home: _Home | None = side.folios.get(folio)
        if home is not None:
            for context in _descend(side, home.context):
                if context.mm is None:
                    search.skip()
                elif self._visit(search, state, context, home.page_index, folio):
                    break
                search.end_loop()
        return search.result()

    def _visit(
        self, search: Search, state: State, context: Context, page_index: int, folio: int
    ) -> bool:
        """Look at all offsets of a context; return whether the walk may end."""
        found = state.folios[folio]
        entries = found.mapcount
        if Repair.COUNT_MIGRATION in self.repairs:
            entries += found.migrating
        alone = entries <= 1
        hit = self._try(search, state, context, page_index, 0)
        if alone and (hit or Repair.STOP_ON_HIT not in self.repairs):
            return True
        for offset in _remaps.at(context.remaps, page_index):
            self._try(search, state, context, page_index, offset)
        return False

    @staticmethod
    def _try(search: Search, state: State, context: Context, page_index: int, offset: int) -> bool:
        page = page_index + offset
        vma = state.vma(context.mm, page) if context.mm is not None else None
        if vma is None or _offset(vma) != offset:
            search.skip()
            return False
        return search.visit(vma.mm, page)

    # Price

    def objects(self, side: Side) -> Mapping[Hashable, Hashable]:
        """Return the contexts and their ranges of offsets."""
        found: dict[Hashable, Hashable] = {}
        for number, context in side.contexts.pairs():
            found["context", number, 1] = (context.mm, context.parent, context.children)
            for low, (high, offsets) in context.remaps.pairs():
                found["range", number, low, len(offsets)] = (high, offsets)
        return found

    def size_of(self, identity: Hashable) -> int:
        """Return the bytes of a context or a range."""
        assert isinstance(identity, tuple)  # noqa: S101 - made by objects()
        if identity[0] == "context":
            return _CONTEXT
        return _ENTRY + 8 * (identity[-1] if identity[-1] > 1 else 0)


def _descend(side: Side, number: int) -> Iterator[Context]:
    """Yield a context and its descendants, the parent before its children."""
    context = side.contexts[number]
    yield context
    for child in context.children:
        yield from _descend(side, child)


COW_CONTEXT = CowContext()
COW_CONTEXT_REPAIRED = CowContext(Repair)
