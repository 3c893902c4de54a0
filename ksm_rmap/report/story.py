"""The story on one screen: the table that started it, the matrix, the shortest sequences.

No analogue in the kernel. Rules of this module:

1. Every number comes from the rows of `ksm_rmap.check.survey`; nothing is typed in.
2. `story_json` has the same facts as `story_lines`, and no fewer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ksm_rmap.check.survey import Row, shortest
from ksm_rmap.report.text import beside, indent, matrix, ptes_text, table

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("story_json", "story_lines")

TABLE: Final = "zte-table"
"""The scenario of the table."""
FIRST: Final = "hugh"
"""The scenario that is shown in any case."""
MEASURE: Final = "full"
MORE: Final = "More: ksm-rmap run hugh --steps, ksm-rmap check --walk address, ksm-rmap --help"
_BEFORE_AFTER: Final = (("before", "full"), ("after", "address"))


def story_lines(rows: Sequence[Row], walks: Sequence[str], version: str) -> list[str]:
    """Return the story of `rows`, in which `walks` were judged."""
    lines = [f"{version}: which walk of the reverse map misses which page-table entry", ""]
    lines += _table_lines(rows)
    lines += _matrix_lines(rows, walks)
    lines += _shortest_lines(rows, walks)
    return [*lines, MORE]


def _by_name(rows: Sequence[Row], name: str) -> Row | None:
    return next((row for row in rows if row.scenario.name == name), None)


def _table(rows: Sequence[Row]) -> dict[str, tuple[int, int, int]]:
    """Return iterations, skipped by address and by mm of the longest loop of each walk."""
    row = _by_name(rows, TABLE)
    if row is None:
        return {}
    found: dict[str, tuple[int, int, int]] = {}
    for name, walk in row.verdicts[0].walks.items():
        worst = walk.result.worst
        if worst is not None:
            found[name] = (worst.iterations, worst.skip_address, worst.skip_mm)
    return found


def _table_lines(rows: Sequence[Row]) -> list[str]:
    longest = _table(rows)
    if not longest:
        return []
    header = ["patch", "walk", "iterations", "skipped by address", "skipped by mm"]
    body = [
        [when, walk, *map(str, longest[walk])] for when, walk in _BEFORE_AFTER if walk in longest
    ]
    title = f"The table of January 2026, from scenario {TABLE}: the longest loop of one walk"
    return [title, *indent(table(header, body, left=2)), ""]


def _matrix_lines(rows: Sequence[Row], walks: Sequence[str]) -> list[str]:
    cells = {
        row.scenario.name: {
            walk: ptes_text(row.scenario.processes, row.missed(walk), 2) for walk in walks
        }
        for row in rows
    }
    title = "Entries of KSM pages that a walk misses (P:2 is page 2 of process P; a dot: none)"
    return [title, *indent(matrix("scenario", walks, cells)), ""]


def _shortest_lines(rows: Sequence[Row], walks: Sequence[str]) -> list[str]:
    blocks: dict[str, list[str]] = {}
    first = _by_name(rows, FIRST)
    if first is not None:
        blocks[FIRST] = [walk for walk in walks if first.missed(walk)]
    for walk in walks:
        row = shortest(rows, walk, found_by=MEASURE)
        if row is not None:
            blocks.setdefault(row.scenario.name, []).append(walk)
    lines = [f"Shortest known calls after which a walk misses what `{MEASURE}` finds"]
    lines += _blocks(rows, {name: dict.fromkeys(who) for name, who in blocks.items()})
    beyond = shortest(rows, MEASURE)
    if beyond is not None:
        who = [walk for walk in walks if beyond.missed(walk)]
        every = "every walk" if len(who) == len(walks) else ", ".join(who)
        lines += [f"Shortest known calls after which `{MEASURE}` misses as well"]
        lines += _blocks(rows, {beyond.scenario.name: [every]})
    return lines


def _blocks(rows: Sequence[Row], blocks: dict[str, Any]) -> list[str]:
    texts = {row.scenario.name: row.scenario.operations() for row in rows}
    drawn = [
        [f"{name} ({', '.join(who)})", *indent(texts[name].splitlines())]
        for name, who in blocks.items()
    ]
    return [*indent(beside(drawn)), ""]


def story_json(rows: Sequence[Row], walks: Sequence[str]) -> dict[str, Any]:
    """Return the story as JSON values."""
    table_json = {
        walk: {"iterations": n, "skip_address": address, "skip_mm": mm}
        for walk, (n, address, mm) in _table(rows).items()
    }
    scenarios = {
        row.scenario.name: {
            walk: {"missed": [list(pte) for pte in row.missed(walk)]} for walk in walks
        }
        for row in rows
    }
    known = {walk: _shortest_json(rows, walk) for walk in walks}
    return {
        "table": {"scenario": TABLE, "walks": table_json},
        "scenarios": scenarios,
        "shortest": {walk: found for walk, found in known.items() if found},
    }


def _shortest_json(rows: Sequence[Row], walk: str) -> dict[str, Any]:
    """Return the shortest sequence for a walk: one that `full` passes, if there is one."""
    row = shortest(rows, walk, found_by=MEASURE) or shortest(rows, walk)
    if row is None:
        return {}
    return {
        "scenario": row.scenario.name,
        "text": row.scenario.operations(),
        "steps": row.calls,
        "missed": [list(pte) for pte in row.missed(walk)],
        "missed_by_full": bool(row.missed(MEASURE)),
    }
