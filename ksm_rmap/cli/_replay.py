"""`ksm-rmap replay`: traces of a running kernel against the model.

Exit status 1: the model and the kernel differ, or a walk that was named with `--walk` or `--show`
missed an entry of a recorded state. Without these, all walks of KSM folios are reported, and what
they miss is no failure. 2: no trace could be used at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksm_rmap import walks
from ksm_rmap.check.replay import ReplayReport, Tally, replay_paths
from ksm_rmap.check.trace import trace_files
from ksm_rmap.cli._terminal import BAD_INPUT, INTERRUPTED, MISSED, NOTHING_MISSED, collect
from ksm_rmap.report.replay import difference_lines, missed_lines, summary_lines

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from ksm_rmap.cli._terminal import Terminal

__all__ = ("run",)


def run(terminal: Terminal, arguments: argparse.Namespace) -> int:
    """Replay the traces, print the differences and a summary."""
    shown = arguments.show or []
    asked = list(dict.fromkeys([*(arguments.walk or []), *shown]))
    parts, interrupted = collect(_parts(terminal, arguments, asked or walks.ksm_names()))
    report = _joined(parts)
    if arguments.json:
        terminal.json(report.to_json())
    else:
        _print(terminal, report, shown)
    if interrupted:
        terminal.complain(f"interrupted after {len(parts)} files")
        return INTERRUPTED
    if not report.traces:
        terminal.complain(report.skipped[0] if report.skipped else "no trace there")
        return BAD_INPUT
    missed = any(report.walks[name].missed for name in asked)
    return MISSED if report.diverged or missed else NOTHING_MISSED


def _parts(
    terminal: Terminal, arguments: argparse.Namespace, names: Sequence[str]
) -> Iterator[ReplayReport]:
    """Yield the report on each file."""
    for name in names:
        walks.get(name)
    files = trace_files(arguments.traces)
    for done, path in enumerate(files):
        terminal.progress(f"{done} of {len(files)} traces: {path}")
        yield replay_paths([path], walks=names, keep_going=arguments.keep_going)


def _joined(parts: Sequence[ReplayReport]) -> ReplayReport:
    report = ReplayReport()
    for part in parts:
        report.traces += part.traces
        report.skipped += part.skipped
        for name, tally in part.walks.items():
            report.walks.setdefault(name, Tally()).add(tally)
    return report


def _print(terminal: Terminal, report: ReplayReport, shown: list[str]) -> None:
    for trace in report.traces:
        terminal.lines(difference_lines(trace))
    for name in shown:
        for missed in report.walks[name].missed:
            terminal.lines(missed_lines(name, missed))
    if report.traces:
        terminal.lines(summary_lines(report))
