"""The time that a search may take, held even against a walk that never ends.

No analogue in the kernel. The time is looked at before each call; a walk that still runs when
the time is up is interrupted (`ksm_rmap.walks.limit`, in the main thread of a POSIX system).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ksm_rmap.walks import LimitedWalk, WalkTimeoutError

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


class TimedWalk(LimitedWalk):
    """A walk that a clock interrupts: the limit of each call is what is left of the time."""

    def __init__(self, walk: NamedWalk, clock: Clock) -> None:
        super().__init__(walk, clock.seconds)
        self._clock = clock

    def __call__(
        self, state: State, folio: int, /, *, control: RmapWalkControl | None = None
    ) -> WalkResult:
        """Walk the reverse map of `folio`.

        `OutOfTime` if the time is up, `WalkTimeoutError` if the walk alone took that long.
        """
        self._clock.check()
        self.seconds = self._clock.left
        try:
            return super().__call__(state, folio, control=control)
        except WalkTimeoutError:
            if self.seconds < min(_HUNG, self._clock.seconds / 2):
                raise OutOfTime from None
            raise
