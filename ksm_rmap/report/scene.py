"""What of a state a picture shows: a choice, and the letters. Nothing is drawn here.

No analogue in the kernel. Rules of this module:

1. Letters are those of `str(state)` (`ksm_rmap.model.letters`).
2. A small state is shown whole. Of a large one is shown what KSM, fork or swap has to do with,
   its neighbours and the ends; the rest is counted.
3. The same state, processes and searches give the same scene.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from ksm_rmap.model.letters import folio_letters, vma_letter
from ksm_rmap.model.state import PteKind
from ksm_rmap.report.axis import Axis, axis_of
from ksm_rmap.report.text import process_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ksm_rmap.model.state import AnonVma, Folio, Mm, Pte, State, Vma, VmaKey

__all__ = ("Lane", "Process", "Scene", "Slot", "Thread", "scene_of")

_MANY: Final = 12
"""VMAs of a process that are all shown."""
_SPECIAL: Final = 5
"""Pages that are looked for in a large process."""
_LONG: Final = 16
"""Pages of a VMA that are all shown; of a longer one the ends."""
_EDGE: Final = 3
_PROCESSES: Final = 6
_FOLIOS: Final = 6
_OWN: Final = 4
"""Folios with one entry that are shown if there is room."""
_LANES: Final = 8
_SHARED: Final = 2
"""Entries of a folio that is shared."""
_FAR: Final = 2**52
"""Indexes beyond are not drawn."""


class Process(NamedTuple):
    """A process with the VMAs and page-table entries that are shown."""

    mm: int
    name: str
    alive: bool
    vmas: tuple[tuple[str, Vma], ...]
    """Each with its letter."""
    hidden: tuple[tuple[int, int], ...]
    """`(page, VMAs)`: how many VMAs are left out, and where."""
    ptes: tuple[tuple[int, Pte], ...]
    items: tuple[int, ...]
    """Addresses of the rmap items that are shown."""


class Slot(NamedTuple):
    """One link of an anon_vma, or several that are drawn as one."""

    start: int
    last: int
    label: str
    vma: VmaKey | None
    """None: several links."""
    links: int = 1
    moved: bool = False
    own: bool = True
    """Whether the VMA's `anon_vma` is this one, so that its new folios are filed here."""


class Lane(NamedTuple):
    """An anon_vma with the links that are shown, in tree order."""

    number: int
    anon_vma: AnonVma
    depth: int
    """Below the root of its forest."""
    slots: tuple[Slot, ...]
    firsts: tuple[int, ...]
    """Position in the tree of the first link of each slot."""

    def slot_at(self, position: int) -> int:
        """Return the slot that shows the link at `position` of the tree."""
        return bisect_right(self.firsts, position) - 1


class Thread(NamedTuple):
    """A folio, and where the search for its page-table entries begins."""

    number: int
    letter: str
    folio: Folio
    items: tuple[tuple[int, int], ...]
    """Rmap items of its stable node that are shown, in the order of the list."""
    more: int = 0
    """Rmap items that are not."""


class Scene(NamedTuple):
    """What a picture shows."""

    state: State
    names: tuple[str, ...]
    axis: Axis
    threads: tuple[Thread, ...]
    more_folios: int
    processes: tuple[Process, ...]
    more_processes: int
    lanes: tuple[Lane, ...]
    more_lanes: int
    letters: dict[int, str]
    """Of folios with a letter of their own."""

    @property
    def hidden_vmas(self) -> int:
        """How many VMAs are left out."""
        return sum(count for process in self.processes for _, count in process.hidden)

    def lane(self, number: int) -> Lane | None:
        """Return the lane of an anon_vma, None if it is not shown."""
        return next((lane for lane in self.lanes if lane.number == number), None)


def scene_of(
    state: State, names: Sequence[str] = (), searches: Iterable[tuple[int, int]] = ()
) -> Scene:
    """Return what to show of `state`.

    `names` are those of the processes; `searches` are ranges of indexes to have on the ruler,
    inclusive. O(VMAs + page-table entries).
    """
    letters = folio_letters(state, lambda _, folio: folio.mapcount >= _SHARED)
    processes, more_processes = _processes(state, names, letters)
    lanes, more_lanes = _lanes(state, processes)
    threads, more_folios = _threads(state, letters)
    shown = {page for process in processes for page in _pages(process)}
    shown |= {page for lane in lanes for slot in lane.slots for page in _indexes(slot)}
    shown |= {n for first, last in searches if first == last <= _FAR for n in (first,)}
    hidden = [page for process in processes for page, _ in process.hidden]
    axis = axis_of(shown or range(4), hidden)
    return Scene(
        state,
        tuple(names),
        axis,
        threads,
        more_folios,
        processes,
        more_processes,
        lanes,
        more_lanes,
        letters,
    )


# Processes


def _processes(
    state: State, names: Sequence[str], letters: dict[int, str]
) -> tuple[tuple[Process, ...], int]:
    everyone = list(state.mms.pairs())
    chosen = [(n, mm, _special(mm, letters)) for n, mm in everyone]
    if len(chosen) > _PROCESSES:
        rank = sorted(chosen, key=lambda entry: not entry[2])
        kept = {n for n, _, _ in rank[:_PROCESSES]}
        chosen = [entry for entry in chosen if entry[0] in kept]
    shown = tuple(_process(n, mm, process_of(names, n), pages) for n, mm, pages in chosen)
    return shown, len(everyone) - len(shown)


def _special(mm: Mm, letters: dict[int, str]) -> list[int]:
    """Return a few pages with shared folios, swap or migration entries; KSM pages go first."""
    plain = (PteKind.PRESENT, PteKind.ZERO)
    special = [
        (letters.get(pte.target, "?").islower(), page)
        for page, pte in mm.ptes.pairs()
        if pte.kind not in plain or (pte.kind is PteKind.PRESENT and pte.target in letters)
    ]
    return sorted(page for _, page in sorted(special)[:_SPECIAL])


def _process(number: int, mm: Mm, name: str, special: Sequence[int]) -> Process:
    vmas = list(mm.vmas.values_in_order())
    kept = _kept(vmas, special)
    hidden = [
        (vmas[before + 1].start, after - before - 1)
        for before, after in zip((-1, *kept), (*kept, len(vmas)), strict=True)
        if after > before + 1
    ]
    lettered = tuple((vma_letter(at, vmas[at]), vmas[at]) for at in kept)
    pages = {page for _, vma in lettered for page in _of_vma(vma, special)}
    return Process(
        number,
        name,
        mm.alive,
        lettered,
        tuple(hidden),
        tuple((page, mm.ptes[page]) for page in sorted(pages) if page in mm.ptes),
        tuple(page for page in sorted(pages) if page in mm.items),
    )


def _kept(vmas: Sequence[Vma], special: Iterable[int]) -> list[int]:
    """Return the positions of the VMAs to show."""
    if len(vmas) <= _MANY:
        return list(range(len(vmas)))
    starts = [vma.start for vma in vmas]
    near = {bisect_right(starts, page) - 1 + by for page in special for by in (-1, 0, 1)}
    return sorted({0, 1, len(vmas) - 1} | {at for at in near if 0 <= at < len(vmas)})


def _of_vma(vma: Vma, special: Iterable[int]) -> Iterator[int]:
    """Yield the pages of a VMA that are worth a column."""
    if vma.pages <= _LONG:
        yield from range(vma.start, vma.end)
        return
    yield from range(vma.start, vma.start + _EDGE)
    yield from (page for page in special if vma.start <= page < vma.end)
    yield from range(vma.end - _EDGE, vma.end)


def _pages(process: Process) -> Iterator[int]:
    for _, vma in process.vmas:
        if vma.pages <= _LONG:
            yield from range(vma.start, vma.end)
        else:
            yield from range(vma.start, vma.start + _EDGE)
            yield from range(vma.end - _EDGE, vma.end)
    yield from (page for page, _ in process.ptes)


# anon_vmas


def _lanes(state: State, processes: Sequence[Process]) -> tuple[tuple[Lane, ...], int]:
    """Return the forest, depth first."""
    labels = {v.key: f"{p.name}:{letter}" for p in processes for letter, v in p.vmas}
    children: dict[int, list[int]] = {}
    for number, anon_vma in state.anon_vmas.pairs():
        children.setdefault(-1 if anon_vma.root == number else anon_vma.parent, []).append(number)
    lanes: list[Lane] = []
    pending = [(n, 0) for n in reversed(children.get(-1, []))]
    while pending:
        number, depth = pending.pop()
        pending += [(child, depth + 1) for child in reversed(children.get(number, []))]
        lanes.append(_lane(state, number, depth, labels))
    useful = [lane for lane in lanes if any(slot.vma for slot in lane.slots)]
    kept = lanes if len(lanes) <= _LANES else useful[:_LANES]
    return tuple(kept), len(lanes) - len(kept)


def _lane(state: State, number: int, depth: int, labels: dict[VmaKey, str]) -> Lane:
    anon_vma = state.anon_vmas[number]
    slots: list[Slot] = []
    firsts: list[int] = []
    for position, (start, last, key) in enumerate(anon_vma.tree):
        if key in labels:
            vma = state.mms[key[0]].vmas[key[1]]
            own = vma.anon_vma == number
            slots.append(Slot(start, last, labels[key], key, 1, vma.moved, own))
        elif slots and slots[-1].vma is None:
            before = slots[-1]
            slots[-1] = before._replace(last=max(before.last, last), links=before.links + 1)
            continue
        else:
            slots.append(Slot(start, last, "", None))
        firsts.append(position)
    return Lane(number, anon_vma, depth, tuple(slots), tuple(firsts))


def _indexes(slot: Slot) -> Iterable[int]:
    if slot.vma is None:
        return ()
    if slot.last - slot.start < _LONG:
        return range(slot.start, slot.last + 1)
    return (slot.start, slot.start + 1, slot.last - 1, slot.last)


# Folios


def _threads(state: State, letters: dict[int, str]) -> tuple[tuple[Thread, ...], int]:
    """Return the folios to show: KSM folios, then shared ones, then others."""
    ranked = sorted(
        (not folio.ksm, not folio.ksm and folio.mapcount < _SHARED, number)
        for number, folio in islice(state.folios.pairs(), 100_000)
    )
    first = sum(not own for _, own, _ in ranked)
    room = _OWN if len(state.folios) <= _FOLIOS or not first else 0
    shown = [number for *_, number in ranked[: min(max(first, room), _FOLIOS)]]
    return tuple(_thread(state, n, letters) for n in shown), len(state.folios) - len(shown)


def _thread(state: State, number: int, letters: dict[int, str]) -> Thread:
    folio = state.folios[number]
    node = state.stable_node(number)
    items = node.items if node else ()
    kept = items if len(items) <= _FOLIOS else items[: _FOLIOS - 1]
    return Thread(number, letters.get(number, "o"), folio, kept, len(items) - len(kept))
