"""How a figure is taken and written: interleaved rounds, the least of each, Markdown."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Row = dict[str, float]
ROUNDS = 9


def say(text: str) -> None:
    """Write one line of the report."""
    print(text, flush=True)  # noqa: T201 - this is the report


def interleaved(work: Mapping[str, Callable[[], float]], rounds: int = ROUNDS) -> Row:
    """Return the least time of each piece of work over shuffled rounds."""
    rng, best = random.Random(7), dict.fromkeys(work, float("inf"))
    for _ in range(rounds):
        for name in rng.sample(list(work), len(work)):
            best[name] = min(best[name], work[name]())
    return best


def table(title: str, columns: list[str], rows: dict[str, Row]) -> None:
    """Print rows of nanoseconds."""
    say(f"\n### {title}\n")
    say("| | " + " | ".join(columns) + " |")
    say("|---" * (1 + len(columns)) + "|")
    for name, row in rows.items():
        cells = [f"{row[c]:,.4g}" if c in row else "-" for c in columns]
        say(f"| {name} | " + " | ".join(cells) + " |")


def timed(call: Callable[[], object], count: int = 1) -> float:
    """Return nanoseconds for one of `count` operations of a call."""
    begin = time.perf_counter()
    result = call()
    end = time.perf_counter()
    del result  # not part of the time
    return (end - begin) / count * 1e9
