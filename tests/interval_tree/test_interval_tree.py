"""What the tree promises, one short test a promise, over both forms."""

from __future__ import annotations

import copy
import pickle
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ksm_rmap.interval_tree import IntervalTree

if TYPE_CHECKING:
    from collections.abc import Callable

Form = type[IntervalTree[Any]]
MAX = 2**64 - 1


def shown(found: Any) -> list[Any]:  # noqa: ANN401 - intervals of either form
    return [interval.value for interval in found]


def test_bounds_are_closed(form: Form) -> None:
    tree = form([(3, 5, "a")])
    assert [bool(tree.at(point)) for point in (2, 3, 4, 5, 6)] == [False, True, True, True, False]
    assert tree.any_overlap(5, 9)
    assert not tree.any_overlap(6, 9)


def test_the_whole_range_of_an_unsigned_long(form: Form) -> None:
    tree = form([(0, MAX, "all"), (MAX, MAX, "end"), (2**63, 2**63, "middle")])
    assert shown(tree.at(MAX)) == ["all", "end"]
    assert shown(tree.overlap(0, MAX)) == ["all", "middle", "end"]
    assert shown(tree.overlap(2**63 - 1, 2**63)) == ["all", "middle"]


@pytest.mark.parametrize(("start", "last"), [(-1, 0), (1, 0), (0, MAX + 1), (-5, -3)])
@pytest.mark.parametrize("call", ["overlap", "iter_overlap", "count_overlap", "any_overlap"])
def test_searches_refuse_what_is_no_interval(form: Form, call: str, start: int, last: int) -> None:
    with pytest.raises(ValueError, match=f"got start={start}, last={last}"):
        getattr(form(), call)(start, last)


@pytest.mark.parametrize(("start", "last"), [(-1, 0), (1, 0), (0, MAX + 1), (-5, -3)])
def test_changes_refuse_what_is_no_interval(form: Form, start: int, last: int) -> None:
    tree = form([(1, 1, 1)])
    with pytest.raises(ValueError, match=f"got start={start}, last={last}"):
        tree.insert(start, last, None)
    with pytest.raises(ValueError, match=f"got start={start}, last={last}"):
        tree.update([(5, 5, 5), (start, last, None)])
    assert shown(tree) == [1]


@pytest.mark.parametrize("point", [-1, MAX + 1])
@pytest.mark.parametrize("call", ["at", "nearest_before", "nearest_after"])
def test_points_outside_are_refused(form: Form, call: str, point: int) -> None:
    with pytest.raises(ValueError, match="need 0 <= point"):
        getattr(form(), call)(point)


def test_only_integers_are_bounds(form: Form) -> None:
    with pytest.raises(TypeError):
        form().insert(1.0, 2, None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        form().overlap("1", "2")  # type: ignore[arg-type]
    bounds: Any = np.int64(1), np.uint64(2)
    assert form([(*bounds, None)]).any_overlap(2, 2)


def test_what_is_no_triple_is_refused(form: Form) -> None:
    with pytest.raises(ValueError, match=r"an interval is \(start, last, value\)"):
        form([(1, 2)])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        form([1])  # type: ignore[list-item]
    with pytest.raises(ZeroDivisionError):
        form((at, at, 1 // (3 - at)) for at in range(9))


def test_arguments_by_name(form: Form) -> None:
    tree = form(intervals=[(0, 0, "x")])
    made = tree.insert(start=1, value="v", last=2)
    assert tree.overlap(last=2, start=1) == [made]
    assert tree.replace(value=3, interval=made).value == 3


WRONG_CALLS: dict[str, Callable[[Any], object]] = {
    "too few": lambda tree: tree.insert(1, 2),
    "too many": lambda tree: tree.insert(1, 2, 3, 4),
    "given twice": lambda tree: tree.insert(1, 2, 3, last=4),
    "three bounds": lambda tree: tree.overlap(1, 2, 3),
    "no such name": lambda tree: tree.overlap(1, end=2),
    "remove no interval": lambda tree: tree.remove("x"),
    "discard no interval": lambda tree: tree.discard(None),
    "replace no interval": lambda tree: tree.replace((1, 2, 3), 4),
    "no iterable": lambda tree: type(tree)(5),
    "two iterables": lambda tree: type(tree)([], 1),
    "no buffers": lambda tree: tree.overlap_many([1], [2]),
    "hash": hash,
}


@pytest.mark.parametrize("name", WRONG_CALLS)
def test_wrong_calls_are_type_errors(form: Form, name: str) -> None:
    with pytest.raises(TypeError):
        WRONG_CALLS[name](form())


def test_results_come_in_start_then_insertion_order(form: Form) -> None:
    tree = form()
    for at, start in enumerate([5, 1, 5, 1, 5]):
        tree.insert(start, 9 - at, at)
    assert shown(tree) == shown(tree.overlap(0, 9)) == [1, 3, 0, 2, 4]


def test_equal_intervals_are_kept_apart_by_identity(form: Form) -> None:
    tree = form()
    first, second, third = (tree.insert(1, 2, "same") for _ in range(3))
    tree.remove(second)
    assert tree.overlap(1, 2) == [first, third]
    assert second not in tree
    assert "same" not in tree
    with pytest.raises(ValueError, match="is not in this tree"):
        tree.remove(second)
    assert tree.discard(second) is False
    assert tree.discard(first) is True


def test_a_handle_of_another_tree_is_refused(form: Form) -> None:
    one, other = form(), form([(1, 2, 3)])
    made = one.insert(1, 2, 3)
    assert made not in other
    assert not other.discard(made)
    with pytest.raises(ValueError, match="is not in this tree"):
        other.replace(made, 4)
    assert len(other) == len(one) == 1


def test_twenty_two_thousand_forks(form: Form) -> None:
    tree = form()
    made = [tree.insert(7, 7, at) for at in range(22_000)]
    tree.check()
    assert tree.at(7) == made
    assert tree.first_overlap(0, MAX) is made[0]
    order = list(made)
    random.Random(1).shuffle(order)  # noqa: S311 - a seeded test
    for interval in order[:21_000]:
        tree.remove(interval)
    tree.check()
    left = set(order[21_000:])
    assert tree.at(7) == [interval for interval in made if interval in left]


def test_replace_keeps_the_place(form: Form) -> None:
    tree = form([(1, 1, "a"), (1, 1, "b"), (1, 1, "c")])
    _, middle, _ = tree
    made = tree.replace(middle, ["new"])
    assert shown(tree) == ["a", ["new"], "c"]
    assert made in tree
    assert middle not in tree
    assert middle.value == "b"
    tree.check()


def test_an_interval_never_changes(form: Form) -> None:
    made = form().insert(1, 2, "v")
    for name in ("start", "last", "value"):
        with pytest.raises(AttributeError):
            setattr(made, name, 5)
    assert repr(made) == "Interval(1, 2, 'v')"


def test_an_interval_can_stand_alone(module: Any) -> None:  # noqa: ANN401
    alone = module.Interval(1, 2, value=[3])
    assert module.Interval(1, 2, 3) != module.Interval(1, 2, 3)
    assert alone not in module.IntervalTree()
    again = pickle.loads(pickle.dumps(alone))  # noqa: S301 - our own bytes
    assert (again.start, again.last, again.value) == (1, 2, [3])
    with pytest.raises(ValueError, match="start=2, last=1"):
        module.Interval(2, 1, None)


def test_remove_by_content(form: Form) -> None:
    tree = form([(1, 5, "a"), (1, 5, "b"), (1, 6, "b"), (0, 9, "b")])
    assert tree.find(1, 5, "c") is None
    assert tree.find(1, 5, "b") is list(tree)[2]
    gone = tree.remove_match(1, 5, "b")
    assert gone not in tree
    with pytest.raises(ValueError, match=r"\[1, 5\] with value 'b' is not in this tree"):
        tree.remove_match(1, 5, "b")
    assert tree.remove_value("b") == 2
    assert tree.remove_value("b") == 0
    assert shown(tree) == ["a"]


def test_nearest(form: Form) -> None:
    tree = form([(0, 3, "a"), (1, 3, "b"), (0, 99, "long"), (7, 9, "c"), (7, 8, "d")])
    assert tree.nearest_before(4) is list(tree)[2]
    assert shown([tree.nearest_before(9)]) == ["d"]
    assert tree.nearest_before(3) is None
    assert shown([tree.nearest_after(1), tree.nearest_after(0)]) == ["c", "b"]
    assert tree.nearest_after(7) is None
    assert form().nearest_before(5) is form().nearest_after(5) is None


@pytest.mark.parametrize("span", [5, 60, 1000])
def test_nearest_in_tall_trees(form: Form, span: int) -> None:
    rng = random.Random(span)  # noqa: S311 - a seeded test
    tree = form()
    tree._set_page_size(4)
    for at in range(150):
        start = rng.randrange(span)
        tree.insert(start, start + rng.choice([0, 2, span // 3]), at)
    listed = list(tree)
    for point in range(span + 5):
        ended = [iv for iv in listed if iv.last < point]
        best = max((iv.last for iv in ended), default=None)
        ended = [iv for iv in ended if iv.last == best]
        later = [iv for iv in listed if iv.start > point]
        assert tree.nearest_before(point) is (ended[-1] if ended else None)
        assert tree.nearest_after(point) is (later[0] if later else None)
        found = [iv for iv in listed if iv.start <= point <= iv.last]
        assert tree.first_overlap(point, point) is (found[0] if found else None)


def test_merged(form: Form) -> None:
    tree = form([(0, 3, "a"), (2, 9, "b"), (3, 4, "c"), (10, 11, "d"), (13, 13, "e")])
    assert tree.merged() == [(0, 9, ["a", "b", "c"]), (10, 11, ["d"]), (13, 13, ["e"])]
    assert [run[:2] for run in tree.merged(adjacent=True)] == [(0, 11), (13, 13)]
    assert form().merged() == []
    assert form([(0, 0, "zero")]).merged(adjacent=True) == [(0, 0, ["zero"])]
    assert len(form(tree.merged())) == 3


def test_equality_is_by_content_and_order(form: Form) -> None:
    given = [(at % 7, 9, at) for at in range(100)]
    tree = form(given)
    grown = form()
    grown._set_page_size(4)
    for triple in given:
        grown.insert(*triple)
    assert tree == grown == form(tree)
    grown.remove(next(iter(grown)))
    assert tree != grown
    assert tree != given
    assert form([(1, 1, "a"), (1, 1, "b")]) != form([(1, 1, "b"), (1, 1, "a")])


def test_repr_is_a_constructor_call(form: Form) -> None:
    tree = form([(2, 3, "b"), (1, 1, None)])
    assert repr(tree) == "IntervalTree([(1, 1, None), (2, 3, 'b')])"
    assert eval(repr(tree), {"IntervalTree": form}) == tree  # noqa: S307 - our own text


def test_copies_are_independent(form: Form) -> None:
    tree = form([(1, 2, ["list"]), (0, 0, "b")])
    for made in (tree.copy(), copy.copy(tree), copy.deepcopy(tree)):
        assert made == tree
        made.clear()
        made.check()
    assert len(tree) == 2
    assert copy.copy(tree).at(1)[0].value is tree.at(1)[0].value
    assert copy.deepcopy(tree).at(1)[0].value is not tree.at(1)[0].value


def test_pickle_of_a_tree_that_holds_itself() -> None:
    tree = IntervalTree[Any]()
    tree.insert(1, 2, tree)
    again = pickle.loads(pickle.dumps(tree))  # noqa: S301 - our own bytes
    assert again.at(1)[0].value is again


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_at_each_protocol(protocol: int) -> None:
    tree = IntervalTree((at, at + 1, str(at)) for at in range(1000))
    again = pickle.loads(pickle.dumps(tree, protocol))  # noqa: S301 - our own bytes
    again.check()
    assert again == tree


def test_update_of_few_and_of_many_keeps_old_before_new(form: Form) -> None:
    for size, more in ((100, 3), (100, 300), (0, 5), (5, 0)):
        tree = form((at % 3, 9, "old") for at in range(size))
        kept = list(tree)
        tree.update((at % 3, 9, "new") for at in range(more))
        tree.check()
        assert [iv for iv in tree if iv.value == "old"] == kept
        starts = [(iv.start, iv.value == "new") for iv in tree]
        assert starts == sorted(starts)
        assert len(tree) == size + more


def test_clear_lets_go_of_every_handle(form: Form) -> None:
    tree = form((at, at, at) for at in range(100))
    held = list(tree)
    tree.clear()
    tree.check()
    assert not tree
    assert not any(interval in tree for interval in held)
    assert tree.overlap(0, MAX) == []
    tree.insert(1, 1, 1)
    assert len(tree) == 1


@pytest.mark.parametrize("change", ["insert", "remove", "clear", "replace", "update"])
def test_change_during_iteration_is_noticed(form: Form, change: str) -> None:
    tree = form((at, at, at) for at in range(100))
    held = list(tree)
    walk, search = iter(tree), tree.iter_overlap(10, 90)
    assert next(walk) is held[0]
    assert next(search) is held[10]
    arguments: dict[str, tuple[Any, ...]] = {
        "insert": (1, 1, 1),
        "remove": (held[50],),
        "replace": (held[50], 1),
        "update": ([(1, 1, 1)],),
    }
    getattr(tree, change)(*arguments.get(change, ()))
    for stale in (walk, search):
        with pytest.raises(RuntimeError, match="changed during iteration"):
            next(stale)


def test_iteration_stays_at_its_end(form: Form) -> None:
    walk = iter(form([(1, 1, 1)]))
    assert len(list(walk)) == 1
    assert list(walk) == []
    assert list(iter(form())) == []


def test_removal_while_going_over_a_list_is_safe(form: Form) -> None:
    tree = form((at % 10, 20, at) for at in range(500))
    for interval in tree.overlap(0, 30):
        tree.remove(interval)
    tree.check()
    assert len(tree) == 0


def test_page_size_is_for_empty_trees(form: Form) -> None:
    for size in (3, 33):
        with pytest.raises(ValueError, match="4 <= size <= 32"):
            form()._set_page_size(size)
    with pytest.raises(ValueError, match="empty tree"):
        form([(1, 1, 1)])._set_page_size(8)


def test_subclasses_and_weak_references(form: Form) -> None:
    class Mine(form):  # type: ignore[misc, valid-type]
        pass

    tree = Mine([(1, 2, 3)])
    tree.name = "mine"
    tree.copy().check()
    assert isinstance(tree.copy(), Mine)
    assert shown(tree.at(1)) == [3]
