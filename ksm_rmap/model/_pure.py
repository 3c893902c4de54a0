"""The Python form of the model's data structures."""

from __future__ import annotations

from typing import TypeVar

from ksm_rmap.model._paged_map import PagedMap

__all__ = ("SortedMap", "frozen_record", "record")

V = TypeVar("V")
C = TypeVar("C", bound=type)


class SortedMap(PagedMap[V]):
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


def record(cls: C) -> C:
    """Return the NamedTuple as it is; the C form makes it quicker."""
    return cls


def frozen_record(cls: C) -> C:
    """Return the frozen dataclass as it is; the C form makes it quicker."""
    return cls
