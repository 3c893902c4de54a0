"""The C form of the interval tree; ``ImportError`` where it was not compiled."""

from __future__ import annotations

from typing import TypeVar

from ksm_rmap.interval_tree._common import Conveniences
from ksm_rmap.interval_tree._core import Interval, Tree

__all__ = ["Interval", "IntervalTree"]

T = TypeVar("T")


class IntervalTree(Tree[T], Conveniences[T]):
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
