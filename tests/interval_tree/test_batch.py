"""Batches and arrays against one search at a time."""

from __future__ import annotations

import random
from array import array
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from ksm_rmap.interval_tree import IntervalTree

Form = type["IntervalTree[Any]"]
MAX = 2**64 - 1


def grown(form: Form, count: int, span: int, page: int) -> IntervalTree[Any]:
    rng = random.Random(count)  # noqa: S311 - a seeded test
    tree = form()
    tree._set_page_size(page)
    for at in range(count):
        start = rng.randrange(span)
        tree.insert(start, start + rng.randrange(1 + span // 5), at)
    return tree


@pytest.mark.parametrize("count", [0, 1, 40, 700])
@pytest.mark.parametrize("queries", [0, 1, 30, 900])
@pytest.mark.parametrize("span", [4, 10**9, 2**63])
def test_a_batch_is_many_searches(form: Form, count: int, queries: int, span: int) -> None:
    tree = grown(form, count, span, 5)
    rng = random.Random(queries)  # noqa: S311 - a seeded test
    starts = array("Q", [rng.randrange(span) for _ in range(queries)])
    lasts = array("Q", [start + rng.randrange(1 + span // 9) for start in starts])
    pairs = list(zip(starts, lasts, strict=True))
    counts = tree.count_many(starts, lasts)
    assert counts.tolist() == [tree.count_overlap(*pair) for pair in pairs]
    listed = list(tree)
    left, right = tree.overlap_many(starts, lasts)
    assert len(left) == len(right) == sum(counts)
    hits = [listed[at] for at in right]
    assert hits == [hit for pair in pairs for hit in tree.overlap(*pair)]
    assert list(left) == [at for at, hits in enumerate(counts) for _ in range(hits)]


def test_numpy_arrays_of_either_sign(form: Form) -> None:
    tree = form([(1, 5, "a"), (MAX, MAX, "end")])
    for kind in (np.int64, np.uint64):
        starts, lasts = np.array([0, 2, 6], kind), np.array([0, 2, 7], kind)
        assert memoryview(tree.count_many(starts, lasts)).tolist() == [0, 1, 0]
    top = np.array([MAX], np.uint64)
    assert tree.count_many(top, top).tolist() == [1]


def test_arrays_there_and_back(form: Form) -> None:
    starts, lasts = array("Q", [5, 1, 5]), array("q", [5, 9, 7])
    tree = form.from_arrays(starts, lasts)
    assert [iv.value for iv in tree] == [1, 0, 2]
    named = form.from_arrays(starts, lasts, ["x", "y", "z"])
    columns = named.to_arrays()
    assert columns == (array("Q", [1, 5, 5]), array("Q", [9, 5, 7]), ["y", "x", "z"])
    assert form.from_arrays(*columns) == named
    assert form.from_arrays(array("q"), array("q")) == form()


LIST: Any = [1, 2]
WRONG: list[tuple[Any, Any, type[Exception], str]] = [
    (array("q", [1, 2]), array("q", [1]), ValueError, "2 starts but 1 lasts"),
    (array("q", [1, -2]), array("q", [1, 2]), ValueError, "negative"),
    (array("q", [1, 3]), array("q", [1, 2]), ValueError, "start=3, last=2 at 1"),
    (array("i", [1, 2]), array("i", [1, 2]), TypeError, "64-bit integers"),
    (array("d", [1, 2]), array("d", [1, 2]), TypeError, "64-bit integers"),
    (np.zeros((2, 2), np.int64), np.zeros(2, np.int64), TypeError, "one-dimensional"),
    (LIST, LIST, TypeError, "list"),
    (array("q", [1]), None, TypeError, "NoneType"),
]


@pytest.mark.parametrize("case", WRONG)
def test_wrong_buffers_are_refused(form: Form, case: tuple[Any, Any, type[Exception], str]) -> None:
    starts, lasts, error, match = case
    tree = form([(1, 2, 3)])
    for call in (tree.count_many, tree.overlap_many, form.from_arrays):
        with pytest.raises(error, match=match):
            call(starts, lasts)


def test_strided_arrays_are_refused(form: Form) -> None:
    every_other = np.arange(10)[::2]
    with pytest.raises((BufferError, ValueError)):
        form().count_many(every_other, every_other)


def test_values_must_be_as_many(form: Form) -> None:
    with pytest.raises(ValueError, match="1 starts but 2 values"):
        form.from_arrays(array("q", [1]), array("q", [1]), ["a", "b"])
