"""The search of all sequences of calls as a `Problem` for the engine in `ksm_rmap.check.search`.

No analogue in the kernel. Rules of this module:

1. Steps are calls of `ksm_rmap.model.ops`; there is no other model of the kernel.
2. Each walk is asked three questions: does it find all that the full walk finds, does it find
   the truth, and is what it misses still missed after a whole pass of ksmd.
3. Swap-out and migration use the full walk, whichever walks are judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksm_rmap import walks
from ksm_rmap.check.canonical import MAPPED_KSM, encode, named
from ksm_rmap.check.commute import Choices
from ksm_rmap.check.judge import truths
from ksm_rmap.check.reach import situations
from ksm_rmap.check.restore import decode
from ksm_rmap.model import ops
from ksm_rmap.model.errors import MmError
from ksm_rmap.model.state import State
from ksm_rmap.walks import WalkError
from ksm_rmap.walks.trial import is_design, on_trial

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from ksm_rmap.check.menu import Menu
    from ksm_rmap.model.calls import Call
    from ksm_rmap.model.rules import Rules
    from ksm_rmap.walks import NamedWalk

__all__ = ("AGAINST_FULL", "PERSISTENT", "QUESTIONS", "TRUTH", "KernelProblem", "misses")

AGAINST_FULL, TRUTH, PERSISTENT = "full", "truth", "persistent"
QUESTIONS = (AGAINST_FULL, TRUTH, PERSISTENT)
"""What is asked of each walk."""

Pte = tuple[int, int]


class KernelProblem:
    """Where calls lead, and what `walks` miss there."""

    def __init__(self, menu: Menu, rules: Rules, judged: Mapping[str, NamedWalk]) -> None:
        self.menu = menu
        self.rules = rules
        self.walks = dict(judged)
        for name, walk in self.walks.items():
            if is_design(walk):
                raise WalkError(f"walk {name!r} remembers what happened: `check` tries such walks")
        self._ordinary = "anon" in self.walks
        self.full = walks.get("full")
        """The walk that swap-out and migration use."""
        self.choices = Choices(menu, self.full)
        self.sleepers = self.choices.alphabet.size
        """How many calls may sleep, as the engine asks."""

    @property
    def goals(self) -> tuple[str, ...]:
        """Return every question about every walk, as `walk question`."""
        return tuple(
            f"{name} {question}"
            for name in self.walks
            for question in QUESTIONS
            if (name, question) != ("full", AGAINST_FULL)
        )

    def initial(self) -> bytes:
        """Return the state of one process with nothing mapped."""
        return encode(State(rules=self.rules))

    def successors(self, state: bytes, asleep: int) -> Iterator[tuple[str, bytes, int]]:
        """Yield the kind of each call that is enabled and awake, the state after it, who sleeps."""
        machine = decode(state, self.rules)
        choices, enabled = self.choices.of(machine)
        renamed = self.choices.alphabet.renamed
        for kind, _, run, bit, sleepers in choices:
            if bit & asleep:
                continue
            try:
                after = run(machine)
            except MmError:
                continue
            string, processes, contents = named(after)
            asleep_there = sleepers & enabled
            if asleep_there:
                asleep_there = renamed(asleep_there, processes, contents)
            yield kind, string, asleep_there

    def steps(self, state: State, born: int = 0) -> Iterator[tuple[str, Call, State]]:
        """Yield each call that `state` enables, with its kind and the state after it.

        Children get numbers above `born`.
        """
        for kind, call in self.menu.calls(state, born):
            try:
                yield kind, call, call.apply(state, self.full)
            except MmError:
                continue

    def look(self, state: bytes, goals: Collection[str]) -> tuple[Collection[str], Collection[str]]:
        """Return which questions have an answer in `state`, and the situations it contains."""
        if not (state[0] & MAPPED_KSM or self._ordinary):
            return (), ()
        machine = decode(state, self.rules)
        reached = self.reached(machine, goals)
        return reached, set(situations(machine, None, machine))

    def reached(self, state: State, goals: Collection[str]) -> list[str]:
        """Return those of `goals` that are reached in `state`."""
        asked: dict[str, list[str]] = {}
        for goal in goals:
            name, _, question = goal.rpartition(" ")
            asked.setdefault(name, []).append(question)
        mapped = truths(state)
        return [
            f"{name} {question}"
            for name, questions in asked.items()
            for question in self._answers(state, mapped, self.walks[name], questions)
        ]

    def _answers(
        self,
        state: State,
        mapped: Mapping[int, tuple[Pte, ...]],
        walk: NamedWalk,
        questions: Collection[str],
    ) -> set[str]:
        """Return those of `questions` to which some folio gives an answer."""
        answers: set[str] = set()
        for folio, lost in _lost(state, mapped, walk):
            answers.update(q for q in questions if self._holds(q, state, folio, walk, lost))
        return answers

    def _holds(
        self, question: str, state: State, folio: int, walk: NamedWalk, lost: frozenset[Pte]
    ) -> bool:
        """Whether what the walk misses of `folio` is an answer to `question`."""
        if question == AGAINST_FULL:
            return not lost.isdisjoint(self.full(state, folio).ptes)
        return question == TRUTH or outlasts(state, folio, walk, lost)

    def answer(self, state: State, name: str, question: str) -> tuple[int, tuple[Pte, ...]] | None:
        """Return the first folio that answers a question about walk `name`, and what is missed."""
        walk = self.walks[name]
        for folio, lost in _lost(state, truths(state), walk):
            if self._holds(question, state, folio, walk, lost):
                return folio, tuple(sorted(lost))
        return None


def _lost(
    state: State, mapped: Mapping[int, tuple[Pte, ...]], walk: NamedWalk
) -> Iterator[tuple[int, frozenset[Pte]]]:
    """Yield each folio of which the walk misses something, and what."""
    for folio, ptes in mapped.items():
        if on_trial(walk, state.folios[folio]):
            lost = misses(state, folio, walk, ptes)
            if lost:
                yield folio, lost


def misses(state: State, folio: int, walk: NamedWalk, ptes: Iterable[Pte]) -> frozenset[Pte]:
    """Return which of `ptes`, the entries that map `folio`, the walk does not find."""
    return frozenset(ptes).difference(walk(state, folio).ptes)


def outlasts(state: State, folio: int, walk: NamedWalk, lost: frozenset[Pte]) -> bool:
    """Whether the walk still misses one of `lost` after a whole pass of ksmd."""
    try:
        later = ops.ksmd(state)
    except MmError:  # ksmd waits for a migration that the miss keeps from ending
        return True
    ptes = lost.intersection(truths(later).get(folio, ()))
    return bool(ptes) and bool(misses(later, folio, walk, ptes))
