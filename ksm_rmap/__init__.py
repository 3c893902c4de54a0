"""An executable model of the Linux reverse map, and a checker for the walks that use it.

`IntervalTree` is a dynamic interval index that is useful on its own. `State`, `Rules`, `ops` and
`MmError` are the model, `walks` the reverse-map walks, `check` the oracle, the searches and the
replay of recorded traces. Nothing is imported before it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ksm_rmap import check, walks
    from ksm_rmap.interval_tree import Interval, IntervalTree
    from ksm_rmap.model import ops
    from ksm_rmap.model.errors import MmError
    from ksm_rmap.model.rules import Rules
    from ksm_rmap.model.scenario import Scenario
    from ksm_rmap.model.state import State

__version__ = "0.1.0.dev0"

__all__ = (
    "Interval",
    "IntervalTree",
    "MmError",
    "Rules",
    "Scenario",
    "State",
    "check",
    "ops",
    "walks",
)

_HOMES = {
    "Interval": "ksm_rmap.interval_tree",
    "IntervalTree": "ksm_rmap.interval_tree",
    "MmError": "ksm_rmap.model.errors",
    "Rules": "ksm_rmap.model.rules",
    "Scenario": "ksm_rmap.model.scenario",
    "State": "ksm_rmap.model.state",
}
_MODULES = {"check": "ksm_rmap.check", "ops": "ksm_rmap.model.ops", "walks": "ksm_rmap.walks"}


def __getattr__(name: str) -> object:
    """Import a public name when it is asked for: the interval tree alone loads in milliseconds."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    raise AttributeError(f"module 'ksm_rmap' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted((*__all__, "__version__"))
