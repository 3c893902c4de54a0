"""Random walks through the states, many at a time: for depths that breadth cannot reach.

No analogue in the kernel. Rules of this module:

1. As in swarm verification, each walk draws for itself which kinds of calls it may make; what
   all of them together hide from a search, some of them show.
2. A walk is a function of the seed and its number, so with a number of walks as the limit the
   results do not depend on the number of workers.
3. Of each question the shortest `KEPT` sequences are reduced by `ksm_rmap.check.delta`, and the
   smallest is told. It is minimal, not shortest: only `explore` proves that.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, NamedTuple

from ksm_rmap.check.delta import shrink, size
from ksm_rmap.model.errors import MmError
from ksm_rmap.model.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ksm_rmap.check.crew import Crew
    from ksm_rmap.check.judged import KernelProblem
    from ksm_rmap.model.calls import Call

__all__ = ("Hit", "Swarm", "Wanderer", "swarm")

KEPT = 4
"""Sequences that are kept of each question."""
BATCH = 25
"""Walks that a worker makes at a time."""


class Hit(NamedTuple):
    """A sequence after which a goal is reached."""

    length: int
    walk: int
    """Number of the random walk."""
    calls: tuple[Call, ...]


class Batch(NamedTuple):
    """What some walks found."""

    hits: dict[str, list[Hit]]
    steps: int


class Swarm(NamedTuple):
    """What all walks found."""

    calls: dict[str, tuple[Call, ...]]
    """For each goal that was reached the smallest sequence."""
    met: dict[str, float]
    """Seconds to the first one."""
    walks: int
    steps: int
    seconds: float


class Wanderer:
    """Makes random walks; one for each worker."""

    def __init__(self, problem: KernelProblem, seed: int, steps: int) -> None:
        self.problem = problem
        self.seed = seed
        self.steps = steps

    def wander(self, walks: Sequence[int]) -> Batch:
        """Make the walks with these numbers."""
        hits: dict[str, list[Hit]] = {}
        steps = 0
        for walk in walks:
            found, made = self.walk(walk)
            steps += made
            for goal, calls in found.items():
                kept = [*hits.get(goal, []), Hit(len(calls), walk, calls)]
                hits[goal] = sorted(kept, key=_order)[:KEPT]
        return Batch(hits, steps)

    def walk(self, number: int) -> tuple[dict[str, tuple[Call, ...]], int]:
        """Return the calls to the first state with each goal, and how many calls were made."""
        rng = random.Random(f"{self.seed} {number}")  # noqa: S311 - no secrets
        kinds = self._kinds(rng)
        goals = set(self.problem.goals)
        state, born = State(rules=self.problem.rules), 0
        made: list[Call] = []
        found: dict[str, tuple[Call, ...]] = {}
        while len(made) < self.steps and goals:
            call = self._choose(rng, state, born, kinds)
            if call is None:
                break
            try:
                state = call.apply(state, self.problem.full)
            except MmError:
                continue
            made.append(call)
            born = max(born, *state.mms)
            for goal in self.problem.reached(state, goals) if state.nodes else ():
                found[goal] = tuple(made)
                goals.discard(goal)
        return found, len(made)

    def _kinds(self, rng: random.Random) -> list[str]:
        """Return the kinds of one walk: those without which nothing merges, and some others."""
        menu = self.problem.menu
        needed = [kind for kind in ("mmap", "write", "ksmd") if kind in menu.kinds]
        others = [kind for kind in menu.kinds if kind not in needed]
        return needed + rng.sample(others, rng.randint(min(1, len(others)), len(others)))

    def _choose(
        self, rng: random.Random, state: State, born: int, kinds: Sequence[str]
    ) -> Call | None:
        """Return a call: first a kind is drawn, then one of its calls; None: nothing is enabled."""
        for kind in rng.sample(kinds, len(kinds)):
            calls = [call for _, call in self.problem.menu.calls(state, born, (kind,))]
            if calls:
                return rng.choice(calls)
        return None


def _order(hit: Hit) -> tuple[int, int]:
    return hit.length, hit.walk


def swarm(
    crew: Crew,
    problem: KernelProblem,
    *,
    walks: int,
    seconds: float | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Swarm:
    """Let a crew of `Wanderer` make walks 0 to `walks`, exclusive, or as many as time allows."""
    start = time.monotonic()
    hits: dict[str, list[Hit]] = {}
    met: dict[str, float] = {}
    done = steps = 0
    while done < walks and (seconds is None or time.monotonic() - start < seconds):
        stop = min(walks, done + BATCH * crew.size)
        parts = [(range(done + worker, stop, crew.size),) for worker in range(crew.size)]
        for batch in crew.each("wander", parts):
            steps += batch.steps
            for goal, found in batch.hits.items():
                hits[goal] = sorted([*hits.get(goal, []), *found], key=_order)[:KEPT]
                met.setdefault(goal, time.monotonic() - start)
        done = stop
        progress(f"{done} walks, {steps} calls, {len(hits)} misses")
    calls = {goal: _smallest(problem, goal, hits[goal]) for goal in problem.goals if goal in hits}
    return Swarm(calls, met, done, steps, time.monotonic() - start)


def _smallest(problem: KernelProblem, goal: str, hits: Sequence[Hit]) -> tuple[Call, ...]:
    def holds(calls: Sequence[Call]) -> bool:
        return bool(problem.reached(made(problem, calls), [goal]))

    return min((shrink(hit.calls, holds) for hit in hits), key=size)


def made(problem: KernelProblem, calls: Sequence[Call]) -> State:
    """Return the state after `calls`; those that are refused change nothing."""
    state = State(rules=problem.rules)
    for call in calls:
        try:
            state = call.apply(state, problem.full)
        except MmError as error:
            state = error.state or state
    return state
