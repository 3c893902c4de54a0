from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from ksm_rmap import walks
from ksm_rmap.check._clock import Clock, OutOfTime, TimedWalk
from ksm_rmap.check.question import Miss, Question
from ksm_rmap.check.reduce import Replay, reduce_error
from ksm_rmap.model import ops
from ksm_rmap.model.calls import Call
from ksm_rmap.model.errors import MmError
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.scenario import Scenario
from ksm_rmap.walks import WalkResult, WalkTimeoutError
from ksm_rmap.walks.limit import call_within
from ksm_rmap.walks.registry import named_walk

if TYPE_CHECKING:
    from ksm_rmap.model.state import State

FULL, ADDRESS, ANON = (walks.get(name) for name in ("full", "address", "anon"))
HUGH = "P mmap 0 3\nP prctl merge-any on\nP write 0 2 1\nP mremap 1 1 to 2\nksmd 2"
HEALED = "P mmap 0 2\nP prctl merge-any on\nP write 0 2 1\nksmd 2\nP hold 0\nP swapout 0\nksmd\n"
UPGRADED = "P mmap 0 2\nP write 0 2 1\nP fork C\nC prctl merge-any on\nksmd 2"


def after(text: str) -> State:
    return Scenario.parse(text.replace("ksmd\n", "ksmd 1\n")).run(FULL)


def test_a_walk_is_judged_by_the_truth() -> None:
    state = after(HUGH)
    miss = Question(ADDRESS).ask(state)
    assert miss is not None
    assert miss.ptes == ((0, 2),)
    assert Question(FULL).ask(state) is None
    assert Question(ADDRESS).ask(ops.unmerge_all(state)) is None


def test_a_walk_is_judged_by_another_walk_on_request() -> None:
    state = after(UPGRADED)
    assert Question(FULL).ask(state) == Question(ADDRESS).ask(state) == Miss(2, ((0, 1),))
    assert Question(ADDRESS, FULL).ask(state) is None
    assert Question(ADDRESS, FULL).ask(after(HUGH)) is not None


def test_a_miss_that_ksmd_heals_is_not_persistent() -> None:
    state = after(HEALED + "P read 0 1")
    miss = Question(FULL).ask(state)
    assert miss is not None
    assert not Question(FULL).outlasts(state, miss)
    assert Question(FULL, persistent=True).ask(state) is None
    stuck = after(UPGRADED)
    assert Question(FULL, persistent=True).ask(stuck) == Question(FULL).ask(stuck)


def test_what_ksmd_waits_for_is_not_healed(monkeypatch: pytest.MonkeyPatch) -> None:
    state = after(HUGH)

    def waits(_: State, *, passes: int = 1) -> State:
        raise MmError(11, "ksmd", f"{passes} passes wait for a migration")

    monkeypatch.setattr(ops, "ksmd", waits)
    assert Question(ADDRESS, persistent=True).ask(state) is not None


def test_a_folio_that_is_gone_is_healed() -> None:
    assert not Question(ADDRESS).outlasts(after(HUGH), Miss(99, ((0, 2),)))


def test_anon_is_asked_about_ordinary_folios_only() -> None:
    def blind(_state: State, _folio: int) -> WalkResult:
        return WalkResult()

    assert Question(ANON).ask(after(HUGH)) is None
    state = after("P mmap 0 1\nP write 0 1 1\nP fork C")
    assert Question(ANON).ask(state) is None
    assert Question(named_walk(blind)).ask(state) is None


def test_a_walk_interrupted_by_the_clock() -> None:
    clock = Clock(0.2)

    def endless(_state: State, _folio: int) -> WalkResult:
        while True:
            pass

    walk = TimedWalk(named_walk(endless), clock)
    assert walk.name == "endless"
    assert walk.summary
    state = after(HUGH)
    (folio,) = state.ksm_folios()
    with pytest.raises(WalkTimeoutError, match="walk 'endless' of folio"):
        walk(state, folio)
    with pytest.raises(OutOfTime):
        walk(state, folio)
    late = Clock(60)
    late._start -= 59.9
    with pytest.raises(OutOfTime):  # it had no chance to end
        TimedWalk(named_walk(endless), late)(state, folio)


def test_a_limit_that_is_over_at_once_is_a_limit() -> None:
    ended = 0
    for _ in range(2000):
        try:
            call_within(1e-6, lambda: None, "nothing")
        except WalkTimeoutError:
            ended += 1
    assert ended > 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_replay_makes_again_only_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Call] = []
    sound = Call.apply

    def counted(call: Call, state: State, walk: object = None) -> State:
        made.append(call)
        return sound(call, state, walk)  # type: ignore[arg-type]

    monkeypatch.setattr(Call, "apply", counted)
    calls = Scenario.parse(HUGH).calls
    replay = Replay(Rules(), FULL)
    state = replay.run(calls)
    assert replay.run(calls) == state
    replay.run(calls[:3] + calls[4:])
    assert made == [*calls, *calls[4:]]
    assert replay.run(calls) == state


def test_a_refused_call_is_passed_over() -> None:
    calls = Scenario.parse("P mmap 0 1").calls
    refused = Call.of("munmap", mm=7, start=0, pages=1)
    replay = Replay(Rules(), FULL)
    assert replay.run((refused, *calls)) == replay.run(calls)


def test_a_failure_that_does_not_come_again_keeps_its_calls() -> None:
    calls = Scenario.parse(HUGH).calls
    assert reduce_error(calls, Rules(), Question(FULL)).calls == calls
