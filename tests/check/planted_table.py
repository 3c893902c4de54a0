"""Print docs/planted-bugs.md: `python -m tests.check.planted_table > docs/planted-bugs.md`."""

from __future__ import annotations

import statistics

from tests.check.planted import ALONE, BUGS, NO_SWAP, Bug, hunt

SEEDS = 5
LIMIT = 1000

HEAD = f"""\
# Planted bugs

A checker that finds nothing may be looking at nothing. So bugs are planted in the model and in the
walks, one at a time, and a machine hunts for each: random system calls, and after each of them
`State.check()` (its clauses are in `ksm_rmap/model/validate.py`), the laws of a step
(`tests/check/laws.py`) and the walks. The test suite demands that each bug is found and that the
library without a bug passes.

Examples and calls until it was found are medians over {SEEDS} seeds (an example has up to 30
calls; a hunt ends after {LIMIT} examples). Made by `python -m tests.check.planted_table`.

| bug | planted in | found by | examples | calls |
|---|---|---|---|---|"""


def row(bug: Bug) -> str:
    """Return the line of `bug`."""
    results = [hunt(bug, LIMIT, seed=seed) for seed in range(SEEDS)]
    by = ", ".join(sorted({result.by or "nothing" for result in results}))
    examples = statistics.median(result.examples for result in results)
    calls = statistics.median(result.calls for result in results)
    where = bug.where.replace(":", ".")
    return f"| {bug.name} | `{where}` | {by}{_kinds(bug)} | {examples:g} | {calls:g} |"


def _kinds(bug: Bug) -> str:
    return {NO_SWAP: " (without swap)", ALONE: " (one process, without swap)"}.get(bug.kinds, "")


if __name__ == "__main__":
    print(HEAD)  # noqa: T201 - that is what it is for
    for bug in BUGS:
        print(row(bug), flush=True)  # noqa: T201
