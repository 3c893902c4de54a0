"""The one exception of the model: a system call that Linux would refuse."""

from __future__ import annotations

import errno as _errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ksm_rmap.model.state import State

__all__ = ("MmError",)


class MmError(Exception):
    """A refused operation; the state that was passed in is untouched.

    Attributes:
        errno: the error number a Linux process would see, for example `errno.ENOMEM`.
        operation: name of the operation, for example `"mremap"`.
        detail: process, page range and reason in one sentence.
        state: None, or the state afterwards where the kernel changes something before it
            fails (`mprotect` and `madvise` over a hole, a move of several VMAs).

    """

    def __init__(self, errno: int, operation: str, detail: str, state: State | None = None) -> None:
        super().__init__(errno, operation, detail)
        self.errno = errno
        self.operation = operation
        self.detail = detail
        self.state = state

    @property
    def name(self) -> str:
        """The symbolic name of `errno`, for example `"ENOMEM"`."""
        return _errno.errorcode.get(self.errno, str(self.errno))

    def __str__(self) -> str:
        return f"{self.operation}: {self.detail} ({self.name})"
