"""Pictures of a state as SVG, made of strings: processes, folios, anon_vmas, and a walk.

No analogue in the kernel. A picture has three parts, from above: the folios and where a search
for their page-table entries begins; the address spaces, each with its VMAs and entries; the
anon_vmas, each with its VMAs on a ruler of indexes and as an augmented tree. All rulers are one
ruler, so a VMA that mremap moved does not stand above its link, and a search that takes the
address for the index is seen to go astray.

Rules of this module:

1. Equal arguments give equal bytes. There are no ids, so pictures can share a page; what can be
   lit up has a `data-k`: `f` folio, `i` item, `v` VMA, `p` entry, `a` anon_vma, `b` bar,
   `n` node of the tree, `c` chain.
2. Every text from outside goes through `escape`.
3. The tree is an idealised one, see `ksm_rmap.report.augmented`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ksm_rmap.model.state import PteKind
from ksm_rmap.report._elements import box, drawing, element, group, ruler, text
from ksm_rmap.report._lanes import bars_height, lane_height, lane_svg, lanes_width
from ksm_rmap.report._threads import threads_height, threads_svg
from ksm_rmap.report.axis import CELL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ksm_rmap.model.state import Pte, Vma
    from ksm_rmap.report.journey import Journey
    from ksm_rmap.report.scene import Process, Scene

__all__ = ("LEFT", "Overlay", "picture", "picture_size", "verdict_overlay")

LEFT: Final = 134
"""Where the rulers begin."""
_RIGHT: Final = 24
_NARROW: Final = 372
"""Width of the shortest ruler."""
_HEAD: Final = 22
_PROCESS: Final = 74
"""Height of a process."""
_RULER: Final = 12
_MARKS: Final = {PteKind.ZERO: "z", PteKind.SWAP: "s", PteKind.MIGRATION: "m"}
_KINDS: Final = {
    PteKind.ZERO: "maps the zero page",
    PteKind.SWAP: "is a swap entry for slot",
    PteKind.MIGRATION: "is a migration entry for folio",
    PteKind.PRESENT: "maps folio",
}


class Overlay(NamedTuple):
    """What a walk lights up: classes by `data-k`."""

    classes: Mapping[str, str]
    beam: tuple[int, tuple[int, int]] | None = None
    """The anon_vma that is searched, and the range."""


def picture(scene: Scene, overlay: Overlay | None = None) -> str:
    """Return the picture of `scene` as an SVG element without a style sheet."""
    lit = overlay or Overlay({})
    width = _width(scene)
    spaces_top = 6 + threads_height(scene, width)
    processes_top = spaces_top + _HEAD + _RULER
    lanes_top = processes_top + _PROCESS * len(scene.processes) + 16 * bool(scene.more_processes)
    tops = {p.mm: processes_top + _PROCESS * at for at, p in enumerate(scene.processes)}
    lanes, chains, height = _anon_vmas(scene, lanes_top, tops, lit)
    return drawing(
        width,
        height,
        "folios, address spaces and anon_vmas",
        *ruler(scene.axis, LEFT, processes_top - 3, _PROCESS * len(scene.processes) - 8),
        *_lane_rulers(scene, lanes_top + _HEAD),
        *chains,
        *threads_svg(scene, lit.classes, width, 6),
        _heading(spaces_top, "address spaces", "by page number"),
        *(part for p in scene.processes for part in _process(scene, p, tops[p.mm], lit.classes)),
        _more(lanes_top - 10, scene.more_processes, "processes"),
        *lanes,
    )


def picture_size(scene: Scene) -> tuple[int, int]:
    """Return width and height of the picture of `scene`."""
    width = _width(scene)
    height = 6 + threads_height(scene, width) + _HEAD + _RULER
    height += _PROCESS * len(scene.processes) + 16 * bool(scene.more_processes)
    if not scene.lanes:
        return width, height + 4
    height += _HEAD + sum(lane_height(scene, lane) for lane in scene.lanes)
    return width, height + 16 * bool(scene.more_lanes)


def _more(y: int, count: int, what: str) -> str:
    return text(LEFT, y, f"… {count:,} more {what}", "dim") if count else ""


def verdict_overlay(journey: Journey) -> Overlay:
    """Return what is lit up when a walk has ended: entries found and missed, VMAs met.

    A VMA keeps the best fate that it met in any loop. Of the searches the one is shown that ought
    to have found what was missed.
    """
    classes: dict[str, str] = {f"f{journey.folio}": "wanted"}
    rank = ("address", "mm", "vain", "again", "hit")
    for leg in journey.legs:
        for glance in leg.glances or ():
            key = f"b{leg.loop.anon_vma}:{glance.slot}"
            classes[key] = max(classes.get(key, "address"), glance.kind.value, key=rank.index)
    classes |= {f"p{mm}:{page}": "hit" for mm, page in journey.result.ptes}
    classes |= {f"p{mm}:{page}": "missed" for mm, page in journey.missed}
    crux = journey.crux
    if crux is None or crux.loop.anon_vma is None:
        return Overlay(classes)
    number, searched = crux.loop.anon_vma, crux.loop.searched
    classes |= {f"n{number}:{at}": way.value for at, way in crux.ways.items()}
    if crux.loop.item is not None:
        classes["i{}:{}".format(*crux.loop.item)] = "on"
    return Overlay(classes, (number, searched) if searched else None)


def _width(scene: Scene) -> int:
    return LEFT + max(lanes_width(scene), _NARROW) + _RIGHT


def _heading(y: int, title: str, ruler: str) -> str:
    return text(12, y + 14, title, "head") + text(LEFT, y + 14, ruler, "dim small")


# Address spaces


def _process(scene: Scene, process: Process, y: int, lit: Mapping[str, str]) -> Iterator[str]:
    yield text(12, y + 20, f"process {process.name}", "name")
    alive = f"mm {process.mm}" if process.alive else f"mm {process.mm}, exited"
    yield text(12, y + 34, alive, "dim small")
    for letter, vma in process.vmas:
        yield _vma(scene, letter, vma, y + 4, lit)
    for page, count in process.hidden:
        x = LEFT + scene.axis.middle(page)
        yield text(x, y + 14, f"… {count:,}", "dim small mid")
        yield text(x, y + 25, "VMAs" if count > 1 else "VMA", "dim small mid")
    entries = dict(process.ptes)
    for page in scene.axis.pages():
        if page in entries:
            yield _pte(scene, process, page, entries[page], y + 30, lit)
        elif any(vma.start <= page < vma.end for _, vma in process.vmas):
            x = LEFT + scene.axis.x(page)
            yield element("circle", {"class": "none", "cx": x + 15, "cy": y + 43, "r": 2})
    for address in process.items:
        yield _pin(scene, process.mm, address, y + 60)


def _vma(scene: Scene, letter: str, vma: Vma, y: int, lit: Mapping[str, str]) -> str:
    x, width = scene.axis.span(vma.start, vma.end)
    by = f"{vma.start - vma.anon_pgoff:+}" if vma.moved else ""
    chain = ", ".join(str(n) for n in vma.chain) or "none"
    about = f"VMA {letter} [{vma.start},{vma.end}) vm_pgoff {vma.pgoff}, anon_vma {vma.anon_vma}"
    label = f"{letter}{by}"
    if width >= 4 * CELL:
        label = f"{letter}  moved {by}" if vma.moved else f"{letter}  pgoff {vma.anon_pgoff}"
    return group(
        f"v{vma.mm}:{vma.start}",
        "vma moved" if vma.moved else "vma",
        lit,
        element("title", {}, f"{about}, chain: {chain}"),
        box(LEFT + x + 1, y, width - 2, 22),
        text(LEFT + x + width / 2, y + 15, label, "mid"),
    )


def _pte(
    scene: Scene, process: Process, page: int, pte: Pte, y: int, lit: Mapping[str, str]
) -> str:
    x = LEFT + scene.axis.x(page)
    folio = scene.state.folios.get(pte.target) if pte.kind is PteKind.PRESENT else None
    kind = "zero" if pte.kind is PteKind.ZERO else "swap"
    if folio is not None:
        kind = "ksm" if folio.ksm else "shared" if folio.mapcount > 1 else ""
    target = "" if pte.kind is PteKind.ZERO else f" {pte.target}"
    mark = _MARKS.get(pte.kind) or scene.letters.get(pte.target, "o")
    return group(
        f"p{process.mm}:{page}",
        f"pte {kind}".rstrip(),
        lit,
        element("title", {}, f"{process.name}:{page} {_KINDS[pte.kind]}{target}"),
        box(x + 3, y, CELL - 6, 25),
        element("path", {"class": "cross", "d": f"M{x + 4} {y + 1}l22 23m0 -23l-22 23"}),
        text(x + CELL // 2, y + 17, mark, "mid name"),
    )


def _pin(scene: Scene, mm: int, address: int, y: int) -> str:
    """Return the mark of an rmap item: filled if it is in a stable node."""
    x = LEFT + scene.axis.x(address) + CELL // 2
    state = scene.state.item((mm, address)).state.value
    loose = "pin" if state == "stable" else "pin loose"
    return element(
        "path",
        {"class": loose, "d": f"M{x} {y - 4}l4 6h-8z"},
        element("title", {}, f"rmap item {mm}:{address}, {state}"),
    )


# anon_vmas


def _anon_vmas(
    scene: Scene, y: int, tops: Mapping[int, int], lit: Overlay
) -> tuple[list[str], list[str], int]:
    """Return the lanes, the chains that lead to them, and where they end."""
    if not scene.lanes:
        return [], [], y + 4
    parts = [_heading(y, "anon_vmas", "by index, which is where a search looks")]
    chains: list[str] = []
    y += _HEAD
    for lane in scene.lanes:
        beam = lit.beam[1] if lit.beam and lit.beam[0] == lane.number else None
        drawn, feet = lane_svg(scene, lane, (LEFT, y), lit.classes, beam)
        parts += drawn
        for slot, (x, top) in feet.items():
            chains += _chain(scene, lane.number, slot, (x, top), tops, lit.classes)
        y += lane_height(scene, lane)
    if scene.more_lanes:
        parts.append(_more(y + 4, scene.more_lanes, "anon_vmas"))
        y += 16
    return parts, chains, y


def _lane_rulers(scene: Scene, y: int) -> Iterator[str]:
    for lane in scene.lanes:
        yield from ruler(scene.axis, LEFT, y + 8, bars_height(lane) + 4)
        y += lane_height(scene, lane)


def _chain(
    scene: Scene,
    anon_vma: int,
    at: int,
    foot: tuple[float, int],
    tops: Mapping[int, int],
    lit: Mapping[str, str],
) -> Iterator[str]:
    """Yield the anon_vma_chain from a VMA to its bar."""
    lane = scene.lane(anon_vma)
    slot = lane.slots[at] if lane else None
    if slot is None or slot.vma is None or slot.vma[0] not in tops:
        return
    mm, start = slot.vma
    vma = scene.state.mms[mm].vmas[start]
    x, width = scene.axis.span(start, vma.end)
    aside = -3 if slot.own else 3
    x0, y0 = LEFT + x + width / 2 + aside, tops[mm] + 26
    x1, y1 = foot[0] + aside, foot[1]
    key = f"c{anon_vma}:{at}"
    classes = "chain" if slot.own else "chain inherited"
    yield element(
        "path",
        {
            "class": f"{classes} {lit.get(key, '')}".rstrip(),
            "data-k": key,
            "d": f"M{x0:g} {y0}C{x0:g} {y0 + 54} {x1:g} {y1 - 54} {x1:g} {y1}",
        },
    )
