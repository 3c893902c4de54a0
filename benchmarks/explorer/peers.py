"""Other engines on the same small model: a search in C, and Spin with the relation in C.

Each is built in a folder that the caller gives, and runs only where its tools are: a C compiler
for both, `spin` for the second. What they count is compared with the explorer's by `figures`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
MEMORY = 8000
"""Most MB that Spin takes."""
WALKS = ("address", "vm_pgoff")


class Time(NamedTuple):
    """What a search took."""

    clock: float
    processor: float
    """Of all cores together: what other work on the machine changes least."""


class Ran(NamedTuple):
    """What an engine did."""

    engine: str
    cores: int
    levels: tuple[int, ...]
    """New states by depth."""
    times: dict[int, Time]
    """What a search to each depth took."""
    misses: dict[str, int]
    """Depth of the first miss of each walk."""
    bytes_per_state: int


def compiler() -> str | None:
    """Return the C compiler, None where there is none."""
    return shutil.which("cc") or shutil.which("gcc")


def _compile(sources: Path, made: Path, *options: str) -> None:
    cc = compiler()
    if cc is None:
        raise RuntimeError("no C compiler")
    command = [cc, "-O2", "-w", f"-I{HERE}", *options, "-o", str(made), str(sources)]
    subprocess.run(command, check=True)  # noqa: S603 - our own sources


def _run(command: list[str], folder: Path) -> tuple[str, Time, int]:
    """Return what a program printed, what it took, and the most bytes it had."""
    start = time.monotonic()
    with subprocess.Popen(  # noqa: S603 - what was built here
        command, cwd=folder, stdout=subprocess.PIPE, text=True
    ) as process:
        text = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    took = Time(time.monotonic() - start, usage.ru_utime + usage.ru_stime)
    if process.returncode:
        raise RuntimeError(f"{command[0]}: {process.returncode}: {text[-500:]}")
    return text, took, usage.ru_maxrss * 1024


def search_in_c(folder: Path, depths: tuple[int, ...]) -> Ran:
    """Search to each of some depths with search.c."""
    program = folder / "search"
    _compile(HERE / "search.c", program)
    times, text, size = {}, "", 0
    for depth in depths:
        bits = 3 * depth + 1  # a level has some seven times the states of the one before
        text, times[depth], size = _run([str(program), str(depth), str(bits)], folder)
    levels = tuple(map(int, re.findall(r"^depth \d+ states (\d+)", text, re.MULTILINE)))
    misses = re.findall(r"^miss (\d) depth (\d+)", text, re.MULTILINE)
    first = {WALKS[int(walk) - 1]: int(d) for walk, d in misses}
    return Ran("C, own hash table", 1, levels, times, first, size // sum(levels))


def _pan(folder: Path, name: str, walk: int) -> Path:
    """Let Spin make a program that looks for a miss of a walk; 0: for none."""
    spin = shutil.which("spin")
    if spin is None:
        raise RuntimeError("no spin")
    command = [spin, f"-DWALK={walk}", "-a", str(HERE / "small.pml")]
    subprocess.run(command, cwd=folder, check=True)  # noqa: S603 - our own sources
    _compile(folder / "pan.c", folder / name, "-DBFS", "-DSAFETY", f"-DMEMLIM={MEMORY}")
    return folder / name


def _pan_miss(folder: Path, walk: int, depth: int) -> int | None:
    text, _, _ = _run([str(_pan(folder, f"pan{walk}", walk)), f"-m{depth + 2}"], folder)
    found = re.search(r"precondition false.*\(at depth (\d+)\)", text)
    return int(found[1]) if found else None


def search_by_spin(folder: Path, depths: tuple[int, ...]) -> Ran:
    """Search to each of some depths with Spin, breadth first on one core.

    Spin counts the state before the first one, and makes a step to it.
    """
    pan = _pan(folder, "pan", 0)
    totals, times, size = [0], {}, 0
    for depth in range(max(depths) + 1):
        # A table that need not grow, so that what is timed is the search.
        text, took, size = _run([str(pan), f"-m{depth + 1}", "-w24"], folder)
        stored = re.search(r"(\d+) states, stored", text)
        totals.append(int(stored[1]) - 1 if stored else 0)
        if depth in depths:
            times[depth] = took
    levels = tuple(b - a for a, b in pairwise(totals))
    met = {name: _pan_miss(folder, walk + 1, len(levels)) for walk, name in enumerate(WALKS)}
    misses = {name: d for name, d in met.items() if d is not None and d < len(levels)}
    return Ran("Spin 6.5, relation in C", 1, levels, times, misses, size // totals[-1])
