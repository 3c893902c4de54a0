"""A walk that never ends does not keep the explorer for ever."""

from __future__ import annotations

import signal

import pytest

from ksm_rmap import walks
from ksm_rmap.check.explore import explore, wander
from ksm_rmap.check.menu import Menu

SHORT = 0.05
ENDLESS = r"^walk 'endless' of folio \d+: did not return within 0\.05 s$"


def endless(*_: object) -> walks.WalkResult:
    while True:
        pass


@pytest.mark.parametrize("workers", [1, 2])
def test_explore_ends_a_walk_that_does_not_return(workers: int) -> None:
    with pytest.raises(walks.WalkTimeoutError, match=ENDLESS):
        explore([endless], menu=Menu(1, 2, 1), limit=SHORT, workers=workers)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@pytest.mark.parametrize("workers", [1, 2])
def test_random_walks_end_a_walk_that_does_not_return(workers: int) -> None:
    menu = Menu(1, 2, 1, kinds=("mmap", "write", "mergeable", "ksmd"))
    with pytest.raises(walks.WalkTimeoutError, match=ENDLESS):
        wander([endless], menu=menu, limit=SHORT, workers=workers, number=20)


def test_a_registered_walk_is_called_without_a_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "setitimer", None)
    found = explore(["index", walks.get("full")], menu=Menu(1, 1, 1))
    assert found.exhausted
    with pytest.raises(TypeError):
        explore([endless], menu=Menu(1, 2, 1))


def test_a_limit_must_be_positive() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        explore([endless], limit=0)
