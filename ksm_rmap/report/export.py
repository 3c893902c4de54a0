"""A scenario in other forms: what `ksm-rmap export --to FORMAT` writes.

No analogue in the kernel. Rules of this module:

1. `FORMATS` is the list of forms. A form is a module of this package with a function
   `export(job)` that returns the text of a file; the module is imported when it is asked for.
2. What a form cannot express raises ScenarioError that points at the line; nothing is left out
   silently.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, NamedTuple

from ksm_rmap.model.rules import Rules
from ksm_rmap.model.scenario import ScenarioError

if TYPE_CHECKING:
    from ksm_rmap.model.scenario import Scenario

__all__ = ("FORMATS", "Format", "Job", "exported", "not_for")


class Format(NamedTuple):
    """One form that a scenario can be exported to."""

    module: str
    """Name of the module in `ksm_rmap.report`."""
    text: str
    """What it is, for the help."""
    walks: bool = True
    """Whether it says something about walks, so that some can be asked for."""


FORMATS: Final = {
    "c": Format("c_reproducer", "a C program that does it on the running kernel"),
    "pytest": Format("pytest_file", "a test of what each walk misses"),
    "trace": Format("trace_file", "a trace of the run as a recorder writes it", walks=False),
    "html": Format("html", "one page to step through calls and walks, without a server"),
    "svg": Format("svg_file", "a picture of the state at the end, walked"),
}
"""Every form by name; one line makes a new one known to the command."""


class Job(NamedTuple):
    """What is to be exported."""

    scenario: Scenario
    rules: Rules | None = None
    """Rules that take precedence over the scenario's."""
    walks: tuple[str, ...] = ()
    """Names of the walks asked for; empty: the form's own choice."""

    @property
    def used_rules(self) -> Rules:
        """The rules of the run: those asked for, the scenario's, or the usual ones."""
        return self.rules or self.scenario.rules or Rules()


def exported(job: Job, form: str) -> str:
    """Return the text of the file that `form`, a key of `FORMATS`, makes of `job`.

    Raises:
        ScenarioError: the scenario does not do what it says, or cannot be expressed so.
        WalkError: a walk is not known.

    """
    module = importlib.import_module(f"ksm_rmap.report.{FORMATS[form].module}")
    text: str = module.export(job)
    return text


def not_for(scenario: Scenario, number: int, reason: str) -> ScenarioError:
    """Return the error that line `number`, from 1, cannot be exported."""
    line = scenario.lines[number - 1]
    text = scenario.source[number - 1] if scenario.source else str(line)
    return ScenarioError(scenario.name, reason, number, text, len(text) - len(text.lstrip()) + 1)
