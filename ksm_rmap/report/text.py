"""Text for terminals and mails: tables, page-table entries, verdicts; at most 100 columns.

No analogue in the kernel. Rules of this module:

1. A function takes values and returns lines; nothing is computed and nothing printed.
2. Everything is ASCII, so that it survives a mail and a serial console.
3. A page-table entry is written `P:2`: page 2 of process P.
"""

from __future__ import annotations

import itertools
import textwrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ksm_rmap.check.judge import FolioVerdict, WalkVerdict

__all__ = (
    "LEGEND",
    "WIDTH",
    "beside",
    "fit",
    "fold",
    "folio_lines",
    "indent",
    "matrix",
    "process_of",
    "pte_text",
    "ptes_text",
    "short",
    "table",
    "verdict_line",
)

WIDTH: Final = 100
"""Columns of a line."""
LEGEND: Final = "longest loop: iterations/skipped by address/skipped by mm"
"""Explains the last column of `folio_lines`."""
_NAME: Final = 28
"""Most columns of the name of a walk in a table."""


def fit(line: str, width: int = WIDTH) -> str:
    """Return `line` without blanks at its end, cut with `...` if longer than `width`."""
    line = line.rstrip()
    return line if len(line) <= width else line[: width - 3] + "..."


def indent(lines: Iterable[str], by: int = 2) -> list[str]:
    """Return `lines` moved to the right, each fitted."""
    return [fit(" " * by + line) for line in lines]


def fold(text: str) -> list[str]:
    """Return the lines of `text`, those that are too long broken at blanks and indented."""
    lines: list[str] = []
    for line in text.splitlines():
        margin = len(line) - len(line.lstrip())
        more = " " * (margin + 2)
        lines += textwrap.wrap(line, WIDTH, subsequent_indent=more, break_on_hyphens=False) or [""]
    return lines


def beside(blocks: Sequence[Sequence[str]], gap: int = 4, width: int = WIDTH - 4) -> list[str]:
    """Return blocks of lines side by side, in as many rows as `width` columns make necessary.

    >>> beside([["ab", "c"], ["d"]], gap=2)
    ['ab  d', 'c']
    """
    rows: list[list[tuple[int, Sequence[str]]]] = [[]]
    used = 0
    for block in blocks:
        columns = max(map(len, block), default=0) + gap
        if used + columns - gap > width and rows[-1]:
            rows.append([])
            used = 0
        rows[-1].append((columns, block))
        used += columns
    lines: list[str] = []
    for row in rows:
        for parts in itertools.zip_longest(*(block for _, block in row), fillvalue=""):
            cells = zip(parts, row, strict=True)
            lines.append("".join(part.ljust(columns) for part, (columns, _) in cells).rstrip())
    return lines


def short(name: str, width: int = _NAME) -> str:
    """Return `name`, cut on the left if longer than `width`: the end of a path tells more."""
    return name if len(name) <= width else "..." + name[3 - width :]


def table(header: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> list[str]:
    """Return a table in columns; the first `left` columns are flush left, others right.

    >>> table(["walk", "loops"], [["full", "12"], ["v", "3"]])
    ['walk  loops', 'full     12', 'v         3']
    """
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = []
    for row in cells:
        padded = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(fit("  ".join(padded)))
    return lines


def process_of(names: Sequence[str], mm: int) -> str:
    """Return the name of process `mm`, or its number if it has none."""
    return names[mm] if 0 <= mm < len(names) else str(mm)


def pte_text(names: Sequence[str], pte: tuple[int, int]) -> str:
    """Return `P:2` for page 2 of the process named P.

    >>> pte_text(["P", "C"], (1, 7))
    'C:7'
    """
    return f"{process_of(names, pte[0])}:{pte[1]}"


def ptes_text(names: Sequence[str], ptes: Sequence[tuple[int, int]], most: int = 4) -> str:
    """Return the entries one after the other, the number of those beyond `most`.

    >>> ptes_text(["P"], [(0, 1), (0, 2), (0, 3)], most=1)
    'P:1 +2'
    """
    shown = [pte_text(names, pte) for pte in ptes[:most]]
    if len(ptes) > most:
        shown.append(f"+{len(ptes) - most}")
    return " ".join(shown)


def matrix(
    corner: str,
    columns: Sequence[str],
    rows: Mapping[str, Mapping[str, str]],
) -> list[str]:
    """Return a table of `rows[name][column]`; a cell that is missing or empty is a dot."""
    body = [
        [name, *(cells.get(column) or "." for column in columns)] for name, cells in rows.items()
    ]
    return table([corner, *(short(column) for column in columns)], body, left=len(columns) + 1)


def folio_lines(names: Sequence[str], verdict: FolioVerdict, kind: str = "KSM") -> list[str]:
    """Return what each walk found of a folio and what it cost."""
    count = len(verdict.ptes)
    entries = "1 entry" if count == 1 else f"{count} entries"
    head = f"{kind} folio {verdict.folio}, {entries}: {ptes_text(names, verdict.ptes, 8)}"
    header = ["walk", "missed", "found", "loops", "iterations", "visits", "longest loop"]
    rows = [_walk_row(names, name, walk) for name, walk in verdict.walks.items()]
    return [fit(head), *indent(table(header, rows, left=2))]


def verdict_line(names: Sequence[str], verdict: FolioVerdict) -> str:
    """Return in one line which walks miss what of a folio."""
    missing = [
        f"{short(name)} misses {ptes_text(names, walk.missed)}"
        for name, walk in verdict.walks.items()
        if walk.missed
    ]
    entries = ptes_text(names, verdict.ptes)
    return f"folio {verdict.folio} at {entries}: {'; '.join(missing) or 'every walk finds all'}"


def _walk_row(names: Sequence[str], name: str, walk: WalkVerdict) -> list[str]:
    result, worst = walk.result, walk.result.worst
    longest = f"{worst.iterations}/{worst.skip_address}/{worst.skip_mm}" if worst else "-"
    numbers = (len(result.ptes), len(result.loops), result.iterations, result.visits)
    missed = ptes_text(names, walk.missed, 3) or "-"
    return [short(name), missed, *map(str, numbers), longest]
