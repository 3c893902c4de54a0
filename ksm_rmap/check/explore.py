"""Every sequence of calls up to a depth: the shortest after which a walk misses an entry.

No analogue in the kernel. `explore(walks)` visits all states of a small scope, breadth first, up
to symmetry, and asks three questions of each walk in each state (`ksm_rmap.check.judged`).

Rules of this module:

1. A sequence that is reported is a shortest one within the scope; of those to several states,
   the one to the state with the least string.
2. It is found again call by call from the initial state and the walk is asked once more, so what
   is reported replays.
3. Results of finished levels do not depend on the number of workers. How far a search comes in
   `seconds` or `memory` depends on the machine.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from ksm_rmap.check.campaign import Campaign, Limits
from ksm_rmap.check.canonical import encode
from ksm_rmap.check.checkpoint import Checkpoint
from ksm_rmap.check.cluster import Cluster
from ksm_rmap.check.crew import Forked, Here
from ksm_rmap.check.exploration import Answers, Counterexample, Exploration, Wandering
from ksm_rmap.check.judged import KernelProblem
from ksm_rmap.check.menu import Menu
from ksm_rmap.check.reduce import scenario_of
from ksm_rmap.check.search import Shard, key_of
from ksm_rmap.check.swarm import Wanderer, made, swarm
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.state import State
from ksm_rmap.walks import WalkError, get, ksm_names, limited, names
from ksm_rmap.walks.registry import named_walk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ksm_rmap.check.campaign import Outcome
    from ksm_rmap.check.cluster import Client
    from ksm_rmap.check.crew import Crew
    from ksm_rmap.check.search import Key
    from ksm_rmap.model.calls import Call
    from ksm_rmap.walks import NamedWalk, Walk

__all__ = ("LIMIT", "explore", "wander")

LIMIT = 5.0
"""Seconds after which a walk that has not returned is taken for one that never will."""


def explore(
    walks: Sequence[str | Walk] = (),
    *,
    menu: Menu | None = None,
    rules: Rules | str | None = None,
    depth: int | None = None,
    seconds: float | None = None,
    memory: int | None = None,
    workers: int = 1,
    checkpoint: str | None = None,
    client: Client | None = None,
    limit: float = LIMIT,
    progress: Callable[[str], None] = lambda _: None,
) -> Exploration:
    """Try every sequence of calls in the scope of `menu` and return what was found.

    Args:
        walks: walks, or what `ksm_rmap.walks.get` takes; none: every walk of KSM folios.
        menu: the scope: processes, pages, contents, kinds of calls.
        rules: the kernel, or the name of a preset; None: the default one.
        depth: most calls of a sequence; None: until there is no new state.
        seconds: time for the search; None: no limit.
        memory: bytes the search may take; None: no limit.
        workers: processes that search; the results are the same.
        checkpoint: a file; if it is there, the search in it goes on, and what an unfinished
            search knows is written to it.
        client: a `distributed.Client`: search on all workers of its cluster instead.
        limit: seconds that one call of a walk of the user's own may take; not kept on a cluster,
            whose workers search in threads.
        progress: is told how the search goes, about four times a second.

    A search also ends when every question is answered, and with Ctrl-C.
    Raises WalkError for a walk that cannot be had, fails or does not return, ValueError for bad
    arguments, CheckpointError for a file that is of another search or damaged.

    """
    problem = _problem(walks, menu, rules, workers, limit)
    crew: Crew
    if client is None:
        crew = _crew([Shard(problem, index, workers) for index in range(workers)])
    else:
        crew = Cluster(client, Shard, (problem,))
    try:
        store = Checkpoint(checkpoint, _description(problem)) if checkpoint else None
        campaign = Campaign(crew, problem.goals, Limits(depth, seconds, memory), progress, store)
        outcome = campaign.run()
        return _exploration(problem, campaign, outcome)
    finally:
        crew.close()


def wander(
    walks: Sequence[str | Walk] = (),
    *,
    menu: Menu | None = None,
    rules: Rules | str | None = None,
    number: int = 1000,
    steps: int = 40,
    seed: int = 0,
    seconds: float | None = None,
    workers: int = 1,
    limit: float = LIMIT,
    progress: Callable[[str], None] = lambda _: None,
) -> Wandering:
    """Make `number` random walks of `steps` calls in the scope of `menu`, and reduce the misses.

    For depths that `explore` does not reach: the sequences are minimal, but there may be shorter
    ones. Without `seconds` the results depend on `seed` only. Arguments and errors as `explore`.
    """
    problem = _problem(walks, menu, rules, workers, limit)
    crew = _crew([Wanderer(problem, seed, steps) for _ in range(workers)])
    try:
        found = swarm(crew, problem, walks=number, seconds=seconds, progress=progress)
    finally:
        crew.close()
    examples = {
        goal: _example(problem, goal, calls, made(problem, calls), found.met[goal])
        for goal, calls in found.calls.items()
    }
    return Wandering(
        _answers(problem, examples),
        problem.rules.name,
        seed,
        found.walks,
        found.steps,
        found.seconds,
        workers,
    )


def _problem(
    walks: Sequence[str | Walk],
    menu: Menu | None,
    rules: Rules | str | None,
    workers: int,
    limit: float,
) -> KernelProblem:
    if workers < 1:
        raise ValueError(f"workers must be at least 1, not {workers}")
    kernel = rules if isinstance(rules, Rules) else Rules.preset(rules) if rules else Rules()
    named = [_bounded(named_walk(walk), limit) for walk in walks or ksm_names()]
    return KernelProblem(menu or Menu(), kernel, {walk.name: walk for walk in named})


def _bounded(walk: NamedWalk, limit: float) -> NamedWalk:
    """Return a registered walk as it is, without the cost of a timer, any other with a limit."""
    if walk.name in names() and get(walk.name) is walk:
        return walk
    return limited(walk, limit)


def _crew(members: Sequence[object]) -> Crew:
    return Here(members) if len(members) == 1 else Forked(members)


def _description(problem: KernelProblem) -> dict[str, Any]:
    """Return what makes this search another one than others, as JSON values."""
    menu = dataclasses.asdict(problem.menu)
    del menu["scope"]
    menu["kinds"] = list(problem.menu.kinds)
    return {"walks": list(problem.walks), "rules": repr(problem.rules), **menu}


def _exploration(problem: KernelProblem, campaign: Campaign, outcome: Outcome) -> Exploration:
    examples = {
        goal: _example(
            problem,
            goal,
            *_calls(problem, campaign.trail(outcome.found[goal].key)),
            outcome.met[goal],
        )
        for goal in problem.goals
        if goal in outcome.found
    }
    return Exploration(
        walks=_answers(problem, examples),
        menu=problem.menu,
        rules=problem.rules.name,
        ended=outcome.ended,
        levels=outcome.levels,
        states=outcome.states,
        transitions=sum(outcome.steps.values()),
        frontier=outcome.frontier,
        seconds=outcome.seconds,
        workers=campaign.crew.size,
        bytes_per_state=outcome.bytes_per_state,
        reached=dict(outcome.marks),
        fired=dict(outcome.steps),
    )


def _answers(problem: KernelProblem, examples: Mapping[str, Counterexample]) -> dict[str, Answers]:
    """Return the answer to each question about each walk, in the order of the goals."""
    answers: dict[str, Answers] = {}
    for goal in problem.goals:
        name, _, question = goal.rpartition(" ")
        answers.setdefault(name, {})[question] = examples.get(goal)
    return answers


def _example(
    problem: KernelProblem, goal: str, calls: Sequence[Call], state: State, seconds: float
) -> Counterexample:
    """Return the calls, which lead to `state`, with what is missed there."""
    name, _, question = goal.rpartition(" ")
    answer = problem.answer(state, name, question)
    scenario = scenario_of(calls, problem.rules)
    if answer is None:
        error = WalkError(f"walk {name!r} finds more when objects have other names, or asked again")
        error.add_note(f"after\n{scenario}")
        raise error
    return Counterexample(name, question, scenario, *answer, seconds)


def _calls(problem: KernelProblem, keys: Sequence[Key]) -> tuple[list[Call], State]:
    """Return the calls that lead from the initial state through the states with `keys`."""
    state, born = State(rules=problem.rules), 0
    calls = []
    for key in keys[1:]:
        steps = problem.steps(state, born)
        call, state = next((c, after) for _, c, after in steps if key_of(encode(after)) == key)
        born = max(born, *state.mms)
        calls.append(call)
    return calls, state
