"""`ksm-rmap walks`: every registered walk, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksm_rmap import walks
from ksm_rmap.cli._terminal import NOTHING_MISSED
from ksm_rmap.report.text import fit

if TYPE_CHECKING:
    import argparse

    from ksm_rmap.cli._terminal import Terminal

__all__ = ("run",)


def run(terminal: Terminal, arguments: argparse.Namespace) -> int:
    """List the walks."""
    described = {name: walks.describe(name) for name in walks.names()}
    if arguments.json:
        terminal.json({"walks": described})
        return NOTHING_MISSED
    width = max(map(len, described))
    terminal.lines(fit(f"{name:{width}}  {text}") for name, text in described.items())
    return NOTHING_MISSED
