"""An idealised augmented tree over the links of an anon_vma, and the way of a search in it.

Stands for `anon_vma->rb_root` with `rb_subtree_last` (mm/interval_tree.c, include/linux/
interval_tree_generic.h). Rules of this module:

1. The keys and the maxima are those of the kernel; the shape is balanced to perfection, while
   a red-black tree depends on its history. `FrozenIntervalTree` has pages of 32 keys instead,
   in which nothing could be seen.
2. A search enters a subtree only if its greatest last index reaches the range, and goes right
   only if the key does not begin after it, as `interval_tree_iter_first` and `_next` do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ksm_rmap.model._enum import NamedEnum

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ("Node", "Way", "grow", "search_ways")


class Way(NamedEnum):
    """What a search does with a node; nodes that it never meets have no way."""

    MATCH = "match"
    """Entered, and its interval meets the range."""
    ENTERED = "entered"
    """Entered, and its interval does not."""
    PRUNED = "pruned"
    """Left alone: its greatest last index is before the range."""


class Node(NamedTuple):
    """A node; `at` is its place in the order of the tree."""

    at: int
    start: int
    last: int
    subtree_last: int
    depth: int
    left: Node | None
    right: Node | None

    def subtree(self) -> Iterator[Node]:
        """Yield the node and all below it in the order of the tree."""
        if self.left:
            yield from self.left.subtree()
        yield self
        if self.right:
            yield from self.right.subtree()


def grow(keys: Sequence[tuple[int, int]]) -> Node | None:
    """Return the tree over `keys`, `(start, last)` sorted by start; O(n)."""
    return _grow(keys, 0, len(keys), 0)


def _grow(keys: Sequence[tuple[int, int]], low: int, high: int, depth: int) -> Node | None:
    if low >= high:
        return None
    at = (low + high) // 2
    left = _grow(keys, low, at, depth + 1)
    right = _grow(keys, at + 1, high, depth + 1)
    start, last = keys[at]
    below = [child.subtree_last for child in (left, right) if child]
    return Node(at, start, last, max([last, *below]), depth, left, right)


def search_ways(root: Node | None, first: int, last: int) -> dict[int, Way]:
    """Return what a search for `[first, last]` does with each node that it meets, by `at`."""
    ways: dict[int, Way] = {}
    pending = [root]
    while pending:
        node = pending.pop()
        if node is None:
            continue
        if node.subtree_last < first:
            ways[node.at] = Way.PRUNED
            continue
        meets = node.start <= last and node.last >= first
        ways[node.at] = Way.MATCH if meets else Way.ENTERED
        pending.append(node.left)
        if node.start <= last:
            pending.append(node.right)
    return dict(sorted(ways.items()))
