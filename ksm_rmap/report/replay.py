"""What a replay of recorded traces found, as text.

No analogue in the kernel. Rules of this module:

1. A difference is one line, followed by the maps of both sides at the first one of a trace.
2. The summary at the end has everything that a reader in a hurry needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksm_rmap.report.text import beside, fit, indent, ptes_text, short, table

if TYPE_CHECKING:
    from ksm_rmap.check.replay import Missed, ReplayReport, TraceReport

__all__ = ("difference_lines", "missed_lines", "summary_lines")

_SLOTS = [str(slot) for slot in range(10)]
"""Processes of a trace go by their slot."""


def difference_lines(trace: TraceReport) -> list[str]:
    """Return where the model and the kernel differ in one trace, and both maps."""
    lines = []
    for step in trace.diverged:
        found, model, kernel = step.difference
        lines.append(
            fit(
                f"{step.trace}: step {step.step}, {step.op}: {found}: "
                f"model {model!r}, kernel {kernel!r}"
            )
        )
    if trace.maps is not None:
        model_map, kernel_map = (str(state).splitlines() for state in trace.maps)
        drawn = beside([["model", *model_map], ["kernel", *kernel_map]])
        lines[1:1] = indent(drawn)
    return lines


def missed_lines(walk: str, missed: Missed) -> list[str]:
    """Return one recorded state in which `walk` missed an entry, with its map."""
    head = (
        f"{missed.trace}: step {missed.step}, {missed.op}: {walk} misses "
        f"{ptes_text(_SLOTS, missed.ptes)} of {missed.name}"
    )
    return [fit(head), *indent(str(missed.state).splitlines())]


def summary_lines(report: ReplayReport) -> list[str]:
    """Return the figures of the whole replay."""
    agreed = sum(trace.agrees for trace in report.traces)
    lines = [fit(f"skipped: {reason}") for reason in report.skipped]
    lines.append(
        f"{len(report.traces)} traces, {report.steps} steps: {agreed} traces agree in every field, "
        f"{len(report.traces) - agreed} do not; {len(report.skipped)} files skipped"
    )
    if report.walks:
        rows = [
            [short(name), str(tally.states), str(tally.missed_states), str(tally.iterations)]
            for name, tally in report.walks.items()
        ]
        header = ["walk", "states", "with a miss", "iterations"]
        lines += ["Walks over the structures that the kernel had:", *indent(table(header, rows))]
    return lines
