"""asv: searches and changes, timed for people; visits, counted for the gate."""

from __future__ import annotations

import random

from benchmarks.interval_tree import layouts
from ksm_rmap.interval_tree import FrozenIntervalTree, IntervalTree

LAYOUTS = {
    "tailed": lambda nnodes: layouts.tailed(nnodes, 1),
    "nested": layouts.nested,
    "one_giant": layouts.one_giant,
    "scattered_giants": layouts.scattered_giants,
    "points": layouts.points,
}
NNODES = 10_000
NSEARCHES = 1000


class TrackVisits:
    """Exact counts: the same on every machine, so a difference is a change of the code."""

    params = (list(LAYOUTS), [0, 900])
    param_names = ("layout", "width")

    def setup(self, layout: str, width: int) -> None:
        self.tree = IntervalTree[int]()
        for triple in LAYOUTS[layout](NNODES):
            self.tree.insert(*triple)
        self.queries = layouts.queries(NNODES, width, NSEARCHES)

    def track_pages_of_a_search(self, _layout: str, _width: int) -> float:
        return sum(self.tree.visited(*query).pages for query in self.queries) / NSEARCHES

    def track_most_pages_for_an_answer(self, _layout: str, _width: int) -> float:
        return max(
            self.tree.visited(*query).pages / (1 + self.tree.count_overlap(*query))
            for query in self.queries
        )

    def track_entries_of_a_search(self, _layout: str, _width: int) -> float:
        return sum(self.tree.visited(*query).entries for query in self.queries) / NSEARCHES


class TimeSearches:
    """One kind of search, many places.

    Points show the comparison of whole pages, scattered giants the answers that are known
    from above, the width of 9900 the copy of neighbours.
    """

    params = (list(LAYOUTS), [0, 900, 9900], ["bulk", "grown"])
    param_names = ("layout", "width", "form")

    def setup(self, layout: str, width: int, form: str) -> None:
        given = LAYOUTS[layout](NNODES)
        self.tree = IntervalTree[int](given if form == "bulk" else ())
        for triple in given if form == "grown" else ():
            self.tree.insert(*triple)
        self.queries = layouts.queries(NNODES, width, NSEARCHES)

    def time_overlap(self, _layout: str, _width: int, _form: str) -> None:
        for query in self.queries:
            self.tree.overlap(*query)

    def time_first_overlap(self, _layout: str, _width: int, _form: str) -> None:
        for query in self.queries:
            self.tree.first_overlap(*query)

    def time_count_overlap(self, _layout: str, _width: int, _form: str) -> None:
        for query in self.queries:
            self.tree.count_overlap(*query)


class TimeChanges:
    """Insertion and removal in random order, at three sizes."""

    params = (100, 10_000, 100_000)
    param_names = ("nnodes",)

    def setup(self, nnodes: int) -> None:
        self.given = layouts.tailed(nnodes, 1)
        self.tree = IntervalTree(self.given)
        self.order = random.Random(5).sample(list(self.tree), min(nnodes, NSEARCHES))

    def time_remove_and_insert(self, _nnodes: int) -> None:
        for at, interval in enumerate(self.order):
            self.tree.remove(interval)
            self.order[at] = self.tree.insert(interval.start, interval.last, interval.value)

    def time_build(self, _nnodes: int) -> None:
        IntervalTree(self.given)


class TimeForks:
    """22,000 identical intervals: a page that as many forks share."""

    def setup(self) -> None:
        self.tree = IntervalTree((7, 7, at) for at in range(22_000))
        self.middle = list(self.tree)[11_000]

    def time_at(self) -> None:
        self.tree.at(7)

    def time_first(self) -> None:
        self.tree.first_overlap(7, 7)

    def time_remove_and_insert(self) -> None:
        self.tree.remove(self.middle)
        self.middle = self.tree.insert(7, 7, 0)


class TimeFrozen:
    """The persistent tree at the sizes of a model's states and beyond."""

    params = (8, 100, 10_000)
    param_names = ("nnodes",)

    def setup(self, nnodes: int) -> None:
        self.tree = FrozenIntervalTree(layouts.tailed(nnodes, 1))
        self.one = list(self.tree)[nnodes // 2]

    def time_insert(self, _nnodes: int) -> None:
        self.tree.insert(*self.one)

    def time_remove(self, _nnodes: int) -> None:
        self.tree.remove(*self.one)

    def time_at(self, _nnodes: int) -> None:
        self.tree.at(self.one.start)
