"""Reclaim and migration through a reverse-map walk: mm/vmscan.c, mm/rmap.c, mm/migrate.c.

Rules of this module:

1. The model knows no walk. An operation is given one and asks it where a folio is mapped; the
   entries that the walk does not name stay as they are. That is how a wrong walk does harm.
2. A swap-out is one step: slot, entries, write-out, and the folio is freed if no entry is left.
   A migration is two: entries become migration entries, and later entries again; system calls
   may come in between. A migration keeps the number of the folio.

Left out: locks, memory control groups, the order of the LRU lists.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from ksm_rmap.model.state import Pte, PteKind, State

if TYPE_CHECKING:
    from ksm_rmap.model._draft import Draft, MmDraft


class FoundPtes(Protocol):
    """What an operation needs of a walk's result."""

    @property
    def ptes(self) -> Iterable[tuple[int, int]]:
        """`(mm, page)` of each entry that the walk visited and that maps the folio."""


Walk = Callable[[State, int], FoundPtes]
"""A reverse-map walk, as the operations see it: `(state, folio) -> result with .ptes`."""


def mapped_folio(d: Draft, mm: MmDraft, page: int) -> int:
    """Return the folio at `page`, present or under migration; EFAULT if there is none."""
    pte: Pte | None = mm.ptes.get(page)
    if pte is None or pte.kind not in {PteKind.PRESENT, PteKind.MIGRATION}:
        raise d.fail(errno.EFAULT, f"process {mm.id} maps no folio at page {page}")
    return pte.target


def swap_out(d: Draft, number: int, walk: Walk) -> None:
    """Swap out one folio as far as `walk` finds its entries (`shrink_folio_list`)."""
    if d.folios[number].migrating:
        raise d.fail(errno.EAGAIN, f"folio {number} is under migration")
    slot = d.enter_swap_cache(number)
    for mm, page in _entries(d, number, walk, PteKind.PRESENT):
        d.set_pte(mm, page, Pte(PteKind.SWAP, slot, _take_exclusive(d, number)))
    folio = d.folios.get(number)
    if folio is not None and not folio.mapcount and not folio.pins:
        d.leave_swap_cache(number)


def reclaim(d: Draft, walk: Walk) -> None:
    """Swap out every folio that is not under migration (`memory.reclaim`).

    A pinned one loses its entries too, but stays in the swap cache.
    """
    for number, folio in list(d.folios.pairs()):
        if folio.mapcount and not folio.migrating:
            swap_out(d, number, walk)
    for number, folio in list(d.folios.pairs()):
        if not folio.mapcount and folio.swap is not None and not folio.pins:
            d.leave_swap_cache(number)


def migrate_begin(d: Draft, number: int, walk: Walk) -> None:
    """Turn the entries of a folio into migration entries (`try_to_migrate`).

    If the walk misses one, the migration is given up and what it found is restored at once,
    through the same walk.
    """
    folio = d.folios[number]
    if folio.migrating or folio.pins:
        why = "is under migration" if folio.migrating else "has an extra reference"
        raise d.fail(errno.EAGAIN, f"folio {number} {why}")
    for mm, page in _entries(d, number, walk, PteKind.PRESENT):
        d.set_pte(mm, page, Pte(PteKind.MIGRATION, number, _take_exclusive(d, number)))
    if d.folios[number].mapcount:
        migrate_end(d, number, walk)


def migrate_end(d: Draft, number: int, walk: Walk) -> None:
    """Turn migration entries into entries of the folio again (`remove_migration_ptes`)."""
    for mm, page in _entries(d, number, walk, PteKind.MIGRATION):
        exclusive = mm.ptes[page].exclusive
        d.set_pte(mm, page, Pte(PteKind.PRESENT, number))
        if exclusive:
            d.folios = d.folios.with_item(number, d.folios[number]._replace(exclusive=True))


def _take_exclusive(d: Draft, number: int) -> bool:
    """Clear PageAnonExclusive and tell whether it was set: from now on the entry has it.

    `folio_try_share_anon_rmap_pte`; fork clears it there, swap-in or the end of the migration
    puts it back.
    """
    folio = d.folios[number]
    if folio.exclusive:
        d.folios = d.folios.with_item(number, folio._replace(exclusive=False))
    return folio.exclusive


def _entries(d: Draft, number: int, walk: Walk, kind: PteKind) -> list[tuple[MmDraft, int]]:
    """Return the entries of `kind` that `walk` finds for a folio, in its order."""
    found = []
    for number_of_mm, page in walk(d.freeze(), number).ptes:
        mm = d.mm(number_of_mm)
        pte: Pte | None = mm.ptes.get(page)
        if pte is not None and pte.kind is kind and pte.target == number:
            found.append((mm, page))
    return found
