"""Elements of SVG as strings. No analogue in the kernel."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ksm_rmap.report.axis import CELL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ksm_rmap.report.axis import Axis

__all__ = ("box", "drawing", "element", "group", "ruler", "text")

Value = str | float | None


def element(tag: str, attributes: Mapping[str, Value], *children: str) -> str:
    """Return an element; attributes that are None are left out.

    >>> element("rect", {"class": "a<b", "x": 1.5, "id": None})
    '<rect class="a&lt;b" x="1.5"/>'
    """
    written = "".join(
        f' {name}="{escape(value) if isinstance(value, str) else f"{value:g}"}"'
        for name, value in attributes.items()
        if value is not None
    )
    if not children:
        return f"<{tag}{written}/>"
    inside = (escape(c, quote=False) if tag == "title" else c for c in children)
    return f"<{tag}{written}>{''.join(inside)}</{tag}>"


def drawing(width: float, height: float, title: str, *children: str) -> str:
    """Return a picture on paper as an SVG element without a style sheet."""
    size: dict[str, Value] = {"width": width, "height": height}
    return element(
        "svg",
        {"class": "pic", "viewBox": f"0 0 {width} {height}", **size, "role": "img"},
        element("title", {}, title),
        element("rect", {"class": "paper", **size}),
        *children,
    )


def text(x: float, y: float, words: str, classes: str = "") -> str:
    """Return a text with its base line at `y`."""
    attributes: dict[str, Value] = {"x": x, "y": y, "class": classes or None}
    return element("text", attributes, escape(words, quote=False))


def box(x: float, y: float, width: float, height: float) -> str:
    """Return a rounded box."""
    return element(
        "rect", {"class": "box", "x": x, "y": y, "width": width, "height": height, "rx": 4}
    )


def group(key: str, classes: str, lit: Mapping[str, str], *children: str) -> str:
    """Return a group that can be lit up by its key."""
    return element(
        "g", {"class": f"{classes} {lit.get(key, '')}".strip(), "data-k": key}, *children
    )


def ruler(axis: Axis, left: int, y: int, height: int) -> Iterator[str]:
    """Yield page numbers with their base line at `y`, and stripes of `height` below."""
    for piece in axis.pieces:
        digits = len(str(piece.end - 1))
        step = 1 + (digits > 5)  # noqa: PLR2004 - digits that fit above a page
        for page in range(piece.first, piece.end):
            x = left + axis.x(page)
            if page % 2 == 0:
                place: dict[str, Value] = {"x": x, "y": y + 3, "width": CELL, "height": height}
                yield element("rect", {"class": "grid", **place})
            if (page - piece.first) % step == 0:
                size = "tiny" if digits > 4 else "small"  # noqa: PLR2004 - as above
                yield text(x + CELL // 2, y, str(page), f"dim {size} mid")
    for x, width in axis.gaps():
        yield text(left + x + width // 2, y, "⋯", "dim small mid")
