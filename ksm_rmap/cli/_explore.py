"""`ksm-rmap explore`: every sequence of calls up to a depth, the shortest that shows a miss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ksm_rmap.check.explore import explore
from ksm_rmap.check.menu import Menu
from ksm_rmap.cli._page import check_place, write_page
from ksm_rmap.cli._terminal import INTERRUPTED, MISSED, NOTHING_MISSED
from ksm_rmap.report.text import fold

if TYPE_CHECKING:
    import argparse

    from ksm_rmap.check.exploration import Exploration
    from ksm_rmap.cli._terminal import Terminal
    from ksm_rmap.model.scenario import Scenario

__all__ = ("run",)

SECONDS: Final = 10.0
"""Time for a search without a depth."""


def run(terminal: Terminal, arguments: argparse.Namespace) -> int:
    """Search, print what was found and how much of the space was seen."""
    seconds = arguments.seconds
    if seconds is None and arguments.depth is None:
        seconds = SECONDS
    check_place(arguments.html)
    found = explore(
        list(dict.fromkeys(arguments.walk or ())),
        menu=Menu(arguments.mms, arguments.pages, arguments.contents),
        rules=arguments.rules,
        depth=arguments.depth,
        seconds=seconds,
        workers=arguments.workers,
        progress=terminal.progress,
    )
    if arguments.json:
        terminal.json(found.to_json())
    else:
        terminal.lines(fold(str(found)))
    write_page(terminal, arguments.html, _counterexamples(found), arguments.rules)
    if found.ended == "interrupted":
        terminal.complain(f"interrupted after {found.depth} calls")
        return INTERRUPTED
    return MISSED if found.missed else NOTHING_MISSED


def _counterexamples(found: Exploration) -> list[tuple[str, Scenario]]:
    """Return walk and scenario of each counterexample, equal scenarios of a walk once."""
    pairs = {
        (name, str(answer.scenario)): answer.scenario
        for name, answers in found.walks.items()
        for answer in answers.values()
        if answer is not None
    }
    return [(name, scenario) for (name, _), scenario in pairs.items()]
