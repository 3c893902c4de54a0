"""What a search of all sequences found.

No analogue in the kernel. An `Exploration` is data: `str` is what a reviewer pastes in a mail
(`ksm_rmap.report.exploration` writes it), `to_json` what `ksm-rmap explore --json` prints.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ksm_rmap.check.judged import AGAINST_FULL, PERSISTENT, TRUTH
from ksm_rmap.check.verdict import MISSED, NONE_FOUND

if TYPE_CHECKING:
    from ksm_rmap.check.menu import Menu
    from ksm_rmap.model.scenario import Scenario

__all__ = ("Counterexample", "Exploration", "LevelCount", "Wandering")


class LevelCount(NamedTuple):
    """What was found at one depth."""

    depth: int
    states: int
    """Distinct states that no shorter sequence leads to."""
    transitions: int
    """Calls made to find them."""
    seconds: float
    """Time from the start of the search to the end of the level."""


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A shortest sequence after which a walk misses an entry."""

    walk: str
    question: str
    """`full`, `truth` or `persistent`."""
    scenario: Scenario
    folio: int
    missed: tuple[tuple[int, int], ...]
    """`(mm, page)` of each missed entry of `folio`, sorted."""
    seconds: float
    """Time to the first state with such a miss."""

    @property
    def steps(self) -> int:
        """Calls of the sequence; no shorter one does it."""
        return len(self.scenario.calls)

    def to_json(self) -> dict[str, Any]:
        """Return the counterexample as JSON values."""
        return {
            "scenario": str(self.scenario),
            "steps": self.steps,
            "folio": self.folio,
            "missed": [list(pte) for pte in self.missed],
            "seconds": round(self.seconds, 3),
        }

    def __str__(self) -> str:
        from ksm_rmap.report.exploration import counterexample_lines  # noqa: PLC0415 - floor order

        return "\n".join(counterexample_lines(self))


Answers = dict[str, Counterexample | None]
"""The answer to each question about a walk; None: no such sequence was found."""


def answers_json(answers: Answers) -> dict[str, Any]:
    """Return the answers about one walk as JSON values."""
    truth = answers.get(TRUTH)
    result: dict[str, Any] = {"verdict": NONE_FOUND if truth is None else MISSED}
    if truth is not None:
        result.update(truth.to_json())
    for question in (AGAINST_FULL, PERSISTENT):
        if question in answers:
            found = answers[question]
            result[question] = None if found is None else found.to_json()
    return result


@dataclass(frozen=True, slots=True)
class Exploration:
    """The outcome of `explore`. Immutable."""

    walks: dict[str, Answers]
    """For each walk the answers to the questions."""
    menu: Menu
    rules: str
    ended: str
    """Why the search ended: `exhausted`, `depth`, `answered`, `seconds`, `memory` or
    `interrupted`."""
    levels: tuple[LevelCount, ...]
    """The finished levels from depth 0 on."""
    states: int
    """Distinct states, those of an unfinished level included."""
    transitions: int
    frontier: int
    """States of which the successors are not all known."""
    seconds: float
    workers: int
    bytes_per_state: int | None = None
    """Memory the search took, by states; None where it cannot be measured."""
    reached: dict[str, int] = field(default_factory=dict)
    """States in which each situation of `ksm_rmap.check.reach` occurs."""
    fired: dict[str, int] = field(default_factory=dict)
    """Calls made of each kind."""

    @property
    def depth(self) -> int:
        """Every sequence of at most so many calls was tried."""
        return len(self.levels) - 1

    @property
    def exhausted(self) -> bool:
        """Whether there are no other states at all in the scope."""
        return self.ended == "exhausted"

    @property
    def rate(self) -> float:
        """Distinct states a second."""
        return self.states / self.seconds if self.seconds else 0.0

    @property
    def never_fired(self) -> tuple[str, ...]:
        """The kinds of calls that no state enabled: of them the search says nothing."""
        return tuple(kind for kind in self.menu.kinds if not self.fired.get(kind))

    @property
    def missed(self) -> bool:
        """Whether some walk misses an entry."""
        return any(answers.get(TRUTH) is not None for answers in self.walks.values())

    @property
    def collision(self) -> float:
        """Least upper bound of the probability that a state was lost: two had one key."""
        return min(1.0, self.states**2 / 2.0**65)

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as JSON values."""
        result: dict[str, Any] = {
            "walks": {name: answers_json(answers) for name, answers in self.walks.items()},
            "rules": self.rules,
            "states": self.states,
            "transitions": self.transitions,
            "depth": self.depth,
            "exhausted": self.exhausted,
            "ended": self.ended,
            "frontier": self.frontier,
            "levels": [
                {"depth": level.depth, "states": level.states, "transitions": level.transitions}
                for level in self.levels
            ],
            "reached": dict(self.reached),
            "never_fired": list(self.never_fired),
            "workers": self.workers,
            "seconds": round(self.seconds, 3),
            "rate": round(self.rate),
            "collision": self.collision,
        }
        if self.bytes_per_state is not None:
            result["bytes_per_state"] = self.bytes_per_state
        return result

    def __str__(self) -> str:
        from ksm_rmap.report.exploration import exploration_lines  # noqa: PLC0415 - floor order

        return "\n".join(exploration_lines(self))


@dataclass(frozen=True, slots=True)
class Wandering:
    """The outcome of `wander`. Immutable."""

    walks: dict[str, Answers]
    """For each walk the answers to the questions; the sequences are minimal, not shortest."""
    rules: str
    seed: int
    number: int
    """Random walks made."""
    steps: int
    """Calls made in all of them."""
    seconds: float
    workers: int

    @property
    def missed(self) -> bool:
        """Whether some walk misses an entry."""
        return any(answers.get(TRUTH) is not None for answers in self.walks.values())

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as JSON values."""
        return {
            "walks": {name: answers_json(answers) for name, answers in self.walks.items()},
            "rules": self.rules,
            "seed": self.seed,
            "examples": self.number,
            "steps": self.steps,
            "workers": self.workers,
            "seconds": round(self.seconds, 3),
        }

    def __str__(self) -> str:
        from ksm_rmap.report.exploration import wandering_lines  # noqa: PLC0415 - floor order

        return "\n".join(wandering_lines(self))
