"""The time that a search may take, held even against a walk that never ends.

No analogue in the kernel. The time is looked at before each call; a walk that still runs when
the time is up is interrupted (`ksm_rmap.walks.limit`, in the main thread of a POSIX system).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ksm_rmap.walks import WalkTimeoutError
from ksm_rmap.walks.limit import call_within

if TYPE_CHECKING:
    from ksm_rmap.model.state import State
    from ksm_rmap.walks import NamedWalk, RmapWalkControl, WalkResult

__all__ = ("Clock", "OutOfTime", "TimedWalk")

_HUNG = 1.0
"""A walk that had this many seconds when it was interrupted is an error, not bad luck."""


class OutOfTime(BaseException):
    """The time is up. Not an `Exception`: no walk and no engine shall swallow it."""


class Clock:
    """A limit of `seconds` from now on."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._start = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the clock was made."""
        return time.monotonic() - self._start

    @property
    def left(self) -> float:
        """Seconds left; negative when the time is up."""
        return self.seconds - self.elapsed

    def check(self) -> None:
        """Raise `OutOfTime` if the time is up."""
        if self.left <= 0:
            raise OutOfTime


class TimedWalk:
    """A walk that a clock interrupts."""

    def __init__(self, walk: NamedWalk, clock: Clock) -> None:
        self.walk = walk
        self._clock = clock

    @property
    def name(self) -> str:
        """The name of the walk inside."""
        return self.walk.name

    @property
    def summary(self) -> str:
        """The summary of the walk inside."""
        return self.walk.summary

    def __call__(
        self, state: State, folio: int, /, *, control: RmapWalkControl | None = None
    ) -> WalkResult:
        """Walk the reverse map of `folio`.

        `OutOfTime` if the time is up, `WalkTimeoutError` if the walk alone took that long.
        """
        self._clock.check()
        left = self._clock.left
        try:
            return call_within(
                left,
                lambda: self.walk(state, folio, control=control),
                f"walk {self.name!r} of folio {folio}",
            )
        except WalkTimeoutError:
            if left < min(_HUNG, self._clock.seconds / 2):
                raise OutOfTime from None
            raise
