"""`ksm-rmap check`: search for system calls after which a walk misses an entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ksm_rmap import walks
from ksm_rmap.check import Verdict, check_walk
from ksm_rmap.cli._page import check_place, write_page
from ksm_rmap.cli._terminal import BAD_INPUT, INTERRUPTED, MISSED, NOTHING_MISSED, collect
from ksm_rmap.report.text import fold

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from ksm_rmap.cli._terminal import Terminal

__all__ = ("run",)

Outcome = tuple[str, Verdict | walks.WalkError]


def run(terminal: Terminal, arguments: argparse.Namespace) -> int:
    """Search for each walk in turn, print each verdict when it is there."""
    names = list(dict.fromkeys(arguments.walk or walks.ksm_names()))
    for name in (*names, *([arguments.against] if arguments.against else [])):
        walks.get(name)
    check_place(arguments.html)
    outcomes, interrupted = collect(_outcomes(terminal, arguments, names))
    if arguments.json:
        terminal.json(_json(outcomes))
    verdicts = [(name, outcome) for name, outcome in outcomes if isinstance(outcome, Verdict)]
    found = [(name, one.scenario) for name, one in verdicts if one.scenario is not None]
    write_page(terminal, arguments.html, found, arguments.rules)
    if interrupted or any(getattr(outcome, "interrupted", False) for _, outcome in outcomes):
        terminal.complain(f"interrupted after {len(outcomes)} of {len(names)} walks")
        return INTERRUPTED
    if any(isinstance(outcome, walks.WalkError) for _, outcome in outcomes):
        return BAD_INPUT
    return MISSED if found else NOTHING_MISSED


def _outcomes(
    terminal: Terminal, arguments: argparse.Namespace, names: Sequence[str]
) -> Iterator[Outcome]:
    """Yield the verdict on each walk, or what was wrong with it."""
    for number, name in enumerate(names, 1):
        terminal.progress(
            f"checking {name} ({number} of {len(names)}) for up to {arguments.seconds:g} s"
        )
        outcome: Verdict | walks.WalkError
        try:
            outcome = check_walk(
                name,
                rules=arguments.rules,
                seconds=arguments.seconds,
                seed=arguments.seed,
                against=arguments.against,
                persistent=arguments.persistent,
            )
        except walks.WalkError as error:
            terminal.complain("\n".join([str(error), *getattr(error, "__notes__", [])]))
            outcome = error
        if not arguments.json and isinstance(outcome, Verdict):
            terminal.lines(fold(str(outcome)))
        yield name, outcome
        if isinstance(outcome, Verdict) and outcome.interrupted:
            return


def _json(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    verdicts = [outcome for _, outcome in outcomes if isinstance(outcome, Verdict)]
    return {
        "walks": {
            name: outcome.to_json() if isinstance(outcome, Verdict) else {"error": str(outcome)}
            for name, outcome in outcomes
        },
        "examples": sum(verdict.examples for verdict in verdicts),
        "seconds": round(sum(verdict.seconds for verdict in verdicts), 3),
    }
