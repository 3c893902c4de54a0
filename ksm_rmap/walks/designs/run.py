"""A design wherever a walk is expected: `DesignWalk`; a history with its side state: `DesignRun`.

No analogue in the kernel. Rules of this module:

1. A `DesignWalk` works out the side state from the events of the state it is given, and remembers
   it on the `Record`, so a step costs what its events cost. It needs a state that records.
2. A `DesignRun` is a value: equal if the states are equal and the side states are. A search that
   visits each state once must compare these, because equal states may have different pasts.
3. Judged are the mapped folios that the design answers for: ordinary ones, KSM folios as well
   with `Design.ksm`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ksm_rmap.model.errors import MmError
from ksm_rmap.model.events import Record, recording
from ksm_rmap.model.state import PteKind, State
from ksm_rmap.walks.designs.base import Search
from ksm_rmap.walks.errors import WalkError
from ksm_rmap.walks.full import FULL
from ksm_rmap.walks.result import WalkResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ksm_rmap.model.calls import Call
    from ksm_rmap.model.rules import Rules
    from ksm_rmap.walks.control import RmapWalkControl
    from ksm_rmap.walks.designs.base import Design

__all__ = ("DesignMiss", "DesignRun", "DesignWalk", "side_of")


def side_of(design: Design[Any], state: State) -> Any:  # noqa: ANN401 - each design has its own
    """Return the side state of `design` in `state`, which must have been recorded.

    O(events since it was asked for last). `WalkError` if the state does not record, or if the
    design fails.
    """
    record = state.events
    if not isinstance(record, Record):
        raise WalkError(
            f"design {design.name!r} needs the history of the state: begin with "
            "ksm_rmap.model.events.recording(State())"
        )
    pending: list[Record] = []
    at: Record | None = record
    while at is not None and design not in at.notes:
        pending.append(at)
        at = at.before
    side = design.start() if at is None else at.notes[design]
    for step in reversed(pending):
        for event in step:
            try:
                side = design.handle(side, event, state)
            except Exception as error:
                raise WalkError(f"design {design.name!r} at {event}: {_said(error)}") from error
    record.notes[design] = side
    return side


def _said(error: Exception) -> str:
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


class DesignWalk:
    """A design as a walk: `DesignWalk(design)(state, folio)`.

    Of a KSM folio that the design has no answer for it finds what the walk `full` finds, so that
    swapping and migrating go on; `Design.ksm` tells whether an answer is the design's own.
    """

    def __init__(self, design: Design[Any], name: str | None = None) -> None:
        self.design = design
        self.name = design.name if name is None else name

    @property
    def summary(self) -> str:
        """One line about the design."""
        return self.design.summary

    @property
    def ksm(self) -> bool:
        """Whether it is judged on KSM folios too."""
        return self.design.ksm

    def __repr__(self) -> str:
        return f"DesignWalk({self.design!r})"

    def __call__(
        self, state: State, folio: int, /, *, control: RmapWalkControl | None = None
    ) -> WalkResult:
        """Walk the reverse map of `folio` to the end; `control` is not asked."""
        del control
        found = state.folios.get(folio)
        if found is None:
            raise WalkError(f"walk {self.name!r} of folio {folio!r}: there is no such folio")
        if found.ksm and not self.design.ksm:
            return FULL(state, folio)
        side = side_of(self.design, state)
        try:
            returned = self.design.walk(side, state, folio)
            return (
                returned if isinstance(returned, WalkResult) else _visited(state, folio, returned)
            )
        except Exception as error:
            where = f"walk {self.name!r} of folio {folio}"
            raise WalkError(f"{where}: {_said(error)}") from error


def _visited(state: State, folio: int, places: Iterable[tuple[int, int]]) -> WalkResult:
    """Return the result of looking at `places` one by one."""
    search = Search(state, folio)
    for mm, page in places:
        search.visit(mm, page)
    return search.result()


class DesignMiss(NamedTuple):
    """What a design did not find of one folio."""

    folio: int
    ptes: tuple[tuple[int, int], ...]
    """`(mm, page)` of each missed entry, sorted."""


@dataclass(frozen=True, slots=True)
class DesignRun:
    """A history under one design: the state of the model and the design's own beside it.

    Immutable; equal if state, design and side state are: the key of a search that visits each
    state once. `apply` makes the next one, `judge` tells what the walk misses.
    """

    state: State
    design: Design[Any]
    side: Any

    @classmethod
    def begin(cls, design: Design[Any], rules: Rules | None = None) -> DesignRun:
        """Return the run of `State(rules=...)`, by default with the rules of the design's time."""
        side = design.start()
        rules = design.rules if rules is None else rules
        return cls(recording(State(rules=rules), {design: side}), design, side)

    def apply(self, call: Call) -> DesignRun:
        """Return the run after `call`; one that is refused changes what it changes.

        Swap-out and migration use the design's walk. `WalkError` if the design fails.
        """
        try:
            state = call.apply(self.state, DesignWalk(self.design))
        except MmError as error:
            if error.state is None:
                return self
            state = error.state
        side = side_of(self.design, state)
        return DesignRun(recording(state, {self.design: side}), self.design, side)

    def judge(self) -> tuple[DesignMiss, ...]:
        """Return what the walk misses of each folio that it answers for; O(all PTEs)."""
        walk = DesignWalk(self.design)
        misses = []
        for folio, ptes in sorted(_truths(self.state).items()):
            if self.design.ksm or not self.state.folios[folio].ksm:
                lost = sorted(ptes.difference(walk(self.state, folio).ptes))
                if lost:
                    misses.append(DesignMiss(folio, tuple(lost)))
        return tuple(misses)


def _truths(state: State) -> dict[int, set[tuple[int, int]]]:
    """Return the entries that map each folio, by brute force; see `ksm_rmap.check.oracle`."""
    found: dict[int, set[tuple[int, int]]] = {}
    for mm, owner in state.mms.pairs():
        for page, pte in owner.ptes.pairs():
            if pte.kind is PteKind.PRESENT or pte.kind is PteKind.MIGRATION:
                found.setdefault(pte.target, set()).add((mm, page))
    return found
