"""`--html FILE`: what a search found, as a page to step through."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ksm_rmap.cli._terminal import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ksm_rmap.cli._terminal import Terminal
    from ksm_rmap.model.rules import Rules
    from ksm_rmap.model.scenario import Scenario

__all__ = ("check_place", "write_page")


def check_place(path: str | None) -> None:
    """Raise UsageError, before a long search, if the page could not be written to `path`."""
    if path is not None and not Path(path).absolute().parent.is_dir():
        raise UsageError(f"--html {path}: there is no folder {Path(path).parent}")


def write_page(
    terminal: Terminal,
    path: str | None,
    found: Sequence[tuple[str, Scenario]],
    rules: Rules | None,
) -> None:
    """Write the page of `found`, walk and scenario of each counterexample; None: nowhere."""
    if path is None:
        return
    if not found:
        terminal.complain(f"--html {path}: not written, there is no counterexample to show")
        return
    from ksm_rmap.report.html import counterexamples_page  # noqa: PLC0415 - rarely needed

    try:
        Path(path).write_text(counterexamples_page(found, rules), "utf-8")
    except OSError as error:
        raise UsageError(f"--html {path}: {error.strerror}") from None
