"""A walk that never ends is ended."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from ksm_rmap import walks
from ksm_rmap.model import scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ksm_rmap.model.state import State

LIMIT = 0.05


def hugh() -> tuple[State, int]:
    state = scenario.load("hugh").run()
    (folio,) = state.ksm_folios()
    return state, folio


def forever(*_: object) -> None:
    while True:
        pass


def without_end(*_: object) -> Iterator[tuple[int, int]]:
    while True:
        yield 0, 0


def swallowing(*_: object) -> None:
    for _attempt in range(3):
        with contextlib.suppress(BaseException):
            forever()
    forever()


@pytest.mark.parametrize("function", [forever, without_end, swallowing])
def test_it_is_ended(function: object) -> None:
    assert callable(function)
    walk = walks.limited(walks.UserWalk("own", function), LIMIT)
    state, folio = hugh()
    begun = time.monotonic()
    with pytest.raises(walks.WalkTimeoutError) as caught:
        walk(state, folio)
    assert time.monotonic() - begun < 2
    assert str(caught.value) == f"walk 'own' of folio {folio}: did not return within 0.05 s"
    assert isinstance(caught.value, walks.WalkError)


def test_a_walk_that_ends_is_left_alone() -> None:
    state, folio = hugh()
    index = walks.get("index")
    walk = walks.limited(index, 5)
    assert walk(state, folio) == index(state, folio)
    assert (walk.name, walk.summary) == (index.name, index.summary)
    assert repr(walk) == f"LimitedWalk({index!r}, 5)"
    stop = walks.RmapWalkControl(rmap_one=lambda *_: False)
    assert walk(state, folio, control=stop) == index(state, folio, control=stop)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_other_exceptions_pass() -> None:
    with pytest.raises(ZeroDivisionError):
        walks.call_within(5, lambda: 1 / 0, "test")
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_an_alarm_that_comes_late_does_nothing() -> None:
    handler = walks.call_within(5, lambda: signal.getsignal(signal.SIGALRM), "test")
    assert callable(handler)
    handler(signal.SIGALRM, None)


def test_a_timer_that_was_set_before_goes_on() -> None:
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 100)
        assert walks.call_within(5, lambda: 7, "test") == 7
        assert 90 < signal.getitimer(signal.ITIMER_REAL)[0] <= 100
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        walks.call_within(5, lambda: time.sleep(0.03), "test")
        time.sleep(0.01)
        assert rung == [1]
        signal.setitimer(signal.ITIMER_REAL, 100, 50)
        walks.call_within(5, lambda: 7, "test")
        assert signal.getitimer(signal.ITIMER_REAL)[1] == 50
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_limits_may_be_nested() -> None:
    def inner() -> None:
        with pytest.raises(walks.WalkTimeoutError, match="inner"):
            walks.call_within(LIMIT, forever, "inner")
        forever()

    with pytest.raises(walks.WalkTimeoutError, match=r"outer: did not return within 0\.2 s"):
        walks.call_within(0.2, inner, "outer")


def test_in_another_thread_there_is_no_limit() -> None:
    answers: list[int] = []

    def slow() -> int:
        time.sleep(LIMIT)
        return 7

    thread = threading.Thread(
        target=lambda: answers.append(walks.call_within(LIMIT / 10, slow, "test"))
    )
    thread.start()
    thread.join()
    assert answers == [7]


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_limit_must_be_positive(seconds: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        walks.limited(walks.get("index"), seconds)
