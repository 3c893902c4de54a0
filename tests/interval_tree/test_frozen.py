"""The persistent tree against a plain list, which is the specification."""

from __future__ import annotations

import pickle
import random

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
