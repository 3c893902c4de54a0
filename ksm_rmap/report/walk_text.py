"""A walk as text: every search, the tree that it goes through, what becomes of each node.

No analogue in the kernel. Of each search the tree of the anon_vma is shown in order, a level of
the tree further in for each level down, as `ksm_rmap.report.augmented` has it:

    pass 0, item P:2: search [2,2] in anon_vma 0
          [0,0] P:A max 0    not reached
        [1,1] P:b max 1      left alone: the maximum is below 2

Rules of this module:

1. At most 100 columns; only ASCII.
2. Style and words are apart: a line comes with the name of its style in `colour.STYLES`.
3. Long loops and many loops are cut, and it is said by how many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ksm_rmap.report.augmented import Node, Way, grow
from ksm_rmap.report.journey import PHRASES, journey_of, search_text, why_missed
from ksm_rmap.report.scene import scene_of
from ksm_rmap.report.text import fit, fold, ptes_text, short
from ksm_rmap.walks.explain import LookKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ksm_rmap.check.judge import FolioVerdict
    from ksm_rmap.model.state import State
    from ksm_rmap.report.journey import Journey, Leg
    from ksm_rmap.report.scene import Lane, Scene, Slot
    from ksm_rmap.walks import Walk

__all__ = ("verdict_lines", "walk_lines")

_LOOPS: Final = 16
_MISSED: Final = 4
_NAME: Final = 40
_STYLES: Final = {
    LookKind.HIT: "good",
    LookKind.AGAIN: "good",
    LookKind.VAIN: "",
    LookKind.MM: "dim",
    LookKind.ADDRESS: "dim",
}

Styled = tuple[str, str]
"""A line and the name of its style."""


def verdict_lines(
    state: State, names: Sequence[str], verdict: FolioVerdict, walks: Mapping[str, Walk]
) -> Iterator[Styled]:
    """Yield what each walk of `verdict` did, a blank line after each; `walks` by name."""
    scene = scene_of(state, names)
    for name, done in verdict.walks.items():
        number, ptes = verdict.folio, verdict.ptes
        yield from walk_lines(
            scene, journey_of(scene, number, name, walks[name], done.result, ptes)
        )
        yield "", ""


def walk_lines(scene: Scene, journey: Journey) -> Iterator[Styled]:
    """Yield what a walk did, each line with the name of its style."""
    names = scene.names
    verdict = f"MISSES {ptes_text(names, journey.missed)}" if journey.missed else "finds all"
    visits, iterations = journey.result.visits, journey.result.iterations
    cost = f"iterations: {iterations}, visits: {visits}"
    style = "bad" if journey.missed else "good"
    yield fit(f"{short(journey.walk)} of folio {journey.folio}: {verdict} ({cost})"), style
    for leg in journey.legs[:_LOOPS]:
        yield fit(f"  {search_text(names, leg.loop)}"), "head"
        lane = None if leg.loop.anon_vma is None else scene.lane(leg.loop.anon_vma)
        yield from _tree_lines(lane, leg) if lane else _counters(leg)
    left = len(journey.result.loops) - min(len(journey.legs), _LOOPS)
    if left:
        yield f"  ... {left} more loop{'s' * (left > 1)}", "dim"
    for pte in journey.missed[:_MISSED]:
        for line in fold(f"  MISSED: {why_missed(scene.state, names, journey, pte)}"):
            yield line, "bad"
    if len(journey.missed) > _MISSED:
        yield f"  MISSED: {len(journey.missed) - _MISSED} more", "bad"


def _counters(leg: Leg) -> Iterator[Styled]:
    loop = leg.loop
    skipped = f"{loop.skip_address} skipped by address, {loop.skip_mm} by mm"
    yield f"    {loop.iterations} VMAs: {skipped}, {loop.visits} visited", ""


def _tree_lines(lane: Lane, leg: Leg) -> Iterator[Styled]:
    """Yield a line for each node of the tree, and more for one that stands for several."""
    if leg.glances is None:
        yield from _counters(leg)
        return
    root = grow([(slot.start, slot.last) for slot in lane.slots])
    for node in root.subtree() if root else ():
        name = _name(lane.slots[node.at], node)
        met = [glance for glance in leg.glances if glance.slot == node.at]
        if not met:
            yield fit(f"{name:{_NAME}} {_not_met(leg, node)}"), "dim"
        for glance in met:
            count = f"{glance.times}x " if glance.times > 1 else ""
            words = PHRASES[glance.kind].format(page=glance.page)
            yield fit(f"{name:{_NAME}} {count}{words}"), _STYLES[glance.kind]


def _name(slot: Slot, node: Node) -> str:
    label = slot.label or f"{slot.links} VMAs"
    return f"{'  ' * (node.depth + 2)}[{node.start},{node.last}] {label} max {node.subtree_last}"


def _not_met(leg: Leg, node: Node) -> str:
    way = leg.ways.get(node.at)
    if way is None:
        return "not reached"
    if way is Way.PRUNED:
        first = leg.loop.searched[0] if leg.loop.searched else 0
        return f"left alone: the maximum is below {first}"
    return "not in the range"
