"""Interval indexes with closed 64-bit bounds, duplicates and exact order."""

from ksm_rmap.interval_tree._frozen import FrozenInterval, FrozenIntervalTree, Visits

__all__ = ["FrozenInterval", "FrozenIntervalTree", "Visits"]
