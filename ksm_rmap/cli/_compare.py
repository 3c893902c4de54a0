"""`ksm-rmap compare`: what each reverse-map design costs on layouts that grow.

Which designs and walks are compared:

1. Without `--walk`, one form of each design, and every walk of KSM folios where there is one.
2. With `--walk`, only what is named: a design, a walk of KSM folios, or one of the user's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ksm_rmap import walks
from ksm_rmap.check.layouts import LAYOUTS, Layout
from ksm_rmap.check.pricing import Row, price
from ksm_rmap.cli._terminal import (
    INTERRUPTED,
    MISSED,
    NOTHING_MISSED,
    UsageError,
    collect,
)
from ksm_rmap.model.rules import Rules
from ksm_rmap.report.compare import CHARTED, chart, layout_lines, rows_json
from ksm_rmap.walks import designs

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from ksm_rmap.cli._terminal import Terminal

__all__ = ("run",)

_DEFAULT: Final = (
    "pte_chain",
    "anonmm",
    "anonmm-chains",
    "anon_vma_list",
    "anon_vma_chain",
    "anon_vma_tree",
    "cow_context-repaired",
    "anon_vma_lazy-all",
    "ksm_anchor",
    "ksm_chain",
)
_LEGEND: Final = "fork, move, split: objects that one call makes, changes or frees"
_WALKS: Final = "private, shared, ksm: iterations of the walk of one page; MISS: it misses an entry"
_GROWTH: Final = "n, n^2, n^0.5: how a number grows; no mark: it does not"

Result = tuple[Layout, list[Row]]


def run(terminal: Terminal, arguments: argparse.Namespace) -> int:
    """Price the designs on each layout, print each table when it is there."""
    chosen = [_layout(name) for name in arguments.layout or LAYOUTS]
    judged, plain = _subjects(arguments.walk)
    rules = arguments.rules or Rules()
    results, interrupted = collect(_results(terminal, arguments, chosen, judged, plain, rules))
    if arguments.json:
        terminal.json(_json(rules, results))
    else:
        terminal.lines([_LEGEND, _WALKS, _GROWTH])
    if interrupted:
        terminal.complain(f"interrupted after {len(results)} of {len(chosen)} layouts")
        return INTERRUPTED
    missed = any(p.missed for _, rows in results for row in rows for p in row.prices.values())
    return MISSED if missed else NOTHING_MISSED


def _layout(name: str) -> Layout:
    if name not in LAYOUTS:
        raise UsageError(f"no layout named {name!r}; known: {', '.join(LAYOUTS)}")
    return LAYOUTS[name]


def _subjects(
    names: Sequence[str] | None,
) -> tuple[list[designs.Design[Any]], list[walks.NamedWalk]]:
    """Return the designs and the walks of KSM folios to compare."""
    if names is None:
        return (
            [designs.get(name) for name in _DEFAULT],
            [walks.get(name) for name in walks.ksm_names()],
        )
    found = [walks.get(name) for name in dict.fromkeys(names)]
    judged = [walk.design for walk in found if isinstance(walk, designs.DesignWalk)]
    return judged, [walk for walk in found if not isinstance(walk, designs.DesignWalk)]


def _results(
    terminal: Terminal,
    arguments: argparse.Namespace,
    layouts: Sequence[Layout],
    judged: Sequence[designs.Design[Any]],
    plain: Sequence[walks.NamedWalk],
    rules: Rules,
) -> Iterator[Result]:
    for layout in layouts:
        rows = price(layout, judged, plain, rules=rules, progress=terminal.progress)
        if not arguments.json:
            terminal.lines([*layout_lines(layout, layout.sizes, rows), ""])
        if arguments.svg is not None:
            _draw(Path(arguments.svg), layout, rows)
        yield layout, rows


def _draw(directory: Path, layout: Layout, rows: Sequence[Row]) -> None:
    """Write the pictures of one layout."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for column in CHARTED:
            picture = chart(layout, layout.sizes, rows, column)
            if picture is not None:
                (directory / f"{layout.name}-{column}.svg").write_text(picture, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--svg {directory}: {error.strerror}") from None


def _json(rules: Rules, results: Sequence[Result]) -> dict[str, Any]:
    return {
        "rules": rules.name,
        "layouts": {layout.name: rows_json(layout, layout.sizes, rows) for layout, rows in results},
    }
