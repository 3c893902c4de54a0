"""The colours of the pictures, light and dark, and their style sheet.

No analogue in the kernel. Rules of this module:

1. What was missed is the darkest thing on a light picture and the lightest on a dark one, and
   crossed out, so it is seen in grey as well.
2. A picture that stands alone has its colours written out (not every program that shows SVG
   knows CSS variables); on a page they are variables.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import Final

__all__ = ("PALETTE", "packaged", "picture_style", "variables")

PALETTE: Final = {
    "paper": ("#ffffff", "#10161e"),
    "ink": ("#17202c", "#e7edf4"),
    "dim": ("#566171", "#9dabbc"),
    "line": ("#c3cbd6", "#3a4656"),
    "grid": ("#f0f3f7", "#18202a"),
    "card": ("#f7f9fb", "#161e28"),
    "vma": ("#e3ebf6", "#22324a"),
    "vma-line": ("#7388aa", "#6f8bb5"),
    "moved": ("#fbecc6", "#4a3a12"),
    "moved-line": ("#9a6b00", "#e0b040"),
    "ksm": ("#bcd9fa", "#1d4877"),
    "ksm-line": ("#1f5fae", "#7db8ff"),
    "shared": ("#dcd6f5", "#3b3270"),
    "shared-line": ("#6a57b8", "#b1a3f5"),
    "own": ("#eef0f3", "#232b36"),
    "own-line": ("#98a2b0", "#66738a"),
    "hit": ("#a9e2bb", "#1c6b3c"),
    "hit-line": ("#0f6b35", "#6fe09a"),
    "again": ("#dff3e5", "#18402a"),
    "vain": ("#f6e3ef", "#4a2440"),
    "vain-line": ("#a1417a", "#ec93c8"),
    "miss": ("#9f1a05", "#ff9b78"),
    "miss-ink": ("#ffffff", "#1a0a05"),
    "now": ("#0b62d6", "#6cb2ff"),
    "beam": ("#ffd54d", "#8f7012"),
    "beam-ink": ("#17202c", "#ffffff"),
}
"""Name, colour in the light, colour in the dark."""


def variables(*, dark: bool) -> str:
    """Return the colours as CSS declarations."""
    return "".join(f"--{name}:{colours[dark]};" for name, colours in PALETTE.items())


def picture_style() -> str:
    """Return the style sheet of a picture that stands alone."""
    sheet = packaged("picture.css")
    return (
        f"{_written_out(sheet, dark=False)}@media (prefers-color-scheme:dark)"
        f"{{{_written_out(sheet, dark=True)}}}"
    )


def packaged(name: str) -> str:
    """Return a file that comes with the package."""
    return (resources.files("ksm_rmap.report") / "page" / name).read_text("utf-8")


def _written_out(sheet: str, *, dark: bool) -> str:
    if dark:  # only what has a colour differs
        sheet = "".join(rule for rule in re.findall(r"[^{}]+{[^{}]*}\n?", sheet) if "var(" in rule)
    return re.sub(r"var\(--([a-z-]+)\)", lambda match: PALETTE[match[1]][dark], sheet)
