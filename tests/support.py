"""What several test modules need: the truth as a walk, independent of every walk."""

from __future__ import annotations

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
