"""What an operation did, step by step: for whoever keeps data beside the model.

A reverse-map design listens to the model; the model knows no design. A state that was made by
`recording` carries `State.events`, the steps of the operation that led to it. In the kernel these
are the places at which mm/memory.c, mm/vma.c, mm/mremap.c and kernel/fork.c call mm/rmap.c.

Rules of this module:

1. Events come in the order in which the kernel does things; each holds the VMAs as they were then.
   Replayed from the empty state they give exactly the VMAs and page-table entries of the model.
2. `State.events` is no part of a state's value: it does not count for `==`, `hash` or `repr`, and
   a state that does not record costs nothing more.
3. A `Record` knows the record before it, so a whole history can be read from its last state.

Of a VMA a listener may read place, offsets, flags, file, and whether `anon_vma` is None
(unfaulted); which anon_vmas it is linked to is the model's own design.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from ksm_rmap.model.state import Pte, State, Vma

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = (
    "Event",
    "Exited",
    "FolioBorn",
    "FolioFreed",
    "FolioMerged",
    "FolioOwned",
    "FolioUpgraded",
    "Forked",
    "PteMoved",
    "PteSet",
    "Record",
    "VmaAdded",
    "VmaChanged",
    "VmaCopied",
    "VmaFaulted",
    "VmaForked",
    "VmaMerged",
    "VmaMoved",
    "VmaRemoved",
    "VmaSplit",
    "VmaUnfaulted",
    "recording",
)


class PteSet(NamedTuple):
    """An entry changed: made, cleared, or replaced by another."""

    mm: int
    page: int
    old: Pte | None
    new: Pte | None


class PteMoved(NamedTuple):
    """`move_page_tables`: an entry went from `page` to the empty entry at `to`."""

    mm: int
    page: int
    to: int
    pte: Pte


class FolioBorn(NamedTuple):
    """`__folio_set_anon`: a new folio for `page` of `vma`; the entry follows."""

    folio: int
    vma: Vma
    page: int
    exclusive: bool


class FolioOwned(NamedTuple):
    """`folio_move_anon_rmap`: a write fault at `page` found `vma` to be the only user."""

    folio: int
    vma: Vma
    page: int


class FolioUpgraded(NamedTuple):
    """ksmd made an ordinary folio a KSM folio in place; `(mm, page)` is where it saw it."""

    folio: int
    mm: int
    page: int


class FolioMerged(NamedTuple):
    """`stable_tree_append`: ksmd notes that `page` of `vma` maps, or will map, the KSM folio."""

    folio: int
    vma: Vma
    page: int


class FolioFreed(NamedTuple):
    """Nothing refers to the folio any more."""

    folio: int


class VmaAdded(NamedTuple):
    """mmap made a VMA; it is unfaulted."""

    vma: Vma


class VmaFaulted(NamedTuple):
    """`__anon_vma_prepare`: the first write fault of a VMA."""

    old: Vma
    vma: Vma
    lender: Vma | None
    """The neighbour whose anon_vma it shares; None: it got a new one."""


class VmaUnfaulted(NamedTuple):
    """MREMAP_DONTUNMAP left a whole VMA behind; it is unfaulted again."""

    old: Vma
    vma: Vma


class VmaSplit(NamedTuple):
    """`__split_vma`."""

    old: Vma
    lower: Vma
    upper: Vma
    new_below: bool
    """Whether `lower` is the new VMA; else `upper` is."""


class VmaChanged(NamedTuple):
    """New flags; nothing else differs."""

    old: Vma
    vma: Vma


class VmaMerged(NamedTuple):
    """Neighbours became one, or a new range joined one (`commit_merge`)."""

    old: Vma
    """The VMA that is kept, before."""
    vma: Vma
    """The same one, after."""
    donor: Vma | None = None
    """`dup_anon_vma`: `old` was unfaulted and is now linked to all that this VMA is linked to."""
    removed: tuple[Vma, ...] = ()
    """VMAs that were swallowed whole."""
    shrunk: tuple[Vma, Vma] | None = None
    """The VMA that lost pages to `vma`, before and after."""


class VmaRemoved(NamedTuple):
    """munmap or exit unlinked a VMA; its entries are gone."""

    vma: Vma


class VmaCopied(NamedTuple):
    """`copy_vma`: mremap made a VMA at the target that is linked as its source."""

    source: Vma
    vma: Vma


class VmaMoved(NamedTuple):
    """mremap moved the entries of `pages` pages at `start` of `source` to `to` in `vma`.

    `vma` is the copy, or the neighbour that took the range: an unfaulted source may have been that
    neighbour itself. `source` is as it was before; its range is still mapped.
    """

    source: Vma
    start: int
    pages: int
    to: int
    vma: Vma


class Forked(NamedTuple):
    """fork made a process; its VMAs and entries follow."""

    mm: int
    child: int


class VmaForked(NamedTuple):
    """fork copied a VMA; the entries of a faulted one follow."""

    parent: Vma
    vma: Vma


class Exited(NamedTuple):
    """A process ended; its entries and VMAs are gone."""

    mm: int


Event = (
    PteSet
    | PteMoved
    | FolioBorn
    | FolioOwned
    | FolioUpgraded
    | FolioMerged
    | FolioFreed
    | VmaAdded
    | VmaFaulted
    | VmaUnfaulted
    | VmaSplit
    | VmaChanged
    | VmaMerged
    | VmaRemoved
    | VmaCopied
    | VmaMoved
    | Forked
    | VmaForked
    | Exited
)
"""One step of an operation."""


class Record(tuple[Event, ...]):  # noqa: SLOT001 - a tuple cannot have slots of its own
    """The events of one operation, and the record before it. No analogue in the kernel."""

    before: Record | None
    """None: recording began here."""
    notes: dict[Any, Any]
    """What listeners remember about the history up to here; a cache, no part of the value."""

    def __new__(cls, events: Iterable[Event] = (), before: Record | None = None) -> Self:
        """Make the record that follows `before`."""
        self = super().__new__(cls, events)
        self.before = before
        self.notes = {}
        return self


def recording(state: State, notes: dict[Any, Any] | None = None) -> State:
    """Return a state equal to `state` on which operations record their events.

    `notes` are what listeners know already: with them the state need not be empty.

    Raises:
        ValueError: The state is not empty: a listener could not know how it came about.

    >>> from ksm_rmap.model import ops
    >>> ops.mmap(recording(State()), mm=0, start=0, pages=1).events
    (VmaAdded(vma=Vma(mm=0, start=0, end=1, pgoff=0, flags=1048691, anon_vma=None, chain=(), \
anon_pgoff=0, file=None)),)

    """
    if notes is None and state.mms != State().mms:
        raise ValueError("recording begins with an empty state: process 0 with nothing mapped")
    record = Record()
    record.notes = dict(notes or {})
    return dataclasses.replace(state, events=record)
