"""One call that searches for a sequence of system calls after which a walk misses an entry.

No analogue in the kernel. `check_walk(walk)` runs the machine of `machine_for(walk)` for some
seconds, stops at the first miss, shrinks it, and returns a `Verdict`.

Rules of this module:

1. With equal arguments and seed the same examples are tried in the same order; how far a search
   comes within its seconds depends on the machine it runs on.
2. Where a walk and the walk `full` miss the same entry, the walk is not to blame: the search goes
   on, for something that only this walk misses, and falls back on the first miss at its end.
3. Ctrl-C during the search or the shrinking returns what there is, with `interrupted` set.
4. Hypothesis prints nothing and writes nothing where the user works.
"""

from __future__ import annotations

import secrets
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import hypothesis
from hypothesis.configuration import set_hypothesis_home_dir, storage_directory
from hypothesis.stateful import run_state_machine_as_test

from ksm_rmap.check._clock import Clock, OutOfTime, TimedWalk
from ksm_rmap.check.machine import STEPS, WalkMachine, machine_for, search_settings
from ksm_rmap.check.question import Miss, Question
from ksm_rmap.check.reduce import Replay, accepted, reduce_error, reduce_miss, scenario_of
from ksm_rmap.check.verdict import MISSED, NONE_FOUND, Verdict
from ksm_rmap.walks import Walk, WalkError, WalkTimeoutError, get
from ksm_rmap.walks.registry import named_walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ksm_rmap.check.actions import Scope
    from ksm_rmap.model.calls import Call
    from ksm_rmap.model.rules import Rules

__all__ = ("check_walk",)

_ROUND = 50
"""Examples in one run of Hypothesis: it varies what it tried before, more and more."""
_SHORT = 7
"""Calls of a scenario that is short enough: `address` and `vm_pgoff` are refuted with 5."""
_OTHER_TURNS = 500_000
"""Where the search for something shorter begins: at no turn that the first search comes to."""
_SHRINK_SECONDS = 3.0
"""Least time for the shrinking, which begins when the time of the search may be up."""


def check_walk(
    walk: str | Walk,
    *,
    rules: Rules | str | None = None,
    seconds: float = 10.0,
    seed: int | None = None,
    against: str | Walk | None = None,
    max_examples: int | None = None,
    persistent: bool = False,
    scope: Scope | None = None,
    steps: int = STEPS,
) -> Verdict:
    """Search for calls after which `walk` misses an entry, and return the verdict.

    Args:
        walk: a walk or what `ksm_rmap.walks.get` takes: a name, `module:function`,
            `file.py:function`.
        rules: the kernel, or the name of a preset; None: the default one.
        seconds: time for the search; a walk that does not return is interrupted.
        seed: makes the search reproducible; None: a new one, told in the verdict.
        against: another walk to compare with; None: the truth.
        max_examples: end after so many examples; None: only the time counts.
        persistent: count only what is still missed after a whole pass of ksmd.
        scope: bounds on processes, pages, contents and kinds of calls.
        steps: calls in one example.

    Raises:
        WalkError: the walk cannot be had, fails, returns nonsense or does not end; the scenario
            is in the error's notes.
        ValueError: bad arguments.
        InvariantError: the model itself is wrong; likewise whatever else an operation raised.

    """
    if not seconds > 0:
        raise ValueError(f"check_walk: seconds must be positive, not {seconds!r}")
    if max_examples is not None and max_examples < 1:
        raise ValueError(f"check_walk: max_examples must be at least 1, not {max_examples}")
    question = Question(
        named_walk(walk), None if against is None else named_walk(against), persistent
    )
    clock = Clock(seconds)
    timed = _timed(question, clock)
    machine = machine_for(
        timed.walk,
        against=timed.against,
        persistent=persistent,
        rules=rules,
        scope=scope,
        steps=steps,
    )
    asks_own = against is None and question.walk.name not in {"full", "anon"}
    own = replace(timed, against=get("full")) if asks_own else None
    body = {"clock": clock, "plain": question, "own": own, "steps": steps}
    search = type("Search", (_Search, machine), body)
    return _run(search, secrets.randbits(32) if seed is None else seed, max_examples)


def _timed(question: Question, clock: Clock) -> Question:
    """Return the question with walks that `clock` interrupts."""
    against = question.against
    return replace(
        question,
        walk=TimedWalk(question.walk, clock),
        against=None if against is None else TimedWalk(against, clock),
    )


class _Found(BaseException):
    """The end of a search; not an `Exception`, or Hypothesis would try the example again."""

    def __init__(
        self, calls: Sequence[Call], error: Exception | None = None, *, shared: bool = False
    ) -> None:
        self.calls = tuple(calls)
        self.error = error
        self.shared = shared


class _Search(WalkMachine):
    """A machine that stops at the first miss, or when the time is up."""

    clock: ClassVar[Clock]
    plain: ClassVar[Question]
    """The question without a time limit."""
    own: ClassVar[Question | None]
    """What the walk misses and `full` finds; None: that is not asked."""
    steps: ClassVar[int]
    """Calls in one example."""
    shared: ClassVar[_Found | None] = None
    """The first miss that `full` misses as well."""

    def take(self, call: Call) -> None:
        """Make one call; `_Found` at a miss or an error, `OutOfTime` when the time is up."""
        self.clock.check()
        super().take(call)

    def missed(self, miss: Miss) -> None:
        """End the search, unless `full` misses the same."""
        del miss
        if self.own is None or self.own.ask(self.state) is not None:
            raise _Found(self.trail)
        if self.shared is None:
            type(self).shared = _Found(self.trail, shared=True)

    def failed(self, error: Exception) -> None:
        """End the search."""
        raise _Found(self.trail, error)


def _run(search: type[_Search], seed: int, max_examples: int | None) -> Verdict:
    """Search; when what is found is long, search a while longer for something shorter."""
    verdict = _searched(search, seed, max_examples, 0)
    more = 20 + 2 * verdict.examples
    if max_examples is not None:
        more = min(more, max_examples - verdict.examples)
    if verdict.steps <= _SHORT or verdict.shared or verdict.interrupted or more < 1:
        return verdict
    another = _searched(search, seed, more, _OTHER_TURNS)
    return another if 0 < another.steps < verdict.steps and not another.shared else verdict


def _searched(
    search: type[_Search], seed: int, max_examples: int | None, first_turn: int
) -> Verdict:
    end: BaseException | None = None
    try:
        _search(search, seed, max_examples, first_turn)
    except BaseException as error:
        end = _end_of(error)
        if end is None:
            raise
    against, reach = search.plain.against, search.reach
    verdict = Verdict(
        walk=search.plain.walk.name,
        verdict=NONE_FOUND,
        rules=search.kernel.name,
        seed=seed,
        against=None if against is None else against.name,
        reached=dict(reach.counts),
        examples=reach.examples,
        tried=reach.steps,
        refused=reach.refused,
        seconds=search.clock.elapsed,
        interrupted=isinstance(end, KeyboardInterrupt),
    )
    found = end if isinstance(end, _Found) else search.shared
    if found is None:
        return verdict
    if found.error is not None:
        raise _explained(found.error, found.calls, search)
    return _shrunk(verdict, found, search)


def _end_of(error: BaseException | None) -> BaseException | None:
    """Return what ended the search; Hypothesis may have raised something on top of it.

    (It complains of an example that ends earlier than it did before.)
    """
    while error is not None and not isinstance(error, (_Found, OutOfTime, KeyboardInterrupt)):
        error = error.__context__
    return error


def _search(search: type[_Search], seed: int, max_examples: int | None, turn: int) -> None:
    """Run Hypothesis until something ends it; return when the examples are used up."""
    left = max_examples
    with _no_traces():
        while left is None or left > 0:
            examples = _ROUND if left is None else min(_ROUND, left)
            turned = hypothesis.seed(seed * 1_000_003 + turn)(search)
            run_state_machine_as_test(turned, settings=search_settings(search.steps, examples))
            turn += 1
            left = None if left is None else left - examples


@contextmanager
def _no_traces() -> Iterator[None]:
    """Let Hypothesis keep its files in a directory that is removed afterwards."""
    before = storage_directory(intent_to_write=False).home_directory
    with tempfile.TemporaryDirectory(prefix="ksm_rmap-") as home:
        set_hypothesis_home_dir(home)
        try:
            yield
        finally:
            set_hypothesis_home_dir(before)


def _shrunk(verdict: Verdict, found: _Found, search: type[_Search]) -> Verdict:
    """Return the verdict with the smallest scenario that can be made in time."""
    clock = Clock(max(search.clock.left, _SHRINK_SECONDS))
    own = replace(search.plain, against=get("full"))
    question = search.plain if search.own is None or found.shared else own
    best = found.calls

    def progress(smaller: Sequence[Call]) -> None:
        nonlocal best
        best = tuple(smaller)

    interrupted = verdict.interrupted
    try:
        scenario = reduce_miss(best, search.kernel, _timed(question, clock), progress)
    except (OutOfTime, WalkError, KeyboardInterrupt) as end:
        interrupted = interrupted or isinstance(end, KeyboardInterrupt)
        scenario = scenario_of(accepted(best, search.kernel, question.walk), search.kernel)
    state = Replay(search.kernel, search.plain.walk).run(scenario.calls)
    miss = search.plain.ask(state)
    if miss is None:  # pragma: no cover - the last candidate that was accepted did miss
        raise AssertionError(f"nothing is missed after\n{scenario}")
    return replace(
        verdict,
        verdict=MISSED,
        scenario=scenario,
        found=len(found.calls),
        folio=miss.folio,
        missed=miss.ptes,
        persistent=search.plain.outlasts(state, miss),
        shared=None if search.own is None else own.ask(state) is None,
        shrink_seconds=clock.elapsed,
        interrupted=interrupted,
    )


def _explained(error: Exception, calls: Sequence[Call], search: type[_Search]) -> Exception:
    """Return `error` with the calls after which it was raised in its notes."""
    scenario = scenario_of(calls, search.kernel)
    if not isinstance(error, WalkTimeoutError):
        with suppress(OutOfTime):
            question = _timed(search.plain, Clock(_SHRINK_SECONDS))
            scenario = reduce_error(calls, search.kernel, question)
    error.add_note(f"after\n{scenario}")
    return error
