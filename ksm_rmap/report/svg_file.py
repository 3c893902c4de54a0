"""A scenario as one picture: the state at its end, walked. No analogue in the kernel.

For each walk that was asked for a picture, one below the other, and the legend; see
`ksm_rmap.report.panels` for what is shown if none was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksm_rmap import walks
from ksm_rmap.report.panels import panel_of, sheet
from ksm_rmap.walks.trial import first_state

if TYPE_CHECKING:
    from ksm_rmap.report.export import Job

__all__ = ("export",)


def export(job: Job) -> str:
    """Return the SVG file; ScenarioError and WalkError as `exported`."""
    chosen = [walks.get(name) for name in job.walks]
    begin = first_state(job.used_rules, chosen)
    state, calls = begin, 0
    for step in job.scenario.states(walks.get("full"), walks=walks.get, begin=begin):
        state = step.state
        calls += 1
    names = job.scenario.processes
    panels = [panel_of(state, names, walk=walk) for walk in chosen] or [panel_of(state, names)]
    title = f"{job.scenario.name} after {calls} calls, rules {job.used_rules.name}"
    return sheet(panels, title)
