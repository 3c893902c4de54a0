"""Sums and maxima of loops, and the promised JSON."""

from __future__ import annotations

import json

from ksm_rmap.walks import Loop, WalkResult

RESULT = WalkResult(
    ptes=((0, 7), (1, 7)),
    loops=(
        Loop(0, (0, 7), 9, skip_address=5, skip_mm=1, skip_invalid=2, visits=1),
        Loop(0, (0, 8), 12, skip_address=11, skip_mm=0, visits=1),
        Loop(1, (0, 7), 12, skip_address=4, skip_mm=8),
    ),
)


def test_sums() -> None:
    assert RESULT.iterations == 33
    assert RESULT.visits == 2


def test_maxima_are_those_of_single_loops() -> None:
    assert RESULT.max_iterations == 12
    assert RESULT.max_skip_address == 11
    assert RESULT.max_skip_mm == 8


def test_the_worst_loop_is_the_first_of_the_longest() -> None:
    assert RESULT.worst == RESULT.loops[1]


def test_a_walk_without_a_loop() -> None:
    empty = WalkResult()
    assert empty.worst is None
    assert (empty.iterations, empty.visits) == (0, 0)
    assert (empty.max_iterations, empty.max_skip_address, empty.max_skip_mm) == (0, 0, 0)


def test_the_json_of_run() -> None:
    """The inner object of `ksm-rmap run --json`, but for `missed`, which only a judge knows."""
    data = json.loads(json.dumps(RESULT.to_json()))
    assert data == {
        "found": [[0, 7], [1, 7]],
        "iterations": 33,
        "visits": 2,
        "max_iterations": 12,
        "max_skip_address": 11,
        "max_skip_mm": 8,
        "loops": [
            {"pass": 0, "iterations": 9, "skip_address": 5, "skip_mm": 1, "visits": 1},
            {"pass": 0, "iterations": 12, "skip_address": 11, "skip_mm": 0, "visits": 1},
            {"pass": 1, "iterations": 12, "skip_address": 4, "skip_mm": 8, "visits": 0},
        ],
    }


def test_repr_is_a_constructor_call() -> None:
    assert eval(repr(RESULT)) == RESULT  # noqa: S307 - our own repr
