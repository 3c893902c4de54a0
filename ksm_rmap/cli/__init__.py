"""The command `ksm-rmap`: it parses, calls and prints.

Exit status: 0 nothing was missed, 1 a page-table entry was missed or something diverged, 2 wrong
usage or bad input (one line on stderr says what, a line of a scenario follows with a caret),
130 interrupted by Ctrl-C (what was found so far is printed), 141 the reader of the output went
away. The story, `ksm-rmap` alone, is told with status 0 although walks miss entries in it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("main",)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv`, by default that of the process; return the exit status."""
    try:
        from ksm_rmap.cli._app import run_command  # noqa: PLC0415 - Ctrl-C while loading

        return run_command(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        print("ksm-rmap: interrupted", file=sys.stderr)
        return 130
