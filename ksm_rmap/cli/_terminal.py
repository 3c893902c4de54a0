"""Where the command writes: results on stdout, everything else on stderr.

Rules of this module:

1. Progress is shown only if stderr is a terminal, and wiped before a result is printed.
2. A reader of stdout that goes away is not an error of the user: `BrokenPipeError` passes through
   here once, and `mute` keeps the interpreter from complaining again at its end.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ksm_rmap.report.colour import has_colour

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = (
    "BAD_INPUT",
    "CLOSED_PIPE",
    "INTERRUPTED",
    "MISSED",
    "NOTHING_MISSED",
    "Terminal",
    "UsageError",
    "collect",
)

NOTHING_MISSED: Final = 0
MISSED: Final = 1
BAD_INPUT: Final = 2
INTERRUPTED: Final = 128 + 2
CLOSED_PIPE: Final = 128 + 13

T = TypeVar("T")

_PERIOD: Final = 0.1
"""Seconds between two lines of progress."""


class UsageError(Exception):
    """An option that makes no sense here; the message is one line."""


class Terminal:
    """Standard output and standard error of the command."""

    def __init__(self) -> None:
        self._shown = 0
        self._next = time.monotonic() + 5 * _PERIOD
        self._live = sys.stderr.isatty()
        self.colour = has_colour(os.environ, terminal=sys.stdout.isatty())
        """Whether results may be coloured."""
        for stream in (sys.stdout, sys.stderr):
            # A name that the terminal cannot show is no reason to fail.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")

    def lines(self, lines: Iterable[str]) -> None:
        """Print `lines`."""
        for line in lines:
            self._wipe()
            print(line)

    def json(self, value: Any) -> None:  # noqa: ANN401 - any JSON value
        """Print `value` as JSON."""
        self._wipe()
        print(json.dumps(value, indent=2))

    def complain(self, text: str) -> None:
        """Print `text` on stderr."""
        self._wipe()
        print(f"ksm-rmap: {text}", file=sys.stderr)

    def progress(self, text: str) -> None:
        """Show `text` in place of what was shown last, if there is somebody to see it."""
        now = time.monotonic()
        if self._live and now >= self._next:
            self._next = now + _PERIOD
            text = text[:79]
            print(f"\r{text.ljust(self._shown)}", end="", file=sys.stderr, flush=True)
            self._shown = len(text)

    def _wipe(self) -> None:
        if self._shown:
            print(f"\r{' ' * self._shown}\r", end="", file=sys.stderr, flush=True)
            self._shown = 0

    def finish(self) -> None:
        """Write out what is buffered; BrokenPipeError if nobody reads it."""
        self._wipe()
        sys.stdout.flush()

    @staticmethod
    def mute() -> None:
        """Send the rest of stdout nowhere."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def collect(items: Iterable[T]) -> tuple[list[T], bool]:
    """Return the items, and whether Ctrl-C ended them early."""
    found: list[T] = []
    try:
        for item in items:
            found.append(item)  # noqa: PERF402 - what was found must survive the interrupt
    except KeyboardInterrupt:
        return found, True
    return found, False
