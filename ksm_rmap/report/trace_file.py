"""A scenario's run as a trace: `ksm-rmap export --to trace`.

The format is that of recorded traces (`ksm_rmap.check.trace`), as plain JSON lines; packed with
gzip it is a file such as a recorder leaves. Left out: nothing, but a trace has the whole state
after every call, so a run of many calls over many pages is refused.
"""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Final

from ksm_rmap.check.trace import trace_bytes
from ksm_rmap.check.trace_calls import trace_of
from ksm_rmap.model.scenario import ScenarioError
from ksm_rmap.walks import get

if TYPE_CHECKING:
    from ksm_rmap.report.export import Job

__all__ = ("MOST_ROWS", "export")

MOST_ROWS: Final = 1_000_000
"""Most VMAs and page-table entries that a trace may list, over all its steps."""


def export(job: Job) -> str:
    """Return the trace as JSON lines.

    Raises:
        ScenarioError: a call does not do what the scenario says, or the trace would be too long.
        WalkError: a walk that a line names is not known.

    """
    rows = 0
    for step in job.scenario.states(get("full"), rules=job.used_rules, walks=get):
        rows += sum(len(mm.vmas) + len(mm.ptes) for _, mm in step.state.mms.pairs())
        if rows > MOST_ROWS:
            detail = f"too large for a trace: more than {MOST_ROWS} VMAs and entries over all steps"
            raise ScenarioError(job.scenario.name, detail)
    trace = trace_of(job.scenario, rules=job.used_rules)
    return gzip.decompress(trace_bytes(trace.header, trace.steps)).decode()
