"""A persistent sorted map from integers to values: the model's page tables and registries.

No analogue in the kernel. `SortedMap` is immutable; an update copies the path from the root
to one page and shares the rest, so a state with 22,000 page-table entries and its successor
differ by a few hundred bytes. A map of at most `PAGE` entries is one page: two flat tuples,
as cheap as a map can be in Python, which is what the states of a search are made of.

A page is a pair of tuples of equal length: a leaf `(keys, values)` or a branch
`(lowest key of each child, children)`; all leaves are at the same depth.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, Self, TypeVar

V = TypeVar("V")

PAGE = 32
"""Most entries of one page; a page that grows beyond it is split in halves."""

_Page = tuple[tuple[int, ...], tuple[Any, ...]]
_EMPTY: _Page = ((), ())


class SortedMap(Mapping[int, V], Generic[V]):
    """An immutable mapping from int to `V`, iterated in key order.

    `with_item` and `without` return a new map in O(log n); look-ups are O(log n);
    equality and hash are by content (O(n), the hash is computed once).

    >>> m = SortedMap([(3, "c"), (1, "a")])
    >>> m.with_item(2, "b")
    SortedMap([(1, 'a'), (2, 'b'), (3, 'c')])
    >>> m.floor(2)
    (1, 'a')
    """

    __slots__ = ("_depth", "_hash", "_len", "_root")

    def __init__(self, items: Iterable[tuple[int, V]] = ()) -> None:
        pairs = sorted(dict(items).items(), key=_first)
        self._len = len(pairs)
        self._hash: int | None = None
        self._root, self._depth = _build(pairs)

    @classmethod
    def _of(cls, root: _Page, depth: int, length: int) -> Self:
        self = cls.__new__(cls)
        self._root, self._depth, self._len, self._hash = root, depth, length, None
        return self

    def __len__(self) -> int:
        return self._len

    def __getitem__(self, key: int) -> V:
        page = self._root
        for _ in range(self._depth):
            page = page[1][max(bisect_right(page[0], key) - 1, 0)]
        keys, values = page
        at = bisect_left(keys, key)
        if at < len(keys) and keys[at] == key:
            value: V = values[at]
            return value
        raise KeyError(key)

    def get(self, key: int, default: Any = None) -> Any:  # noqa: ANN401 - as Mapping.get
        """Return the value at `key`, or `default`; O(log n)."""
        page = self._root
        for _ in range(self._depth):
            page = page[1][max(bisect_right(page[0], key) - 1, 0)]
        keys, values = page
        at = bisect_left(keys, key)
        return values[at] if at < len(keys) and keys[at] == key else default

    def __contains__(self, key: object) -> bool:
        return isinstance(key, int) and self.get(key, _EMPTY) is not _EMPTY

    def __iter__(self) -> Iterator[int]:
        for keys, _ in _leaves(self._root, self._depth, 0):
            yield from keys

    def values_in_order(self) -> Iterator[V]:
        """Yield the values in key order; O(n)."""
        for _, values in _leaves(self._root, self._depth, 0):
            yield from values

    def pairs(self, low: int = 0, end: int | None = None) -> Iterator[tuple[int, V]]:
        """Yield `(key, value)` for `low <= key < end` in order; O(log n + answers)."""
        for keys, values in _leaves(self._root, self._depth, low):
            first = bisect_left(keys, low)
            last = len(keys) if end is None else bisect_left(keys, end)
            yield from zip(keys[first:last], values[first:last], strict=True)
            if last < len(keys):
                return

    def floor(self, key: int) -> tuple[int, V] | None:
        """Return the entry with the greatest key at most `key`, or None; O(log n)."""
        page = self._root
        for _ in range(self._depth):
            at = bisect_right(page[0], key) - 1
            if at < 0:
                return None
            page = page[1][at]
        at = bisect_right(page[0], key) - 1
        return None if at < 0 else (page[0][at], page[1][at])

    def ceiling(self, key: int) -> tuple[int, V] | None:
        """Return the entry with the smallest key at least `key`, or None; O(log n)."""
        return next(self.pairs(key), None)

    def with_item(self, key: int, value: V) -> Self:
        """Return a map in which `key` has `value`, whether or not it was there; O(log n)."""
        added, pages = _put(self._root, self._depth, key, value)
        depth = self._depth
        if len(pages) > 1:
            root, depth = (tuple(p[0][0] for p in pages), pages), depth + 1
        else:
            root = pages[0]
        return self._of(root, depth, self._len + added)

    def without(self, key: int) -> Self:
        """Return a map without `key`, which must be there (KeyError); O(log n)."""
        root, depth = _drop(self._root, self._depth, key), self._depth
        while depth and len(root[0]) == 1:
            root, depth = root[1][0], depth - 1
        return self._of(root if root[0] else _EMPTY, depth if root[0] else 0, self._len - 1)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SortedMap):
            return NotImplemented
        if self._root is other._root:
            return True
        return self._len == other._len and list(self.pairs()) == list(other.pairs())

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(tuple(self.pairs()))
        return self._hash

    def __repr__(self) -> str:
        return f"SortedMap({list(self.pairs())})"

    def __reduce__(self) -> tuple[type[Self], tuple[list[tuple[int, V]]]]:
        return type(self), (list(self.pairs()),)


def _first(pair: tuple[int, Any]) -> int:
    return pair[0]


def _build(pairs: list[tuple[int, Any]]) -> tuple[_Page, int]:
    """Return the root page and the depth of a map of sorted `pairs`; O(n)."""
    step = PAGE * 3 // 4
    cut = [pairs[i : i + step] for i in range(0, len(pairs), step)]
    pages: list[_Page] = [(tuple(k for k, _ in p), tuple(v for _, v in p)) for p in cut]
    depth = 0
    while len(pages) > 1:
        groups = [pages[i : i + step] for i in range(0, len(pages), step)]
        pages = [(tuple(p[0][0] for p in g), tuple(g)) for g in groups]
        depth += 1
    return (pages[0] if pages else _EMPTY), depth


def _leaves(page: _Page, depth: int, low: int) -> Iterator[_Page]:
    """Yield the leaf pages from the one that may hold `low` on, left to right."""
    if depth == 0:
        yield page
        return
    first = max(bisect_right(page[0], low) - 1, 0)
    for child in page[1][first:]:
        yield from _leaves(child, depth - 1, low)


def _put(page: _Page, depth: int, key: int, value: object) -> tuple[int, tuple[_Page, ...]]:
    """Return how many keys were added (0 or 1) and the one or two pages that replace `page`."""
    keys, values = page
    if depth:
        at = max(bisect_right(keys, key) - 1, 0)
        added, pages = _put(values[at], depth - 1, key, value)
        lows = tuple(p[0][0] for p in pages)
        keys = keys[:at] + lows + keys[at + 1 :]
        return added, _halves(keys, values[:at] + pages + values[at + 1 :])
    at = bisect_left(keys, key)
    if at < len(keys) and keys[at] == key:
        return 0, ((keys, (*values[:at], value, *values[at + 1 :])),)
    return 1, _halves((*keys[:at], key, *keys[at:]), (*values[:at], value, *values[at:]))


def _halves(keys: tuple[int, ...], values: tuple[Any, ...]) -> tuple[_Page, ...]:
    if len(keys) <= PAGE:
        return ((keys, values),)
    # Ascending keys (page tables, ids from a counter) fill pages instead of halving them.
    cut = PAGE - 2
    return (keys[:cut], values[:cut]), (keys[cut:], values[cut:])


def _drop(page: _Page, depth: int, key: int) -> _Page:
    """Return `page` without `key`; an emptied child disappears, a small one is left alone."""
    keys, values = page
    if depth == 0:
        at = bisect_left(keys, key)
        if at == len(keys) or keys[at] != key:
            raise KeyError(key)
        return keys[:at] + keys[at + 1 :], values[:at] + values[at + 1 :]
    at = max(bisect_right(keys, key) - 1, 0)
    child = _drop(values[at], depth - 1, key)
    lows, kept = ((child[0][0],), (child,)) if child[0] else ((), ())
    return keys[:at] + lows + keys[at + 1 :], values[:at] + kept + values[at + 1 :]
