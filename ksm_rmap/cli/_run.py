"""`ksm-rmap run`: run a scenario, then walk each KSM page that is mapped.

Which folios are walked:

1. Every KSM folio that at least one entry maps, by each walk that was asked for; by all walks of
   KSM folios if none was.
2. With `--walk anon` or a reverse-map design, every ordinary folio by that walk; with
   `--ordinary`, by all of them.
3. With `--page P:N`, only the folio at page N of process P, whatever it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ksm_rmap import walks
from ksm_rmap.check.judge import FolioVerdict, judge, judged_folios
from ksm_rmap.cli._terminal import INTERRUPTED, MISSED, NOTHING_MISSED, UsageError, collect
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.scenario import call_text, load
from ksm_rmap.report.colour import paint
from ksm_rmap.report.text import LEGEND, fit, folio_lines, ptes_text, short, verdict_line
from ksm_rmap.report.walk_text import verdict_lines
from ksm_rmap.walks.trial import first_state, is_design, on_trial

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from ksm_rmap.cli._terminal import Terminal
    from ksm_rmap.model.scenario import Scenario, Step
    from ksm_rmap.model.state import State
    from ksm_rmap.walks import NamedWalk

__all__ = ("run",)

_ANON: Final = "anon"


class _Job(NamedTuple):
    """What is to be done, with the names looked up."""

    scenario: Scenario
    walks: dict[str, NamedWalk]
    rules: Rules
    ordinary: bool
    page: tuple[int, int] | None
    """`(mm, page)` of `--page`."""
    asked: bool = False
    """Whether walks were asked for: then `--steps` shows all that they do."""

    def verdicts(self, state: State, only: int | None = None) -> Iterator[FolioVerdict]:
        """Yield the verdicts on `state`, by number of the folio."""
        ordinary = self.ordinary or _ANON in self.walks or any(map(is_design, self.walks.values()))
        for folio, ptes in judged_folios(state, ordinary=ordinary, only=only):
            chosen = self._walks_of(state, folio, only)
            if chosen:
                yield from judge(state, chosen, [(folio, ptes)])

    def _walks_of(self, state: State, folio: int, only: int | None) -> dict[str, NamedWalk]:
        found = state.folios[folio]
        everything = not found.ksm and (self.ordinary or only is not None)
        return {n: walk for n, walk in self.walks.items() if everything or on_trial(walk, found)}


class _Steps(NamedTuple):
    """The state at the end, and what `--steps` collects for JSON."""

    state: State
    calls: int
    states: list[dict[str, Any]]


def run(terminal: Terminal, arguments: argparse.Namespace) -> int:
    """Run the scenario and print what each walk finds, misses and costs."""
    job = _job(arguments)
    steps = _play(terminal, job, show=arguments.steps, as_json=arguments.json)
    only = None if job.page is None else _folio_at(job, steps.state)
    verdicts, interrupted = collect(_progress(terminal, job.verdicts(steps.state, only)))
    if not verdicts and not interrupted:
        terminal.complain("no folio to walk: no KSM page is mapped at the end")
    if arguments.json:
        result = _json(job, steps, verdicts)
        terminal.json({**result, "states": steps.states} if arguments.steps else result)
    else:
        terminal.lines(_lines(job, steps, verdicts))
    if interrupted:
        terminal.complain(f"interrupted after {len(verdicts)} folios")
        return INTERRUPTED
    missed = any(walk.missed for verdict in verdicts for walk in verdict.walks.values())
    return MISSED if missed else NOTHING_MISSED


def _job(arguments: argparse.Namespace) -> _Job:
    chosen = {name: walks.get(name) for name in arguments.walk or walks.ksm_names()}
    scenario = load(arguments.scenario)
    page = None if arguments.page is None else _page(scenario, arguments.page)
    rules = arguments.rules or scenario.rules or Rules()
    return _Job(scenario, chosen, rules, arguments.ordinary, page, bool(arguments.walk))


def _page(scenario: Scenario, text: str) -> tuple[int, int]:
    process, _, page = text.rpartition(":")
    if process not in scenario.processes or not page.isdecimal() or len(page) > len(str(2**64)):
        known = ", ".join(f"{name}:0" for name in scenario.processes[:4])
        raise UsageError(f"--page {text!r}: expected a process and a page, such as {known}")
    return scenario.processes.index(process), int(page)


def _folio_at(job: _Job, state: State) -> int:
    mm, page = job.page or (0, 0)
    for folio, ptes in judged_folios(state, ordinary=True):
        if (mm, page) in ptes:
            return folio
    process = job.scenario.processes[mm]
    raise UsageError(f"--page: process {process} maps no folio at page {page}")


def _play(terminal: Terminal, job: _Job, *, show: bool, as_json: bool) -> _Steps:
    """Make the calls; with `show` print each step, or collect it for JSON."""
    state, calls = first_state(job.rules, job.walks.values()), 0
    states: list[dict[str, Any]] = []
    made = job.scenario.states(walks.get("full"), walks=walks.get, begin=state)
    for calls, step in enumerate(made, 1):
        state = step.state
        terminal.progress(f"{job.scenario.name}: {calls} calls")
        if show and as_json:
            states.append(_step_json(job, calls, step))
        elif show:
            terminal.lines(_step_lines(job, calls, step, colour=terminal.colour))
    return _Steps(state, calls, states)


def _progress(terminal: Terminal, verdicts: Iterator[FolioVerdict]) -> Iterator[FolioVerdict]:
    for done, verdict in enumerate(verdicts, 1):
        terminal.progress(f"{done} folios walked")
        yield verdict


def _step_lines(job: _Job, number: int, step: Step, *, colour: bool) -> Iterator[str]:
    names = job.scenario.processes
    yield paint(fit(f"--- {number}: {call_text(step.call, names)}"), "head", colour=colour)
    yield from str(step.state).splitlines()
    yield ""
    for verdict in job.verdicts(step.state):
        if not job.asked:
            yield fit(verdict_line(names, verdict))
            yield ""
            continue
        for line, style in verdict_lines(step.state, names, verdict, job.walks):
            yield paint(line, style, colour=colour)


def _step_json(job: _Job, number: int, step: Step) -> dict[str, Any]:
    return {
        "step": number,
        "line": step.line,
        "call": call_text(step.call, job.scenario.processes),
        "map": str(step.state),
        "folios": [_folio_json(verdict) for verdict in job.verdicts(step.state)],
    }


def _lines(job: _Job, steps: _Steps, verdicts: Sequence[FolioVerdict]) -> Iterator[str]:
    names = job.scenario.processes
    yield fit(f"{short(job.scenario.name, 60)}: {steps.calls} calls, rules {job.rules.name}")
    if len(names) > 1:
        numbered = (f"{name} is {number}" for number, name in enumerate(names))
        yield fit(f"processes: {', '.join(numbered)}")
    for verdict in verdicts:
        kind = "KSM" if steps.state.folios[verdict.folio].ksm else "ordinary"
        yield from folio_lines(names, verdict, kind)
    if verdicts:
        yield LEGEND
    for name in job.walks if verdicts else ():
        missed = [
            pte
            for verdict in verdicts
            if name in verdict.walks
            for pte in verdict.walks[name].missed
        ]
        if missed:
            yield fit(f"MISSED by {name}: {ptes_text(names, missed, 8)}")


def _json(job: _Job, steps: _Steps, verdicts: Sequence[FolioVerdict]) -> dict[str, Any]:
    return {
        "scenario": job.scenario.name,
        "rules": job.rules.name,
        "steps": steps.calls,
        "folios": [_folio_json(verdict) for verdict in verdicts],
    }


def _folio_json(verdict: FolioVerdict) -> dict[str, Any]:
    return {
        "folio": verdict.folio,
        "ptes": [list(pte) for pte in verdict.ptes],
        "walks": {
            name: {
                "found": [list(pte) for pte in walk.result.ptes],
                "missed": [list(pte) for pte in walk.missed],
                **walk.result.to_json(),
            }
            for name, walk in verdict.walks.items()
        },
    }
