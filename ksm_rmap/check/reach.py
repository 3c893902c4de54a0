"""What a search reached: which interesting situations its examples contained.

No analogue in the kernel. A search that never met a merged page that moved must not look like
a pass; `Reach` counts, for each situation below, the examples in which it occurred. The idea
is that of the "sometimes" properties of model checkers.

Rules of this module:

1. A situation is about one KSM folio and the page-table entries that map it, or about one
   step; ordinary folios count for nothing.
2. A situation counts once an example, however often it occurs in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ksm_rmap.model.state import Folio, Pte, PteKind, State, Vma, linear_page_index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ksm_rmap.model.calls import Call

__all__ = ("SITUATIONS", "VITAL", "Reach", "situations")


class _Spot(NamedTuple):
    """An entry that maps the folio: where it is and what covers it."""

    mm: int
    page: int
    pte: Pte
    vma: Vma


class _Sight(NamedTuple):
    """One mapped KSM folio, and the step that led to the state."""

    before: State
    call: Call | None
    after: State
    number: int
    folio: Folio
    spots: tuple[_Spot, ...]


def _merged(sight: _Sight) -> bool:
    return len(sight.spots) > 1


def _moved(sight: _Sight) -> bool:
    return any(spot.vma.moved for spot in sight.spots)


def _file(sight: _Sight) -> bool:
    return any(spot.vma.file is not None for spot in sight.spots)


def _split(sight: _Sight) -> bool:
    """Whether the VMA of a merged page begins elsewhere than it did when the page merged."""
    node = sight.after.stable_node(sight.number)
    keys = set(node.items) if node else set()
    for spot in sight.spots:
        if (spot.mm, spot.page) in keys:
            item = sight.after.item((spot.mm, spot.page))
            index = linear_page_index(spot.vma, spot.page)
            if index == item.index and spot.vma.pgoff != item.vm_pgoff:
                return True
    return False


def _forked(sight: _Sight) -> bool:
    return len({spot.mm for spot in sight.spots}) > 1


def _unscanned(sight: _Sight) -> bool:
    """Whether ksmd has not visited an entry of the folio yet: it has no rmap item."""
    node = sight.after.stable_node(sight.number)
    keys = set(node.items) if node else set()
    return any((spot.mm, spot.page) not in keys for spot in sight.spots)


def _orphaned(sight: _Sight) -> bool:
    """Whether the entry that an item was made for is gone while others map the folio."""
    node = sight.after.stable_node(sight.number)
    here = {(spot.mm, spot.page) for spot in sight.spots}
    return any(key not in here for key in (node.items if node else ()))


def _upgraded(sight: _Sight) -> bool:
    """Whether the folio became a KSM folio in this step while several entries mapped it."""
    old = sight.before.folios.get(sight.number)
    return old is not None and not old.ksm and old.mapcount > 1


def _cached(sight: _Sight) -> bool:
    return sight.folio.swap is not None


def _swapped_in(sight: _Sight) -> bool:
    """Whether an entry that maps the folio was a swap entry before this step."""
    if sight.call is None or sight.call.op not in {"read", "write"}:
        return False
    return any(_kind(sight.before, spot) is PteKind.SWAP for spot in sight.spots)


def _swapped_in_moved(sight: _Sight) -> bool:
    """Whether the folio came back at an address for which it has no item."""
    if not _swapped_in(sight):
        return False
    node = sight.after.stable_node(sight.number)
    addresses = {address for _, address in (node.items if node else ())}
    return any(
        spot.page not in addresses and _kind(sight.before, spot) is PteKind.SWAP
        for spot in sight.spots
    )


def _migrating(sight: _Sight) -> bool:
    return any(spot.pte.kind is PteKind.MIGRATION for spot in sight.spots)


def _migrated(sight: _Sight) -> bool:
    return any(
        _kind(sight.before, spot) is PteKind.MIGRATION and spot.pte.kind is PteKind.PRESENT
        for spot in sight.spots
    )


def _kind(state: State, spot: _Spot) -> PteKind | None:
    pte = state.pte(spot.mm, spot.page)
    return pte.kind if pte else None


SITUATIONS: dict[str, tuple[str, Callable[[_Sight], bool]]] = {
    "merged": ("two entries map one KSM folio", _merged),
    "moved": ("a merged page in a range that mremap has moved", _moved),
    "file": ("a merged page of a private file mapping", _file),
    "split": ("a VMA split below a merged page", _split),
    "forked": ("a KSM folio mapped by two processes", _forked),
    "unscanned": ("an entry of a KSM folio that ksmd has not visited", _unscanned),
    "orphaned": ("an rmap item whose entry is gone while others remain", _orphaned),
    "upgraded": ("a folio of several entries upgraded in place", _upgraded),
    "cached": ("a mapped KSM folio in the swap cache", _cached),
    "swapped in": ("a KSM folio swapped in", _swapped_in),
    "swapped in moved": ("a KSM folio swapped in where it has no item", _swapped_in_moved),
    "migrating": ("a KSM folio half-way through a migration", _migrating),
    "migrated": ("a KSM folio migrated", _migrated),
}
"""Each situation by name: a sentence for people and the test."""

VITAL = ("merged", "moved", "forked")
"""A search that never met one of these shows nothing: without them every walk is right."""


def situations(before: State, call: Call | None, after: State) -> Iterator[str]:
    """Yield the situations that occur in `after`, to which `call` led from `before`.

    A name may come more than once. O(entries) if there is a KSM folio, else O(folios).
    """
    for sight in _sights(before, call, after):
        for name, (_, occurs) in SITUATIONS.items():
            if occurs(sight):
                yield name


def _sights(before: State, call: Call | None, after: State) -> Iterator[_Sight]:
    for number in after.ksm_folios():
        spots = tuple(_spots(after, number))
        if spots:
            yield _Sight(before, call, after, number, after.folios[number], spots)


def _spots(state: State, folio: int) -> Iterator[_Spot]:
    for number, mm in state.mms.pairs():
        for page, pte in mm.ptes.pairs():
            if pte.target == folio and pte.kind in {PteKind.PRESENT, PteKind.MIGRATION}:
                vma = state.vma(number, page)
                if vma is not None:
                    yield _Spot(number, page, pte, vma)


class Reach:
    """Counts of examples by situation.

    >>> reach = Reach()
    >>> reach.end_example()
    >>> reach.examples, reach.counts["merged"], reach.vacuous
    (1, 0, True)
    """

    def __init__(self) -> None:
        self.examples = 0
        """Examples that have ended."""
        self.steps = 0
        """Calls made in all examples."""
        self.refused = 0
        """Calls that the model refused although they were listed as enabled."""
        self.counts = dict.fromkeys(SITUATIONS, 0)
        """Examples in which a situation occurred, by its name."""
        self._now: set[str] = set()

    def step(self, before: State, call: Call, after: State) -> None:
        """Note one step of the example."""
        self.steps += 1
        self._now.update(situations(before, call, after))

    def end_example(self) -> None:
        """Count the example that ends here."""
        self.examples += 1
        for name in self._now:
            self.counts[name] += 1
        self._now.clear()

    @property
    def missing(self) -> tuple[str, ...]:
        """The situations that no example contained."""
        return tuple(name for name, count in self.counts.items() if not count)

    @property
    def vacuous(self) -> bool:
        """Whether a situation without which every walk is right was never met."""
        return any(not self.counts[name] for name in VITAL)

    def __str__(self) -> str:
        met = ", ".join(f"{name} {count}" for name, count in self.counts.items() if count)
        return f"reached in {self.examples} examples: {met or 'nothing'}"
