"""Rates of the explorer: `python -m benchmarks.explorer.figures [--depth D] [--workers N] ...`."""

from __future__ import annotations

import argparse
import resource
import sys
import time

from benchmarks.explorer.small_model import SmallProblem
from ksm_rmap.check.campaign import Campaign, Limits
from ksm_rmap.check.crew import Forked, Here
from ksm_rmap.check.explore import explore
from ksm_rmap.check.menu import Menu
from ksm_rmap.check.search import Shard

# Measured elsewhere on a comparable small model: engine, distinct states a second, bytes a state.
PEERS = (
    ("flat bytes, CPython", "19,000", "170"),
    ("flat bytes, mypyc", "60,000-73,000", "170"),
    ("flat bytes, mypyc, 2 processes", "91,000-106,000", "170"),
    ("C, own hash table", "200,000-280,000", "8 + frontier"),
    ("Spin 6.5", "310,000-380,000", "390"),
    ("TLC, 1 / 2 workers", "5,500 / 8,300", ""),
)


def say(text: object) -> None:
    sys.stdout.write(f"{text}\n")


def used() -> float:
    """Return the processor time of this process and those that it waited for."""
    mine, children = (
        resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return mine.ru_utime + mine.ru_stime + children.ru_utime + children.ru_stime


def small(depth: int, workers: int) -> None:
    """Measure the engine on the small model."""
    members = [Shard(SmallProblem(), index, workers) for index in range(workers)]
    crew = Here(members) if workers == 1 else Forked(members)
    before = used()
    try:
        outcome = Campaign(crew, ("address", "vm_pgoff"), Limits(depth)).run()
    finally:
        crew.close()
    processor = used() - before
    say(f"small model, {workers} workers: {[level.states for level in outcome.levels]}")
    say(
        f"  {outcome.states} states in {outcome.seconds:.1f} s: "
        f"{outcome.states / outcome.seconds:,.0f} states/s; "
        f"{processor:.1f} s of processor: {outcome.states / processor:,.0f} states/s a core; "
        f"{outcome.bytes_per_state} bytes a state"
    )
    for goal, seconds in outcome.met.items():
        say(f"  first miss of {goal}: {seconds:.2f} s")


def faithful(menu: Menu, depth: int | None, seconds: float | None, workers: int) -> None:
    """Measure a search of the model of the kernel."""
    before = used()
    start = time.monotonic()
    found = explore(menu=menu, depth=depth, seconds=seconds, workers=workers)
    processor = used() - before
    elapsed = time.monotonic() - start
    say(f"{menu}, {workers} workers, {elapsed:.1f} s, {processor:.1f} s of processor")
    say(found)
    for name, answers in found.walks.items():
        for question, example in answers.items():
            if example:
                say(f"  {name} {question}: {example.steps} calls, {example.seconds:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--faithful", action="store_true")
    arguments = parser.parse_args()
    if arguments.faithful:
        faithful(Menu(), arguments.depth, arguments.seconds, arguments.workers)
        return
    small(arguments.depth, arguments.workers)
    say("measured elsewhere, small model with as many kinds of calls:")
    for engine, rate, size in PEERS:
        say(f"  {engine}: {rate} states/s, {size} bytes a state")


if __name__ == "__main__":
    main()
