"""Interval indexes with closed 64-bit integer bounds, duplicates and exact order.

:class:`IntervalTree` changes in place; :class:`FrozenIntervalTree` never does. An
interval ``[start, last]`` holds both of its ends, results come in (start, insertion)
order, and equal intervals are kept side by side.

>>> tree = IntervalTree([(0, 9, "a"), (3, 5, "b")])
>>> handle = tree.insert(5, 7, "c")
>>> [interval.value for interval in tree.at(5)]
['a', 'b', 'c']
>>> tree.remove(handle)
>>> tree
IntervalTree([(0, 9, 'a'), (3, 5, 'b')])

The tree has two forms of one algorithm, which behave alike: one in C, used where it was
compiled, and one in Python. ``COMPILED`` tells which one this is; the environment
variable ``KSM_RMAP_PURE=1`` chooses the Python form, for tests and for debugging.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksm_rmap._forms import C_WANTED
from ksm_rmap.interval_tree._common import MAX_BOUND, Visits
from ksm_rmap.interval_tree._frozen import FrozenInterval, FrozenIntervalTree

if TYPE_CHECKING:
    from ksm_rmap.interval_tree._compiled import Interval, IntervalTree

__all__ = [
    "COMPILED",
    "MAX_BOUND",
    "FrozenInterval",
    "FrozenIntervalTree",
    "Interval",
    "IntervalTree",
    "Visits",
]

#: Whether ``IntervalTree`` is the C form.
COMPILED: bool = C_WANTED

if not TYPE_CHECKING:
    if COMPILED:
        try:
            from ksm_rmap.interval_tree._compiled import Interval, IntervalTree
        except ImportError:  # no compiler when it was installed
            COMPILED = False
    if not COMPILED:
        from ksm_rmap.interval_tree._pure import Interval, IntervalTree
    # Pickles name the package, so that one form can load what the other has written.
    IntervalTree.__module__ = __name__
