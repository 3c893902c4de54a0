"""Breadth-first search of all states, whatever the states are.

No analogue in the kernel. The engine of `ksm_rmap.check.explore`: it knows strings of bytes,
their successors and what to look for in them, all by way of a `Problem`.

Rules of this module:

1. The search is level by level, so a goal is first met at its least depth, and what is reported
   of a finished level does not depend on the number of shards, nor on time.
2. A state belongs to the shard that its key names. Its key is a digest of 64 bits: two of n
   states share one, and one of them is lost, with a probability of about n * n / 2**65.
3. Each state keeps the key of one parent of the level before, the least of all; thus the way to
   a state can be found again by looking for those keys once more.
4. A step may tell which steps need not follow it (`ksm_rmap.check.commute`): they sleep in the
   state it leads to. What sleeps there is what any step of the level before put to sleep.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from hashlib import blake2b
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ("Found", "Level", "Problem", "Round", "Shard", "Snapshot", "key_of")

Key = int
"""Digest of a state, 64 bits."""
Entry = bytes
"""A state, and behind it the set of steps that sleep in it: always the same number of bytes."""

_CANDIDATE = Struct("<QQH")
"""Key of a state, key of a parent, length of the entry that comes next."""


class Problem(Protocol):
    """What is searched."""

    @property
    def sleepers(self) -> int:
        """How many steps may sleep; 0: none ever does."""

    def initial(self) -> bytes:
        """Return the state to begin with."""

    def successors(self, state: bytes, asleep: int) -> Iterable[tuple[str, bytes, int]]:
        """Yield the kind of each step from `state`, where it leads, and what then sleeps there.

        Steps that are `asleep`, a set of bits, may be left out.
        """

    def look(self, state: bytes, goals: Collection[str]) -> tuple[Collection[str], Collection[str]]:
        """Return which of `goals` are reached in `state`, and the marks that it is counted by."""


def key_of(state: bytes) -> Key:
    """Return the key of a state; the same in every process and on every machine."""
    return int.from_bytes(blake2b(state, digest_size=8).digest(), "little")


class Found(NamedTuple):
    """A state in which a goal is reached; the least one is reported."""

    size: int
    state: bytes
    key: Key


class Round(NamedTuple):
    """What a shard did in one slice of time."""

    done: bool
    """Whether the level is expanded."""
    batches: list[bytes]
    """For each shard what belongs to it, packed."""


class Level(NamedTuple):
    """What a shard has to report of one depth."""

    depth: int
    states: int
    """New states."""
    transitions: int
    """Steps from the states of the depth before."""
    expanded: int
    """States of the depth before from which steps were made."""
    found: dict[str, Found]
    """The least state for each goal reached."""
    seconds: dict[str, float]
    """Clock time at which each goal was first reached."""
    steps: Counter[str]
    """Steps by kind."""
    marks: Counter[str]
    """New states by mark."""


class Snapshot(NamedTuple):
    """All that a shard knows, to be stored and taken up again."""

    parents: dict[Key, Key]
    frontier: list[tuple[Key, Entry]]
    """States still to be expanded."""
    coming: dict[Key, Entry]
    depth: int
    expanded: int
    goals: frozenset[str]
    found: dict[str, Found]
    seconds: dict[str, float]
    steps: Counter[str]
    marks: Counter[str]


class Shard:
    """The states whose keys leave the rest `index` when divided by `shards`."""

    def __init__(self, problem: Problem, index: int = 0, shards: int = 1) -> None:
        self.problem = problem
        self.index = index
        self.shards = shards
        self.parents: dict[Key, Key] = {}
        """Every state met, with the parent it keeps."""
        self.frontier: list[tuple[Key, Entry]] = []
        """The states of the last finished level."""
        self.position = 0
        """The first of them that was not expanded."""
        self.expanded = 0
        """How many of them were."""
        self.coming: dict[Key, Entry] = {}
        """The new states of the level that is being made."""
        self.depth = 0
        """Depth of `coming`."""
        self.goals: frozenset[str] = frozenset()
        """What was not reached at a lesser depth."""
        self._sent: dict[Key, int] = {}
        """What was handed to other shards in this level: keys, and what sleeps there."""
        self._sets: dict[int, int] = {}
        """The sets in `_sent`, each kept once: most of them come thousands of times."""
        self._width = (problem.sleepers + 7) // 8
        self._clear()

    def _clear(self) -> None:
        self._found: dict[str, Found] = {}
        self._seconds: dict[str, float] = {}
        self._steps: Counter[str] = Counter()
        self._marks: Counter[str] = Counter()

    def begin(self, goals: Collection[str]) -> None:
        """Put the initial state where it belongs, and look for `goals` from now on."""
        self.goals = frozenset(goals)
        state = self.problem.initial()
        key = key_of(state)
        if key % self.shards == self.index:
            self._meet(key, key, state, bytes(self._width))

    def expand(self, seconds: float) -> Round:
        """Expand states of the frontier until all are, or for so many seconds.

        The states come in the order of their keys, so that of several parents in this shard the
        least is the first.
        """
        until = time.monotonic() + seconds
        batches: list[list[bytes]] = [[] for _ in range(self.shards)]
        frontier, successors, steps = self.frontier, self.problem.successors, self._steps
        index, shards, parents, coming = self.index, self.shards, self.parents, self.coming
        width = self._width
        while self.position < len(frontier) and time.monotonic() < until:
            parent, entry = frontier[self.position]
            cut = len(entry) - width
            asleep = int.from_bytes(entry[cut:], "little")
            kinds: list[str] = []
            for kind, successor, sleepers in successors(entry[:cut], asleep):
                kinds.append(kind)
                key = key_of(successor)
                owner = key % shards
                if owner != index:
                    self._send(batches[owner], key, parent, successor, sleepers)
                elif (known := parents.get(key)) is None:
                    self._meet(key, parent, successor, sleepers.to_bytes(width, "little"))
                elif (parent < known or sleepers) and key in coming:
                    self._meet_again(key, parent, sleepers)
            steps.update(kinds)  # counts in C, once for all the steps of a state
            self.position += 1
            self.expanded += 1
        return Round(self.position == len(frontier), [b"".join(batch) for batch in batches])

    def _send(self, batch: list[bytes], key: Key, parent: Key, state: bytes, sleepers: int) -> None:
        """Put a state into a batch, unless all of this was sent before."""
        before = self._sent.get(key)
        if before is not None:
            if not sleepers & ~before:
                return
            state = b""  # the other shard has it
        asleep = (before or 0) | sleepers
        self._sent[key] = self._sets.setdefault(asleep, asleep)
        entry = state + sleepers.to_bytes(self._width, "little")
        batch += (_CANDIDATE.pack(key, parent, len(entry)), entry)

    def absorb(self, batches: Iterable[bytes]) -> None:
        """Take in what other shards found."""
        for batch in batches:
            at = 0
            while at < len(batch):
                key, parent, length = _CANDIDATE.unpack_from(batch, at)
                at += _CANDIDATE.size
                cut, end = at + length - self._width, at + length
                if key not in self.parents:
                    self._meet(key, parent, batch[at:cut], batch[cut:end])
                elif key in self.coming:
                    self._meet_again(key, parent, int.from_bytes(batch[cut:end], "little"))
                at = end

    def _meet(self, key: Key, parent: Key, state: bytes, sleepers: bytes) -> None:
        self.parents[key] = parent
        self.coming[key] = state + sleepers
        reached, marks = self.problem.look(state, self.goals)
        if marks:  # rarely, and to count nothing costs a microsecond
            self._marks.update(marks)
        for goal in reached:
            found = Found(len(state), state, key)
            if goal not in self._found:
                self._seconds[goal] = time.monotonic()
            self._found[goal] = min(found, self._found.get(goal, found))

    def _meet_again(self, key: Key, parent: Key, sleepers: int) -> None:
        """Note another step to a state of the level that is being made."""
        self.parents[key] = min(parent, self.parents[key])
        if sleepers:
            entry, width = self.coming[key], self._width  # some may sleep, so the width is not 0
            asleep = int.from_bytes(entry[-width:], "little")
            if sleepers & ~asleep:
                self.coming[key] = entry[:-width] + (asleep | sleepers).to_bytes(width, "little")

    def report(self) -> Level:
        """Return what is known of the level that is being made."""
        return Level(
            self.depth,
            len(self.coming),
            sum(self._steps.values()),
            self.expanded,
            dict(self._found),
            dict(self._seconds),
            Counter(self._steps),
            Counter(self._marks),
        )

    def advance(self, reached: Collection[str]) -> None:
        """Make the new states the frontier; goals `reached` are looked for no more."""
        self.frontier = sorted(self.coming.items())
        self.coming = {}
        self.position = self.expanded = 0
        self.depth += 1
        self.goals -= frozenset(reached)
        self._sent.clear()
        self._sets.clear()
        self._clear()

    def snapshot(self) -> Snapshot:
        """Return all that this shard knows."""
        return Snapshot(
            self.parents,
            self.frontier[self.position :],
            self.coming,
            self.depth,
            self.expanded,
            self.goals,
            self._found,
            self._seconds,
            self._steps,
            self._marks,
        )

    def take_up(self, saved: Snapshot) -> None:
        """Go on where the snapshot of a whole search was made: with what belongs to this shard.

        The first shard takes the counters.
        """
        index, shards = self.index, self.shards
        self.parents = {k: parent for k, parent in saved.parents.items() if k % shards == index}
        self.frontier = sorted(entry for entry in saved.frontier if entry[0] % shards == index)
        self.coming = {k: state for k, state in saved.coming.items() if k % shards == index}
        self.depth, self.goals = saved.depth, saved.goals
        if not index:
            self.expanded = saved.expanded
            self._found, self._seconds = saved.found, saved.seconds
            self._steps, self._marks = saved.steps, saved.marks

    def parent_of(self, key: Key) -> Key | None:
        """Return the parent of a state; None: not of this shard. The initial one is its own."""
        return self.parents.get(key)

    def memory(self) -> int:
        """Return how many bytes of memory this process has; 0 where that cannot be known."""
        try:
            pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
        except OSError:
            return 0
        return int(pages) * os.sysconf("SC_PAGESIZE")
