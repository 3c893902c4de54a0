"""The shortest history after which a walk or a design misses an entry: two plain searches.

No analogue in the kernel. A subject is whatever can be judged after a call: a design with its side
state (`DesignRun`), or a walk (`WalkRun`). The explorer is faster on walks; it knows no designs.

Rules of this module:

1. `breadth_first` visits every history of a scope, shortest first, and each subject once; what
   it finds is a shortest one, and what it exhausts is proved up to that depth.
2. `wander` makes random histories, each from a random choice of kinds, and shrinks what it finds:
   it reaches deep, and proves nothing.
3. Both take a budget of steps beside the clock's, so that a search can be made again exactly.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from ksm_rmap.check.actions import Enabled, Scope
from ksm_rmap.check.delta import shrink
from ksm_rmap.check.judge import truths
from ksm_rmap.model.errors import MmError
from ksm_rmap.model.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ksm_rmap.check.menu import Menu
    from ksm_rmap.model.calls import Call
    from ksm_rmap.model.rules import Rules
    from ksm_rmap.walks.design import NamedWalk

__all__ = ("Found", "Subject", "WalkRun", "breadth_first", "wander")


class Subject(Protocol):
    """A moment of a history, on trial. Immutable; equal ones have equal futures."""

    @property
    def state(self) -> State:
        """The machine."""

    def apply(self, call: Call) -> Self:
        """Return the moment after `call`; a refused one changes what it changes."""

    def judge(self) -> Sequence[Any]:
        """Return what is missed here; empty: nothing."""


@dataclass(frozen=True, slots=True)
class WalkRun:
    """A history under one walk. `ordinary`: which kind of folios it is judged on."""

    state: State
    walk: NamedWalk
    ordinary: bool = False

    @classmethod
    def begin(cls, walk: NamedWalk, rules: Rules) -> WalkRun:
        """Return the run of `State(rules=rules)`; `anon` is judged on ordinary folios."""
        return cls(State(rules=rules), walk, walk.name == "anon")

    def apply(self, call: Call) -> WalkRun:
        """Return the run after `call`.

        One at which the model follows a pointer to a freed anon_vma, as it may under the rules
        of a historic bug, changes nothing: misses are what is looked for.
        """
        try:
            state = call.apply(self.state, self.walk)
        except MmError as error:
            state = error.state or self.state
        except KeyError:
            state = self.state
        return WalkRun(state, self.walk, self.ordinary)

    def judge(self) -> Sequence[tuple[int, tuple[tuple[int, int], ...]]]:
        """Return `(folio, missed entries)` of each folio of the kind."""
        missed = []
        for folio, ptes in truths(self.state).items():
            if self.state.folios[folio].ksm is not self.ordinary:
                found = set(self.walk(self.state, folio).ptes)
                lost = tuple(pte for pte in ptes if pte not in found)
                if lost:
                    missed.append((folio, lost))
        return missed


class Found(NamedTuple):
    """The outcome of a search."""

    calls: tuple[Call, ...] | None
    """The history after which something is missed; None: none was found."""
    missed: Sequence[Any]
    """What `judge` says after it."""
    steps: int
    """Calls made in the search."""
    depth: int
    """`breadth_first`: every history of at most so many calls was visited, but for the last
    level if something was found there. `wander`: the longest history made."""
    seconds: float
    by: str
    """Name of the search."""


def breadth_first(begin: Subject, menu: Menu, *, seconds: float, depth: int = 99) -> Found:
    """Return a shortest miss of all histories of `menu`, or how deep the search came in time."""
    clock, steps = time.monotonic(), 0
    level: list[tuple[Subject, tuple[Call, ...]]] = [(begin, ())]
    seen = {begin}
    for done in range(depth):
        following: list[tuple[Subject, tuple[Call, ...]]] = []
        for subject, calls in level:
            for _, call in menu.calls(subject.state):
                after = subject.apply(call)
                steps += 1
                if after in seen:
                    continue
                seen.add(after)
                missed = after.judge()
                if missed:
                    path = (*calls, call)
                    spent = time.monotonic() - clock
                    return Found(path, missed, steps, len(path), spent, "breadth first")
                following.append((after, (*calls, call)))
            if time.monotonic() - clock > seconds:
                return Found(None, (), steps, done, time.monotonic() - clock, "breadth first")
        level = following
    return Found(None, (), steps, depth, time.monotonic() - clock, "breadth first")


def wander(
    begin: Subject, scope: Scope, *, seconds: float, seed: int = 0, length: int = 25
) -> Found:
    """Return the shortest of the misses that random histories of `length` calls lead to.

    Each history is cut at its first miss and shrunk if it is shorter than the best so far.
    """
    clock, steps = time.monotonic(), 0
    best: tuple[Call, ...] | None = None
    number = 0
    while time.monotonic() - clock < seconds:
        chance = random.Random(f"{seed}/{number}")  # noqa: S311 - a repeatable search
        number += 1
        calls, failed = _history(begin, scope, chance, length)
        steps += len(calls)
        if failed:
            small = tuple(shrink(calls, _misses(begin)))
            if best is None or len(small) < len(best):
                best, length = small, min(length, len(calls))
    missed = _after(begin, best).judge() if best else ()
    return Found(best, missed, steps, length, time.monotonic() - clock, "random histories")


def _history(
    begin: Subject, scope: Scope, chance: random.Random, length: int
) -> tuple[list[Call], bool]:
    kinds = [kind for kind in scope.chosen if kind == "mmap" or chance.random() < 0.7]  # noqa: PLR2004 - most kinds, not all
    subject = begin
    calls: list[Call] = []
    for _ in range(length):
        here = Enabled(subject.state, scope)
        possible = [kind for kind in kinds if here.any(kind)]
        if not possible:
            break
        call = chance.choice(here.calls(chance.choice(possible)))
        subject = subject.apply(call)
        calls.append(call)
        if subject.judge():
            return calls, True
    return calls, False


def _after(begin: Subject, calls: Sequence[Call]) -> Subject:
    for call in calls:
        begin = begin.apply(call)
    return begin


def _misses(begin: Subject) -> Callable[[Sequence[Call]], bool]:
    return lambda calls: bool(_after(begin, calls).judge())
