"""An anon_vma as a picture: its VMAs on a ruler of indexes, and as an augmented tree.

No analogue in the kernel. The tree is drawn if there is more than one link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ksm_rmap.report._elements import box, element, group, text
from ksm_rmap.report.augmented import Node, grow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ksm_rmap.report.scene import Lane, Scene, Slot

__all__ = ("bars_height", "lane_height", "lane_svg", "lanes_width", "tree_svg")

_ROW: Final = 23
_BAR: Final = 20
_LEVEL: Final = 52
_NODE: Final = (84, 40)
_STEP: Final = 46
"""From one node to the next in order: neighbours are never on the same level."""
_APART: Final = 34
"""Between the bars and the tree beside them."""
_WIDE: Final = 560
"""Width of bars and tree side by side at most."""
_TITLE: Final = 52


def _rows(lane: Lane) -> list[int]:
    """Return the row of each slot: the first in which it overlaps nothing."""
    ends: list[int] = []
    rows: list[int] = []
    for slot in lane.slots:
        row = next((n for n, end in enumerate(ends) if end < slot.start), len(ends))
        ends[row : row + 1] = [slot.last]
        rows.append(row)
    return rows


def _tree(lane: Lane) -> Node | None:
    root = grow([(slot.start, slot.last) for slot in lane.slots])
    return root if len(lane.slots) > 1 else None


def _tree_width(lane: Lane) -> int:
    return _STEP * (len(lane.slots) - 1) + _NODE[0] if len(lane.slots) > 1 else 0


def _beside(scene: Scene) -> bool:
    """Whether there is room for the trees on the right of the rulers."""
    widest = max(map(_tree_width, scene.lanes), default=0)
    return scene.axis.width + _APART + widest <= _WIDE


def lanes_width(scene: Scene) -> int:
    """Return the width of the lanes of `scene`, from the beginning of the rulers."""
    widest = max(map(_tree_width, scene.lanes), default=0)
    if widest and _beside(scene):
        return scene.axis.width + _APART + widest
    return max(scene.axis.width, widest)


def bars_height(lane: Lane) -> int:
    """Return the height of the bars of `lane`."""
    return _ROW * (1 + max(_rows(lane), default=0))


def lane_height(scene: Scene, lane: Lane) -> int:
    """Return the height of the picture of `lane`."""
    root = _tree(lane)
    levels = 1 + max(node.depth for node in root.subtree()) if root else 0
    bars = 14 + bars_height(lane)
    tree = _LEVEL * levels
    high = max(bars, tree) if _beside(scene) else bars + tree + 8 * bool(levels)
    return max(high, _TITLE) + 16


def lane_svg(
    scene: Scene,
    lane: Lane,
    corner: tuple[int, int],
    lit: Mapping[str, str],
    beam: tuple[int, int] | None,
) -> tuple[list[str], dict[int, tuple[float, int]]]:
    """Return the picture of `lane`, and where the chain to each slot ends."""
    left, y = corner
    rows = _rows(lane)
    height = bars_height(lane)
    parts = [_title(scene, lane, y, lit), _beam(scene, lane, corner, height, beam)]
    feet: dict[int, tuple[float, int]] = {}
    for at, (slot, row) in enumerate(zip(lane.slots, rows, strict=True)):
        x, width = scene.axis.span(slot.start, slot.last + 1)
        top = y + 14 + _ROW * row
        feet[at] = (left + x + width / 2, top)
        parts.append(_bar(lane, at, (left + x, top, width), lit))
    aside = (left + scene.axis.width + _APART, y + 2)
    parts += tree_svg(lane, aside if _beside(scene) else (left, y + height + 20), lit)
    return parts, feet


def _title(scene: Scene, lane: Lane, y: int, lit: Mapping[str, str]) -> str:
    anon_vma = lane.anon_vma
    x = 12 + 8 * min(lane.depth, 3)
    below = "root" if lane.depth == 0 else f"parent {anon_vma.parent}"
    users = f"{anon_vma.num_active_vmas} active, ref {anon_vma.refcount}"
    about = (
        f"anon_vma {lane.number}: root {anon_vma.root}, parent {anon_vma.parent}, refcount "
        f"{anon_vma.refcount}, num_children {anon_vma.num_children}, num_active_vmas "
        f"{anon_vma.num_active_vmas}, {len(anon_vma.tree):,} links in a state of "
        f"{len(scene.state.anon_vmas):,} anon_vmas"
    )
    return group(
        f"a{lane.number}",
        "lane",
        lit,
        element("title", {}, about),
        text(x, y + 24, f"{'└ ' if lane.depth else ''}anon_vma {lane.number}", "name"),
        text(x, y + 38, below, "dim small"),
        text(x, y + 50, users, "dim small") if len(lane.slots) > 1 else "",
    )


def _beam(
    scene: Scene, lane: Lane, corner: tuple[int, int], height: int, beam: tuple[int, int] | None
) -> str:
    """Return the light of a search; without one it has no width, for a page to set."""
    left, y = corner
    x, width = scene.axis.span(beam[0], beam[1] + 1) if beam else (0, 0)
    place: dict[str, str | float | None] = {
        "class": "beam",
        "data-k": f"m{lane.number}",
        "x": left + x,
        "y": y,
        "width": width,
        "height": height + 18,
    }
    return element("rect", place)


def _bar(lane: Lane, at: int, place: tuple[float, float, float], lit: Mapping[str, str]) -> str:
    slot = lane.slots[at]
    x, y, width = place
    about = f"index [{slot.start},{slot.last}]: {_named(slot)}"
    if slot.vma is None:
        x, width = x + width / 2 - 36, 72
    classes = "bar more" if slot.vma is None else "bar moved" if slot.moved else "bar"
    return group(
        f"b{lane.number}:{at}",
        classes,
        lit,
        element("title", {}, about if slot.own else f"{about}, by inheritance"),
        box(x + 1, y, width - 2, _BAR),
        text(x + width / 2, y + 14, _named(slot), "mid tiny" if slot.vma is None else "mid"),
    )


def _named(slot: Slot) -> str:
    return slot.label or f"… {slot.links:,} VMA{'s' * (slot.links > 1)}"


# The tree


def tree_svg(lane: Lane, corner: tuple[int, int], lit: Mapping[str, str]) -> Iterator[str]:
    """Yield the augmented tree of `lane`: edges, then nodes."""
    root = _tree(lane)
    if root is None:
        return
    nodes = list(root.subtree())
    for node in nodes:
        for child in (node.left, node.right):
            if child:
                yield _edge(_place(node, corner), _place(child, corner))
    for node in nodes:
        yield _node(lane, node, _place(node, corner), lit)


def _place(node: Node, corner: tuple[int, int]) -> tuple[int, int]:
    return corner[0] + node.at * _STEP, corner[1] + node.depth * _LEVEL


def _edge(above: tuple[int, int], below: tuple[int, int]) -> str:
    half = _NODE[0] // 2
    return element(
        "line",
        {
            "class": "edge",
            "x1": above[0] + half,
            "y1": above[1] + _NODE[1],
            "x2": below[0] + half,
            "y2": below[1],
        },
    )


def _node(lane: Lane, node: Node, place: tuple[int, int], lit: Mapping[str, str]) -> str:
    slot = lane.slots[node.at]
    x, y = place
    about = f"greatest last index of this node and all below it: {node.subtree_last}"
    return group(
        f"n{lane.number}:{node.at}",
        "node",
        lit,
        element("title", {}, about),
        box(x, y, *_NODE),
        text(x + _NODE[0] / 2, y + 12, _named(slot), "mid small"),
        text(x + _NODE[0] / 2, y + 23, f"[{slot.start},{slot.last}]", "mid small"),
        text(x + _NODE[0] / 2, y + 35, f"max {node.subtree_last}", "mid small dim"),
    )
