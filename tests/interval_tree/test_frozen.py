"""The persistent tree against a plain list, which is the specification."""

from __future__ import annotations

import pickle
import random
from typing import Any

import pytest

from ksm_rmap.interval_tree import FrozenIntervalTree

MAX = 2**64 - 1
Entry = tuple[int, int, int]


class SmallPages(FrozenIntervalTree[int]):
    """Pages of four: small inputs reach every branch."""

    _limit = 4


def step(
    tree: FrozenIntervalTree[int], model: list[Entry], rng: random.Random, span: int
) -> FrozenIntervalTree[int]:
    if not model or rng.random() < 0.55:
        start = rng.randrange(span)
        entry = start, start + rng.randrange(20), rng.randrange(3)
        model.insert(sum(old[0] <= start for old in model), entry)
        return tree.insert(*entry)
    entry = rng.choice(model)
    if rng.random() < 0.3:
        last = entry[0] + rng.randrange(30)
        model[model.index(entry)] = entry[0], last, entry[2]
        return tree.replace_last(*entry, last)
    model.remove(entry)
    return tree.remove(*entry)


@pytest.mark.parametrize("kind", [SmallPages, FrozenIntervalTree])
@pytest.mark.parametrize("span", [1, 8, 1000])
def test_random_steps_agree_with_a_list(kind: type[FrozenIntervalTree[int]], span: int) -> None:
    rng = random.Random(span)  # noqa: S311 - a seeded test
    tree, model = kind(), list[Entry]()
    for _ in range(400):
        before, listed = tree, list(model)
        tree = step(tree, model, rng, span)
        tree.check()
        assert list(tree) == model
        assert list(before) == listed
        low = rng.randrange(span)
        high = low + rng.randrange(10)
        wanted = [entry for entry in model if entry[0] <= high and entry[1] >= low]
        assert tree.overlap(low, high) == list(tree.iter_overlap(low, high)) == wanted
        assert tree.first_overlap(low, high) == (wanted[0] if wanted else None)
        assert tree.count_overlap(low, high) == len(wanted)
    rebuilt = kind(model)
    rebuilt.check()
    assert rebuilt == tree
    assert hash(rebuilt) == hash(tree)
    assert pickle.loads(pickle.dumps(tree)) == tree  # noqa: S301 - our own bytes


def test_whole_range_of_an_unsigned_long() -> None:
    tree = FrozenIntervalTree([(0, MAX, "all"), (MAX, MAX, "end")])
    assert [entry.value for entry in tree.at(MAX)] == ["all", "end"]
    assert [entry.value for entry in tree.at(0)] == ["all"]


@pytest.mark.parametrize(("start", "last"), [(-1, 0), (1, 0), (0, MAX + 1)])
def test_bounds_outside_are_refused(start: int, last: int) -> None:
    with pytest.raises(ValueError, match=f"start={start}, last={last}"):
        FrozenIntervalTree[int]().insert(start, last, 0)
    with pytest.raises(ValueError, match=f"start={start}, last={last}"):
        FrozenIntervalTree[int]().overlap(start, last)


def test_removing_what_is_missing_says_so() -> None:
    with pytest.raises(ValueError, match=r"\[1, 2\] with value 'x' is not in the tree"):
        FrozenIntervalTree([(1, 2, "y")]).remove(1, 2, "x")


def test_tall_trees_answer_like_small_ones() -> None:
    tree = SmallPages((at, at + 3, at) for at in range(0, 400, 5))
    assert tree.at(4) == []
    assert not tree.any_overlap(399, 500)
    assert tree.first_overlap(4, 6) == (5, 8, 5)
    assert tree.overlap(0, MAX) == list(tree)
    assert tree.visited(4, 4).pages <= 5
    with pytest.raises(ValueError, match="is not in the tree"):
        tree.remove(5, 8, 6)


def test_membership_is_by_content() -> None:
    tree = SmallPages((at % 3, 9, at) for at in range(50))
    assert (1, 9, 4) in tree
    assert (1, 9, 5) not in tree
    assert (1, 9) not in tree
    assert ("1", 9, 4) not in tree
    assert None not in tree


def test_equality_and_text() -> None:
    tree = FrozenIntervalTree([(1, 2, "a")])
    assert tree == tree.insert(0, 0, "b").remove(0, 0, "b")
    assert tree != tree.insert(0, 0, "b")
    assert tree != [(1, 2, "a")]
    assert repr(tree) == "FrozenIntervalTree([(1, 2, 'a')])"
    assert eval(repr(tree)) == tree  # noqa: S307 - our own text
    assert {tree: 1}[FrozenIntervalTree([(1, 2, "a")])] == 1


def test_the_last_one_removed_leaves_an_empty_tree() -> None:
    tree = SmallPages((at, at, at) for at in range(30))
    for at in range(30):
        tree = tree.remove(at, at, at)
        tree.check()
    assert tree == FrozenIntervalTree()
    assert tree.first_overlap(0, MAX) is None


def test_numbers_that_act_as_integers_are_bounds() -> None:
    tree = FrozenIntervalTree[str]().insert(True, 2, "v")
    assert [type(bound) for bound in next(iter(tree))[:2]] == [int, int]
    wrong: Any = 1.5
    with pytest.raises(TypeError):
        tree.insert(wrong, 2, "v")
