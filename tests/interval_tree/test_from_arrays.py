"""Trees built from two arrays: their intervals are made when somebody asks for them."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import tracemalloc
from array import array
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from tests.interval_tree.machines import run_machine
from tests.interval_tree.mutants import NONE, Bug, assert_found, load_library

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ksm_rmap.interval_tree import IntervalTree

Form = type["IntervalTree[Any]"]
MAX = 2**64 - 1

points = st.integers(0, 12) | st.sampled_from([0, 2**63 - 1, 2**63, MAX - 1, MAX])
spans = st.tuples(points, points).map(sorted)
columns = st.lists(spans, max_size=60)


@dataclass(eq=False)
class Entry:
    """What the tree has to hold; ``handle`` once the machine has seen the interval."""

    start: int
    last: int
    value: object
    handle: Any = None

    def meet(self, interval: Any) -> None:  # noqa: ANN401 - an interval of either form
        assert (interval.start, interval.last, interval.value) == (
            self.start,
            self.last,
            self.value,
        )
        if self.handle is None:
            self.handle = interval
        assert interval is self.handle, "one interval, one object"


class Machine(RuleBasedStateMachine):
    """The tree and a list; no rule looks at more intervals than it needs."""

    form: Any = None

    @initialize(page=st.sampled_from([4, 5, 32]), given=columns)
    def start(self, page: int, given: list[list[int]]) -> None:
        self.tree = self.form()
        self.tree._set_page_size(page)
        self.model = list[Entry]()
        self.load(given)

    def place(self, entry: Entry) -> None:
        self.model.insert(bisect_right([old.start for old in self.model], entry.start), entry)

    @rule(given=columns)
    def load(self, given: list[list[int]]) -> None:
        starts, lasts = (array("Q", [span[at] for span in given]) for at in (0, 1))
        self.tree._load_arrays(starts, lasts, None)
        for number, (start, last) in enumerate(given):
            self.place(Entry(start, last, number))

    @rule(given=columns)
    def load_ascending(self, given: list[list[int]]) -> None:
        self.load(sorted(given))

    @rule(given=columns)
    def build_anew(self, given: list[list[int]]) -> None:
        self.tree.clear()
        assert not any(entry.handle in self.tree for entry in self.model if entry.handle)
        self.model.clear()
        self.load(given)

    def overlapping(self, span: list[int]) -> list[Entry]:
        return [old for old in self.model if old.start <= span[1] and old.last >= span[0]]

    @rule(span=spans)
    def search(self, span: list[int]) -> None:
        for entry, found in zip(self.overlapping(span), self.tree.overlap(*span), strict=True):
            entry.meet(found)

    @rule(span=spans, steps=st.integers(1, 9))
    def begin_to_iterate(self, span: list[int], steps: int) -> None:
        cursor = self.tree.iter_overlap(*span)
        for entry in self.overlapping(span)[:steps]:
            entry.meet(next(cursor))

    @rule(point=points)
    def one(self, point: int) -> None:
        later = [old for old in self.model if old.start > point]
        ended = [old for old in self.model if old.last < point]
        best = max((old.last for old in ended), default=None)
        hits = self.overlapping([point, point])
        for entries, found in (
            (later, self.tree.nearest_after(point)),
            ([old for old in ended if old.last == best][-1:], self.tree.nearest_before(point)),
            (hits, self.tree.first_overlap(point, point)),
        ):
            assert bool(entries) == (found is not None)
            for entry in entries[:1]:
                entry.meet(found)

    @rule(span=spans, value=st.sampled_from(["a", None]) | st.just([1]), times=st.integers(1, 5))
    def insert(self, span: list[int], value: object, times: int) -> None:
        for _ in range(times):
            self.place(Entry(span[0], span[1], value, self.tree.insert(*span, value)))

    @rule(given=st.lists(spans, max_size=3))
    def update(self, given: list[list[int]]) -> None:
        self.tree.update([(*span, "new") for span in given])
        for span in given:
            self.place(Entry(span[0], span[1], "new"))

    def handle(self, at: int) -> Any:  # noqa: ANN401
        entry = self.model[at]
        if entry.handle is None:
            span = [entry.start, entry.start]
            entry.meet(self.tree.overlap(*span)[self.overlapping(span).index(entry)])
        assert entry.handle in self.tree
        return entry.handle

    @rule(data=st.data(), times=st.integers(1, 12))
    def remove(self, data: st.DataObject, times: int) -> None:
        for _ in range(min(times, len(self.model))):
            at = data.draw(st.integers(0, len(self.model) - 1))
            self.tree.remove(self.handle(at))
            gone = self.model.pop(at)
            assert gone.handle not in self.tree

    @rule(data=st.data())
    def replace(self, data: st.DataObject) -> None:
        if self.model:
            at = data.draw(st.integers(0, len(self.model) - 1))
            self.model[at].handle = self.tree.replace(self.handle(at), "other")
            self.model[at].value = "other"

    @rule(span=spans)
    def count(self, span: list[int]) -> None:
        hits = [at for at, entry in enumerate(self.model) if entry in self.overlapping(span)]
        asked = array("Q", span[:1] * 4), array("Q", span[1:] * 4)
        assert self.tree.count_overlap(*span) == len(hits)
        assert self.tree.any_overlap(*span) is bool(hits)
        assert self.tree.count_many(*asked).tolist() == [len(hits)] * 4
        assert self.tree.overlap_many(*asked)[1].tolist() == hits * 4

    @rule()
    def iterate(self) -> None:
        for entry, found in zip(self.model, self.tree, strict=True):
            entry.meet(found)

    @invariant()
    def holds(self) -> None:
        self.tree.check()
        assert len(self.tree) == len(self.model)
        starts, lasts, values = self.tree.to_arrays()
        assert starts.tolist() == [entry.start for entry in self.model]
        assert lasts.tolist() == [entry.last for entry in self.model]
        assert values == [entry.value for entry in self.model]
        gc.get_referents(self.tree)  # what the collector does


def run(form: Any, examples: int) -> None:  # noqa: ANN401 - a class of either form
    run_machine(Machine, form, examples, steps=20)


def run_library(library: str) -> None:
    """Run the machine over a compiled library; for a process that may crash."""
    run(load_library(library).Tree, 300)


def test_the_machine_finds_nothing(form: Any) -> None:  # noqa: ANN401
    run(form, 120)


BUGS: dict[str, Bug] = {
    "no bug": NONE,
    "an interval is made twice": (
        "tree_object.h",
        "\t\tif (!bt_is_unmade(leaf->slots[i]))\n\t\t\tcontinue;\n",
        "",
    ),
    "an interval that was made goes to another slot": (
        "tree_object.h",
        "bt_replace(leaf, i, &made->item);",
        "bt_replace(leaf, 0, &made->item);",
    ),
    "an interval that was made does not know its leaf": (
        "btree.h",
        "\titem->leaf = leaf;\n",
        "",
    ),
    "the slot after the cursor": (
        "tree_object.h",
        "slots[cursor->slot - 1]",
        "slots[cursor->slot]",
    ),
    "what was made is not counted": ("tree_object.h", "\t\tself->unmade--;\n", ""),
    "numbers begin anew in each page": ("btree_bulk.h", "bt_unmade(number)", "bt_unmade(i)"),
    "numbers follow the order of starts": (
        "btree_bulk.h",
        "bt_unmade(number)",
        "bt_unmade(used)",
    ),
    "numbers that ascend are taken for granted": (
        "tree_arrays.h",
        "if (bt_ascend(given->starts, given->count))",
        "",
    ),
    "a number that moves is taken for an interval": (
        "btree_page.h",
        "else if (!bt_is_unmade(page->slots[i]))",
        "else",
    ),
    "a rebuilt tree takes numbers for intervals": (
        "tree_many.h",
        "(self->unmade && found_make(self, 0, UINT64_MAX, &old))",
        "0",
    ),
    "the tree clears numbers as if they were intervals": (
        "_core.c",
        "\t\tif (bt_is_unmade(item))\n\t\t\tcontinue;\n\t\t((struct",
        "\t\t((struct",
    ),
    "the collector visits numbers": (
        "_core.c",
        "\t\tif (!bt_is_unmade(item))\n\t\t\tPy_VISIT",
        "\t\t\tPy_VISIT",
    ),
    "columns take numbers for intervals": (
        "tree_arrays.h",
        "\t\tif (!bt_is_unmade(values->items[i]))\n",
        "",
    ),
    "a search gives numbers away": (
        "tree_object.h",
        "if (self->unmade && bt_any_unmade(found) &&",
        "if (0 &&",
    ),
}


@pytest.mark.parametrize("name", BUGS)
def test_a_bug_planted_in_the_c_form_is_found(name: str, tmp_path: Path) -> None:
    assert_found(__file__, name, BUGS[name], tmp_path)


def thousand(form: Form) -> IntervalTree[Any]:
    """Return points 0 .. 999; the number of each is its place and not a small integer."""
    lasts = array("Q", range(1000, 2000))
    return form.from_arrays(array("Q", range(1000, 2000)), lasts)


def test_an_interval_is_one_object_however_it_is_found(form: Form) -> None:
    tree = thousand(form)
    found = tree.at(1500)[0]
    assert found.value == 500
    assert found.value is found.value
    assert tree.at(1500)[0] is tree.first_overlap(1500, 1500) is tree.nearest_after(1499) is found
    assert list(tree)[500] is found
    assert found in tree


def test_an_interval_outlives_its_tree(form: Form) -> None:
    tree = thousand(form)
    found = tree.at(1500)[0]
    tree.clear()
    assert found not in tree
    del tree
    assert (found.start, found.last, found.value) == (1500, 1500, 500)


@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, lambda tree: pickle.loads(pickle.dumps(tree))],  # noqa: S301
)
def test_copies_of_what_nobody_has_seen(form: Form, again: Callable[[Any], Any]) -> None:
    tree = thousand(form)
    tree.remove(tree.at(1007)[0])
    made = again(tree)
    made.check()
    assert made == tree
    assert [iv.value for iv in made] == [at for at in range(1000) if at != 7]
    assert made.at(1500)[0] is not tree.at(1500)[0]


def test_a_cycle_through_a_tree_of_numbers_is_collected(form: Form) -> None:
    class Named(form):  # type: ignore[misc, valid-type]
        held: object = None

    before = len([thing for thing in gc.get_objects() if isinstance(thing, Named)])
    tree = Named.from_arrays(array("q", range(99)), array("q", range(99)))
    tree.insert(3, 3, tree)
    tree.held = tree.at(3)[0]
    del tree
    gc.collect()
    assert before == len([thing for thing in gc.get_objects() if isinstance(thing, Named)])


def test_nothing_is_left_behind(form: Form) -> None:
    def use() -> None:
        tree = thousand(form)
        for point in range(1000, 2000, 100):
            tree.remove(tree.at(point)[0])
        tree.to_arrays()
        next(iter(tree))
        tree.update([(1, 1, 1)])
        thousand(form).update((at, at, at) for at in range(500))

    use()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(20):
        use()
    gc.collect()
    assert abs(sys.getallocatedblocks() - before) < 100


def bytes_of(make: Callable[[], object]) -> int:
    """Return what a call leaves allocated, in bytes an interval of a thousand."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = make()
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert kept is not None
    return used // 1000


def test_an_interval_takes_no_memory_before_it_is_asked_for() -> None:
    compiled = pytest.importorskip("ksm_rmap.interval_tree._compiled").IntervalTree
    tree = thousand(compiled)
    assert bytes_of(lambda: thousand(compiled)) < 32
    assert bytes_of(lambda: tree.count_overlap(0, MAX)) == 0
    assert bytes_of(lambda: tree.visited(0, MAX)) == 0
    numbers = list(range(1000))
    assert 48 <= bytes_of(lambda: numbers and list(tree) and tree) < 48 + 8 + 32
    assert bytes_of(lambda: list(tree) and tree) == 0


#: Made beforehand: some CPython versions crash where a function cannot be allocated.
MANY = [(at, at, at) for at in range(300)]
STARTS = array("Q", range(300, 600))
MIXED = array("Q", [*range(300, 450), *range(150)])
STEPS: list[Callable[[Any], object]] = [
    lambda tree: tree.at(1005),
    lambda tree: tree.overlap(0, MAX),
    lambda tree: tree.first_overlap(0, MAX),
    lambda tree: tree.nearest_before(1700),
    lambda tree: next(iter(tree)),
    lambda tree: tree.insert(1003, 1003, "new"),
    lambda tree: tree.update(MANY),
    lambda tree: tree.to_arrays(),
    lambda tree: type(tree).from_arrays(STARTS, STARTS),
    lambda tree: type(tree).from_arrays(MIXED, MIXED),
    lambda tree: tree._load_arrays(STARTS, STARTS, None),
]


@pytest.mark.parametrize("number", range(len(STEPS)))
def test_memory_that_runs_out_changes_nothing(number: int) -> None:
    compiled = pytest.importorskip("ksm_rmap.interval_tree._compiled").IntervalTree
    testcapi = pytest.importorskip("_testcapi", reason="this Python has no _testcapi")
    wanted = thousand(compiled).to_arrays()
    for after in [*range(60), *range(60, 5000, 67)]:
        tree = thousand(compiled)
        testcapi.set_nomemory(after, 0)
        try:
            STEPS[number](tree)
        except MemoryError:
            failed = True
        else:
            failed = False
        finally:
            testcapi.remove_mem_hooks()
        tree.check()
        if not failed:
            return
        assert tree.to_arrays() == wanted
        assert [iv.value for iv in tree] == list(range(1000))
    pytest.fail("the step never had enough memory")
