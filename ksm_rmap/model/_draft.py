"""A draft: the working copy on which one operation builds the next state.

No analogue in the kernel. The functions of this package are written as the kernel writes them:
they change a draft step by step. The public operations make the draft from a `State`, and a new
`State` from the draft, so that callers see pure functions; an operation that fails throws its
draft away. Every table is persistent: to make a draft and to freeze it costs no copy.

Rules of this module:

1. Every change of a page-table entry goes through `set_pte`, which keeps mapcounts, migration
   counts and swap slots in step. Nothing else changes those counts.
2. A folio disappears when nothing refers to it: no mapping, no migration entry, no pin, no swap
   cache. Its stable node stays behind, stale, while it has rmap items (ksmd notices later).
"""

from __future__ import annotations

import errno

from ksm_rmap.model.errors import MmError
from ksm_rmap.model.events import Event, FolioBorn, FolioFreed, PteSet, Record
from ksm_rmap.model.state import (
    AnonVma,
    Folio,
    Mapping,
    Mm,
    Pte,
    PteKind,
    State,
    SwapSlot,
    Vma,
    linear_page_index,
)

__all__ = ("Draft", "MmDraft")


class MmDraft:
    """The working copy of one `Mm`; the tables are replaced, never changed."""

    __slots__ = ("alive", "id", "items", "merge_any", "ptes", "vmas")

    def __init__(self, number: int, mm: Mm) -> None:
        self.id = number
        self.vmas, self.ptes, self.items, self.merge_any, self.alive = mm

    def freeze(self) -> Mm:
        """Return the immutable form."""
        return Mm(self.vmas, self.ptes, self.items, self.merge_any, self.alive)

    def vma_at(self, page: int) -> Vma | None:
        """Return the VMA that covers `page`, or None (`vma_lookup`)."""
        found = self.vmas.floor(page)
        return found[1] if found and page < found[1].end else None

    def next_vma(self, page: int) -> Vma | None:
        """Return the first VMA that ends beyond `page`, or None (`find_vma`)."""
        found = self.vma_at(page)
        if found is None:
            above = self.vmas.ceiling(page)
            found = above[1] if above else None
        return found

    def prev_vma(self, page: int) -> Vma | None:
        """Return the last VMA that starts below `page`, or None."""
        found = self.vmas.floor(page - 1)
        return found[1] if found else None

    def vmas_in(self, start: int, end: int) -> list[Vma]:
        """Return the VMAs that meet `[start, end)`, ascending."""
        first = self.vma_at(start)
        found = [] if first is None or first.start == start else [first]
        for _, vma in self.vmas.pairs(start, end):
            found.append(vma)
        return found


class Draft:
    """The working copy of one `State` while `operation` runs."""

    __slots__ = (
        "_mms",
        "_state",
        "anon_vmas",
        "events",
        "folios",
        "ksmd",
        "next_id",
        "nodes",
        "operation",
        "rules",
        "slots",
    )

    def __init__(self, state: State, operation: str) -> None:
        self._state = state
        self._mms: dict[int, MmDraft] = {}
        self.operation = operation
        self.rules = state.rules
        self.anon_vmas = state.anon_vmas
        self.folios = state.folios
        self.nodes = state.nodes
        self.slots = state.slots
        self.ksmd = state.ksmd
        self.next_id = state.next_id
        self.events: list[Event] | None = None if state.events is None else []

    def freeze(self) -> State:
        """Return the state that this draft describes."""
        mms = self._state.mms
        for number, mm in self._mms.items():
            if mm.alive or mm.items or number in self.ksmd.slots:
                mms = mms.with_item(number, mm.freeze())
            elif number in mms:
                mms = mms.without(number)
        return State(
            self.rules, mms, self.anon_vmas, self.folios, self.nodes, self.slots, self.ksmd,
            self.next_id, None if self.events is None else self._record(self.events),
        )  # fmt: skip

    def _record(self, events: list[Event]) -> Record:
        before = self._state.events
        return Record(events, before if isinstance(before, Record) else None)

    def fail(self, number: int, detail: str, *, partial: bool = False) -> MmError:
        """Return the error to raise; `partial` hands out what was done before."""
        return MmError(number, self.operation, detail, self.freeze() if partial else None)

    def new_id(self) -> int:
        """Return a number that no object has had."""
        self.next_id += 1
        return self.next_id - 1

    # Processes

    def any_mm(self, number: int) -> MmDraft:
        """Return the working copy of process `number`, dead or alive; KeyError if unknown."""
        mm = self._mms.get(number)
        if mm is None:
            mm = self._mms[number] = MmDraft(number, self._state.mms[number])
        return mm

    def mm_numbers(self) -> list[int]:
        """Return the number of each process, ascending."""
        return sorted({*self._state.mms, *self._mms})

    def mm(self, number: int) -> MmDraft:
        """Return the working copy of a living process; ESRCH for any other."""
        mm = self._mms.get(number)
        if mm is None and number in self._state.mms:
            mm = self.any_mm(number)
        if mm is not None and mm.alive:
            return mm
        raise self.fail(errno.ESRCH, f"there is no process {number}")

    def add_mm(self, number: int) -> MmDraft:
        """Return the working copy of a new process."""
        if number in self._mms or number in self._state.mms:
            raise self.fail(errno.EEXIST, f"process {number} exists already")
        mm = self._mms[number] = MmDraft(number, Mm())
        return mm

    # Page-table entries, and the counts that follow them

    def set_pte(self, mm: MmDraft, page: int, pte: Pte | None) -> None:
        """Replace the entry of `mm` at `page`; count the new target first, then the old one."""
        old: Pte | None = mm.ptes.get(page)
        if self.events is not None:
            self.events.append(PteSet(mm.id, page, old, pte))
        if pte is not None:
            self._count(pte, 1)
            mm.ptes = mm.ptes.with_item(page, pte)
        elif old is not None:
            mm.ptes = mm.ptes.without(page)
        if old is not None:
            self._count(old, -1)

    def _count(self, pte: Pte, by: int) -> None:
        if pte.kind is PteKind.PRESENT:
            folio = self.folios[pte.target]
            self.put_folio(pte.target, folio._replace(mapcount=folio.mapcount + by))
        elif pte.kind is PteKind.SWAP:
            slot = self.slots[pte.target]
            self._put_slot(pte.target, slot._replace(ptes=slot.ptes + by))
        elif pte.kind is PteKind.MIGRATION:
            folio = self.folios[pte.target]
            self.put_folio(pte.target, folio._replace(migrating=folio.migrating + by))

    # Folios and the swap cache

    def new_folio(self, vma: Vma, page: int, content: int, *, exclusive: bool = True) -> int:
        """Return a new folio for `page`, not mapped yet (`__folio_set_anon`, mm/rmap.c).

        A folio that may be shared belongs to the root anon_vma, an exclusive one to the VMA's.
        """
        assert vma.anon_vma is not None, "anon_vma_prepare comes first"  # invariant
        anon_vma = vma.anon_vma if exclusive else self.anon_vmas[vma.anon_vma].root
        number = self.new_id()
        index = linear_page_index(vma, page)
        self.folios = self.folios.with_item(
            number, Folio(Mapping.ANON, anon_vma, index, 0, exclusive, content)
        )
        if self.events is not None:
            self.events.append(FolioBorn(number, vma, page, exclusive))
        return number

    def put_folio(self, number: int, folio: Folio) -> None:
        """Store `folio`, or free it when nothing refers to it any more."""
        if not folio.mapcount and not folio.migrating and folio.swap is not None:
            slot = self.slots[folio.swap]
            if not slot.ptes and not folio.pins:  # folio_free_swap() of an unmapped folio
                self.slots = self.slots.without(folio.swap)
                folio = folio._replace(swap=None)
        if folio.mapcount or folio.migrating or folio.pins or folio.swap is not None:
            self.folios = self.folios.with_item(number, folio)
        else:
            self.folios = self.folios.without(number)
            if self.events is not None:
                self.events.append(FolioFreed(number))
            self._node_became_stale(folio)

    def _put_slot(self, number: int, slot: SwapSlot) -> None:
        self.slots = self.slots.with_item(number, slot)
        if slot.ptes:
            return
        if slot.folio is None:
            self.slots = self.slots.without(number)
        else:
            self.put_folio(slot.folio, self.folios[slot.folio])

    def leave_swap_cache(self, number: int) -> None:
        """Take a folio out of the swap cache (`folio_free_swap` or the end of a write-out)."""
        folio = self.folios[number]
        assert folio.swap is not None  # callers look first
        slot = self.slots[folio.swap]
        if slot.ptes:
            self.slots = self.slots.with_item(folio.swap, slot._replace(folio=None))
        else:
            self.slots = self.slots.without(folio.swap)
        self.put_folio(number, folio._replace(swap=None))

    def enter_swap_cache(self, number: int) -> int:
        """Give a folio a swap slot, unless it has one, and return the slot."""
        folio = self.folios[number]
        if folio.swap is not None:  # written to since, if it was exclusive: write it out again
            old = self.slots[folio.swap]._replace(content=folio.content)
            self.slots = self.slots.with_item(folio.swap, old)
            return folio.swap
        slot = self.new_id()
        self.slots = self.slots.with_item(slot, SwapSlot(0, folio.content, number))
        self.folios = self.folios.with_item(number, folio._replace(swap=slot))
        return slot

    def _node_became_stale(self, folio: Folio) -> None:
        """Forget the stable node of a freed folio at once when no item hangs on it."""
        if folio.ksm and folio.mapping in self.nodes and not self.nodes[folio.mapping].items:
            self.drop_node(folio.mapping)

    def drop_node(self, number: int) -> None:
        """Remove a stable node without items from the stable tree."""
        content = self.nodes[number].content
        self.nodes = self.nodes.without(number)
        kept = tuple(n for n in self.ksmd.stable[content] if n != number)
        stable = self.ksmd.stable
        stable = stable.with_item(content, kept) if kept else stable.without(content)
        self.ksmd = self.ksmd._replace(stable=stable)

    # anon_vmas

    def change_anon_vma(
        self, number: int, refcount: int = 0, num_children: int = 0, num_active_vmas: int = 0
    ) -> None:
        """Add to the counters of an anon_vma."""
        root, parent, refs, children, active, tree = self.anon_vmas[number]
        self.anon_vmas = self.anon_vmas.with_item(
            number,
            AnonVma(
                root, parent, refs + refcount, children + num_children, active + num_active_vmas,
                tree,
            ),
        )  # fmt: skip
