"""The C form of the model's data structures; ``ImportError`` where it was not compiled."""

from __future__ import annotations

from typing import TypeVar

from ksm_rmap.model._paged_map import PagedMap
from ksm_rmap.model._tables import Table, fall_back_on, frozen_record, record

__all__ = ("SortedMap", "frozen_record", "record")

V = TypeVar("V")

fall_back_on(PagedMap)


class SortedMap(Table, PagedMap[V]):
    """An immutable mapping from int to `V`, iterated in key order.

    `with_item` and `without` return a new map in O(log n); look-ups are O(log n);
    equality and hash are by content (O(n), the hash is computed once).

    >>> m = SortedMap([(3, "c"), (1, "a")])
    >>> m.with_item(2, "b")
    SortedMap([(1, 'a'), (2, 'b'), (3, 'c')])
    >>> m.floor(2)
    (1, 'a')
    """

    __slots__ = ()
