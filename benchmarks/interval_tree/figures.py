"""Measure every figure that the documentation quotes, side by side in one run.

    python -m benchmarks.interval_tree.figures [section ...] [--sizes n ...]

Sections: queries, peers, mixed, forks, build, batch, limit, memory; all by default. Sizes
are 10,000 and 100,000 by default; forks and memory have their own. A peer that is not
installed is left out, and beyond 100,000 one that takes minutes to build; queries then
have one shape. Rounds of all peers are interleaved, in another order each time, and each
cell is the least of its rounds in nanoseconds an operation, Python's loop included: on a
shared machine other work only ever adds. Output is Markdown.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from array import array
from collections import deque
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.interval_tree import layouts
from benchmarks.interval_tree.batch_peers import batch_peers
from benchmarks.interval_tree.peers import PEERS, SLOW_TO_BUILD, Index
from benchmarks.interval_tree.report import ROUNDS, Row, interleaved, say, table, timed

if TYPE_CHECKING:
    from collections.abc import Callable

#: Sizes beyond this leave out the peers of SLOW_TO_BUILD.
SMALL = 100_000


def built(names: list[str], given: list[layouts.Triple]) -> dict[str, Index]:
    """Build the peers that are installed."""
    made = {}
    for name in names:
        if len(given) > SMALL and name in SLOW_TO_BUILD:
            continue
        try:
            made[name] = PEERS[name](given)
        except ImportError:
            say(f"({name} is not installed)")
    gc.collect()
    return made


def search_time(index: Index, queries: list[layouts.Query]) -> Callable[[], float]:
    """Return work that answers all queries."""
    search, shift = index.search, index.shift
    shifted = [(start, last + shift) for start, last in queries]

    def work() -> float:
        begin = time.perf_counter()
        for start, last in shifted:
            search(start, last)
        return (time.perf_counter() - begin) / len(shifted) * 1e9

    return work


def agree(made: dict[str, Index], given: list[layouts.Triple], queries: Any) -> None:  # noqa: ANN401
    """Compare every peer's number of answers with brute force before timing it."""
    for start, last in queries[:20]:
        wanted = sum(s <= last and e >= start for s, e, _ in given)
        for name, index in made.items():
            found = len(index.search(start, last + index.shift))
            if found != wanted:
                say(f"({name} finds {found} of {wanted} in [{start}, {last}])")


SHAPES: dict[str, Callable[[int], list[layouts.Triple]]] = {
    "tailed, 1 hit": lambda nnodes: layouts.tailed(nnodes, 1),
    "tailed, 10 hits": lambda nnodes: layouts.tailed(nnodes, 10),
    "points": layouts.points,
    "one giant": layouts.one_giant,
    "scattered giants": layouts.scattered_giants,
}
STATIC = ["ours, grown", "ours, bulk", "superintervals", "ncls"]
WIDTHS = {"stab": 0, "range 900": 900, "range 9900": 9900}


def queries(sizes: list[int]) -> None:
    """Time searches of the static peers on every shape."""
    for nnodes in sizes:
        for shape, make in list(SHAPES.items())[: None if nnodes <= SMALL else 1]:
            given = make(nnodes)
            made = built(STATIC, given)
            rows: dict[str, Row] = {name: {} for name in made}
            for column, width in WIDTHS.items():
                asked = layouts.queries(nnodes, width, 10_000)
                agree(made, given, asked)
                work = {name: search_time(index, asked) for name, index in made.items()}
                for name, least in interleaved(work).items():
                    rows[name][column] = least
            if "superintervals" in rows:
                peer = rows["superintervals"]
                for name in ("ours, grown", "ours, bulk"):
                    rows[f"superintervals / {name}"] = {
                        column: peer[column] / rows[name][column] for column in WIDTHS
                    }
            table(f"Searches, {shape}, n = {nnodes:,}", list(WIDTHS), rows)
    nest = layouts.nested(2000)
    made = built(STATIC, nest)
    asked = layouts.queries(2000, 0, 500)
    work = {name: search_time(index, asked) for name, index in made.items()}
    nest_rows = {name: {"stab": cell} for name, cell in interleaved(work, 9).items()}
    table("Searches, nested, n = 2,000", ["stab"], nest_rows)


def affordable(index: Index, asked: list[layouts.Query]) -> list[layouts.Query]:
    """Return as many of the queries as take a tenth of a second, five at least."""
    one = timed(lambda: [index.search(low, high + index.shift) for low, high in asked[:5]], 5)
    return asked[: max(5, int(1e8 / one))]


def peers(sizes: list[int]) -> None:
    """Time every peer on the first shape: building, searches, mixed work."""
    for nnodes in sizes:
        given = layouts.tailed(nnodes, 1)
        rows: dict[str, Row] = {}
        made: dict[str, Index] = {}
        for name in PEERS:
            made |= built([name], given)
            if name in made:  # again: the first time includes loading its modules
                rows[name] = {"build": timed(partial(PEERS[name], given), nnodes)}
        for column, width in WIDTHS.items():
            asked = layouts.queries(nnodes, width, 10_000)
            agree(made, given, asked)
            work = {
                name: search_time(index, affordable(index, asked)) for name, index in made.items()
            }
            for name, least in interleaved(work, 3).items():
                rows[name][column] = least
        stream = layouts.Mixed(given)
        parts = [stream.take(1000) for _ in range(4)]
        changing = {name: index for name, index in made.items() if index.remove}
        work = {name: mixed_time(index, parts) for name, index in changing.items()}
        for name, least in interleaved(work, 4).items():
            rows[name]["mixed"] = least
        table(f"Every peer, n = {nnodes:,}", ["build", *WIDTHS, "mixed"], rows)


DYNAMIC = ["ours, grown", "ours, pure", "intervaltree", "sorted-maxlen", "quicksectx", "manzanita"]


def mixed_time(index: Index, stream: list[list[layouts.Step]]) -> Callable[[], float]:
    """Return work that takes the next part of the stream at each call."""
    search, insert, remove = index.search, index.insert, index.remove
    shift, parts = index.shift, iter(stream)
    known = index.handles or {}
    handles: list[Any] = [known.get(value) for value in range(len(known) + 10**6)]
    index.handles = None
    assert insert is not None  # noqa: S101 - a dynamic peer
    assert remove is not None  # noqa: S101

    def work() -> float:
        steps = [(kind, start, last + shift, value) for kind, start, last, value in next(parts)]
        begin = time.perf_counter()
        for kind, start, last, value in steps:
            if kind == 0:
                search(start, last)
            elif kind == 1:
                handles[value] = insert(start, last, value)
            else:
                remove(handles[value])
        return (time.perf_counter() - begin) / len(steps) * 1e9

    return work


def null_index(given: list[layouts.Triple]) -> Index:
    """Return an index that does nothing: the loop itself."""

    def nothing(_start: int, _last: int, _value: int = 0) -> None:
        return None

    handles: dict[int, Any] = dict.fromkeys(range(len(given)))
    return Index(nothing, nothing, lambda _handle: None, handles)


def mixed_rows(nnodes: int, names: list[str], rounds: int = 12, steps: int = 10_000) -> Row:
    """Return the least time of mixed work for each peer, and for the loop alone."""
    given = layouts.tailed(nnodes, 1)
    stream = layouts.Mixed(given)
    parts = [stream.take(steps) for _ in range(rounds)]
    made = built(names, given)
    made["(loop)"] = null_index(given)
    return interleaved({name: mixed_time(i, parts) for name, i in made.items()}, rounds)


def mixed(sizes: list[int]) -> None:
    """Time mixed dynamic work."""
    for nnodes in sizes:
        least = mixed_rows(nnodes, DYNAMIC)
        ours, pure = least["ours, grown"], least["ours, pure"]
        rows = {
            name: {"ns": cell, "times ours": cell / ours, "times pure": cell / pure}
            for name, cell in least.items()
        }
        table(f"Mixed work, n = {nnodes:,}", ["ns", "times ours", "times pure"], rows)


def forks(_sizes: list[int]) -> None:
    """Time 22,000 identical intervals."""
    count, rows = 22_000, dict[str, Row]()
    for form in ("_compiled", "_pure"):
        tree = importlib.import_module(f"ksm_rmap.interval_tree.{form}").IntervalTree()
        rows[form] = dict.fromkeys(("insert", "hit of at", "first", "remove"), float("inf"))
        row = rows[form]
        for _ in range(ROUNDS):
            made: list[Any] = []

            def fill(tree: Any = tree, made: list[Any] = made) -> None:  # noqa: ANN401
                insert = tree.insert
                made.extend(insert(7, 7, value) for value in range(count))

            def stabs(at: Any = tree.at) -> None:  # noqa: ANN401
                for _ in range(10):
                    at(7)

            def firsts(first: Any = tree.first_overlap) -> None:  # noqa: ANN401
                for _ in range(2000):
                    first(7, 7)

            def empty(tree: Any = tree, made: list[Any] = made) -> None:  # noqa: ANN401
                remove = tree.remove
                for interval in made:
                    remove(interval)

            row["insert"] = min(row["insert"], timed(fill, count))
            row["hit of at"] = min(row["hit of at"], timed(stabs, 10 * count))
            row["first"] = min(row["first"], timed(firsts, 2000))
            random.Random(4).shuffle(made)
            row["remove"] = min(row["remove"], timed(empty, count))
    table("22,000 identical intervals", ["insert", "hit of at", "first", "remove"], rows)


def build(sizes: list[int]) -> None:
    """Time bulk building from sorted arrays, and from a list of triples in random order."""
    ours: Any = importlib.import_module("ksm_rmap.interval_tree").IntervalTree
    peer: Any = importlib.import_module("superintervals").IntervalMap
    rows: dict[str, Row] = {}
    for nnodes in sizes:
        given = sorted(layouts.tailed(nnodes, 1))
        columns = list(zip(*given, strict=True))
        long = [array("q", column) for column in columns[:2]]
        short = [array("i", column) for column in columns[:2]]
        values, triples = list(columns[2]), layouts.tailed(nnodes, 1)
        work = {
            "ours, arrays and values": partial(ours.from_arrays, *long, values),
            "ours, arrays alone": partial(ours.from_arrays, *long),
            "ours, arrays alone, all asked for": partial(all_made, ours, long),
            "superintervals, arrays and values": partial(peer.from_arrays, *short, values),
            "superintervals, arrays alone": partial(peer.from_arrays, *short),
            "ours, unsorted triples": partial(ours, triples),
        }
        calls = {name: partial(timed, call, nnodes) for name, call in work.items()}
        for name, least in interleaved(calls, 15).items():
            rows.setdefault(name, {})[f"n = {nnodes:,}"] = least
    table("Bulk build, ns an interval", [f"n = {nnodes:,}" for nnodes in sizes], rows)
    asked = {f"n = {nnodes:,}": first_searches(ours, nnodes) for nnodes in sizes}
    again = {name: {size: asked[size][name] for size in asked} for name in ("first", "second")}
    table("1,000 searches after arrays alone, ns a search", list(asked), again)


def all_made(tree_type: Any, columns: list[array[int]]) -> list[Any]:  # noqa: ANN401
    """Build from arrays and ask for every interval."""
    return list(tree_type.from_arrays(*columns))


def first_searches(tree_type: Any, nnodes: int) -> Row:  # noqa: ANN401
    """Return the times of searches that ask for intervals nobody asked for, and of the same again.

    The places are far apart, so that few of the first searches meet a page twice.
    """
    given = sorted(layouts.tailed(nnodes, 1))
    starts, lasts = (array("q", column) for column in list(zip(*given, strict=True))[:2])
    points = starts[:: max(1, nnodes // 1000)]
    best = dict.fromkeys(("first", "second"), float("inf"))
    for _ in range(ROUNDS):
        at = tree_type.from_arrays(starts, lasts).at
        for name in best:
            best[name] = min(best[name], timed(partial(deque, map(at, points), 0), len(points)))
    return best


def batch(sizes: list[int]) -> None:
    """Time 100,000 queries at once."""
    numpy: Any = importlib.import_module("numpy")
    tree_type: Any = importlib.import_module("ksm_rmap.interval_tree").IntervalTree
    rows: dict[str, Row] = {}
    for nnodes in sizes:
        given = sorted(layouts.tailed(nnodes, 1))
        starts, lasts = (numpy.array(c, numpy.int64) for c in list(zip(*given, strict=True))[:2])
        asked = layouts.queries(nnodes, 300, 100_000)
        low, high = (numpy.array(c, numpy.int64) for c in zip(*asked, strict=True))
        tree = tree_type(given)
        work: dict[str, Callable[[], object]] = {
            "count_many": partial(tree.count_many, low, high),
            "overlap_many": partial(tree.overlap_many, low, high),
        }
        work |= batch_peers(numpy, (starts, lasts), (low, high))
        calls = {name: partial(timed, call, 100_000) for name, call in work.items()}
        for name, least in interleaved(calls, 9).items():
            rows.setdefault(name, {})[f"n = {nnodes:,}"] = least
    table("100,000 queries in a batch, ns a query", [f"n = {nnodes:,}" for nnodes in sizes], rows)


def limit(sizes: list[int]) -> None:
    """Compare mixed work with the same tree driven from C, Python's loop subtracted."""
    compiler = shutil.which("cc")
    if not compiler:
        say("(no C compiler)")
        return
    here = Path(__file__).parent
    include = here.parents[1] / "ksm_rmap" / "interval_tree"
    rows: dict[str, Row] = {}
    with tempfile.TemporaryDirectory() as where:
        program = f"{where}/limit"
        command = [compiler, "-O3", f"-I{include}", str(here / "limit.c"), "-o", program]
        subprocess.run(command, check=True)  # noqa: S603 - the compiler of this machine
        for nnodes in sizes:
            runs = [
                subprocess.run([program, str(nnodes), "20000"], capture_output=True, check=True)  # noqa: S603
                for _ in range(ROUNDS)
            ]
            in_c = min(float(run.stdout.split()[0]) for run in runs)
            least = mixed_rows(nnodes, ["ours, grown"])
            mine = least["ours, grown"] - least["(loop)"]
            rows[f"n = {nnodes:,}"] = {"C": in_c, "Python less loop": mine, "ratio": mine / in_c}
    table("The limit", ["C", "Python less loop", "ratio"], rows)


def resident() -> int:
    """Return the resident size of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def memory_of(name: str) -> float:
    """Return bytes an interval, in this process; the values exist already."""
    count = 200_000
    given = layouts.tailed(count, 1)
    random.Random(6).shuffle(given)
    tree_type: Any = importlib.import_module("ksm_rmap.interval_tree").IntervalTree
    if not name.startswith("ours"):
        PEERS[name](given[:100])  # its modules are not part of the index
    # Whatever is dropped before the index is built is room that it does not ask for.
    ordered, columns = sorted(given), [array("q", [0]) * count for _ in range(2)]
    for at, (start, last, _) in enumerate(ordered):
        columns[0][at], columns[1][at] = start, last
    gc.collect()
    before = resident()
    if "arrays" in name:
        kept = tree_type.from_arrays(*columns)
        for _ in kept if "asked" in name else ():
            pass
    elif name.startswith("ours"):
        kept = tree_type(ordered if "bulk" in name else ())
        for triple in () if "bulk" in name else given:
            kept.insert(*triple)
    else:
        kept = PEERS[name](given)
        kept.handles = None
    gc.collect()
    used = resident() - before
    return used / count if kept else 0.0


MEASURED = [
    "ours, bulk",
    "ours, grown",
    "ours, arrays alone",
    "ours, arrays alone, all asked for (with their values)",
    "superintervals",
    "quicksectx",
    "ncls",
]


def memory(_sizes: list[int]) -> None:
    """Measure resident bytes an interval, each in a process of its own."""
    rows: dict[str, Row] = {}
    for name in MEASURED:
        code = f"from benchmarks.interval_tree.figures import *; print(memory_of({name!r}))"
        ended = subprocess.run(  # noqa: S603 - this interpreter
            [sys.executable, "-c", code], capture_output=True, check=False, text=True
        )
        if ended.returncode == 0:
            rows[name] = {"bytes": float(json.loads(ended.stdout))}
    table("Memory, n = 200,000", ["bytes"], rows)


SECTIONS: dict[str, Callable[[list[int]], None]] = {
    "mixed": mixed,
    "queries": queries,
    "peers": peers,
    "forks": forks,
    "build": build,
    "batch": batch,
    "limit": limit,
    "memory": memory,
}


def main() -> None:
    """Run the sections that are named, or all."""
    parser = argparse.ArgumentParser(description="Measure what the documentation quotes.")
    parser.add_argument("sections", nargs="*", metavar="section", help=", ".join(SECTIONS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[10_000, SMALL], metavar="n")
    given = parser.parse_args()
    for name in given.sections or SECTIONS:
        try:
            SECTIONS[name](given.sizes)
        except ImportError as missing:
            say(f"({name}: {missing})")


if __name__ == "__main__":
    main()
