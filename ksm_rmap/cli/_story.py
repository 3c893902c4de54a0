"""`ksm-rmap` alone: the story on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ksm_rmap import walks
from ksm_rmap.check.survey import survey
from ksm_rmap.cli._terminal import INTERRUPTED, NOTHING_MISSED, collect
from ksm_rmap.cli._version import version
from ksm_rmap.model.scenario import bundled
from ksm_rmap.report.story import story_json, story_lines

if TYPE_CHECKING:
    import argparse

    from ksm_rmap.cli._terminal import Terminal

__all__ = ("run",)

LEFT_OUT: Final = ("zte-20000",)
"""Scenarios whose walks take minutes."""


def run(terminal: Terminal, arguments: argparse.Namespace) -> int:
    """Tell the story; that walks miss entries in it is no failure of this command."""
    names = walks.ksm_names()
    chosen = {name: walks.get(name) for name in names}
    scenarios = [name for name in bundled() if name not in LEFT_OUT]
    rows, interrupted = collect(survey(scenarios, chosen, terminal.progress))
    if arguments.json:
        terminal.json(story_json(rows, names))
    else:
        terminal.lines(story_lines(rows, names, version()))
    if interrupted:
        terminal.complain(f"interrupted after {len(rows)} of {len(scenarios)} scenarios")
        return INTERRUPTED
    return NOTHING_MISSED
