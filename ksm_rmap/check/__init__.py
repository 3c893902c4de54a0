"""The checker: searches for system calls after which a walk misses a page-table entry.

`check_walk(walk)` runs random system calls and returns a `Verdict`; `machine_for(walk)` is the
Hypothesis state machine behind it; `ksm_rmap.check.oracle` is the judge.

Nothing of it is imported before it is asked for: the oracle does without Hypothesis.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ksm_rmap.check.actions import Scope
    from ksm_rmap.check.delta import shrink
    from ksm_rmap.check.machine import MissedPteError, machine_for
    from ksm_rmap.check.random_search import check_walk
    from ksm_rmap.check.verdict import Verdict

__all__ = ("MissedPteError", "Scope", "Verdict", "check_walk", "machine_for", "shrink")

_HOMES = {
    "MissedPteError": "machine",
    "Scope": "actions",
    "Verdict": "verdict",
    "check_walk": "random_search",
    "machine_for": "machine",
    "shrink": "delta",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever is asked for
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
