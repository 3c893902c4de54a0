"""What both forms of the interval tree share: all that is not worth a second writing.

A form supplies the pages and their searches, as ``Tree`` and ``Interval`` of the stub
``_core.pyi``; the class here adds what can be said in terms of them.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Self

    from ksm_rmap.interval_tree._core import Columns, Integers, Interval

__all__ = ["MAX_BOUND", "Conveniences", "Visits", "refuse"]

T = TypeVar("T")

#: The greatest bound, ``ULONG_MAX`` on a 64-bit kernel; inclusive.
MAX_BOUND: Final = 2**64 - 1


class Visits(NamedTuple):
    """What one search touched: exact counts, the same on every machine.

    ``pages`` are branches and leaves entered; ``entries`` are the child records and
    intervals in them whose start was not past the end of the search.
    """

    pages: int
    entries: int


def refuse(start: object, last: object) -> NoReturn:
    """Raise the ``ValueError`` for bounds that are outside or in the wrong order."""
    message = f"need 0 <= start <= last <= 2**64 - 1, got start={start}, last={last}"
    raise ValueError(message)


class Conveniences(Generic[T]):
    """Methods that need no knowledge of pages."""

    __slots__ = ()

    if TYPE_CHECKING:  # what a form supplies
        remove: Callable[[Interval[T]], None]
        overlap: Callable[[int, int], list[Interval[T]]]
        to_arrays: Callable[[], Columns[T]]
        _load_arrays: Callable[[Integers, Integers, Sequence[T] | None], None]
        _visited: Callable[[int, int], tuple[int, int]]

        def __iter__(self) -> Iterator[Interval[T]]: ...
        def __len__(self) -> int: ...

    @classmethod
    def from_arrays(
        cls, starts: Integers, lasts: Integers, values: Sequence[T] | None = None
    ) -> Self:
        """Build from two buffers of 64-bit integers, both bounds inclusive.

        ``values`` is a sequence of the same length; without it the value of an interval
        is its index, and the C form makes an interval when it is first asked for. O(n) when
        the starts ascend and also when not, by a radix sort.
        ``ValueError`` for lengths that differ, negative integers or ``start > last``;
        ``TypeError`` for buffers of another kind.
        """
        tree = cls()
        tree._load_arrays(starts, lasts, values)
        return tree

    def find(self, start: int, last: int, value: T) -> Interval[T] | None:
        """Return the first interval with these bounds, inclusive, and an equal value.

        None if there is none. O(log n + k log n), k the intervals that hold ``start``.
        """
        for interval in self.overlap(start, last):
            if interval.start == start and interval.last == last:
                known = interval.value
                if known is value or known == value:
                    return interval
        return None

    def remove_match(self, start: int, last: int, value: T) -> Interval[T]:
        """Remove and return what :meth:`find` finds; ``ValueError`` if it finds nothing."""
        interval = self.find(start, last, value)
        if interval is None:
            message = f"[{start}, {last}] with value {value!r} is not in this tree"
            raise ValueError(message)
        self.remove(interval)
        return interval

    def remove_value(self, value: T) -> int:
        """Remove every interval whose value equals ``value``; return how many. O(n)."""
        doomed = [
            interval for interval in self if interval.value is value or interval.value == value
        ]
        for interval in doomed:
            self.remove(interval)
        return len(doomed)

    def merged(self, *, adjacent: bool = False) -> list[tuple[int, int, list[T]]]:
        """Return the union: ``(start, last, values)`` of each run of overlapping intervals.

        Bounds are inclusive; the values are in order. With ``adjacent`` a run also goes
        on where the next interval starts right after it ends. O(n). The result can be
        given to the constructor.
        """
        runs: list[tuple[int, int, list[T]]] = []
        start, last, values = -1, -2, list[T]()
        for interval in self:
            if interval.start <= last + adjacent:
                last = max(last, interval.last)
                values.append(interval.value)
                continue
            if values:
                runs.append((start, last, values))
            start, last, values = interval.start, interval.last, [interval.value]
        if values:
            runs.append((start, last, values))
        return runs

    def visited(self, start: int, last: int) -> Visits:
        """Return the exact number of pages and entries that :meth:`overlap` reads."""
        return Visits(*self._visited(start, last))

    def copy(self) -> Self:
        """Return a tree with the same bounds and values, as new intervals. O(n)."""
        made = type(self)()
        made.__setstate__(self.to_arrays())
        return made

    __copy__ = copy

    def __reduce__(self) -> tuple[type[Self], tuple[()], Columns[T]]:
        """Pickle as three flat columns: no recursion, whatever the size."""
        return type(self), (), self.to_arrays()

    def __setstate__(self, columns: Columns[T]) -> None:
        self._load_arrays(*columns)

    def __eq__(self, other: object) -> bool:
        """Compare bounds and values in order, not pages; O(n)."""
        if not isinstance(other, Conveniences):
            return NotImplemented
        return len(self) == len(other) and bool(self.to_arrays() == other.to_arrays())

    __hash__ = None  # type: ignore[assignment] # it changes; the frozen tree has a hash

    def __repr__(self) -> str:
        """Return a call that makes an equal tree."""
        listed = ", ".join(f"({iv.start}, {iv.last}, {iv.value!r})" for iv in self)
        return f"{type(self).__name__}([{listed}])"


def bounds_of(starts: Integers, lasts: Integers) -> tuple[array[int], array[int]]:
    """Return two equally long buffers of 64-bit integers, checked, as arrays of ``Q``."""
    left, right = _unsigned(starts), _unsigned(lasts)
    if len(left) != len(right):
        message = f"{len(left)} starts but {len(right)} lasts"
        raise ValueError(message)
    for at, (start, last) in enumerate(zip(left, right, strict=True)):
        if start > last:
            message = f"need start <= last, got start={start}, last={last} at {at}"
            raise ValueError(message)
    return left, right


def _unsigned(integers: Integers) -> array[int]:
    given: Any = integers
    view = memoryview(given)
    plain = view.format.lstrip("@=<")
    if view.ndim != 1 or view.itemsize != 8 or plain not in tuple("qQlLnN"):  # noqa: PLR2004 - bytes in 64 bits
        message = (
            "a one-dimensional buffer of 64-bit integers is needed, "
            f"not {type(integers).__name__} with format {view.format!r}"
        )
        raise TypeError(message)
    if not view.c_contiguous:
        message = "the buffer is not contiguous"
        raise BufferError(message)
    made = array("Q", view.tobytes())
    if plain in "qln" and made and max(made) >> 63:
        message = "a bound is negative"
        raise ValueError(message)
    return made
