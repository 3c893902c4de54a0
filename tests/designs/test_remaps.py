"""Ranges with offsets, against a dict from index to set of offsets."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from ksm_rmap.model._sorted_map import SortedMap
from ksm_rmap.walks.designs import _remaps

if TYPE_CHECKING:
    from ksm_rmap.walks.designs._remaps import Remaps

SIZE = 12
ENDS = st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)).map(sorted)
OFFSETS = st.integers(-2, 2).filter(bool)
STEPS = st.lists(st.tuples(ENDS, OFFSETS), max_size=8)


def table(remaps: Remaps) -> list[set[int]]:
    return [set(_remaps.at(remaps, index)) for index in range(SIZE)]


def built(steps: list[tuple[list[int], int]]) -> Remaps:
    remaps: Remaps = SortedMap()
    for (low, high), offset in steps:
        remaps = _remaps.add(remaps, low, high, offset)
    return remaps


def entry(remaps: Remaps, index: int) -> tuple[int, int] | None:
    found = remaps.floor(index)
    return (found[0], found[1][0]) if found is not None and index <= found[1][0] else None


@given(STEPS)
def test_add_is_exact_and_keeps_ranges_apart(steps: list[tuple[list[int], int]]) -> None:
    expected: list[set[int]] = [set() for _ in range(SIZE)]
    for (low, high), offset in steps:
        for index in range(low, high + 1):
            expected[index].add(offset)
    remaps = built(steps)
    assert table(remaps) == expected
    ranges = [(low, high) for low, (high, _) in remaps.pairs()]
    assert all(low <= high for low, high in ranges)
    assert all(one[1] < two[0] for one, two in pairwise(ranges))
    assert all(list(offsets) == sorted(set(offsets)) for _, (_, offsets) in remaps.pairs())


@given(STEPS, ENDS, OFFSETS)
def test_remove_takes_an_offset_out_of_whole_ranges(
    steps: list[tuple[list[int], int]], ends: list[int], offset: int
) -> None:
    before = built(steps)
    low, high = ends
    met = {entry(before, index) for index in range(low, high + 1)} - {None}
    expected = table(before)
    for start, last in filter(None, met):
        for index in range(start, last + 1):
            expected[index].discard(offset)
    assert table(_remaps.remove(before, low, high, offset)) == expected


@given(STEPS, ENDS, OFFSETS, OFFSETS)
def test_replace_adds_only_where_nobody_had_the_old_offset(
    steps: list[tuple[list[int], int]], ends: list[int], old: int, new: int
) -> None:
    before = built(steps)
    low, high = ends
    met = {entry(before, index) for index in range(low, high + 1)} - {None}
    held = [span for span in filter(None, met) if old in _remaps.at(before, span[0])]
    expected = table(before)
    for start, last in held:
        for index in range(start, last + 1):
            expected[index] = (expected[index] - {old}) | {new}
    if not held:
        for index in range(low, high + 1):
            expected[index].add(new)
    assert table(_remaps.replace(before, low, high, old, new)) == expected


def test_moving_home_forgets_the_offset() -> None:
    remaps = _remaps.add(SortedMap(), 2, 4, 7)
    assert _remaps.replace(remaps, 2, 4, 7, 0) == SortedMap()
    assert _remaps.replace(remaps, 2, 4, 0, 0) == remaps
