"""Colour in a terminal. No analogue in the kernel.

Colour says nothing that the words do not say: without it nothing is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("STYLES", "has_colour", "paint")

STYLES: Final = {"bad": "1;31", "good": "32", "head": "1", "dim": "2", "": ""}
"""Name of a style, and its SGR parameters."""


def has_colour(environment: Mapping[str, str], *, terminal: bool) -> bool:
    """Whether to colour: a terminal that can, and NO_COLOR (no-color.org) unset or empty."""
    able = environment.get("TERM", "") not in ("", "dumb")
    return terminal and able and not environment.get("NO_COLOR")


def paint(line: str, style: str, *, colour: bool) -> str:
    r"""Return `line` in a style of `STYLES`, without its escape codes unless `colour`.

    >>> paint("MISSED", "bad", colour=True)
    '\x1b[1;31mMISSED\x1b[0m'
    """
    return f"\x1b[{STYLES[style]}m{line}\x1b[0m" if colour and STYLES[style] else line
