"""Enumerations whose `repr` is the expression that names the member.

No analogue in the kernel. `repr(state)` has to be a constructor call that evaluates to an equal
state; `enum.Enum` prints `<PteKind.SWAP: 'swap'>`, which no parser takes.
"""

from __future__ import annotations

import enum

__all__ = ("NamedEnum",)


class NamedEnum(enum.Enum):
    """An enumeration without a value type of its own."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"
