"""A time limit for a walk that may never end. No analogue in the kernel.

Rules of this module:

1. The limit is SIGALRM's: it works in the main thread of a system with `setitimer`. Elsewhere
   the walk runs without a limit.
2. The alarm repeats, so code that swallows every exception once does not escape; code that
   does so in an endless loop, or never returns to the interpreter, does.
3. A timer and a handler that were set before are in force again afterwards.

This module is the one in its package that knows a clock.
"""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, TypeVar

from ksm_rmap.walks.errors import WalkTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ksm_rmap.model.state import State
    from ksm_rmap.walks.control import RmapWalkControl
    from ksm_rmap.walks.design import NamedWalk
    from ksm_rmap.walks.result import WalkResult

__all__ = ("LimitedWalk", "call_within", "limited")

T = TypeVar("T")

_AGAIN = 0.05
"""Seconds between two alarms once the time is up."""


class _Expired(BaseException):
    """Time is up."""


def call_within(seconds: float, function: Callable[[], T], what: str) -> T:
    """Return `function()`, or raise `WalkTimeoutError` that names `what` after `seconds`."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(
        signal, "setitimer"
    ):
        return function()
    armed = True

    def expire(_signal: int, _frame: object) -> None:
        if armed:
            raise _Expired

    before = signal.signal(signal.SIGALRM, expire)
    begun = time.monotonic()
    delay, interval = signal.getitimer(signal.ITIMER_REAL)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)  # a short one rings at once
            return function()
        finally:
            armed = False
    except _Expired:
        raise WalkTimeoutError(f"{what}: did not return within {seconds:g} s") from None
    finally:
        armed = False
        left = max(delay - (time.monotonic() - begun), _AGAIN / 1000) if delay else 0
        signal.setitimer(signal.ITIMER_REAL, 0)  # an alarm now would meet the handler of before
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, left, interval)


class LimitedWalk:
    """A walk with a time limit for each call."""

    def __init__(self, walk: NamedWalk, seconds: float) -> None:
        self.walk = walk
        self.seconds = seconds

    @property
    def name(self) -> str:
        """The name of the walk inside."""
        return self.walk.name

    @property
    def summary(self) -> str:
        """The summary of the walk inside."""
        return self.walk.summary

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.walk!r}, {self.seconds!r})"

    def __call__(
        self, state: State, folio: int, /, *, control: RmapWalkControl | None = None
    ) -> WalkResult:
        """Walk the reverse map of `folio`; `WalkTimeoutError` after `seconds`."""
        return call_within(
            self.seconds,
            lambda: self.walk(state, folio, control=control),
            f"walk {self.name!r} of folio {folio}",
        )


def limited(walk: NamedWalk, seconds: float) -> LimitedWalk:
    """Return `walk` with a limit of `seconds` for each call; ValueError unless positive."""
    if not seconds > 0:
        raise ValueError(f"a time limit of {seconds!r} seconds: must be positive")
    return LimitedWalk(walk, seconds)
