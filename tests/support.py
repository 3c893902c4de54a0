"""What several test modules need: the truth as a walk, found by no walk; a fresh interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

from ksm_rmap.check import oracle

if TYPE_CHECKING:
    from ksm_rmap.model.state import State


class Found(NamedTuple):
    """What an operation asks of a walk's result."""

    ptes: tuple[tuple[int, int], ...]


def truth(state: State, folio: int) -> Found:
    """Return every entry that maps the folio, by brute force."""
    return Found(tuple(sorted(oracle.truth(state, folio))))


def run(code: str, **extra: str) -> str:
    """Return what `code` prints in a fresh interpreter, with `extra` in its environment."""
    ended = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", code],
        env={**os.environ, **extra},
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.strip()
