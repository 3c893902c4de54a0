"""Intervals and work for every benchmark: seeded, closed ``[start, last]``, no peer's bias.

The names of sizes are those of the kernel's own interval-tree test: ``nnodes``.
"""

from __future__ import annotations

import random
from typing import NamedTuple

Triple = tuple[int, int, int]
Query = tuple[int, int]

#: Points for each interval: starts lie in ``0 .. SPREAD * nnodes - 1``.
SPREAD = 100


def tailed(nnodes: int, hits: int, seed: int = 1) -> list[Triple]:
    """Lengths of 99 % Exp(m) and 1 % Exp(30 m): a point is in ``hits`` intervals on average."""
    rng = random.Random(seed)
    mean = hits * SPREAD / 1.29
    made = []
    for value in range(nnodes):
        start = rng.randrange(SPREAD * nnodes)
        length = rng.expovariate(1 / mean if rng.random() < 0.99 else 1 / (30 * mean))
        made.append((start, start + int(length), value))
    return made


def _shuffled(triples: list[Triple]) -> list[Triple]:
    random.Random(2).shuffle(triples)
    return triples


def nested(nnodes: int) -> list[Triple]:
    """Each interval lies in all before it."""
    top = SPREAD * nnodes
    return _shuffled([(at * 49, top - at * 49, at) for at in range(nnodes)])


def one_giant(nnodes: int) -> list[Triple]:
    """Single points, and one interval over all of them."""
    return _shuffled(
        [(at * SPREAD, at * SPREAD if at else SPREAD * nnodes, at) for at in range(nnodes)]
    )


def scattered_giants(nnodes: int) -> list[Triple]:
    """Single points, and each 1000th interval reaches to the end: hits far apart."""
    top = SPREAD * nnodes
    return _shuffled([(at * SPREAD, at * SPREAD if at % 1000 else top, at) for at in range(nnodes)])


def points(nnodes: int) -> list[Triple]:
    """Single points: pages of anonymous memory that are mapped once each."""
    return _shuffled([(at * SPREAD, at * SPREAD, at) for at in range(nnodes)])


def queries(nnodes: int, width: int, count: int, seed: int = 2) -> list[Query]:
    """Return ranges of ``width + 1`` points at random places."""
    rng = random.Random(seed)
    starts = [rng.randrange(SPREAD * nnodes) for _ in range(count)]
    return [(start, start + width) for start in starts]


class Step(NamedTuple):
    """One step of mixed work; ``kind`` is 0 search, 1 insert, 2 remove."""

    kind: int
    start: int
    last: int
    value: int


class Mixed:
    """An endless stream of 45 % searches, 30 % insertions, 25 % removals of random ones."""

    def __init__(self, given: list[Triple]) -> None:
        self.rng = random.Random(3)
        self.live = list(given)
        self.span = SPREAD * len(given)
        self.next = len(given)

    def take(self, count: int) -> list[Step]:
        """Return the next steps; a removal names a value that is still there."""
        return [self._step() for _ in range(count)]

    def _step(self) -> Step:
        dice, start = self.rng.random(), self.rng.randrange(self.span)
        if dice < 0.45:
            return Step(0, start, start + (400 if dice < 0.225 else 0), 0)
        if dice < 0.75:
            made = (start, start + int(self.rng.expovariate(1 / 78)), self.next)
            self.next += 1
            self.live.append(made)
            return Step(1, *made)
        at = self.rng.randrange(len(self.live))
        self.live[at], self.live[-1] = self.live[-1], self.live[at]
        return Step(2, *self.live.pop())
