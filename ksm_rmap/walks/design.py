"""What all registered walks have in common. No analogue in the kernel.

Rules of this module:

1. A design is data: a name, a summary, where it was read, and what it searches for an item.
2. A design is a walk: `design(state, folio)` is a `WalkResult`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ksm_rmap.model.state import State
from ksm_rmap.walks.engine import AddressOf, RangeOf, ksm_walk
from ksm_rmap.walks.result import WalkResult

if TYPE_CHECKING:
    from ksm_rmap.walks.control import RmapWalkControl

__all__ = ("KsmDesign", "NamedWalk", "Walk")

Walk = Callable[[State, int], WalkResult]
"""Any walk: a state and the number of a folio, to what was found."""


class NamedWalk(Protocol):
    """What `walks.get` returns: a walk that knows its name and takes a control."""

    @property
    def name(self) -> str:
        """The name under which `walks.get` knows it."""

    @property
    def summary(self) -> str:
        """One line for a list of walks."""

    def __call__(
        self, state: State, folio: int, /, *, control: RmapWalkControl | None = None
    ) -> WalkResult:
        """Walk the reverse map of `folio`."""


@dataclass(frozen=True, slots=True)
class KsmDesign:
    """A walk that is `rmap_walk_ksm` but for the range it searches."""

    name: str
    summary: str
    source: str
    """The commit, version or mail in which the design was read."""
    range_of: RangeOf
    address_of: AddressOf | None = None

    def __call__(
        self, state: State, folio: int, /, *, control: RmapWalkControl | None = None
    ) -> WalkResult:
        """Walk the reverse map of `folio`; see `ksm_walk`."""
        return ksm_walk(
            state, folio, range_of=self.range_of, address_of=self.address_of, control=control
        )
