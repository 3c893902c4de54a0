"""Rates of the explorer: `python -m benchmarks.explorer.figures [--depth D] [--workers N] ...`.

Without more options the engine on the small model; `--compiled` the same as machine code;
`--table` both beside a search in C and Spin, where there are, as in docs/explorer.md.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.explorer import compiled, peers
from benchmarks.explorer.small_model import WALKS, SmallProblem
from ksm_rmap.check.campaign import Campaign, Limits, Outcome
from ksm_rmap.check.crew import Forked, Here
from ksm_rmap.check.explore import explore
from ksm_rmap.check.menu import Menu
from ksm_rmap.check.search import Shard

if TYPE_CHECKING:
    from collections.abc import Iterator

# Measured elsewhere on a comparable small model (not the same relation): engine, cores, distinct
# states a second in all, time by the clock to depths 6, 7 and 8, bytes a state.
QUOTED = (
    ("flat bytes, CPython", "1", "19,000", "6.4 s", "45 s", "-", "170"),
    ("flat bytes, mypyc", "1", "60,000-73,000", "1.7 s", "13 s", "-", "170"),
    ("flat bytes, mypyc", "2", "91,000-106,000", "-", "8 s", "53 s", "170"),
    ("C, own hash table", "1", "200,000-280,000", "0.9 s", "3.7 s", "15-17 s", "8 + frontier"),
    (
        "Spin 6.5, pure Promela, names not reduced",
        "1",
        "310,000-380,000",
        "0.9 s",
        "9.6 s",
        "-",
        "390",
    ),
    ("Spin 6.5, relation in C", "1", "133,000-220,000", "0.6 s", "4.5 s", "36 s", "350"),
    ("TLC", "1 / 2", "5,500 / 8,300 in all", "44-60 s", "-", "-", "-"),
)
TIMED = (6, 7, 8)


def say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def used() -> float:
    """Return the processor time of this process and those that it waited for."""
    mine, children = (
        resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return mine.ru_utime + mine.ru_stime + children.ru_utime + children.ru_stime


def search(depth: int, workers: int, fast: bool) -> Outcome:  # noqa: FBT001 - which form
    """Search the small model to a depth; `full` misses nothing, so nothing ends it before."""
    problem, shard = compiled.load() if fast else (SmallProblem, Shard)
    members = [shard(problem(), index, workers) for index in range(workers)]
    crew = Here(members) if workers == 1 else Forked(members)
    try:
        return Campaign(crew, WALKS, Limits(depth)).run()
    finally:
        crew.close()


def small(depth: int, workers: int, fast: bool) -> None:  # noqa: FBT001 - which form
    """Measure the engine on the small model."""
    before = used()
    outcome = search(depth, workers, fast)
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


def ours(depths: tuple[int, ...], workers: int, fast: bool) -> peers.Ran:  # noqa: FBT001 - form
    """Search to each of some depths."""
    times, outcome = {}, Outcome()
    if fast:
        compiled.load()  # what takes long is done once, and before the clock runs
    for depth in depths:
        before = used()
        outcome = search(depth, workers, fast)
        times[depth] = peers.Time(outcome.seconds, used() - before)
    levels = outcome.levels
    return peers.Ran(
        f"this one, {'compiled by mypyc' if fast else 'pure Python'}",
        workers,
        tuple(level.states for level in levels),
        times,
        {
            goal: next(level.depth for level in levels if level.seconds >= met)
            for goal, met in outcome.met.items()
        },
        outcome.bytes_per_state or 0,
    )


def engines(depths: tuple[int, ...], folder: Path) -> Iterator[peers.Ran]:
    """Run every engine that can run here, one after the other; say what cannot."""
    for fast in (False, True):
        for workers in (1, 2):
            try:
                yield ours(depths, workers, fast)
            except RuntimeError as error:
                say(f"left out: {error}")
    for run in (peers.search_in_c, peers.search_by_spin):
        try:
            yield run(folder, depths)
        except RuntimeError as error:
            say(f"left out: {error}")


def row(ran: peers.Ran) -> str:
    rates = [f"{sum(ran.levels[: d + 1]) / t.processor:,.0f}" for d, t in ran.times.items()]
    times = [
        f"{t.processor:.1f} s ({t.clock:.1f})" if (t := ran.times.get(d)) else "-" for d in TIMED
    ]
    cells = (ran.engine, ran.cores, rates[-1], *times, ran.bytes_per_state)
    return f"| {' | '.join(map(str, cells))} |"


def table(depth: int) -> None:
    """Print the table of docs/explorer.md, after a check that the engines agree."""
    with tempfile.TemporaryDirectory() as folder:
        runs = list(engines(tuple(range(min(depth, TIMED[0]), depth + 1)), Path(folder)))
    for ran in runs:
        if (ran.levels, ran.misses) != (runs[0].levels, runs[0].misses):
            raise SystemExit(f"engines differ: {ran}, {runs[0]}")
    say(f"new states by depth: {', '.join(f'{n:,}' for n in runs[0].levels)}")
    say(f"depth of the first miss: {runs[0].misses}")
    say("each of the engines says so; seconds of processor, in brackets by the clock")
    say("")
    heads = ("engine", "cores", "states a second of a core", *(f"depth {d}" for d in TIMED))
    say(f"| {' | '.join(heads)} | bytes a state |")
    say("|---|---|---|---|---|---|---|")
    for ran in runs:
        say(row(ran))
    for cells in QUOTED:
        say(f"| *{cells[0]}* | {' | '.join(cells[1:])} |")


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
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--faithful", action="store_true")
    arguments = parser.parse_args()
    if arguments.faithful:
        faithful(Menu(), arguments.depth, arguments.seconds, arguments.workers)
    elif arguments.table:
        table(arguments.depth)
    else:
        small(arguments.depth, arguments.workers, arguments.compiled)


if __name__ == "__main__":
    main()
