"""The worst case, counted: pages and entries that a search touches, on every layout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings, target
from hypothesis import strategies as st

from ksm_rmap.interval_tree import FrozenIntervalTree

if TYPE_CHECKING:
    from ksm_rmap.interval_tree import IntervalTree

Form = type["IntervalTree[Any]"]
SIZE = 3000


def nested(at: int) -> tuple[int, int]:
    return at, 2 * SIZE - at


def equal(at: int) -> tuple[int, int]:  # noqa: ARG001 - a layout takes an index
    return 7, 9


def giants(at: int) -> tuple[int, int]:
    return at, (10 * SIZE if at % 97 == 0 else at)


def one_giant(at: int) -> tuple[int, int]:
    return at, (10 * SIZE if at == 0 else at)


def stairs(at: int) -> tuple[int, int]:
    return at, at + at % 50


LAYOUTS = [nested, equal, giants, one_giant, stairs]


def height(size: int, page: int) -> int:
    """Return the most levels of a tree whose pages are a quarter full, at least two."""
    levels, reach = 1, page
    while reach < size:
        reach *= max(page // 4, 2)
        levels += 1
    return levels


def spent(tree: Any, start: int, last: int, page: int, share: int = 2) -> None:  # noqa: ANN401
    """Assert the bound for one search: (k / share + 1) pages a level, one page of entries each."""
    hits = tree.count_overlap(start, last)
    visits = tree.visited(start, last)
    assert visits.pages <= (hits // share + 1) * height(len(tree), page)
    assert visits.entries <= visits.pages * page


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("page", [4, 32])
def test_every_layout_stays_in_the_bound(form: Form, layout: Any, page: int) -> None:  # noqa: ANN401
    tree = form()
    tree._set_page_size(page)
    for at in range(SIZE):
        start, last = layout(at)
        tree.insert(start, last, at)
    handles = list(tree)
    for start in range(0, 3 * SIZE, 191):
        for width in (0, 1, 100, 10_000):
            spent(tree, start, start + width, page)
    for interval in handles[: SIZE // 2 : 2] + handles[SIZE // 2 :]:
        tree.remove(interval)
    for start in range(0, 3 * SIZE, 191):
        spent(tree, start, start, page)


def test_neighbours_share_their_pages(form: Form) -> None:
    tree = form((at, at, at) for at in range(10_000))
    pages, entries = tree.visited(5000, 5999)
    assert pages <= 1000 / 8 + 1000 / 64 + 20
    assert entries <= 1000 + 400


def test_far_apart_answers_are_read_where_they_are_known(form: Form) -> None:
    tree = form((at, 10**6 if at % 1000 == 0 else at, at) for at in range(30_000))
    assert tree.count_overlap(29_999, 29_999) == 31
    assert tree.visited(29_999, 29_999).pages <= 12  # 3 a level of the pure form, not 30


def test_a_search_without_answer_reads_one_path(form: Form) -> None:
    tree = form((2 * at, 2 * at, at) for at in range(10_000))
    assert all(tree.visited(2 * at + 1, 2 * at + 1).pages <= 5 for at in range(0, 9000, 97))
    assert form().visited(1, 1) == (0, 0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=30, max_size=200),
    st.integers(0, 60),
    st.integers(0, 20),
)
def test_the_worst_that_can_be_found_stays_in_the_bound(
    spans: list[tuple[int, int]], start: int, width: int
) -> None:
    from ksm_rmap.interval_tree import _pure  # noqa: PLC0415 - the form that counts alike

    tree = _pure.IntervalTree[int]()
    tree._set_page_size(4)
    for low, wide in spans:
        tree.insert(low, low + wide, 0)
    hits = tree.count_overlap(start, start + width)
    target(tree.visited(start, start + width).pages / (hits + 1))
    spent(tree, start, start + width, 4)


def test_both_forms_count_alike(form: Form) -> None:
    from ksm_rmap.interval_tree import _pure  # noqa: PLC0415

    trees: list[Any] = [form(), _pure.IntervalTree[int]()]
    for tree in trees:
        tree._set_page_size(8)
        for at in range(1000):
            start, last = giants(at * 7 % 1000)
            tree.insert(start, last, at)
    for start in range(0, 1100, 13):
        one, other = (tree.visited(start, start + 5) for tree in trees)
        assert one == other


def test_the_frozen_tree_stays_in_the_bound() -> None:
    for layout in LAYOUTS:
        tree = FrozenIntervalTree((*layout(at), at) for at in range(SIZE))
        for start in range(0, 3 * SIZE, 191):
            spent(tree, start, start + 1, 32, share=1)
