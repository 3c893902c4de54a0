"""The exceptions of the walks. No analogue in the kernel."""

from __future__ import annotations

__all__ = ("WalkError", "WalkTimeoutError")


class WalkError(Exception):
    """A walk that does not exist, cannot be loaded, fails, or returns nonsense.

    The message is one line that names the walk, the folio if there is one, and what was wrong.
    """


class WalkTimeoutError(WalkError):
    """A walk that did not return in time."""
