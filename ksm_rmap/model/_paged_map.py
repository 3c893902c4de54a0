"""A persistent sorted map from integers to values: the model's page tables and registries.

No analogue in the kernel. A map is immutable; an update copies the path from the root
to one page and shares the rest, so a state with 22,000 page-table entries and its successor
differ by a few hundred bytes. A map of at most 32 entries is one page: two flat tuples,
as cheap as a map can be in Python, which is what the states of a search are made of.

This is all of the map but the place of its four fields: `ksm_rmap.model._sorted_map` has the
class to use, which comes in two forms.

A page is a pair of tuples of equal length: a leaf `(keys, values)` or a branch
`(lowest key of each child, children)`; all leaves are at the same depth. A page has at most
`_limit` entries and at least a quarter of that, but for the last page of each level, which may be
as small as one: ascending keys fill pages one after the other instead of halving them. So a
map of n entries is at most 1 + log(n) / log(limit / 4) pages deep, whatever was deleted.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, ClassVar, Generic, Self, TypeVar

__all__ = ("PagedMap",)

V = TypeVar("V")

_Page = tuple[tuple[int, ...], tuple[Any, ...]]
_EMPTY: _Page = ((), ())
_ABSENT = object()


class PagedMap(Mapping[int, V], Generic[V]):
    """An immutable mapping from int to `V`, iterated in key order.

    `with_item` and `without` return a new map in O(log n); look-ups are O(log n);
    equality and hash are by content (O(n), the hash is computed once).
    """

    __slots__ = ()

    _limit: ClassVar[int] = 32
    """Most entries of one page; one that grows beyond it is split in two. At least 4; tests use
    a subclass with fewer."""

    _root: _Page
    _depth: int
    """Levels of branches above the leaves."""
    _len: int
    _hash: int | None

    def __init__(self, items: Iterable[tuple[int, V]] = ()) -> None:
        pairs = sorted(dict(items).items(), key=_first)
        self._len = len(pairs)
        self._hash = None
        self._root, self._depth = _build(pairs, self._limit)

    @classmethod
    def _of(cls, root: _Page, depth: int, length: int) -> Self:
        """Return the map of a root page that is there already."""
        self = cls.__new__(cls)
        self._root, self._depth, self._len, self._hash = root, depth, length, None
        return self

    @classmethod
    def from_columns(cls, keys: tuple[int, ...], values: tuple[V, ...]) -> Self:
        """Return the map of ascending `keys` to their `values`; O(1) if they fit on a page."""
        if len(keys) <= cls._limit:
            return cls._of((keys, values), 0, len(keys))
        return cls(zip(keys, values, strict=True))

    def columns(self) -> tuple[tuple[int, ...], tuple[V, ...]]:
        """Return the keys and the values, both in key order; O(1) for a map of one page."""
        if not self._depth:
            return self._root
        pairs = list(self.pairs())
        return tuple(key for key, _ in pairs), tuple(value for _, value in pairs)

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
        return isinstance(key, int) and self.get(key, _ABSENT) is not _ABSENT

    def __iter__(self) -> Iterator[int]:
        for keys, _ in _leaves(self._root, self._depth, None):
            yield from keys

    def values_in_order(self) -> Iterator[V]:
        """Yield the values in key order; O(n)."""
        return iter(self._root[1]) if not self._depth else self._values()

    def _values(self) -> Iterator[V]:
        for _, values in _leaves(self._root, self._depth, None):
            yield from values

    def pairs(self, low: int | None = None, end: int | None = None) -> Iterator[tuple[int, V]]:
        """Yield `(key, value)` for `low <= key < end` in order; O(log n + answers).

        A bound that is None does not bound.
        """
        if self._depth:
            return self._pairs(low, end)
        keys, values = self._root
        if low is None and end is None:
            return zip(keys, values, strict=True)
        first = 0 if low is None else bisect_left(keys, low)
        last = len(keys) if end is None else bisect_left(keys, end)
        return zip(keys[first:last], values[first:last], strict=True)

    def _pairs(self, low: int | None, end: int | None) -> Iterator[tuple[int, V]]:
        for keys, values in _leaves(self._root, self._depth, low):
            first = 0 if low is None else bisect_left(keys, low)
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
        if not self._depth and self._len < self._limit:  # the usual case, without the detour
            keys, values = self._root
            at = bisect_left(keys, key)
            if at < self._len and keys[at] == key:
                page = keys, (*values[:at], value, *values[at + 1 :])
                return self._of(page, 0, self._len)
            page = (*keys[:at], key, *keys[at:]), (*values[:at], value, *values[at:])
            return self._of(page, 0, self._len + 1)
        added, pages = _put(self._root, self._depth, key, value, self._limit, last=True)
        depth = self._depth
        if len(pages) > 1:
            root, depth = (tuple(p[0][0] for p in pages), pages), depth + 1
        else:
            root = pages[0]
        return self._of(root, depth, self._len + added)

    def without(self, key: int) -> Self:
        """Return a map without `key`, which must be there (KeyError); O(log n)."""
        root, depth = _drop(self._root, self._depth, key, self._limit, last=True), self._depth
        while depth and len(root[0]) == 1:
            root, depth = root[1][0], depth - 1
        return self._of(root, depth, self._len - 1)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PagedMap):
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

    def check(self) -> None:
        """Verify the rules of the module; `AssertionError` says which one is broken. O(n)."""
        keys: list[int] = []
        _check_page(self._root, self._depth, self._limit, keys, first=True, last=True)
        _hold(len(keys) == self._len, "the length is the number of keys")
        _hold(all(a < b for a, b in pairwise(keys)), "keys ascend")
        stored = self._hash
        _hold(stored is None or stored == hash(tuple(self.pairs())), "a stored hash is current")


def _first(pair: tuple[int, Any]) -> int:
    return pair[0]


def _build(pairs: list[tuple[int, Any]], limit: int) -> tuple[_Page, int]:
    """Return the root page and the depth of a map of sorted `pairs`; O(n)."""
    step = limit * 3 // 4
    cut = [pairs[i : i + step] for i in range(0, len(pairs), step)]
    pages: list[_Page] = [(tuple(k for k, _ in p), tuple(v for _, v in p)) for p in cut]
    depth = 0
    while len(pages) > 1:
        groups = [pages[i : i + step] for i in range(0, len(pages), step)]
        pages = [(tuple(p[0][0] for p in g), tuple(g)) for g in groups]
        depth += 1
    return (pages[0] if pages else _EMPTY), depth


def _leaves(page: _Page, depth: int, low: int | None) -> Iterator[_Page]:
    """Yield the leaf pages from the one that may hold `low` on, left to right."""
    if depth == 0:
        yield page
        return
    first = 0 if low is None else max(bisect_right(page[0], low) - 1, 0)
    for child in page[1][first:]:
        yield from _leaves(child, depth - 1, low)


def _put(
    page: _Page, depth: int, key: int, value: object, limit: int, *, last: bool
) -> tuple[int, tuple[_Page, ...]]:
    """Return how many keys were added (0 or 1) and the one or two pages that replace `page`.

    `last` tells that `page` is the last one of its level.
    """
    keys, values = page
    if depth:
        at = max(bisect_right(keys, key) - 1, 0)
        at_end = last and at == len(keys) - 1
        added, pages = _put(values[at], depth - 1, key, value, limit, last=at_end)
        return added, _split(_splice(page, at, at + 1, pages), limit, at_end=at_end)
    at = bisect_left(keys, key)
    if at < len(keys) and keys[at] == key:
        return 0, ((keys, (*values[:at], value, *values[at + 1 :])),)
    grown = (*keys[:at], key, *keys[at:]), (*values[:at], value, *values[at:])
    return 1, _split(grown, limit, at_end=last and at == len(keys))


def _splice(page: _Page, at: int, stop: int, pages: tuple[_Page, ...]) -> _Page:
    """Return the branch with the children from `at` to `stop`, exclusive, made `pages`."""
    keys, values = page
    lows = tuple(p[0][0] for p in pages)
    return keys[:at] + lows + keys[stop:], values[:at] + pages + values[stop:]


def _split(page: _Page, limit: int, *, at_end: bool = False) -> tuple[_Page, ...]:
    """Return the page alone if it fits, else two: halves, or a full one where keys ascend."""
    keys, values = page
    if len(keys) <= limit:
        return (page,)
    cut = limit - 2 if at_end else len(keys) // 2
    return (keys[:cut], values[:cut]), (keys[cut:], values[cut:])


def _least(limit: int) -> int:
    """Return the fewest entries of a page that is not the last one of its level."""
    return max(2, limit // 4)


def _drop(page: _Page, depth: int, key: int, limit: int, *, last: bool) -> _Page:
    """Return `page` without `key`; a child that got too small joins a neighbour."""
    keys, values = page
    if depth == 0:
        at = bisect_left(keys, key)
        if at == len(keys) or keys[at] != key:
            raise KeyError(key)
        return keys[:at] + keys[at + 1 :], values[:at] + values[at + 1 :]
    at = max(bisect_right(keys, key) - 1, 0)
    at_end = last and at == len(keys) - 1
    child = _drop(values[at], depth - 1, key, limit, last=at_end)
    if len(child[0]) >= _least(limit) or (at_end and child[0]):
        return _splice(page, at, at + 1, (child,))
    if at_end:
        return keys[:at], values[:at]
    left = min(at, len(keys) - 2)
    one, two = (child, values[at + 1]) if left == at else (values[left], child)
    return _splice(page, left, left + 2, _split((one[0] + two[0], one[1] + two[1]), limit))


def _hold(condition: bool, rule: str) -> None:  # noqa: FBT001 - an assertion
    if not condition:
        raise AssertionError(f"broken rule of SortedMap: {rule}")


def _check_page(
    page: _Page, depth: int, limit: int, found: list[int], *, first: bool, last: bool
) -> None:
    """Check one page and those below; append the keys of its leaves to `found`.

    `first` and `last` tell that it is the first or the last page of its level.
    """
    keys, values = page
    root = first and last
    _hold(len(keys) == len(values), "a page has as many values as keys")
    _hold(len(keys) <= limit, "a page has at most `_limit` entries")
    _hold(
        len(keys) >= (1 if last else _least(limit)) or (root and not depth), "no page is too small"
    )
    if not depth:
        found.extend(keys)
        return
    _hold(not root or len(keys) > 1, "a root branch has two children")
    end = len(keys) - 1
    for at, child in enumerate(values):
        below = len(found)
        _check_page(child, depth - 1, limit, found, first=first and not at, last=last and at == end)
        _hold(found[below] == keys[at], "a branch has the lowest key of each child")
