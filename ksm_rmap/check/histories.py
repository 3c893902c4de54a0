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
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from ksm_rmap.check.actions import Enabled, Scope
from ksm_rmap.check.delta import shrink
from ksm_rmap.check.judge import truths
from ksm_rmap.check.reach import situations
from ksm_rmap.model.errors import MmError
from ksm_rmap.model.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ksm_rmap.check.menu import Menu
    from ksm_rmap.model.calls import Call
    from ksm_rmap.model.rules import Rules
    from ksm_rmap.walks.design import NamedWalk

__all__ = ("Found", "Level", "Subject", "WalkRun", "breadth_first", "wander")


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


class Level(NamedTuple):
    """What `breadth_first` met at one depth."""

    subjects: int
    """Subjects to which no shorter history leads."""
    steps: int
    seconds: float
    """Time from the start of the search to the end of the level."""


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
    levels: tuple[Level, ...] = ()
    """`breadth_first`: the finished levels from depth 0 on."""
    subjects: int = 0
    """`breadth_first`: different subjects that were met."""
    exhausted: bool = False
    """`breadth_first`: whether the scope has no other subject."""
    frontier: int = 0
    """`breadth_first`: subjects of which the successors are not all known."""
    fired: tuple[tuple[str, int], ...] = ()
    """`breadth_first`: calls made of each kind."""
    reached: tuple[tuple[str, int], ...] = ()
    """`breadth_first`: subjects in each situation of `ksm_rmap.check.reach`."""


def breadth_first(begin: Subject, menu: Menu, *, seconds: float, depth: int = 99) -> Found:
    """Return a shortest miss of all histories of `menu`, or how deep the search came in time."""
    clock, steps = time.monotonic(), 0
    frontier: list[tuple[Subject, tuple[Call, ...]]] = [(begin, ())]
    seen = {begin}
    levels = [Level(1, 0, 0.0)]
    fired: Counter[str] = Counter()
    reached: Counter[str] = Counter()

    def found(calls: tuple[Call, ...] | None, missed: Sequence[Any], done: int) -> Found:
        known = sum(level.subjects for level in levels[:-1])
        return Found(
            calls,
            missed,
            steps,
            done,
            time.monotonic() - clock,
            "breadth first",
            levels=tuple(levels),
            subjects=len(seen),
            exhausted=not frontier,
            frontier=len(seen) - known if frontier else 0,
            fired=tuple(fired.items()),
            reached=tuple(reached.items()),
        )

    while frontier and len(levels) <= depth:
        following: list[tuple[Subject, tuple[Call, ...]]] = []
        for subject, calls in frontier:
            for kind, call in menu.calls(subject.state):
                fired[kind] += 1
                after = subject.apply(call)
                steps += 1
                if after in seen:
                    continue
                seen.add(after)
                reached.update(situations(after.state, None, after.state))
                missed = after.judge()
                if missed:
                    return found((*calls, call), missed, len(calls) + 1)
                following.append((after, (*calls, call)))
            if time.monotonic() - clock > seconds:
                return found(None, (), len(levels) - 1)
        frontier = following
        if following:
            made = steps - sum(level.steps for level in levels)
            levels.append(Level(len(following), made, time.monotonic() - clock))
    return found(None, (), len(levels) - 1)


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
