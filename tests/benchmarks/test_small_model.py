"""The small model of the benchmarks: the same relation in Python and in C, and true names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.explorer import peers
from benchmarks.explorer.figures import search
from benchmarks.explorer.native import u8, vec
from benchmarks.explorer.small_model import (
    ALIVE,
    CONTENT,
    ITEM,
    KSM,
    SIZE,
    SmallProblem,
    canonical,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEPTH = 4


def levels(depth: int) -> Iterator[set[bytes]]:
    """Yield the new states of each depth, found without the engine."""
    problem = SmallProblem()
    level = {problem.initial()}
    seen = set(level)
    for _ in range(depth):
        yield level
        level = {t for s in level for _, t, _ in problem.successors(s)} - seen
        seen |= level
    yield level


def states() -> Iterator[bytes]:
    for level in levels(DEPTH):
        yield from level


def renamed(state: bytes) -> bytes:
    """Exchange folios 1 and 2, and the two contents."""
    s = bytearray(state)
    s[CONTENT], s[CONTENT + 1] = s[CONTENT + 1], s[CONTENT]
    for at in range(CONTENT, ITEM):
        if s[at]:
            s[at] = (3 - (s[at] & ~KSM)) | (s[at] & KSM)
    for at in (*range(3, ALIVE, 4), *range(ITEM, SIZE, 4)):
        if s[at] in {1, 2}:
            s[at] = 3 - s[at]
    return bytes(s)


def test_the_engine_meets_every_state() -> None:
    found = search(DEPTH, 1, fast=False)
    assert [level.states for level in found.levels] == [len(level) for level in levels(DEPTH)]


@pytest.mark.skipif(peers.compiler() is None, reason="needs a C compiler")
def test_the_relation_in_c_is_the_same(tmp_path: Path) -> None:
    in_c = peers.search_in_c(tmp_path, (DEPTH,))
    assert in_c.levels == tuple(len(level) for level in levels(DEPTH))


def test_names_do_not_matter() -> None:
    changed = 0
    for state in states():
        other = renamed(state)
        changed += other != state
        assert canonical(vec[u8](other)) == canonical(vec[u8](state)) == state
    assert changed
