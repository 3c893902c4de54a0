"""`ksm-rmap explore`: every sequence of calls up to a depth, the shortest that shows a miss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ksm_rmap import walks
from ksm_rmap.check.checkpoint import CheckpointError
from ksm_rmap.check.exploration import Exploration
from ksm_rmap.check.explore import explore, wander
from ksm_rmap.check.explore_designs import explore_designs
from ksm_rmap.check.menu import MIGRATION_KINDS, PLAIN_KINDS, SWAP_KINDS, Menu
from ksm_rmap.cli._page import check_place, write_page
from ksm_rmap.cli._terminal import INTERRUPTED, MISSED, NOTHING_MISSED, UsageError
from ksm_rmap.report.text import fold
from ksm_rmap.walks.designs import DesignWalk
from ksm_rmap.walks.trial import is_design

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ksm_rmap.check.exploration import Wandering
    from ksm_rmap.cli._terminal import Terminal
    from ksm_rmap.model.scenario import Scenario

__all__ = ("run",)

SECONDS: Final = 10.0
"""Time for a search without a depth."""
STEPS: Final = 40
"""Calls of a random walk, if no depth is given."""


def run(terminal: Terminal, arguments: argparse.Namespace) -> int:
    """Search, print what was found and how much of the space was seen."""
    seconds = arguments.seconds
    if seconds is None and arguments.depth is None:
        seconds = SECONDS
    check_place(arguments.html)
    found = _search(terminal, arguments, _menu(arguments), seconds)
    if arguments.json:
        terminal.json(found.to_json())
    else:
        terminal.lines(fold(str(found)))
    write_page(terminal, arguments.html, _counterexamples(found), arguments.rules)
    if isinstance(found, Exploration) and found.ended == "interrupted":
        terminal.complain(f"interrupted after {found.depth} calls")
        return INTERRUPTED
    return MISSED if found.missed else NOTHING_MISSED


def _menu(arguments: argparse.Namespace) -> Menu:
    """Return the scope that the options describe."""
    kinds = tuple(arguments.ops.split(",")) if arguments.ops else PLAIN_KINDS
    kinds += SWAP_KINDS if arguments.swap else ()
    kinds += MIGRATION_KINDS if arguments.migration else ()
    try:
        return Menu(
            arguments.mms,
            arguments.pages,
            arguments.contents,
            arguments.sizes,
            tuple(dict.fromkeys(kinds)),
            arguments.all_forms,
        )
    except ValueError as error:
        raise UsageError(f"--ops: {error}") from None


def _search(
    terminal: Terminal, arguments: argparse.Namespace, menu: Menu, seconds: float | None
) -> Exploration | Wandering:
    """Return what the search that was asked for found."""
    names = list(dict.fromkeys(arguments.walk or ()))
    _separate(arguments, names)
    if arguments.random:
        return wander(
            names,
            menu=menu,
            rules=arguments.rules,
            number=arguments.random,
            steps=arguments.depth or STEPS,
            seed=arguments.seed,
            seconds=arguments.seconds,
            workers=arguments.workers,
            progress=terminal.progress,
        )
    judged = [walk for walk in map(walks.get, names) if isinstance(walk, DesignWalk)]
    if judged:
        return explore_designs(
            judged,
            menu=menu,
            rules=arguments.rules,
            depth=arguments.depth,
            seconds=seconds,
            progress=terminal.progress,
        )
    try:
        return explore(
            names,
            menu=menu,
            rules=arguments.rules,
            depth=arguments.depth,
            seconds=seconds,
            memory=arguments.memory,
            workers=arguments.workers,
            checkpoint=arguments.checkpoint,
            progress=terminal.progress,
        )
    except (CheckpointError, OSError) as error:
        raise UsageError(f"--checkpoint: {error}") from None


def _separate(arguments: argparse.Namespace, names: Sequence[str]) -> None:
    """Complain if designs are to be searched with walks, or in a way that is for walks only."""
    judged = [name for name in names if is_design(walks.get(name))]
    if not judged:
        return
    for option in ("random", "checkpoint", "memory"):
        if getattr(arguments, option):
            raise UsageError(f"--{option}: not for the design {judged[0]!r}, only for walks")
    if len(judged) < len(names):
        raise UsageError(f"explore designs ({', '.join(judged)}) and walks one after the other")


def _counterexamples(found: Exploration | Wandering) -> list[tuple[str, Scenario]]:
    """Return walk and scenario of each counterexample, equal scenarios of a walk once."""
    pairs = {
        (name, str(answer.scenario)): answer.scenario
        for name, answers in found.walks.items()
        for answer in answers.values()
        if answer is not None
    }
    return [(name, scenario) for (name, _), scenario in pairs.items()]
