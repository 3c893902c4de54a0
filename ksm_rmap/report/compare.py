"""The prices of reverse-map designs side by side: tables for terminals, charts for the docs.

No analogue in the kernel. Rules of this module:

1. A cell has the number for the largest size, and its growth: `n` for linear, `n^2`, `n^0.5`; no
   growth is not shown. A walk that misses an entry has no price and says so.
2. `fork`, `move` and `split` are objects made, changed or freed by one call; `private`, `shared`
   and `ksm` are iterations of the walk of one page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ksm_rmap.check.pricing import COLUMNS, Price, Row, exponent
from ksm_rmap.report.loglog import loglog
from ksm_rmap.report.text import fit, short, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ksm_rmap.check.layouts import Layout

__all__ = ("CHARTED", "chart", "layout_lines", "rows_json")

CHARTED: Final = {
    "bytes": "bytes kept",
    "fork": "objects touched by a fork",
    "private": "iterations of the walk of a private page",
    "shared": "iterations of the walk of a shared page",
}
"""Columns that make a picture."""

_FLAT: Final = 0.1
"""An exponent below this is no growth, and one so close to a whole number is that number."""
_KIB: Final = 1024


def layout_lines(layout: Layout, sizes: Sequence[int], rows: Sequence[Row]) -> Iterator[str]:
    """Yield the table of one layout."""
    shown = ", ".join(f"{n:,}" for n in sizes)
    yield fit(f"{layout.name}: {layout.summary} (n = {shown} {layout.unit})")
    columns = [c for c in COLUMNS if any(c in row.prices for row in rows)]
    body = [
        [short(row.name, 22), *(_cell(column, row.prices.get(column), sizes) for column in columns)]
        for row in rows
    ]
    yield from table(["", *columns], body)


def _cell(column: str, price: Price | None, sizes: Sequence[int]) -> str:
    if price is None:
        return "-"
    if price.missed:
        return "MISS"
    if price.last is None:
        return "-"
    grown = _growth(exponent(sizes, price.values))
    number = _bytes(price.last) if column == "bytes" else f"{price.last:,}"
    return f"{number} {grown}".rstrip()


def _growth(power: float | None) -> str:
    """Return `n`, `n^2`, `n^0.5`; nothing if there is no growth.

    >>> [_growth(k) for k in (None, 0.02, -0.4, 0.97, 1.65, 2.0)]
    ['', '', '', 'n', 'n^1.6', 'n^2']
    """
    if power is None or power < _FLAT:
        return ""
    whole = round(power)
    if whole and abs(power - whole) < _FLAT:
        return "n" if whole == 1 else f"n^{whole}"
    return f"n^{power:.1f}"


def _bytes(size: int) -> str:
    """Return a size as people read it.

    >>> _bytes(512), _bytes(300_000)
    ('512 B', '293 KB')
    """
    if size < _KIB:
        return f"{size} B"
    if size < _KIB * _KIB:
        return f"{size / _KIB:.0f} KB"
    return f"{size / _KIB / _KIB:.1f} MB"


def rows_json(layout: Layout, sizes: Sequence[int], rows: Sequence[Row]) -> dict[str, Any]:
    """Return the prices of one layout as `compare --json` prints them."""
    return {
        "summary": layout.summary,
        "unit": layout.unit,
        "sizes": list(sizes),
        "designs": {
            row.name: {
                column: {
                    "values": list(price.values),
                    "growth": exponent(sizes, price.values),
                    "missed": price.missed,
                }
                for column, price in row.prices.items()
            }
            for row in rows
        },
    }


def chart(layout: Layout, sizes: Sequence[int], rows: Sequence[Row], column: str) -> str | None:
    """Return the picture of one column of a layout; None if there is nothing to show."""
    series = {
        row.name: [
            (float(n), float(value))
            for n, value in zip(sizes, row.prices[column].values, strict=True)
            if value
        ]
        for row in rows
        if column in row.prices and not row.prices[column].missed
    }
    series = {name: points for name, points in series.items() if points}
    if not series:
        return None
    return loglog(f"{layout.name}: {CHARTED[column]}", layout.unit, series)
