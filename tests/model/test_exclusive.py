"""PageAnonExclusive moves into swap and migration entries, and back: two bugs that were."""

from __future__ import annotations

import pytest

from ksm_rmap.model import ops
from ksm_rmap.model.state import PteKind, State
from ksm_rmap.walks import get

FULL = get("full")


@pytest.fixture
def own_page() -> State:
    """Process 0 has written 1 to its page 0."""
    return ops.write(ops.mmap(State(), mm=0, start=0, pages=1), mm=0, start=0, content=1)


def content(state: State, mm: int) -> int:
    """Return what process `mm` sees on page 0."""
    folio = state.folio_at(mm, 0)
    assert folio is not None
    return state.folios[folio].content


def test_a_fork_during_migration_leaves_nobody_exclusive(own_page: State) -> None:
    state = ops.migrate_begin(own_page, mm=0, page=0, walk=FULL)
    state.check()
    state = ops.migrate_end(ops.fork(state, mm=0, child=1), mm=0, page=0, walk=FULL)
    state.check()
    state = ops.write(state, mm=1, start=0, content=2)
    assert (content(state, 0), content(state, 1)) == (1, 2)


def test_a_fork_while_swapped_out_leaves_nobody_exclusive(own_page: State) -> None:
    state = ops.hold(own_page, mm=0, page=0)  # the folio stays in the swap cache
    state = ops.fork(ops.swap_out(state, mm=0, page=0, walk=FULL), mm=0, child=1)
    state.check()
    state = ops.read(ops.read(state, mm=0, start=0), mm=1, start=0)
    state = ops.write(state, mm=1, start=0, content=2)
    assert (content(state, 0), content(state, 1)) == (1, 2)


def test_a_migration_alone_changes_nothing(own_page: State) -> None:
    state = ops.migrate_begin(own_page, mm=0, page=0, walk=FULL)
    entry = state.pte(0, 0)
    assert entry is not None
    assert entry.kind is PteKind.MIGRATION
    assert entry.exclusive
    assert ops.migrate_end(state, mm=0, page=0, walk=FULL) == own_page


def test_what_was_written_in_the_swap_cache_is_written_out_again(own_page: State) -> None:
    state = ops.swap_out(ops.hold(own_page, mm=0, page=0), mm=0, page=0, walk=FULL)
    state = ops.write(ops.read(state, mm=0, start=0), mm=0, start=0, content=5)
    again = ops.swap_out(state, mm=0, page=0, walk=FULL)
    again.check()
    state = ops.swap_out(ops.release(state, mm=0, page=0), mm=0, page=0, walk=FULL)
    assert not state.folios
    assert content(ops.read(state, mm=0, start=0), 0) == 5
