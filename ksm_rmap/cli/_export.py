"""`ksm-rmap export`: write a scenario in another form.

The text goes to stdout, or with `-o FILE` to a file; a FILE that ends in `.gz` is packed.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

from ksm_rmap import walks
from ksm_rmap.cli._terminal import NOTHING_MISSED, UsageError
from ksm_rmap.model.scenario import load
from ksm_rmap.report.export import FORMATS, Job, exported

if TYPE_CHECKING:
    import argparse

    from ksm_rmap.cli._terminal import Terminal

__all__ = ("run",)


def run(terminal: Terminal, arguments: argparse.Namespace) -> int:
    """Write the scenario; that a walk misses entries in it is no failure of this command."""
    form = _form(arguments.to)
    chosen = tuple(dict.fromkeys(arguments.walk or ()))
    if chosen and not FORMATS[form].walks:
        raise UsageError(f"--walk: --to {form} says nothing about walks")
    for name in chosen:
        walks.get(name)
    scenario = load(arguments.scenario)
    terminal.progress(f"{scenario.name}: running the scenario")
    text = exported(Job(scenario, arguments.rules, chosen), form)
    if arguments.output is not None:
        _write(arguments.output, text)
    if arguments.json:
        written = {"text": text} if arguments.output is None else {"file": arguments.output}
        terminal.json({"scenario": scenario.name, "to": form, **written})
    elif arguments.output is None:
        terminal.lines(text.removesuffix("\n").split("\n"))
    return NOTHING_MISSED


def _form(name: str) -> str:
    if name not in FORMATS:
        raise UsageError(f"--to {name!r}: there are {', '.join(FORMATS)}")
    return name


def _write(path: str, text: str) -> None:
    data = text.encode()
    try:
        Path(path).write_bytes(gzip.compress(data, mtime=0) if path.endswith(".gz") else data)
    except OSError as error:
        raise UsageError(f"-o {path}: {error.strerror}") from None
