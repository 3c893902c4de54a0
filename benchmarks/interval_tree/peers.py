"""One adapter for each index: how to build it, search it and change it.

A peer with half-open ranges gets ``last + 1`` wherever a range ends (``shift``), computed
outside the timed loops. Where a peer's own method can be called, it is called directly.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.interval_tree.layouts import Triple

Search = "Callable[[int, int], Any]"


@dataclass
class Index:
    """A built index. ``insert`` returns what ``remove`` takes; None if it cannot change."""

    search: Callable[[int, int], Any]
    insert: Callable[[int, int, int], Any] | None = None
    remove: Callable[[Any], Any] | None = None
    handles: dict[int, Any] | None = None
    shift: int = 0


def ours(form: str, *, grown: bool) -> Callable[[list[Triple]], Index]:
    """Return a builder of our tree in one form, bulk-built or grown one by one."""

    def build(given: list[Triple]) -> Index:
        module = importlib.import_module(f"ksm_rmap.interval_tree.{form}")
        tree = module.IntervalTree(() if grown else given)
        if grown:
            for triple in given:
                tree.insert(*triple)
        handles = {interval.value: interval for interval in tree}
        return Index(tree.overlap, tree.insert, tree.remove, handles)

    return build


def intervaltree(given: list[Triple]) -> Index:
    """Build chaimleib's intervaltree."""
    module = importlib.import_module("intervaltree")
    tree = module.IntervalTree(module.Interval(s, e + 1, v) for s, e, v in given)
    handles = {interval.data: interval for interval in tree}

    def insert(start: int, end: int, value: int) -> Any:  # noqa: ANN401 - the peer's type
        made = module.Interval(start, end, value)
        tree.add(made)
        return made

    return Index(tree.overlap, insert, tree.remove, handles, shift=1)


def sorted_maxlen(given: list[Triple]) -> Index:
    """Build a SortedKeyList, searched from ``start`` less the greatest length."""
    module = importlib.import_module("sortedcontainers")
    entries = module.SortedKeyList(given, key=lambda entry: entry[0])
    longest = max(last - start for start, last, _ in given)

    def search(start: int, last: int) -> Any:  # noqa: ANN401
        return [e for e in entries.irange_key(start - longest, last) if e[1] >= start]

    def insert(start: int, last: int, value: int) -> Any:  # noqa: ANN401
        made = (start, last, value)
        entries.add(made)
        return made

    return Index(search, insert, entries.remove, {e[2]: e for e in given})


def quicksectx(given: list[Triple]) -> Index:
    """Build a quicksectx tree; its removal takes any interval with the same bounds."""
    module = importlib.import_module("quicksectx")
    tree = module.IntervalTree()
    handles = {}

    def insert(start: int, end: int, value: int) -> Any:  # noqa: ANN401
        made = module.Interval(start, end, value)
        tree.insert(made)
        return made

    for start, last, value in given:
        handles[value] = insert(start, last + 1, value)
    return Index(tree.search, insert, tree.remove, handles, shift=1)


def manzanita(given: list[Triple]) -> Index:
    """Build a manzanita tree (Rust)."""
    module = importlib.import_module("manzanita")
    tree = module.IntervalTree()
    handles = {}

    def insert(start: int, end: int, value: int) -> Any:  # noqa: ANN401
        made = module.Interval(start, end, value)
        tree.add(made)
        return made

    for start, last, value in given:
        handles[value] = insert(start, last + 1, value)
    return Index(tree.overlap, insert, tree.remove, handles, shift=1)


def superintervals(given: list[Triple]) -> Index:
    """Build a superintervals map, which is static."""
    module = importlib.import_module("superintervals")
    made = module.IntervalMap()
    for start, last, value in given:
        made.add(start, last, value)
    made.build()
    return Index(made.search_values)


def ncls(given: list[Triple]) -> Index:
    """Build a nested containment list, which is static."""
    numpy = importlib.import_module("numpy")
    columns = [numpy.array(column, numpy.int64) for column in zip(*given, strict=True)]
    columns[1] += 1
    made = importlib.import_module("ncls").NCLS64(*columns)
    return Index(lambda start, end: list(made.find_overlap(start, end)), shift=1)


def quicksect(given: list[Triple]) -> Index:
    """Build a quicksect tree, which takes insertions; closed ranges."""
    tree = importlib.import_module("quicksect").IntervalTree()
    for triple in given:
        tree.add(*triple)
    return Index(tree.search, tree.add)


def bx(given: list[Triple]) -> Index:
    """Build a tree of bx-python, which takes insertions; it answers with the values."""
    tree = importlib.import_module("bx.intervals.intersection").IntervalTree()
    for start, last, value in given:
        tree.insert(start, last + 1, value)
    return Index(tree.find, tree.insert, shift=1)


def interlap(given: list[Triple]) -> Index:
    """Build an InterLap, a sorted list searched from the greatest length."""
    made = importlib.import_module("interlap").InterLap(given)
    return Index(lambda start, last: list(made.find((start, last))))


def kerneltree(given: list[Triple]) -> Index:
    """Build the kernel's own interval tree, bound with Cython; it takes insertions."""
    tree = importlib.import_module("kerneltree").IntervalTree()
    for triple in given:
        tree.add(*triple)
    return Index(tree.search, tree.add)


def itree(given: list[Triple]) -> Index:
    """Build an itree, an AVL tree in Python; removal takes any interval with these bounds."""
    tree = importlib.import_module("itree").ITree()
    handles = {}

    def insert(start: int, end: int, value: int) -> Any:  # noqa: ANN401
        made = SimpleNamespace(start=start, end=end, value=value)
        tree.insert(made)
        return made

    def search(start: int, end: int) -> Any:  # noqa: ANN401
        return tree.search(SimpleNamespace(start=start, end=end))

    for triple in given:
        handles[triple[2]] = insert(*triple)
    return Index(search, insert, tree.remove, handles)


def pygenogrove(given: list[Triple]) -> Index:
    """Build a grove of one chromosome, a B+-tree in C++; values are copied as JSON."""
    module = importlib.import_module("pygenogrove")
    grove, place = module.Grove(), module.GenomicCoordinate

    def insert(start: int, last: int, value: int) -> Any:  # noqa: ANN401
        return grove.insert("c", place(".", start, last), value)

    def search(start: int, last: int) -> Any:  # noqa: ANN401
        return grove.intersect(place(".", start, last), "c").keys

    handles = {triple[2]: insert(*triple) for triple in given}
    return Index(search, insert, lambda key: grove.remove_key("c", key), handles)


def pandas_index(given: list[Triple]) -> Index:
    """Build an IntervalIndex of pandas; the numbers of the overlapping rows, O(n)."""
    module = importlib.import_module("pandas")
    starts, lasts, _ = zip(*given, strict=True)
    index = module.IntervalIndex.from_arrays(starts, lasts, closed="both")

    def search(start: int, last: int) -> Any:  # noqa: ANN401
        return index.overlaps(module.Interval(start, last, closed="both")).nonzero()[0]

    return Index(search)


def numpy_mask(given: list[Triple]) -> Index:
    """Keep two arrays of numpy; the numbers of the overlapping rows, O(n)."""
    module = importlib.import_module("numpy")
    starts, lasts = (module.array(column) for column in list(zip(*given, strict=True))[:2])
    return Index(lambda low, high: ((starts <= high) & (lasts >= low)).nonzero()[0])


#: Peers that take minutes to build a million intervals, or milliseconds to search them.
SLOW_TO_BUILD = {"intervaltree", "itree", "pygenogrove", "interlap", "pandas", "numpy mask"}

#: Every peer, by the name that tables use.
PEERS: dict[str, Callable[[list[Triple]], Index]] = {
    "ours, grown": ours("_compiled", grown=True),
    "ours, bulk": ours("_compiled", grown=False),
    "ours, pure": ours("_pure", grown=True),
    "intervaltree": intervaltree,
    "sorted-maxlen": sorted_maxlen,
    "quicksectx": quicksectx,
    "manzanita": manzanita,
    "superintervals": superintervals,
    "ncls": ncls,
    "quicksect": quicksect,
    "bx-python": bx,
    "kerneltree": kerneltree,
    "pygenogrove": pygenogrove,
    "itree": itree,
    "interlap": interlap,
    "pandas": pandas_index,
    "numpy mask": numpy_mask,
}
