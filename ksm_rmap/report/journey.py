"""A walk on a picture: the loops, and what of the scene each step of a loop touches.

No analogue in the kernel. Rules of this module:

1. VMAs that are drawn as one are passed in one step, with their number.
2. Of a long walk the first loops are told; totals are always those of the whole walk.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from ksm_rmap.model.state import linear_page_index
from ksm_rmap.report.augmented import Way, grow, search_ways
from ksm_rmap.report.text import pte_text
from ksm_rmap.walks.explain import Look, LookKind, LoopLooks, explain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ksm_rmap.model.state import State, VmaKey
    from ksm_rmap.report.scene import Lane, Scene
    from ksm_rmap.walks import Walk, WalkResult
    from ksm_rmap.walks.result import Loop

__all__ = (
    "PHRASES",
    "Glance",
    "Journey",
    "Leg",
    "Places",
    "journey_of",
    "phrase",
    "range_text",
    "search_text",
    "why_missed",
)

_MOST_LOOPS: Final = 24
_MOST_LOOKS: Final = 200_000
_RANGES: Final = 4
_ULONG_MAX: Final = 2**64 - 1

PHRASES: Final = {
    LookKind.ADDRESS: "skipped: does not cover page {page}",
    LookKind.MM: "skipped: its process has its turn in the other pass",
    LookKind.HIT: "HIT: the entry at page {page} maps the folio",
    LookKind.AGAIN: "visited again: the entry at page {page} was found before",
    LookKind.VAIN: "visited in vain: the entry at page {page} does not map the folio",
}
"""What is said of a VMA that a loop met."""


class Glance(NamedTuple):
    """One VMA that a loop met, or several drawn as one with the same fate."""

    slot: int
    """In the lane; -1 if the lane is not shown."""
    kind: LookKind
    vma: VmaKey
    page: int
    times: int


class Leg(NamedTuple):
    """One loop of a walk."""

    loop: Loop
    ways: dict[int, Way]
    """What the search does with the nodes of the idealised tree, by slot."""
    glances: tuple[Glance, ...] | None
    """None: the walk does not tell."""


class Journey(NamedTuple):
    """A walk of a folio."""

    walk: str
    folio: int
    result: WalkResult
    missed: tuple[tuple[int, int], ...]
    legs: tuple[Leg, ...]
    """The first loops."""

    @property
    def crux(self) -> Leg | None:
        """The loop that tells most: that of the item of what was missed, or the first hit."""
        for place in self.missed:
            for leg in self.legs:
                if leg.loop.item == place:
                    return leg
        kinds = ((leg, [glance.kind for glance in leg.glances or ()]) for leg in self.legs)
        hits = (leg for leg, found in kinds if LookKind.HIT in found)
        return next(hits, self.legs[0] if self.legs else None)

    @property
    def more(self) -> int:
        """Loops that are not told."""
        return len(self.result.loops) - len(self.legs)


Places = dict[int, dict["VmaKey", int]]
"""For each anon_vma the position in its tree of each VMA; filled as needed."""


def journey_of(
    scene: Scene,
    folio: int,
    name: str,
    walk: Walk,
    result: WalkResult,
    ptes: Iterable[tuple[int, int]],
    places: Places | None = None,
) -> Journey:
    """Return the walk `name` of `folio`, which returned `result`; `ptes` map the folio.

    `places` is kept from one journey on `scene` to the next, to save time.
    """
    found = set(result.ptes)
    missed = tuple(sorted(pte for pte in ptes if pte not in found))
    legs = tuple(_legs(scene, folio, walk, result, {} if places is None else places))
    return Journey(name, folio, result, missed, legs)


def phrase(kind: LookKind, page: int) -> str:
    """Return what is said of a VMA that a loop met, looking for `page`."""
    return PHRASES[kind].format(page=page)


def why_missed(state: State, names: Sequence[str], journey: Journey, pte: tuple[int, int]) -> str:
    """Return in one line why a walk did not come to an entry that it missed."""
    where = pte_text(names, pte)
    vma = state.vma(*pte)
    if vma is None:
        return f"{where} is in no VMA"
    index = linear_page_index(vma, pte[1])
    loops = [loop for loop in journey.result.loops if loop.anon_vma is not None]
    trees = sorted({loop.anon_vma for loop in loops if loop.anon_vma in vma.chain})
    if not loops:
        return f"{where} is not where the walk looked"
    if not trees:
        linked = " ".join(map(str, vma.chain)) or "none"
        searched = " ".join(sorted({str(loop.anon_vma) for loop in loops}))
        return f"{where} is linked to anon_vma {linked}, but anon_vma {searched} was searched"
    asked = list(dict.fromkeys(loop.searched for loop in loops if loop.anon_vma in trees))
    tree = f"index {index} of anon_vma {trees[0]}"
    if any(found and found[0] <= index <= found[1] for found in asked):
        return f"{where} is at {tree} and its VMA was met, but no item says page {pte[1]}"
    ranges = " ".join(map(range_text, asked[:_RANGES])) + " ..." * (len(asked) > _RANGES)
    return f"{where} is at {tree}, which was searched for {ranges} only"


def search_text(names: Sequence[str], loop: Loop) -> str:
    """Return what a loop searches and for whom."""
    where = f"search {range_text(loop.searched)} in anon_vma {loop.anon_vma}"
    if loop.anon_vma is None:
        where = f"{loop.visits} visits, the walk does not say of what"
    if loop.item is None:
        return where
    again = ", second walk" * loop.fallback
    return f"pass {loop.pass_}, item {pte_text(names, loop.item)}{again}: {where}"


def range_text(searched: tuple[int, int] | None) -> str:
    """Return a range of indexes as a reader wants it.

    >>> range_text((0, 2**64 - 1)), range_text((3, 3)), range_text(None)
    ('[0,ULONG_MAX]', '[3,3]', 'nothing')
    """
    if searched is None:
        return "nothing"
    first, last = searched
    return f"[{first},{'ULONG_MAX' if last == _ULONG_MAX else last}]"


def _legs(
    scene: Scene, folio: int, walk: Walk, result: WalkResult, places: Places
) -> Iterator[Leg]:
    total = 0
    for told in islice(explain(scene.state, folio, walk, result), _MOST_LOOPS):
        number = told.loop.anon_vma
        lane = None if number is None else scene.lane(number)
        if lane is not None and lane.number not in places:
            places[lane.number] = _places(scene.state, lane.number)
        yield _leg(told, lane, places.get(lane.number, {}) if lane else {})
        total += told.loop.iterations
        if total > _MOST_LOOKS:
            return


def _places(state: State, anon_vma: int) -> dict[VmaKey, int]:
    """Return the position in the tree of each VMA."""
    return {entry.value: at for at, entry in enumerate(state.anon_vmas[anon_vma].tree)}


def _leg(told: LoopLooks, lane: Lane | None, places: dict[VmaKey, int]) -> Leg:
    loop = told.loop
    ways: dict[int, Way] = {}
    if lane is not None and loop.searched is not None:
        root = grow([(slot.start, slot.last) for slot in lane.slots])
        ways = search_ways(root, *loop.searched)
    if told.looks is None:
        return Leg(loop, ways, None)
    return Leg(loop, ways, tuple(_glances(told.looks, lane, places)))


def _glances(
    looks: Iterable[Look], lane: Lane | None, places: dict[VmaKey, int]
) -> Iterator[Glance]:
    held: Glance | None = None
    for vma, page, kind in looks:
        slot = lane.slot_at(places[vma]) if lane else -1
        several = lane is None or lane.slots[slot].vma is None
        if held and several and (held.slot, held.kind, held.page) == (slot, kind, page):
            held = held._replace(times=held.times + 1)
            continue
        if held:
            yield held
        held = Glance(slot, kind, vma, page, 1)
    if held:
        yield held
