"""Ranges of page indexes with offsets: the maple tree of `struct cow_context`.

Models `remap_mt` of mm/cow_context.c (a4ac19665445): disjoint ranges `[low, high]`, both inclusive,
each with a sorted set of offsets other than 0. A function returns new ranges; O(ranges met + log).

As written in the source, `remove` and `replace` treat every range that they meet as a whole, also
where it reaches beyond what was asked for.
"""

from __future__ import annotations

from ksm_rmap.model._sorted_map import SortedMap

__all__ = ("Remaps", "add", "at", "remove", "replace")

Offsets = tuple[int, ...]
Remaps = SortedMap[tuple[int, Offsets]]
"""By lowest index: the highest one, and the offsets."""


def at(remaps: Remaps, index: int) -> Offsets:
    """Return the offsets at an index.

    >>> at(add(SortedMap(), 2, 4, 7), 3)
    (7,)
    """
    found = remaps.floor(index)
    return found[1][1] if found is not None and index <= found[1][0] else ()


def _met(remaps: Remaps, low: int, high: int) -> list[tuple[int, int, Offsets]]:
    """Return the ranges that meet `[low, high]`, ascending."""
    first = remaps.floor(low)
    found = [first] if first is not None and first[0] < low <= first[1][0] else []
    found.extend(remaps.pairs(low, high + 1))
    return [(start, last, offsets) for start, (last, offsets) in found]


def add(remaps: Remaps, low: int, high: int, offset: int) -> Remaps:
    """Return the ranges with `offset` in all of `[low, high]`; ranges are split at its ends.

    >>> list(add(add(SortedMap(), 0, 9, 5), 3, 4, 6).pairs())
    [(0, (2, (5,))), (3, (4, (5, 6))), (5, (9, (5,)))]
    """
    at_index = low
    for start, last, offsets in _met(remaps, low, high):
        if start < low:
            remaps = remaps.with_item(start, (low - 1, offsets))
        if at_index < start:
            remaps = remaps.with_item(at_index, (start - 1, (offset,)))
        inner, end = max(start, low), min(last, high)
        remaps = remaps.with_item(inner, (end, tuple(sorted({*offsets, offset}))))
        if last > high:
            remaps = remaps.with_item(high + 1, (last, offsets))
        at_index = end + 1
    return remaps.with_item(at_index, (high, (offset,))) if at_index <= high else remaps


def remove(remaps: Remaps, low: int, high: int, offset: int) -> Remaps:
    """Return the ranges without `offset` in any that meets `[low, high]`, as a whole.

    >>> remove(add(SortedMap(), 0, 9, 5), 3, 4, 5)
    SortedMap([])
    """
    for start, last, offsets in _met(remaps, low, high):
        if offset in offsets:
            left = tuple(other for other in offsets if other != offset)
            remaps = remaps.with_item(start, (last, left)) if left else remaps.without(start)
    return remaps


def replace(remaps: Remaps, low: int, high: int, old: int, new: int) -> Remaps:
    """Return the ranges after a move from offset `old` to `new`; nothing is stored for 0.

    If a range that is met has `old`, it is replaced there and nothing is added in gaps.
    """
    if not new:
        return remove(remaps, low, high, old) if old else remaps
    held = [entry for entry in _met(remaps, low, high) if old in entry[2]]
    if not held:
        return add(remaps, low, high, new)
    for start, last, offsets in held:
        others = {other for other in offsets if other != old}
        remaps = remaps.with_item(start, (last, tuple(sorted({*others, new}))))
    return remaps
