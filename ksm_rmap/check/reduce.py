"""From the calls of a failed example to the smallest that fail in the same way.

No analogue in the kernel. `Replay` makes lists of calls again and again and remembers the states
of the last list, so that a list that begins alike costs only what differs.
"""

from __future__ import annotations

from itertools import takewhile
from operator import eq
from typing import TYPE_CHECKING

from ksm_rmap.check.delta import Calls, shrink
from ksm_rmap.model.errors import MmError
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.scenario import Scenario
from ksm_rmap.walks.trial import first_state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ksm_rmap.check.question import Question
    from ksm_rmap.model.calls import Call
    from ksm_rmap.model.state import State
    from ksm_rmap.walks import NamedWalk

__all__ = ("Replay", "accepted", "failure", "reduce_error", "reduce_miss", "scenario_of")


class Replay:
    """Makes lists of calls from an empty state."""

    def __init__(self, rules: Rules, walk: NamedWalk) -> None:
        self.walk = walk
        """What swap-out and migration use."""
        self._calls: list[Call] = []
        self._states = [first_state(rules, [walk])]

    def run(self, calls: Sequence[Call]) -> State:
        """Return the state after `calls`; a call that is refused changes what it changes."""
        alike = sum(1 for _ in takewhile(bool, map(eq, self._calls, calls)))
        del self._calls[alike:], self._states[alike + 1 :]
        for call in calls[alike:]:
            state = step(self._states[-1], call, self.walk)
            self._calls.append(call)
            self._states.append(state)
        return self._states[-1]


def step(state: State, call: Call, walk: NamedWalk) -> State:
    """Return the state after `call`, whether it is done or refused."""
    try:
        return call.apply(state, walk)
    except MmError as error:
        return error.state or state


def accepted(calls: Sequence[Call], rules: Rules, walk: NamedWalk) -> Calls:
    """Return the calls that are not refused when all are made in turn."""
    state, kept = first_state(rules, [walk]), []
    for call in calls:
        try:
            state = call.apply(state, walk)
        except MmError as error:
            state = error.state or state
        else:
            kept.append(call)
    return tuple(kept)


def reduce_miss(
    calls: Sequence[Call],
    rules: Rules,
    question: Question,
    progress: Callable[[Calls], None] = lambda _: None,
) -> Scenario:
    """Return the smallest scenario made from `calls` after which the question has an answer.

    `progress` is called with each list that is smaller than those before.
    """
    replay = Replay(rules, question.walk)

    def misses(candidate: Calls) -> bool:
        if question.ask(replay.run(candidate)) is None:
            return False
        progress(candidate)
        return True

    return scenario_of(shrink(calls, misses), rules)


def failure(calls: Sequence[Call], replay: Replay, question: Question) -> str | None:
    """Return how the model or the walk fails after `calls`; None: they do not.

    The name of the broken clause of `State.check()`, or of the exception.
    """
    try:
        state = replay.run(calls)
        state.check()
        question.ask(state)
    except Exception as error:  # noqa: BLE001 - any failure is what is looked for
        return getattr(error, "clause", type(error).__name__)
    return None


def reduce_error(calls: Sequence[Call], rules: Rules, question: Question) -> Scenario:
    """Return the smallest scenario made from `calls` after which the same thing fails."""
    replay = Replay(rules, question.walk)
    how = failure(calls, replay, question)
    if how is None:  # a failure that does not come again
        return scenario_of(calls, rules)
    smallest = shrink(calls, lambda candidate: failure(candidate, replay, question) == how)
    return scenario_of(smallest, rules)


def scenario_of(calls: Sequence[Call], rules: Rules) -> Scenario:
    """Return `calls` as a scenario that names its rules unless they are the default."""
    return Scenario.from_calls(calls, rules=None if rules == Rules() else rules)
