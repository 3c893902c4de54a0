"""The loops that all walks share: `rmap_walk_ksm` of mm/ksm.c, `rmap_walk_anon` of mm/rmap.c.

Rules of this module:

1. `rmap_walk_ksm` runs two passes over the items of the stable node, the item appended last
   first: pass 0 for the item's own process, pass 1 for all others. For each item it searches
   the interval tree of the item's anon_vma. What it searches there is the argument `range_of`:
   the designs differ in nothing else.
2. A VMA is tried against the address, then the process, then `invalid_vma`, and counted under
   the first test that it fails (6.12, mm/ksm.c, `rmap_walk_ksm`).
3. As `rmap_walk()` does, each walk takes the way of the folio's kind: a walk of an ordinary
   folio is `rmap_walk_anon`, whatever design was asked for.
4. A stable node that is not there (a folio being upgraded) means that nothing is found.

Left out: `rmap_walk_locked`, huge folios, waiting for a lock (it always comes).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ksm_rmap.model.state import ItemKey, Pte, PteKind, RmapItem, State, Vma, VmaKey
from ksm_rmap.walks.control import Progress
from ksm_rmap.walks.errors import WalkError
from ksm_rmap.walks.result import Loop, WalkResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ksm_rmap.walks.control import RmapWalkControl

__all__ = ("ULONG_MAX", "AddressOf", "RangeOf", "Traversal", "ksm_walk", "maps", "vma_address")

ULONG_MAX = 2**64 - 1
"""The greatest page index that a tree can hold."""

RangeOf = Callable[[RmapItem, State], tuple[int, int] | None]
"""What a design searches for an item: `(first, last)` index, inclusive; None: nothing."""
AddressOf = Callable[[RmapItem, Vma], int]
"""Where a design looks in a VMA that its search yields."""
Candidate = tuple[int, Vma, int]
"""Position in the loop, VMA, and the page to look at."""


def maps(pte: Pte | None, folio: int) -> bool:
    """Whether `pte` maps `folio`: it is present, or a migration entry that comes back."""
    return (
        pte is not None
        and pte.target == folio
        and (pte.kind is PteKind.PRESENT or pte.kind is PteKind.MIGRATION)
    )


def vma_address(vma: Vma, index: int) -> int:
    """Return the page of `vma` at which the folio with `index` is; may be outside of it.

    `vma_address()` of mm/internal.h, in newer kernels `vma_anon_address()`; the inverse of
    `linear_page_index`.
    """
    return vma.start + index - vma.anon_pgoff


class _Hits:
    """The VMAs that one query of one tree yields, in tree order."""

    __slots__ = ("_keys", "_owners", "_places", "_vmas", "count")

    #: From this many VMAs on, look up the VMA at an address instead of trying each one: it
    #: saves 512 passes over 20,000 VMAs in a walk of a full stable node.
    many = 64

    def __init__(self, keys: list[VmaKey]) -> None:
        self.count = len(keys)
        self._keys = keys
        self._owners: frozenset[int] | None = None
        self._vmas: list[Vma] | None = None
        self._places: dict[VmaKey, int] | None = None
        if len(keys) >= self.many:
            places = {key: at for at, key in enumerate(keys)}
            self._places = places if len(places) == len(keys) else None

    @property
    def owners(self) -> frozenset[int]:
        """The processes of the VMAs; O(count) once."""
        if self._owners is None:
            self._owners = frozenset(mm for mm, _ in self._keys)
        return self._owners

    def vmas(self, state: State) -> list[Vma]:
        """Return the VMAs themselves; O(count)."""
        if self._vmas is None:
            mms = state.mms
            self._vmas = [mms[mm].vmas[start] for mm, start in self._keys]
        return self._vmas

    def covering(self, state: State, page: int) -> list[Candidate]:
        """Return the VMAs that cover `page`, in tree order.

        O(count); from `many` VMAs on O(processes * log n), if no VMA is linked twice.
        """
        places = self._places
        if places is None:
            vmas = enumerate(self.vmas(state))
            return [(at, vma, page) for at, vma in vmas if vma.start <= page < vma.end]
        there = (state.vma(mm, page) for mm in state.mms)
        return sorted((places[vma.key], vma, page) for vma in there if vma and vma.key in places)


class _Search(NamedTuple):
    """What the walk searches for one item; the same in both passes."""

    item: RmapItem
    root: int
    hits: _Hits
    tree: tuple[int, tuple[int, int] | None]
    """The anon_vma and the range searched in its tree, as in `Loop`."""


class Traversal:
    """One walk of one folio while it runs; for designs that are more than one `range_of`.

    Raises `WalkError` if the state has no such folio.
    """

    def __init__(self, state: State, folio: int, control: RmapWalkControl | None = None) -> None:
        found = state.folios.get(folio)
        if found is None:
            raise WalkError(f"walk of folio {folio!r}: there is no such folio")
        self.state = state
        self.number = folio
        self.folio = found
        self.control = control
        self.ended = False
        """Whether the walk ended early; further searches do nothing."""
        self._contended = False
        self._found: dict[tuple[int, int], None] = {}
        self._unmapped = 0
        self._sightings = 0
        self._loops: list[Loop] = []
        self._queries: dict[tuple[int, int, int], _Hits] = {}

    @property
    def found(self) -> int:
        """How many different PTEs have been found so far."""
        return len(self._found)

    def result(self) -> WalkResult:
        """Return what has been found so far."""
        stopped = self.ended and not self._contended
        return WalkResult(tuple(self._found), tuple(self._loops), stopped, self._contended)

    def search_items(
        self, range_of: RangeOf, address_of: AddressOf | None = None, *, fallback: bool = False
    ) -> None:
        """Run `rmap_walk_ksm`: both passes over the items of the stable node."""
        node = self.state.stable_node(self.number)
        if node is None:
            return
        searches = [self._search(key, range_of) for key in node.items]
        for pass_ in (0, 1):
            for item, root, hits, tree in searches:
                if self.ended or self._lock_fails(root):
                    return
                if address_of is None:
                    candidates = hits.covering(self.state, item.address)
                else:
                    vmas = enumerate(hits.vmas(self.state))
                    candidates = [(at, vma, address_of(item, vma)) for at, vma in vmas]
                own = (item.mm, pass_)
                counters = self._loop(hits.count, candidates, own)
                self._loops.append(Loop(pass_, item.key, *counters, fallback, *tree))

    def owners_of_items(self, range_of: RangeOf) -> list[tuple[RmapItem, frozenset[int]]]:
        """Return each item of the stable node with the processes whose VMAs its search yields."""
        node = self.state.stable_node(self.number)
        keys = node.items if node else ()
        searches = [self._search(key, range_of) for key in keys]
        return [(search.item, search.hits.owners) for search in searches]

    def search_anon(self) -> None:
        """Run `rmap_walk_anon`: the VMAs at the folio's index in the folio's anon_vma.

        A VMA whose page for the index lies outside of it (a kernel bug, VM_BUG_ON_VMA)
        counts as `skip_address`.
        """
        folio = self.folio
        if folio.ksm or folio.mapping not in self.state.anon_vmas:
            return
        if self._lock_fails(self.state.anon_vmas[folio.mapping].root):
            return
        hits = self._query(folio.mapping, folio.index, folio.index)
        vmas = enumerate(hits.vmas(self.state))
        placed = ((at, vma, vma_address(vma, folio.index)) for at, vma in vmas)
        inside = [place for place in placed if place[1].start <= place[2] < place[1].end]
        counters = self._loop(hits.count, inside, None)
        searched = (folio.index, folio.index)
        loop = Loop(0, None, *counters, anon_vma=folio.mapping, searched=searched)
        self._loops.append(loop)

    def _search(self, key: ItemKey, range_of: RangeOf) -> _Search:
        item = self.state.item(key)
        anon_vma = item.anon_vma
        if anon_vma is None:
            raise WalkError(f"walk of folio {self.number}: item {key} has no anon_vma")
        wanted = range_of(item, self.state)
        root = self.state.anon_vmas[anon_vma].root
        if wanted is None:
            return _Search(item, root, _Hits([]), (anon_vma, None))
        try:
            first, last = map(operator.index, wanted)
            hits = self._query(anon_vma, first, last)
        except (TypeError, ValueError):
            raise WalkError(
                f"walk of folio {self.number}: range {wanted!r} for item {key} is not "
                "(first, last) with 0 <= first <= last <= ULONG_MAX, nor None"
            ) from None
        return _Search(item, root, hits, (anon_vma, (first, last)))

    def _query(self, anon_vma: int, first: int, last: int) -> _Hits:
        query = (anon_vma, first, last)
        hits = self._queries.get(query)
        if hits is None:
            tree = self.state.anon_vmas[anon_vma].tree
            hits = _Hits([entry.value for entry in tree.overlap(first, last)])
            self._queries[query] = hits
        return hits

    def _lock_fails(self, root: int) -> bool:
        control = self.control
        if control is not None and control.try_lock and root in control.locked:
            self.ended = self._contended = True
        return self._contended

    def _loop(
        self, count: int, candidates: Iterable[Candidate], own: tuple[int, int] | None
    ) -> tuple[int, int, int, int, int]:
        """Try `candidates`, visit those that pass; the counters in the order of `Loop`.

        `own` is the item's process and the pass; None: no test of the process.
        """
        iterations, tried, skip_mm, skip_invalid, visits = count, 0, 0, 0, 0
        invalid_vma = self.control.invalid_vma if self.control else None
        for at, vma, page in candidates:
            tried += 1
            if own is not None and (vma.mm == own[0]) == own[1]:
                skip_mm += 1
            elif invalid_vma is not None and invalid_vma(vma):
                skip_invalid += 1
            else:
                visits += 1
                self._visit(vma, page)
                if self.ended:
                    iterations = at + 1
                    break
        return iterations, iterations - tried, skip_mm, skip_invalid, visits

    def _visit(self, vma: Vma, page: int) -> None:
        place = (vma.mm, page)
        pte = self.state.pte(*place)
        if maps(pte, self.number):
            self._sightings += 1
            if place not in self._found:
                self._found[place] = None
                self._unmapped += pte is not None and pte.kind is PteKind.PRESENT
        control = self.control
        if control is None:
            return
        if control.rmap_one is not None and not control.rmap_one(vma, page):
            self.ended = True
        elif control.done is not None:
            progress = Progress(self._unmapped, self._sightings)
            self.ended = control.done(self.folio, progress)


def ksm_walk(
    state: State,
    folio: int,
    *,
    range_of: RangeOf,
    address_of: AddressOf | None = None,
    control: RmapWalkControl | None = None,
) -> WalkResult:
    """Walk the reverse map of `folio` as `rmap_walk_ksm` does, with a search of one's own.

    Args:
        state: the machine; not changed.
        folio: number of the folio. An ordinary one is walked by `rmap_walk_anon`.
        range_of: `range_of(item, state)` returns the range to search in the tree of the item's
            anon_vma, `(first, last)` index in pages, both inclusive, or None for no search.
        address_of: `address_of(item, vma)` returns the page to look at in a VMA; then no VMA is
            skipped for its range. Without it: the item's address.
        control: what the caller asks for; without it both passes run to the end.

    O(items * (log n + VMAs in the range)). `WalkError` if there is no such folio, or if
    `range_of` returned something else.

    """
    walk = Traversal(state, folio, control)
    if walk.folio.ksm:
        walk.search_items(range_of, address_of)
    else:
        walk.search_anon()
    return walk.result()
