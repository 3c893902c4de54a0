"""A search under way: level after level, within its limits.

No analogue in the kernel. `Campaign` tells a crew of shards what to do, adds up what they
report, and ends when there is nothing left to do or a limit is reached.
"""

from __future__ import annotations

import gc
import signal
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ksm_rmap.check.exploration import LevelCount
from ksm_rmap.check.search import Found

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from ksm_rmap.check.checkpoint import Saved
    from ksm_rmap.check.crew import Crew
    from ksm_rmap.check.search import Key, Level, Round, Snapshot

__all__ = ("Campaign", "Limits", "Outcome")

SLICE = 0.25
"""Seconds after which shards exchange what they found and the limits are looked at."""


class Store(Protocol):
    """Where a search is kept while nobody searches."""

    def load(self) -> Saved | None:
        """Return what is there, None if nothing is."""

    def save(self, outcome: dict[str, Any], shards: Sequence[Snapshot]) -> None:
        """Replace what is there."""


class Limits(NamedTuple):
    """When to stop; None: no limit."""

    depth: int | None = None
    seconds: float | None = None
    memory: int | None = None
    """Bytes."""


@dataclass(slots=True)
class Outcome:
    """What is known of a search so far."""

    levels: tuple[LevelCount, ...] = ()
    found: dict[str, Found] = field(default_factory=dict)
    """For each goal that was reached the least state of the least depth."""
    met: dict[str, float] = field(default_factory=dict)
    """Seconds to the first state with each goal."""
    steps: Counter[str] = field(default_factory=Counter)
    marks: Counter[str] = field(default_factory=Counter)
    states: int = 0
    frontier: int = 1
    seconds: float = 0.0
    ended: str = ""
    bytes_per_state: int | None = None


class Campaign:
    """One search by a crew."""

    def __init__(
        self,
        crew: Crew,
        goals: Collection[str],
        limits: Limits,
        progress: Callable[[str], None] = lambda _: None,
        store: Store | None = None,
    ) -> None:
        self.crew = crew
        self.store = store
        self.goals = frozenset(goals)
        self.limits = limits
        self.outcome = Outcome()
        self._progress = progress
        self._interrupted = False
        self._start = time.monotonic()
        self._used = 0
        self._empty = 0

    def run(self) -> Outcome:
        """Search until something ends it."""
        self._empty = self._memory()
        resumed = self._begin()
        with self._interruptible(), _no_collector():
            while not self.outcome.ended:
                if not resumed:
                    self._close_level()
                resumed = False
                if not self.outcome.ended:
                    self._expand_level()
        self.outcome.seconds = self._elapsed()
        self._measure()
        return self.outcome

    def _begin(self) -> bool:
        """Begin, or take up what the checkpoint has; whether it had something."""
        saved = self.store.load() if self.store else None
        if saved is None:
            self._all("begin", self.goals)
            return False
        self.outcome = _outcome(saved.outcome)
        self._start -= self.outcome.seconds
        if self.limits.depth is not None and len(self.outcome.levels) > self.limits.depth:
            self.outcome.ended = "depth"
        self._all("take_up", saved.snapshot)
        return True

    def _elapsed(self) -> float:
        return time.monotonic() - self._start

    def trail(self, key: Key) -> list[Key]:
        """Return the keys of a shortest way from the initial state to that with `key`."""
        keys = [key]
        while True:
            (parent,) = (p for p in self._all("parent_of", keys[-1]) if p is not None)
            if parent == keys[-1]:
                return keys[::-1]
            keys.append(parent)

    def _all(self, method: str, *args: Any) -> list[Any]:  # noqa: ANN401 - of any method
        return self.crew.each(method, [args] * self.crew.size)

    def _close_level(self) -> None:
        """Add up a finished level, and make its states the frontier."""
        reports: list[Level] = self._all("report")
        self._add(reports)
        out = self.outcome
        states = sum(report.states for report in reports)
        now = self._elapsed()
        level = LevelCount(reports[0].depth, states, sum(r.transitions for r in reports), now)
        if not states:
            out.ended, out.frontier = "exhausted", 0
            return
        out.levels = (*out.levels, level)
        out.frontier = states
        self._all("advance", tuple(out.found))
        if self.goals and self.goals <= out.found.keys():
            out.ended = "answered"
        elif level.depth == self.limits.depth:
            out.ended = "depth"
            self._store()
        else:
            self._look_at_limits()

    def _add(self, reports: list[Level]) -> None:
        out = self.outcome
        for report in reports:
            out.states += report.states
            out.steps += report.steps
            out.marks += report.marks
            for goal, found in report.found.items():
                out.found[goal] = min(found, out.found.get(goal, found))
                met = report.seconds[goal] - self._start
                out.met[goal] = min(met, out.met.get(goal, met))

    def _expand_level(self) -> None:
        """Let the shards work in slices until the level is finished or a limit is reached."""
        size = self.crew.size
        done = False
        while not done:
            rounds: list[Round] = self._all("expand", self._slice())
            self.crew.each("absorb", [([r.batches[i] for r in rounds],) for i in range(size)])
            done = all(r.done for r in rounds)
            if not done:
                self._look_at_limits()
            if self.outcome.ended:
                self._stop_in_level()
                return

    def _slice(self) -> float:
        left = SLICE
        if self.limits.seconds is not None:
            left = min(left, self.limits.seconds - self._elapsed())
        return max(left, 0.01)

    def _look_at_limits(self) -> None:
        seconds, memory = self.limits.seconds, self.limits.memory
        self._used = max(self._used, self._memory())
        self._progress(self._situation())
        if self._interrupted:
            self.outcome.ended = "interrupted"
        elif seconds is not None and self._elapsed() >= seconds:
            self.outcome.ended = "seconds"
        elif memory is not None and self._used >= memory:
            self.outcome.ended = "memory"

    def _situation(self) -> str:
        out = self.outcome
        found = f", {len(out.found)} misses" if out.found else ""
        return (
            f"depth {len(out.levels) - 1} done, {out.states} states{found}, "
            f"{self._elapsed():.0f} s, {self._used >> 20} MiB"
        )

    def _store(self) -> None:
        """Write a checkpoint, if one is wanted."""
        if self.store:
            self.outcome.seconds = self._elapsed()
            self.store.save(_as_json(self.outcome), self._all("snapshot"))

    def _stop_in_level(self) -> None:
        """Add up what an unfinished level has brought so far, after a checkpoint without it."""
        self._store()
        reports: list[Level] = self._all("report")
        self._add(reports)
        unseen = self.outcome.frontier - sum(r.expanded for r in reports)
        self.outcome.frontier = unseen + sum(r.states for r in reports)

    def _memory(self) -> int:
        """Return how many bytes the processes of the crew have."""
        return sum(self._all("memory"))

    def _measure(self) -> None:
        used = max(self._used, self._memory()) - self._empty
        if used > 0 and self.outcome.states:
            self.outcome.bytes_per_state = round(used / self.outcome.states)

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Let Ctrl-C end the search at the next slice; pressed again it is as always."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.getsignal(signal.SIGINT)

        def interrupt(_signal: int, _frame: object) -> None:
            self._interrupted = True
            signal.signal(signal.SIGINT, before)

        signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def _as_json(outcome: Outcome) -> dict[str, Any]:
    found = {goal: [entry.state.hex(), entry.key] for goal, entry in outcome.found.items()}
    return {
        "levels": [list(level) for level in outcome.levels],
        "found": found,
        "met": outcome.met,
        "steps": outcome.steps,
        "marks": outcome.marks,
        "states": outcome.states,
        "frontier": outcome.frontier,
        "seconds": outcome.seconds,
    }


def _outcome(saved: dict[str, Any]) -> Outcome:
    return Outcome(
        levels=tuple(LevelCount(*level) for level in saved["levels"]),
        found={
            goal: Found(len(state) // 2, bytes.fromhex(state), key)
            for goal, (state, key) in saved["found"].items()
        },
        met=saved["met"],
        steps=Counter(saved["steps"]),
        marks=Counter(saved["marks"]),
        states=saved["states"],
        frontier=saved["frontier"],
        seconds=saved["seconds"],
    )


@contextmanager
def _no_collector() -> Iterator[None]:
    """Do without the cycle collector: states have no cycles, and it would read all of them."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
