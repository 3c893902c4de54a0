"""The pure form of the interval tree: the names and the behaviour of the C form."""

# ruff: noqa: SLF001 - an interval and its tree are two halves of one structure

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from operator import attrgetter, index
from typing import TYPE_CHECKING, Any, Generic, TypeVar, final

from ksm_rmap.interval_tree import _pages
from ksm_rmap.interval_tree._common import MAX_BOUND, Conveniences, bounds_of, refuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ksm_rmap.interval_tree._core import Columns, Integers
    from ksm_rmap.interval_tree._pages import Page

__all__ = ["Interval", "IntervalTree", "Tree"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@final
class Interval(Generic[T_co]):
    """One interval, both bounds inclusive; it compares by identity and never changes."""

    __slots__ = ("_last", "_leaf", "_start", "_value")

    def __init__(self, start: int, last: int, value: T_co) -> None:
        self._start, self._last = _span(start, last)
        self._value = value
        self._leaf: Page | None = None

    start: property = property(attrgetter("_start"), doc="First point; an integer, inclusive.")
    last: property = property(attrgetter("_last"), doc="Last point; an integer, inclusive.")

    @property
    def value(self) -> T_co:
        """The object given at insertion."""
        return self._value

    def __repr__(self) -> str:
        """Return a call that makes such an interval."""
        return f"Interval({self._start}, {self._last}, {self._value!r})"

    def __reduce__(self) -> tuple[type[Interval[T_co]], tuple[int, int, T_co]]:
        """Pickle and copy as an interval outside a tree."""
        return Interval, (self._start, self._last, self._value)


def _span(start: int, last: int) -> tuple[int, int]:
    if type(start) is not int or type(last) is not int:
        start, last = index(start), index(last)
    if not 0 <= start <= last <= MAX_BOUND:
        refuse(start, last)
    return start, last


def _point(point: int) -> int:
    point = index(point)
    if not 0 <= point <= MAX_BOUND:
        message = f"need 0 <= point <= 2**64 - 1, got {point}"
        raise ValueError(message)
    return point


class Tree(Generic[T]):
    """The pages of an interval tree and the searches and changes that read them."""

    __slots__ = ("_limit", "_root", "_size", "_version")

    def __init__(self, intervals: Iterable[tuple[int, int, T] | Interval[T]] = ()) -> None:
        self._root: Page | None = None
        self._size = 0
        self._version = 0
        self._limit = _pages.PAGE
        self.update(intervals)

    # ---- changes ----

    def insert(self, start: int, last: int, value: T) -> Interval[T]:
        """Add ``[start, last]``, both inclusive, after all equal starts; return its Interval.

        The Interval is the handle for :meth:`remove`. Equal intervals are kept side by side.
        ``ValueError`` unless ``0 <= start <= last <= 2**64 - 1``; ``TypeError`` if a bound is
        not an integer. O(log n).
        """
        made = Interval(start, last, value)
        self._insert(made)
        return made

    def _insert(self, made: Interval[T]) -> None:
        root = self._root
        if root is None:
            root = self._root = _pages.Page(0, [], [], [])
        elif len(root.starts) >= self._limit:
            root = self._root = _pages.branch(root.height + 1, [root])
        minimum = max(self._limit // 4, 2)
        leaf = _pages.descend_to_insert(root, made, self._limit, minimum)
        leaf.put(bisect_right(leaf.starts, made._start), made._start, made._last, made)
        made._leaf = leaf
        self._size += 1
        self._version += 1

    def remove(self, interval: Interval[T], /) -> None:
        """Remove exactly this Interval; ``ValueError`` if it is not in this tree. O(log n)."""
        if not self.discard(interval):
            message = f"{interval!r} is not in this tree"
            raise ValueError(message)

    def discard(self, interval: Interval[T], /) -> bool:
        """Remove exactly this Interval if it is in this tree; tell whether it was. O(log n)."""
        if not self._holds(interval):
            return False
        leaf = interval._leaf
        assert leaf is not None  # noqa: S101 - what _holds() said
        interval._leaf = None
        top = _pages.take_out(leaf, interval, self._limit)
        if top is self._root:
            self._shrink(top)
        self._size -= 1
        self._version += 1
        return True

    def _shrink(self, root: Page) -> None:
        while root.height and len(root.slots) == 1:
            root = root.slots[0]
            root.parent = None
        self._root = root if root.slots else None

    def _holds(self, interval: object) -> bool:
        if not isinstance(interval, Interval):
            message = f"an Interval is needed, not {type(interval).__name__}"
            raise TypeError(message)
        page = interval._leaf
        if page is None:
            return False
        while page.parent is not None:
            page = page.parent
        return page is self._root

    def replace(self, interval: Interval[T], value: T) -> Interval[T]:
        """Return a new Interval with another value in the place of this one, order included.

        The old Interval is no longer in the tree. ``ValueError`` if it was not. O(log n).
        """
        if not self._holds(interval):
            message = f"{interval!r} is not in this tree"
            raise ValueError(message)
        leaf = interval._leaf
        assert leaf is not None  # noqa: S101 - what _holds() said
        made = Interval(interval._start, interval._last, value)
        _pages.put_in_place(leaf, interval, made)
        made._leaf, interval._leaf = leaf, None
        self._version += 1
        return made

    def update(self, intervals: Iterable[tuple[int, int, T] | Interval[T]], /) -> None:
        """Add all ``(start, last, value)`` triples or Intervals (as copies), or none on an error.

        O(m log n) for m of them that are few beside n, else O(n + m): the pages are rebuilt.
        """
        self._load([_made(given) for given in intervals])

    def _load(self, made: list[Interval[T]]) -> None:
        made.sort(key=attrgetter("_start"))
        if len(made) < self._size // 8:
            for interval in made:
                self._insert(interval)
            return
        merged = sorted([*self, *made], key=attrgetter("_start")) if self._size else made
        self._root = _pages.build(merged, self._limit, max(self._limit // 4, 2))
        self._size = len(merged)
        self._version += 1

    def clear(self) -> None:
        """Remove all intervals. O(n)."""
        dropped = list(self)
        self._root = None
        self._size = 0
        self._version += 1
        # Only now: what is dropped may run code that uses the tree.
        for interval in dropped:
            interval._leaf = None

    # ---- searches ----

    def overlap(self, start: int, last: int) -> list[Interval[T]]:
        """List the intervals that share a point with ``[start, last]``, in order.

        Order is (start, insertion). Both bounds are inclusive; errors as for :meth:`insert`.
        Visits O(log n + k log(n/k)) pages for k results, O(log n + k/page) if they are neighbours.
        """
        start, last = _span(start, last)
        return _pages.collect(self._root, start, last) if self._root else []

    def at(self, point: int, /) -> list[Interval[T]]:
        """List the intervals that hold the point, in order; ``overlap(point, point)``."""
        point = _point(point)
        return _pages.collect(self._root, point, point) if self._root else []

    def iter_overlap(self, start: int, last: int) -> Iterator[Interval[T]]:
        """Yield lazily what :meth:`overlap` lists; each step O(log n).

        ``RuntimeError`` at the next step if the tree was changed meanwhile.
        """
        start, last = _span(start, last)
        return self._guarded(start, last, self._version)

    def _guarded(self, start: int, last: int, version: int) -> Iterator[Interval[T]]:
        pages = _pages.lazily(self._root, start, last) if self._root else iter(())
        while True:
            if version != self._version:
                message = "IntervalTree changed during iteration"
                raise RuntimeError(message)
            interval = next(pages, None)
            if interval is None:
                return
            yield interval

    def first_overlap(self, start: int, last: int) -> Interval[T] | None:
        """Return the first Interval that :meth:`overlap` lists, or None. O(log n)."""
        start, last = _span(start, last)
        found: Interval[T] | None = None
        if self._root:
            found = _pages.first(self._root, start, last)
        return found

    def any_overlap(self, start: int, last: int) -> bool:
        """Tell whether any interval shares a point with ``[start, last]``. O(log n)."""
        return self.first_overlap(start, last) is not None

    def count_overlap(self, start: int, last: int) -> int:
        """Return how many intervals :meth:`overlap` lists; visits as many pages."""
        return len(self.overlap(start, last))

    def nearest_before(self, point: int, /) -> Interval[T] | None:
        """Return the Interval that ends last before the point (exclusive), or None.

        Of several, the last in order. O(log n + c log(n/c)), c the intervals that hold the point.
        """
        point = _point(point)
        found: Interval[T] | None = None
        if self._root:
            last, below = _pages.before(self._root, point, (-1, None))
            found = _pages.last_with(below, last)
        return found

    def nearest_after(self, point: int, /) -> Interval[T] | None:
        """Return the first Interval, in order, that starts after the point (exclusive), or None.

        O(log n).
        """
        point = _point(point)
        found: Interval[T] | None = None
        if self._root:
            found = _pages.after(self._root, point)
        return found

    def _visited(self, start: int, last: int) -> tuple[int, int]:
        start, last = _span(start, last)
        return _pages.visits(self._root, start, last) if self._root else (0, 0)

    # ---- many at once ----

    def count_many(self, starts: Integers, lasts: Integers) -> array[int]:
        """Count for many queries at once: ``array('q')`` of ``count_overlap(starts[i], lasts[i])``.

        Takes any two equally long buffers of 64-bit integers, numpy arrays without a copy.
        O(n + m) for m queries, whatever the number of hits; errors as for ``from_arrays``.
        """
        left, right = bounds_of(starts, lasts)
        if len(left) < self._size // 8:
            return array("q", map(self.count_overlap, left, right))
        begins, _, _ = self.to_arrays()
        ends = sorted(interval._last for interval in self)
        return array(
            "q",
            [
                bisect_right(begins, last) - bisect_left(ends, start)
                for start, last in zip(left, right, strict=True)
            ],
        )

    def overlap_many(self, starts: Integers, lasts: Integers) -> tuple[array[int], array[int]]:
        """Return all pairs (query, hit) of many queries as two equal-length ``array('q')``.

        The first holds indexes into the queries, ascending; the second positions in the order of
        the tree, so ``list(tree)[position]`` is the hit. Arguments as for :meth:`count_many`.
        O(n + m) and the cost of :meth:`overlap` for each query.
        """
        left, right = bounds_of(starts, lasts)
        rank = {id(interval): at for at, interval in enumerate(self)}
        queries, ranks = array("q"), array("q")
        for query, (start, last) in enumerate(zip(left, right, strict=True)):
            hits = self.overlap(start, last)
            queries.extend([query] * len(hits))
            ranks.extend([rank[id(hit)] for hit in hits])
        return queries, ranks

    def _load_arrays(
        self, starts: Integers, lasts: Integers, values: Sequence[T] | None, /
    ) -> None:
        left, right = bounds_of(starts, lasts)
        given: Any = range(len(left)) if values is None else tuple(values)
        if len(given) != len(left):
            message = f"{len(left)} starts but {len(given)} values"
            raise ValueError(message)
        self._load(list(map(Interval, left, right, given)))

    def to_arrays(self) -> Columns[T]:
        """Return ``(starts, lasts, values)`` in order: two ``array('Q')`` and a list.

        Bounds are inclusive; the columns can be given to ``from_arrays``. O(n).
        """
        intervals = list(self)
        return (
            array("Q", [interval._start for interval in intervals]),
            array("Q", [interval._last for interval in intervals]),
            [interval._value for interval in intervals],
        )

    # ---- protocol ----

    def __iter__(self) -> Iterator[Interval[T]]:
        return self._guarded(0, MAX_BOUND, self._version)

    def __len__(self) -> int:
        return self._size

    def __contains__(self, item: object) -> bool:
        return isinstance(item, Interval) and self._holds(item)

    def check(self) -> None:
        """Verify every invariant; ``AssertionError`` names the first that is broken. O(n)."""
        found: list[Interval[T]] = []
        problem = None
        if self._root:
            problem = _pages.broken(self._root, self._limit, found)
            if self._root.parent is not None:
                problem = "the root has no parent"
        if not problem and len(found) != self._size:
            problem = "size is the number of items"
        if problem:
            message = f"broken invariant: {problem}"
            raise AssertionError(message)

    def _set_page_size(self, size: int, /) -> None:
        if self._root or not 4 <= size <= 32:  # noqa: PLR2004 - as in the C form
            message = f"need an empty tree and 4 <= size <= 32, got {size}"
            raise ValueError(message)
        self._limit = size


def _made(given: tuple[int, int, T] | Interval[T]) -> Interval[T]:
    if isinstance(given, Interval):
        return Interval(given._start, given._last, given._value)
    triple: Any = tuple(given)
    if len(triple) != 3:  # noqa: PLR2004 - start, last, value
        message = f"an interval is (start, last, value), not {given!r}"
        raise ValueError(message)
    return Interval(*triple)


class IntervalTree(Tree[T], Conveniences[T]):  # type: ignore[misc] # Tree supplies what is declared there
    """A dynamic index of closed integer intervals, in (start, insertion) order.

    ``IntervalTree(intervals)`` takes ``(start, last, value)`` triples or Intervals in any
    order: O(n log n), O(n) if the starts ascend. All bounds are integers and inclusive,
    ``0 <= start <= last <= 2**64 - 1``, the range of an ``unsigned long`` in the kernel.

    - add: ``insert``, ``update``, ``from_arrays``;
    - remove, by handle: ``remove``, ``discard``; by content: ``remove_match``,
      ``remove_value``, ``clear``; change a value: ``replace``;
    - search: ``overlap``, ``at``, ``iter_overlap``, ``first_overlap``, ``any_overlap``,
      ``count_overlap``, ``find``, ``nearest_before``, ``nearest_after``;
    - search for many: ``count_many``, ``overlap_many``;
    - as a whole: iteration, ``len``, ``in`` (this very Interval), ``==`` (content),
      ``merged``, ``to_arrays``, ``copy``, ``pickle``, ``check``, ``visited``.

    A value may be any object; it is never compared except by ``find``, ``remove_match``,
    ``remove_value`` and ``==``. One thread may change a tree at a time.
    """

    __slots__ = ("__weakref__",)
