"""Both forms of the persistent map against a dict, with pages so small that every branch is met."""

from __future__ import annotations

import importlib
import math
import pickle
import random
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ksm_rmap.model import _paged_map
from ksm_rmap.model._sorted_map import SortedMap

if TYPE_CHECKING:
    from collections.abc import Callable

    from ksm_rmap.model._paged_map import PagedMap

    Form = type[SortedMap[Any]]

keys = st.integers(-30, 30)


def paged(form: Form, page: int) -> Form:
    """Return the form of the map with at most `page` entries on a page."""
    return type(f"PagesOf{page}", (form,), {"__slots__": (), "_limit": page})


@pytest.fixture
def sorted_map(form: Any) -> Form:  # noqa: ANN401 - a module
    kind: Form = form.SortedMap
    return kind


class AgainstDict(RuleBasedStateMachine):
    """`target` is the map, `model` the dict; every older version must stay what it was."""

    form = "_pure"
    present = Bundle("present")

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[int, int] = {}
        self.sorted_map: Form = importlib.import_module(f"ksm_rmap.model.{self.form}").SortedMap
        self.target: PagedMap[int] = self.sorted_map()
        self.before: list[tuple[PagedMap[int], dict[int, int]]] = []

    @initialize(page=st.sampled_from([4, 5, 8, 16]), start=st.sets(keys))
    def begin(self, page: int, start: set[int]) -> None:
        self.sorted_map = paged(self.sorted_map, page)
        self.model = dict.fromkeys(start, 0)
        self.target = self.sorted_map(self.model.items())

    def remember(self) -> None:
        self.before = [*self.before[-3:], (self.target, dict(self.model))]

    @rule(target=present, key=keys, value=st.integers(0, 3))
    def put(self, key: int, value: int) -> int:
        self.remember()
        self.target = self.target.with_item(key, value)
        self.model[key] = value
        return key

    @rule(low=keys, count=st.integers(1, 12), step=st.sampled_from([1, -1, 2]))
    def put_a_run(self, low: int, count: int, step: int) -> None:
        self.remember()
        for key in range(low, low + count * step, step):
            self.target = self.target.with_item(key, key)
            self.model[key] = key

    @rule(key=consumes(present))
    def remove(self, key: int) -> None:
        self.remember()
        if key in self.model:
            self.target = self.target.without(key)
            del self.model[key]

    @precondition(lambda self: self.model)
    @rule(low=keys, count=st.integers(1, 20))
    def remove_a_run(self, low: int, count: int) -> None:
        self.remember()
        for key in [k for k in sorted(self.model) if k >= low][:count]:
            self.target = self.target.without(key)
            del self.model[key]

    @rule(key=keys)
    def remove_what_is_not_there(self, key: int) -> None:
        if key not in self.model:
            with pytest.raises(KeyError, match=str(key)):
                self.target.without(key)

    @rule(key=keys)
    def look_up(self, key: int) -> None:
        assert self.target.get(key) == self.model.get(key)
        assert self.target.get(key, "none") == self.model.get(key, "none")
        assert (key in self.target) == (key in self.model)
        below = [k for k in self.model if k <= key]
        above = [k for k in self.model if k >= key]
        assert self.target.floor(key) == ((max(below), self.model[max(below)]) if below else None)
        assert self.target.ceiling(key) == ((min(above), self.model[min(above)]) if above else None)
        if key in self.model:
            assert self.target[key] == self.model[key]
        else:
            with pytest.raises(KeyError):
                self.target[key]

    @rule(low=st.none() | keys, end=st.none() | keys)
    def list_a_range(self, low: int | None, end: int | None) -> None:
        wanted = [
            (key, value)
            for key, value in sorted(self.model.items())
            if (low is None or low <= key) and (end is None or key < end)
        ]
        assert list(self.target.pairs(low, end)) == wanted

    @invariant()
    def agrees(self) -> None:
        self.target.check()
        listed = sorted(self.model.items())
        assert list(self.target.pairs()) == listed
        assert list(self.target) == [key for key, _ in listed]
        assert list(self.target.values_in_order()) == [value for _, value in listed]
        assert len(self.target) == len(listed)
        for old, wanted in self.before:
            assert dict(old.items()) == wanted
        event(f"depth {self.target._depth}")

    @invariant()
    def is_the_map_built_at_once(self) -> None:
        built = self.sorted_map(self.model.items())
        built.check()
        assert built == self.target
        assert hash(built) == hash(self.target)
        assert self.sorted_map.from_columns(*self.target.columns()) == self.target
        self.target.check()  # with a stored hash


class CompiledAgainstDict(AgainstDict):
    """The same over the C form."""

    form = "_compiled"


MACHINES = {"_pure": AgainstDict, "_compiled": CompiledAgainstDict}


def test_the_map_agrees_with_a_dict(form: Any) -> None:  # noqa: ANN401 - a module
    many = settings(max_examples=150, stateful_step_count=25, deadline=None)
    run_state_machine_as_test(MACHINES[form.__name__.rpartition(".")[2]], settings=many)


def test_the_machine_reaches_three_levels(sorted_map: Form) -> None:
    sorted_map = paged(sorted_map, 4)
    assert sorted_map((key, 0) for key in range(40))._depth >= 2


ORDERS: dict[str, Callable[[list[int]], list[int]]] = {
    "ascending": lambda keys: keys,
    "descending": lambda keys: keys[::-1],
    "random": lambda keys: random.Random(1).sample(keys, len(keys)),  # noqa: S311 - a seeded test
}


@pytest.mark.parametrize("inserted", ORDERS)
@pytest.mark.parametrize("removed", ORDERS)
def test_depth_is_logarithmic_whatever_was_deleted(
    inserted: str, removed: str, sorted_map: Form
) -> None:
    n = 600
    empty: PagedMap[int] = paged(sorted_map, 16)()
    target = empty
    for key in ORDERS[inserted](list(range(n))):
        target = target.with_item(key, key)
    target.check()
    for key in ORDERS[removed](list(range(n))):
        target = target.without(key)
        size = len(target)
        assert target._depth <= 1 + math.log2(max(size, 1))
        if size % 50 == 0:
            target.check()
    assert target == empty


def test_ascending_keys_fill_their_pages(sorted_map: Form) -> None:
    target: PagedMap[int] = sorted_map()
    for key in range(1000):
        target = target.with_item(key, key)
    pages = list(_paged_map._leaves(target._root, target._depth, None))
    assert len(pages) <= 1000 / (sorted_map._limit - 2) + 1


def test_an_update_shares_all_but_one_path(sorted_map: Form) -> None:
    before: PagedMap[int] = sorted_map((key, key) for key in range(22_000))
    after = before.with_item(11_000, -1)

    def pages(root: object, depth: int, found: dict[int, int]) -> dict[int, int]:
        assert isinstance(root, tuple)
        found[id(root)] = sys.getsizeof(root) + sum(map(sys.getsizeof, root))
        if depth:
            for child in root[1]:
                pages(child, depth - 1, found)
        return found

    old = pages(before._root, before._depth, {})
    new = pages(after._root, after._depth, {})
    fresh = [size for page, size in new.items() if page not in old]
    assert len(fresh) == after._depth + 1
    assert sum(fresh) < 2500


def test_the_last_of_equal_keys_wins(sorted_map: Form) -> None:
    assert sorted_map([(1, "a"), (1, "b")]) == sorted_map([(1, "b")])


def test_comparison_with_something_else(sorted_map: Form) -> None:
    mapping: object = {1: 2}
    assert sorted_map([(1, 2)]) != mapping
    assert sorted_map([(1, 2)]) != sorted_map([(1, 3)])
    assert sorted_map([(1, 2)]) != sorted_map()
    assert sorted_map([(1, 2)]) == SortedMap([(1, 2)])  # of the form that was chosen
    other: object = "1"
    assert other not in sorted_map([(1, 2)])


def test_repr_and_pickle_make_an_equal_map() -> None:
    target = SortedMap((key, str(key)) for key in range(-50, 50))
    assert repr(SortedMap([(2, "b"), (1, "a")])) == "SortedMap([(1, 'a'), (2, 'b')])"
    assert eval(repr(target)) == target  # noqa: S307 - our own repr
    again = pickle.loads(pickle.dumps(target))  # noqa: S301 - our own bytes
    assert again == target
    assert hash(again) == hash(target)


BROKEN: list[tuple[str, Any, int, int]] = [
    ("the length is the number of keys", ((1,), (1,)), 0, 2),
    ("keys ascend", ((2, 1), (0, 0)), 0, 2),
    ("a page has as many values as keys", ((1, 2), (0,)), 0, 2),
    ("a page has at most `_limit` entries", (tuple(range(33)), tuple(range(33))), 0, 33),
    ("no page is too small", ((1, 2), (((1,), (0,)), ((2,), (0,)))), 1, 2),
    ("a root branch has two children", ((1,), (((1,), (0,)),)), 1, 1),
    (
        "a branch has the lowest key of each child",
        ((0, 9), ((tuple(range(8)), (0,) * 8), ((8, 9), (0, 0)))),
        1,
        10,
    ),
]


@pytest.mark.parametrize(
    ("rule_name", "root", "depth", "length"), BROKEN, ids=[name for name, *_ in BROKEN]
)
def test_check_names_the_broken_rule(
    rule_name: str,
    root: Any,  # noqa: ANN401 - a page, broken
    depth: int,
    length: int,
    sorted_map: Form,
) -> None:
    broken = sorted_map._of(root, depth, length)
    with pytest.raises(AssertionError, match=f"^broken rule of SortedMap: {rule_name}$"):
        broken.check()


def test_check_notices_a_stale_hash(sorted_map: Form) -> None:
    broken = sorted_map([(1, 1)])
    broken._hash = hash(sorted_map([(1, 2)]))
    with pytest.raises(AssertionError, match="a stored hash is current"):
        broken.check()
