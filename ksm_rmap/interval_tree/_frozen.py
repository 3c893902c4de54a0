"""A persistent interval tree: every change makes a new tree that shares pages.

Rules of this module:

1. Bounds are closed: an interval ``[start, last]`` holds both ends, and both lie in
   ``0 .. 2**64 - 1``, the range of an ``unsigned long`` in the kernel.
2. Order is ``(start, insertion)``: of equal starts, the one inserted first comes first.
3. Nothing is ever changed in place. A change copies the pages on one path from the
   root and shares the rest.
4. Two trees are equal, and hash equally, when they list the same intervals in the same
   order; how the intervals are spread over pages does not show.

The tree is an augmented B+-tree. A leaf is a plain tuple of at most 32 intervals, so a
small tree is one tuple. A branch keeps, for each child, the first start and the greatest
last below it::

                 starts   0         40        90
    branch       lasts    75        88        2**64 - 1
                          |         |         |
    leaves     [0,9] [3,75]  [40,41] [40,88]  [90,91] [95,2**64-1]

A search for ``[a, b]`` leaves out each child with ``lasts < a`` and stops at the first
child with ``starts > b``. Every page it enters holds an answer, except for at most one
page a level: the last one whose start is not past ``b``.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import chain
from operator import eq, index, itemgetter
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    NamedTuple,
    Self,
    TypeVar,
    Union,
)

from ksm_rmap.interval_tree._common import MAX_BOUND, Visits, refuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["FrozenInterval", "FrozenIntervalTree"]

T = TypeVar("T")


class FrozenInterval(NamedTuple, Generic[T]):
    """One interval of a :class:`FrozenIntervalTree`; compares and hashes by content.

    ``start`` and ``last`` are integers, both inclusive; ``value`` is any object.
    """

    start: int
    last: int
    value: T


class _Branch(Generic[T]):
    """An inner page: parallel tuples of children, first starts, greatest lasts."""

    __slots__ = ("children", "lasts", "starts")

    def __init__(
        self,
        children: tuple[_Page[T], ...],
        starts: tuple[int, ...],
        lasts: tuple[int, ...],
    ) -> None:
        self.children = children
        self.starts = starts
        self.lasts = lasts

    def __len__(self) -> int:
        return len(self.children)


_Leaf = tuple[FrozenInterval[T], ...]
_Page = Union[_Leaf[T], _Branch[T]]  # noqa: UP007 - `|` cannot subscript a TypeVar here

_get_last = itemgetter(1)
_new_interval = tuple.__new__


class FrozenIntervalTree(Generic[T]):
    """An immutable, hashable interval tree; changes return new trees.

    ``FrozenIntervalTree(intervals)`` takes ``(start, last, value)`` triples in any order;
    O(n log n). Methods that change: :meth:`insert`, :meth:`remove`,
    :meth:`replace_last`. Methods that search: :meth:`overlap`, :meth:`at`,
    :meth:`iter_overlap`, :meth:`first_overlap`, :meth:`any_overlap`,
    :meth:`count_overlap`, :meth:`visited`. All bounds are closed and must satisfy
    ``0 <= start <= last <= 2**64 - 1``; else ``ValueError``, or ``TypeError`` for what is
    not an integer.

    >>> tree = FrozenIntervalTree([(0, 9, "a"), (3, 5, "b")])
    >>> tree.insert(8, 8, "c").overlap(6, 8)
    [FrozenInterval(start=0, last=9, value='a'), FrozenInterval(start=8, last=8, value='c')]
    >>> len(tree)
    2
    """

    __slots__ = ("_hash", "_root", "_size")

    #: Most entries in a page. Tests use a subclass with a smaller one.
    _limit: ClassVar[int] = 32

    _root: _Page[T]
    _size: int
    _hash: int | None

    def __init__(self, intervals: Iterable[tuple[int, int, T]] = ()) -> None:
        """Build from ``(start, last, value)`` triples, in O(n log n), sorted in O(n)."""
        entries = [_interval(start, last, value) for start, last, value in intervals]
        entries.sort(key=itemgetter(0))
        self._root = _build(entries, self._limit)
        self._size = len(entries)
        self._hash = None

    def _made(self, root: _Page[T], size: int) -> Self:
        made = object.__new__(type(self))
        made._root = root
        made._size = size
        made._hash = None
        return made

    def insert(self, start: int, last: int, value: T) -> Self:
        """Return a tree with ``[start, last]`` after all equal starts; O(log n)."""
        entry = _interval(start, last, value)
        root = self._root
        if isinstance(root, tuple) and self._size < self._limit:
            if not root or root[-1][0] <= entry[0]:  # the usual case, without the search
                return self._made((*root, entry), self._size + 1)
            at = bisect_left(root, (entry[0] + 1,))
            return self._made((*root[:at], entry, *root[at:]), self._size + 1)
        return self._made(_grown(_insert(root, entry, self._limit)), self._size + 1)

    def remove(self, start: int, last: int, value: T) -> Self:
        """Return a tree without the first interval equal to the arguments.

        ``ValueError`` if there is none. O(log n + k), k the intervals with this start.
        """
        return self._made(self._swapped((start, last, value), ()), self._size - 1)

    def replace_last(self, start: int, last: int, value: T, new_last: int) -> Self:
        """Return a tree where the first equal interval ends at ``new_last``, inclusive.

        The interval keeps its place among equal starts, as a key that the kernel updates
        in place does. ``ValueError`` if there is no such interval or ``new_last`` is
        before ``start``. O(log n + k), k the intervals with this start.
        """
        entry = _interval(start, new_last, value)
        return self._made(self._swapped((start, last, value), (entry,)), self._size)

    def _swapped(self, old: tuple[int, int, T], new: _Leaf[T]) -> _Page[T]:
        root = _swap(self._root, old, new, self._limit)
        if root is None:
            start, last, value = old
            message = f"[{start!r}, {last!r}] with value {value!r} is not in the tree"
            raise ValueError(message)
        if isinstance(root, _Branch) and len(root) == 1:
            return root.children[0]
        return root

    def overlap(self, start: int, last: int) -> list[FrozenInterval[T]]:
        """Return all intervals that share a point with ``[start, last]``, in order.

        Visits O(log n + k log(n/k)) pages for k results; all results lie side by side
        in the usual case and then it is O(log n + k / 32).
        """
        _require(start, last)
        if start == 0 and last == MAX_BOUND:
            return list(self)
        root = self._root
        if isinstance(root, tuple):
            return [entry for entry in _prefix(root, last) if entry[1] >= start]
        found: list[FrozenInterval[T]] = []
        for leaf in _leaves(root, start, last):
            found += [entry for entry in _prefix(leaf, last) if entry[1] >= start]
        return found

    def at(self, point: int) -> list[FrozenInterval[T]]:
        """Return all intervals that hold ``point``, in order; cost as :meth:`overlap`."""
        return self.overlap(point, point)

    def iter_overlap(self, start: int, last: int) -> Iterator[FrozenInterval[T]]:
        """Yield lazily what :meth:`overlap` lists; the first after O(log n) pages."""
        _require(start, last)
        leaves = _leaves(self._root, start, last)
        return (entry for leaf in leaves for entry in _prefix(leaf, last) if entry[1] >= start)

    def first_overlap(self, start: int, last: int) -> FrozenInterval[T] | None:
        """Return the first interval that :meth:`overlap` lists, or None; O(log n)."""
        _require(start, last)
        for leaf in _leaves(self._root, start, last):
            for entry in leaf:
                if entry[0] > last:
                    break
                if entry[1] >= start:
                    return entry
        return None

    def any_overlap(self, start: int, last: int) -> bool:
        """Tell whether any interval shares a point with ``[start, last]``; O(log n)."""
        return self.first_overlap(start, last) is not None

    def count_overlap(self, start: int, last: int) -> int:
        """Return how many intervals :meth:`overlap` lists; the same cost."""
        return len(self.overlap(start, last))

    def visited(self, start: int, last: int) -> Visits:
        """Return the exact number of pages and entries a search reads."""
        _require(start, last)
        pages = entries = 0
        pending = [self._root]
        while pending:
            page = pending.pop()
            pages += 1
            if isinstance(page, _Branch):
                entries += bisect_right(page.starts, last)
                pending += _overlapping(page, start, last)
            else:
                entries += len(_prefix(page, last))
        return Visits(pages, entries)

    def __iter__(self) -> Iterator[FrozenInterval[T]]:
        """Yield all intervals in (start, insertion) order."""
        root = self._root
        if isinstance(root, tuple):
            return iter(root)
        return chain.from_iterable(_leaves(root, 0, MAX_BOUND))

    def __len__(self) -> int:
        """Return the number of intervals; O(1)."""
        return self._size

    def __contains__(self, item: object) -> bool:
        """Tell whether an equal ``(start, last, value)`` is here; O(log n + k)."""
        if not (isinstance(item, tuple) and len(item) == len(FrozenInterval._fields)):
            return False
        start, last, value = item
        if not (isinstance(start, int) and isinstance(last, int)):
            return False
        return _swap(self._root, (start, last, value), (), self._limit) is not None

    def __eq__(self, other: object) -> bool:
        """Compare intervals, order included, not pages; O(n), O(1) if shared."""
        if not isinstance(other, FrozenIntervalTree):
            return NotImplemented
        if self._root is other._root:
            return True
        return self._size == other._size and all(map(eq, self, other))

    def __hash__(self) -> int:
        """Hash the intervals in order; O(n) once, then O(1). Values must be hashable."""
        if self._hash is None:
            self._hash = hash((FrozenIntervalTree, *self))
        return self._hash

    def __repr__(self) -> str:
        """Return a call that makes an equal tree."""
        return f"{type(self).__name__}({[tuple(entry) for entry in self]!r})"

    def __reduce__(self) -> tuple[type[Any], tuple[list[tuple[int, int, T]]]]:
        """Pickle and copy as a flat list: no recursion, whatever the size."""
        return type(self), ([(start, last, value) for start, last, value in self],)

    def check(self) -> None:
        """Verify every invariant; ``AssertionError`` names the one that is broken. O(n)."""
        leaves: list[_Leaf[T]] = []
        _check_page(self._root, self._limit, leaves)
        entries = [entry for leaf in leaves for entry in leaf]
        starts = [entry.start for entry in entries]
        _hold(starts == sorted(starts), "starts ascend")
        _hold(len(entries) == self._size, "size is the number of intervals")
        for start, last, _ in entries:
            _hold(0 <= start <= last <= MAX_BOUND, "0 <= start <= last <= 2**64 - 1")
        if self._hash is not None:
            _hold(self._hash == hash((FrozenIntervalTree, *entries)), "hash is current")


def _interval(start: int, last: int, value: T) -> FrozenInterval[T]:
    if type(start) is not int or type(last) is not int:
        start, last = index(start), index(last)
    if not 0 <= start <= last <= MAX_BOUND:
        refuse(start, last)
    # A direct tuple.__new__ avoids the Python-level __new__ of a NamedTuple.
    return _new_interval(FrozenInterval, (start, last, value))


def _require(start: int, last: int) -> None:
    if not 0 <= start <= last <= MAX_BOUND:
        refuse(index(start), index(last))


def _prefix(leaf: _Leaf[T], last: int) -> _Leaf[T]:
    """Return the entries that start at ``last`` or before.

    ``(last + 1,)`` sorts before each entry with that start, so no value is compared.
    """
    if leaf and leaf[-1][0] <= last:
        return leaf
    return leaf[: bisect_left(leaf, (last + 1,))]


def _overlapping(page: _Branch[T], start: int, last: int) -> list[_Page[T]]:
    stop = bisect_right(page.starts, last)
    return [
        child for child, top in zip(page.children[:stop], page.lasts, strict=False) if top >= start
    ]


def _leaves(page: _Page[T], start: int, last: int) -> Iterator[_Leaf[T]]:
    """Yield, from left to right, the leaves that a search has to read."""
    if isinstance(page, tuple):
        yield page
        return
    for child in _overlapping(page, start, last):
        if isinstance(child, tuple):
            yield child
        else:
            yield from _leaves(child, start, last)


def _branch(children: Sequence[_Page[T]]) -> _Branch[T]:
    starts, lasts = [], []
    for child in children:
        if isinstance(child, tuple):
            starts.append(child[0][0])
            lasts.append(max(map(_get_last, child)))
        else:
            starts.append(child.starts[0])
            lasts.append(max(child.lasts))
    return _Branch(tuple(children), tuple(starts), tuple(lasts))


def _evenly(items: Sequence[Any], limit: int) -> list[Sequence[Any]]:
    """Cut into the fewest runs of at most ``limit``, equal in length to within one."""
    size, runs = len(items), -(-len(items) // limit)
    return [items[run * size // runs : (run + 1) * size // runs] for run in range(runs)]


def _build(entries: list[FrozenInterval[T]], limit: int) -> _Page[T]:
    if not entries:
        return ()
    level: list[_Page[T]] = [tuple(run) for run in _evenly(entries, limit)]
    while len(level) > 1:
        level = [_branch(run) for run in _evenly(level, limit)]
    return level[0]


def _grown(pages: tuple[_Page[T], ...]) -> _Page[T]:
    return pages[0] if len(pages) == 1 else _branch(pages)


def _insert(page: _Page[T], entry: FrozenInterval[T], limit: int) -> tuple[_Page[T], ...]:
    """Return the page with ``entry`` in it, as two pages if one would be too long."""
    if isinstance(page, tuple):
        at = bisect_left(page, (entry[0] + 1,))
        return _cut((*page[:at], entry, *page[at:]), limit)
    slot = max(bisect_right(page.starts, entry[0]) - 1, 0)
    parts = _insert(page.children[slot], entry, limit)
    if len(parts) > 1:
        return _cut(_spliced(page, slot, slot + 1, parts), limit)
    # One child changed: its bounds follow from the entry, nothing is searched.
    low, top = min(page.starts[slot], entry[0]), max(page.lasts[slot], entry[1])
    return (_set_child(page, slot, parts[0], (low, top)),)


def _set_child(page: _Branch[T], slot: int, child: _Page[T], bounds: tuple[int, int]) -> _Branch[T]:
    after = slot + 1
    return _Branch(
        (*page.children[:slot], child, *page.children[after:]),
        (*page.starts[:slot], bounds[0], *page.starts[after:]),
        (*page.lasts[:slot], bounds[1], *page.lasts[after:]),
    )


def _spliced(page: _Branch[T], slot: int, stop: int, parts: tuple[_Page[T], ...]) -> _Branch[T]:
    """Return the branch with children ``slot`` to ``stop``, exclusive, made ``parts``."""
    new = _branch(parts)
    return _Branch(
        page.children[:slot] + new.children + page.children[stop:],
        page.starts[:slot] + new.starts + page.starts[stop:],
        page.lasts[:slot] + new.lasts + page.lasts[stop:],
    )


def _cut(page: _Page[T], limit: int) -> tuple[_Page[T], ...]:
    """Return the page alone if it fits, else its two halves."""
    if len(page) <= limit:
        return (page,)
    half = len(page) // 2
    if isinstance(page, tuple):
        return page[:half], page[half:]
    return (
        _Branch(page.children[:half], page.starts[:half], page.lasts[:half]),
        _Branch(page.children[half:], page.starts[half:], page.lasts[half:]),
    )


def _join(left: _Page[T], right: _Page[T]) -> _Page[T]:
    if isinstance(left, tuple) and isinstance(right, tuple):
        return left + right
    assert isinstance(left, _Branch)  # noqa: S101 - siblings are of one kind
    assert isinstance(right, _Branch)  # noqa: S101
    return _Branch(
        left.children + right.children,
        left.starts + right.starts,
        left.lasts + right.lasts,
    )


def _swap(page: _Page[T], old: tuple[int, int, T], new: _Leaf[T], limit: int) -> _Page[T] | None:
    """Return the page with the first entry equal to ``old`` made ``new``, or None."""
    start, last, _ = old
    if isinstance(page, tuple):
        try:
            at = page.index(old, bisect_left(page, (start,)))
        except ValueError:
            return None
        return page[:at] + new + page[at + 1 :]
    # The child before the first one that starts at `start` may end with that start.
    for slot in range(max(bisect_left(page.starts, start) - 1, 0), len(page)):
        if page.starts[slot] > start:
            break
        if page.lasts[slot] >= last:
            child = _swap(page.children[slot], old, new, limit)
            if child is not None:
                return _with_child(page, slot, child, limit)
    return None


def _with_child(page: _Branch[T], slot: int, child: _Page[T], limit: int) -> _Branch[T]:
    """Put a changed child back; one that got too short joins a neighbour first."""
    if len(child) >= limit // 2:
        return _spliced(page, slot, slot + 1, (child,))
    if slot + 1 < len(page):
        joined = _join(child, page.children[slot + 1])
        return _spliced(page, slot, slot + 2, _cut(joined, limit))
    joined = _join(page.children[slot - 1], child)
    return _spliced(page, slot - 1, slot + 1, _cut(joined, limit))


def _hold(condition: bool, invariant: str) -> None:  # noqa: FBT001 - an assertion
    if not condition:
        message = f"broken invariant: {invariant}"
        raise AssertionError(message)


def _check_page(page: _Page[T], limit: int, leaves: list[_Leaf[T]], *, root: bool = True) -> int:
    """Check one page and those below; return the height."""
    _hold(len(page) <= limit, "a page has at most `limit` entries")
    if isinstance(page, tuple):
        _hold(root or len(page) >= limit // 2, "a page is at least half full")
        leaves.append(page)
        return 0
    _hold(len(page) >= (2 if root else limit // 2), "a page is at least half full")
    heights = {_check_page(child, limit, leaves, root=False) for child in page.children}
    _hold(len(heights) == 1, "all leaves are equally deep")
    true = _branch(page.children)
    _hold(page.starts == true.starts, "starts are the first starts of the children")
    _hold(page.lasts == true.lasts, "lasts are the greatest lasts of the children")
    return heights.pop() + 1
