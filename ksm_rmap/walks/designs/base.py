"""What every reverse-map design is: data beside the model, upkeep, a walk, and a price.

No analogue in the kernel. A `Design` keeps an immutable side state, which it changes as it hears
what the model does (`ksm_rmap.model.events`), and finds the entries of a folio with nothing else.

Rules of this module:

1. `handle` and `walk` are pure: the side state after an event depends on the one before, the
   event, and, for `Rules` only, the state.
2. A walk may look up VMAs and page tables of the state where the kernel would: in the VMA map of an
   mm that the design has a pointer to. It must not use the model's own anon_vmas, `Folio.mapping`,
   `Folio.index`, nor search processes that the design does not know of.
3. What a design costs is counted in objects of the kernel, each with an identity and a content:
   `objects`. The work of an operation is the number of objects made, changed or freed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from ksm_rmap.model.rules import Rules
from ksm_rmap.walks.engine import maps
from ksm_rmap.walks.result import Loop, WalkResult

if TYPE_CHECKING:
    from ksm_rmap.model.events import Event
    from ksm_rmap.model.state import State, Vma

__all__ = ("Cost", "Design", "Handler", "Search", "TableDesign", "place", "work")

S = TypeVar("S", bound=Hashable)

_PAGE_BITS = 52
"""Bits of a page number: see `ops.PAGES_MAX`."""


def place(mm: int, page: int) -> int:
    """Return one number for a page of a process, in the order of `(mm, page)`."""
    return mm << _PAGE_BITS | page


class Cost(NamedTuple):
    """What a design keeps at one moment."""

    objects: int
    """Objects of the kernel that exist for the design only."""
    size: int
    """Bytes on a 64-bit kernel: those objects, without fields of other objects."""


class Design(ABC, Generic[S]):
    """One reverse-map design; subclass it to try one of your own.

    A subclass has `name` and `summary`, and implements `start`, `handle` and `walk`. All else
    has a default.
    """

    name: str = ""
    """The name by which `--walk` knows it; a user's own design gets `file.py:Class`."""
    summary: str = ""
    """One line for a list of designs."""
    source: str = "no analogue in the kernel"
    """Where the design was read."""
    ksm: bool = False
    """Whether the walk answers for KSM folios; else it is judged on ordinary ones only."""
    rules: Rules = Rules()
    """What the kernel of the design's time did."""

    @abstractmethod
    def start(self) -> S:
        """Return the side state of `State()`: process 0, with nothing mapped."""

    @abstractmethod
    def handle(self, side: S, event: Event, state: State) -> S:
        """Return the side state after `event`; most events change nothing.

        `state` is the model after the whole operation, not at the moment of the event: read
        `state.rules` of it and nothing else.
        """

    @abstractmethod
    def walk(self, side: S, state: State, folio: int) -> WalkResult | Iterable[tuple[int, int]]:
        """Return the entries that map `folio`, or pairs `(mm, page)` where to look for them."""

    def objects(self, side: S) -> Mapping[Hashable, Hashable]:
        """Return what the design keeps: the content of each object by its identity.

        Fields that it adds to other objects count as well, with 0 bytes of their own.
        """
        del side
        return {}

    def size_of(self, identity: Hashable) -> int:
        """Return the bytes of the object named `identity`."""
        del identity
        return 0

    def cost(self, side: S) -> Cost:
        """Return how many objects exist and their bytes; O(objects)."""
        sizes = [size for size in map(self.size_of, self.objects(side)) if size]
        return Cost(len(sizes), sum(sizes))

    def __repr__(self) -> str:
        return f"<design {self.name}>"


def work(before: Mapping[Hashable, Hashable], after: Mapping[Hashable, Hashable]) -> int:
    """Return how many objects were made, changed or freed between two moments.

    >>> work({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 5, "d": 4})
    3
    """
    written = sum(1 for name, content in after.items() if before.get(name, work) != content)
    return written + sum(1 for name in before if name not in after)


Handler = Callable[[Any, Any, "State"], Any]
"""`(side state, event of one kind, state) -> side state`."""


class TableDesign(Design[S]):
    """A design that has a method for each kind of event it cares about: `table`."""

    def __init__(self) -> None:
        self._table = self.table()

    @abstractmethod
    def table(self) -> dict[type, Handler]:
        """Return the method for each kind of event; other events change nothing."""

    def handle(self, side: S, event: Event, state: State) -> S:
        """Call the method for this kind of event."""
        handler = self._table.get(type(event))
        if handler is None:
            return side
        changed: S = handler(side, event, state)
        return changed


class Search:
    """One walk while it runs: places are tried, those that map the folio are found.

    The counters are those of `Loop`: an object that is looked at is an iteration, whether it
    leads to a place (`visit`) or not (`skip`).
    """

    def __init__(self, state: State, folio: int) -> None:
        self._state = state
        self._folio = folio
        self._found: dict[tuple[int, int], None] = {}
        self._loops: list[Loop] = []
        self._skipped = self._visits = 0

    @property
    def found(self) -> int:
        """How many different entries have been found so far."""
        return len(self._found)

    def skip(self, objects: int = 1) -> None:
        """Count objects that lead nowhere."""
        self._skipped += objects

    def visit(self, mm: int, page: int) -> bool:
        """Look at one page-table entry; return whether it maps the folio."""
        self._visits += 1
        hit = maps(self._state.pte(mm, page), self._folio)
        if hit:
            self._found[mm, page] = None
        return hit

    def visit_vma(self, vma: Vma, page: int) -> bool:
        """Look at `page` if it lies in `vma`; else count the VMA as skipped."""
        if vma.start <= page < vma.end:
            return self.visit(vma.mm, page)
        self.skip()
        return False

    def end_loop(self) -> None:
        """Close a loop: what one lock, or one query, covers."""
        if self._skipped or self._visits:
            count = self._skipped + self._visits
            self._loops.append(Loop(0, None, count, self._skipped, visits=self._visits))
            self._skipped = self._visits = 0

    def result(self) -> WalkResult:
        """Return what was found."""
        self.end_loop()
        return WalkResult(tuple(self._found), tuple(self._loops))
