"""A log-log chart as SVG text, by string code alone.

No analogue in the kernel. Rules of this module:

1. A function takes values and returns the text of one `<svg>` element; nothing is read or written.
2. A chart reads well on white and on black: lines and text have colours of middling lightness,
   and there is no background.
3. Every series is labelled at its end; labels are kept apart where lines end at one place.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ("loglog",)

_PALETTE: Final = ("#0f83c9", "#d9622b", "#2c9a5c", "#b04cc0", "#b8860b", "#6b7a8f", "#d23f6b")
_DASHES: Final = ("", "6 3", "2 3", "8 3 2 3")
_SPACE: Final = "http://www.w3.org/2000/svg"
_FONT: Final = 'font-family="sans-serif" font-size="12"'
_WIDTH, _HEIGHT = 640, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 180, 48, 48
_LABEL: Final = 14
"""Pixels between two labels."""


def loglog(title: str, x_label: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Return a chart of positive points on two logarithmic axes; the title names the values.

    Points that are not positive are left out, and so is a series without points.

    Raises:
        ValueError: There is no point to show.

    """
    shown = {name: [p for p in points if min(p) > 0] for name, points in series.items()}
    shown = {name: points for name, points in shown.items() if points}
    if not shown:
        raise ValueError(f"{title!r}: nothing to show on logarithmic axes")
    everything = [point for points in shown.values() for point in points]
    x = _Scale([p[0] for p in everything], _LEFT, _WIDTH - _RIGHT)
    y = _Scale([p[1] for p in everything], _HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="{_SPACE}" viewBox="0 0 {_WIDTH} {_HEIGHT}" {_FONT}>',
        f"<title>{escape(title)}</title>",
        _text(_LEFT, 20, title),
        *_grid(x, y),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, x_label, anchor="middle"),
        *_lines(x, y, shown),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Scale:
    """A logarithmic axis from the decade below to the decade above all values."""

    def __init__(self, values: Sequence[float], first: float, last: float) -> None:
        self.low = math.floor(math.log10(min(values)))
        self.high = max(math.ceil(math.log10(max(values))), self.low + 1)
        self._first = first
        self._last = last

    def at(self, value: float) -> float:
        """Return the place of a value in pixels."""
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self._first + share * (self._last - self._first)

    def decades(self) -> Iterator[float]:
        """Yield 10 ** k for each decade shown."""
        return (10.0**k for k in range(self.low, self.high + 1))


def _text(x: float, y: float, said: str, *, anchor: str = "start", fill: str = "#7a828c") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}"'
    return f"<text {place}>{escape(said)}</text>"


def _grid(x: _Scale, y: _Scale) -> Iterator[str]:
    left, right, top, bottom = _LEFT, _WIDTH - _RIGHT, _TOP, _HEIGHT - _BOTTOM
    for value in x.decades():
        yield _rule(x.at(value), top, x.at(value), bottom)
        yield _text(x.at(value), bottom + 16, f"{value:,g}", anchor="middle")
    for value in y.decades():
        yield _rule(left, y.at(value), right, y.at(value))
        yield _text(left - 6, y.at(value) + 4, f"{value:,g}", anchor="end")


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="#9aa3ad" stroke-opacity="0.35"/>'


def _lines(
    x: _Scale, y: _Scale, series: Mapping[str, Sequence[tuple[float, float]]]
) -> Iterator[str]:
    ends: list[tuple[float, str, str]] = []
    for number, (name, points) in enumerate(series.items()):
        colour = _PALETTE[number % len(_PALETTE)]
        dash = _DASHES[number % len(_DASHES)]
        path = " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in points)
        style = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"'
        yield f'<polyline points="{path}" {style}/>'
        for a, b in points:
            yield f'<circle cx="{x.at(a):.1f}" cy="{y.at(b):.1f}" r="2.5" fill="{colour}"/>'
        ends.append((y.at(points[-1][1]), name, colour))
    below = 0.0
    for place, name, colour in sorted(ends):
        below = max(place, below + _LABEL)
        yield _text(_WIDTH - _RIGHT + 10, below + 4, name, fill=colour)
