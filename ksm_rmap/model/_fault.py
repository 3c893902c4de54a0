"""Page faults: mm/memory.c, with the swap-in check of KSM (`ksm_might_need_to_copy`, mm/ksm.c).

Rules of this module:

1. A fault handles one page. A fault on a folio under migration would sleep until the migration
   has ended; here it is refused with EAGAIN.
2. A swap-in of a slot that only one entry refers to bypasses the swap cache, as on a synchronous
   swap device (zram); the swap area never counts as full.

Left out: the write-protect and soft-dirty bits, huge pages, NUMA hints, memory pressure.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from ksm_rmap.model._rmap import anon_vma_prepare
from ksm_rmap.model.events import FolioOwned
from ksm_rmap.model.state import Folio, Mapping, Pte, PteKind, Vma, VmFlag, linear_page_index

if TYPE_CHECKING:
    from ksm_rmap.model._draft import Draft, MmDraft

NO_NODE = -1
"""`Folio.mapping` of a KSM folio whose stable node was removed (`folio_set_stable_node(NULL)`)."""


def vma_for(d: Draft, mm: MmDraft, page: int, access: int) -> Vma:
    """Return the VMA at `page` if it allows `access`; EFAULT (SIGSEGV) otherwise."""
    vma = mm.vma_at(page)
    if vma is None:
        raise d.fail(errno.EFAULT, f"process {mm.id} has nothing mapped at page {page}")
    if not vma.flags & access:
        raise d.fail(errno.EFAULT, f"process {mm.id} may not {_name(access)} page {page}")
    return vma


def _name(access: int) -> str:
    return "write" if access == VmFlag.WRITE else "read"


def read_fault(d: Draft, mm: MmDraft, page: int) -> None:
    """Read one page: an absent entry becomes the zero page, a swapped one comes back."""
    vma = vma_for(d, mm, page, VmFlag.READ)
    pte: Pte | None = mm.ptes.get(page)
    if pte is None:
        if vma.file is None:
            d.set_pte(mm, page, Pte(PteKind.ZERO))
    elif pte.kind is PteKind.SWAP:
        swap_in(d, mm, vma, page, pte)
    elif pte.kind is PteKind.MIGRATION:
        raise blocked(d, mm, page, pte.target)


def write_fault(d: Draft, mm: MmDraft, page: int, content: int) -> None:
    """Write one page, then let it have `content`."""
    vma = vma_for(d, mm, page, VmFlag.WRITE)
    pte: Pte | None = mm.ptes.get(page)
    if pte is not None and pte.kind is PteKind.SWAP:
        swap_in(d, mm, vma, page, pte, write=True)
        vma, pte = mm.vmas[vma.start], mm.ptes[page]
    if pte is None or pte.kind is PteKind.ZERO:
        vma = anon_vma_prepare(d, mm, vma)
        d.set_pte(mm, page, Pte(PteKind.PRESENT, d.new_folio(vma, page, content)))
        return
    if pte.kind is PteKind.MIGRATION:
        raise blocked(d, mm, page, pte.target)
    number = _writable_folio(d, mm, vma, page, pte.target)
    d.folios = d.folios.with_item(number, d.folios[number]._replace(content=content))


def _writable_folio(d: Draft, mm: MmDraft, vma: Vma, page: int, number: int) -> int:
    """Return the folio that a write to `page` may change (`do_wp_page`)."""
    folio = d.folios[number]
    if folio.exclusive:
        return number
    vma = anon_vma_prepare(d, mm, vma)
    if can_reuse(d, folio):
        if folio.swap is not None:
            d.leave_swap_cache(number)
            folio = d.folios[number]
        assert vma.anon_vma is not None  # prepared above
        owned = folio._replace(exclusive=True, mapping=vma.anon_vma)  # folio_move_anon_rmap
        d.folios = d.folios.with_item(number, owned)
        if d.events is not None:
            d.events.append(FolioOwned(number, vma, page))
        return number
    return copy_folio(d, mm, vma, page, folio.content)


def can_reuse(d: Draft, folio: Folio) -> bool:
    """`wp_can_reuse_anon_folio`: the faulting entry holds the only reference."""
    if folio.ksm or folio.mapcount != 1 or folio.pins:
        return False
    return folio.swap is None or d.slots[folio.swap].ptes == 0


def copy_folio(d: Draft, mm: MmDraft, vma: Vma, page: int, content: int) -> int:
    """Map a new exclusive folio at `page` instead of what is there (`wp_page_copy`)."""
    number = d.new_folio(vma, page, content)
    d.set_pte(mm, page, Pte(PteKind.PRESENT, number))
    return number


def unshare(d: Draft, mm: MmDraft, vma: Vma, page: int) -> None:
    """Break the KSM page at `page`, if there is one (`break_ksm`, FAULT_FLAG_UNSHARE).

    A present KSM page is copied. A swap entry is left alone, even if its folio in the swap cache
    is a KSM folio; a migration entry of one makes the caller wait.
    """
    pte: Pte | None = mm.ptes.get(page)
    if pte is None or pte.kind not in {PteKind.PRESENT, PteKind.MIGRATION}:
        return
    folio = d.folios[pte.target]
    if not folio.ksm:
        return
    if pte.kind is PteKind.MIGRATION:
        raise blocked(d, mm, page, pte.target)
    copy_folio(d, mm, anon_vma_prepare(d, mm, vma), page, folio.content)


def blocked(d: Draft, mm: MmDraft, page: int, folio: int) -> Exception:
    """Return the error for a call that would sleep until a migration has ended."""
    return d.fail(
        errno.EAGAIN, f"process {mm.id} page {page} waits for the migration of folio {folio}"
    )


def swap_in(d: Draft, mm: MmDraft, vma: Vma, page: int, pte: Pte, *, write: bool = False) -> None:
    """Bring back the page behind a swap entry (`do_swap_page`)."""
    vma = anon_vma_prepare(d, mm, vma)
    slot = d.slots[pte.target]
    cached = slot.folio
    if cached is None:
        _read_from_swap(d, mm, vma, page, pte)
        return
    folio = d.folios[cached]
    if folio.migrating:
        raise blocked(d, mm, page, cached)
    if _needs_copy(d, vma, page, cached):
        copy_folio(d, mm, vma, page, folio.content)
        return
    d.set_pte(mm, page, Pte(PteKind.PRESENT, cached))
    folio = d.folios[cached]
    if write and can_reuse(d, folio):  # should_try_to_free_swap()
        d.leave_swap_cache(cached)
        folio = d.folios[cached]
    if not folio.ksm and (pte.exclusive or (folio.swap is None and folio.mapcount == 1)):
        assert vma.anon_vma is not None  # prepared above
        owned = folio._replace(exclusive=True)
        d.folios = d.folios.with_item(cached, owned)


def _read_from_swap(d: Draft, mm: MmDraft, vma: Vma, page: int, pte: Pte) -> None:
    slot = d.slots[pte.target]
    alone = slot.ptes == 1
    exclusive = alone or pte.exclusive
    number = d.new_folio(vma, page, slot.content, exclusive=exclusive)
    if not alone:  # the others will look for it in the swap cache
        d.slots = d.slots.with_item(pte.target, slot._replace(folio=number))
        d.folios = d.folios.with_item(number, d.folios[number]._replace(swap=pte.target))
    d.set_pte(mm, page, Pte(PteKind.PRESENT, number))


def _needs_copy(d: Draft, vma: Vma, page: int, number: int) -> bool:
    """`ksm_might_need_to_copy`: a KSM folio is taken as it is, at whatever address."""
    folio = d.folios[number]
    if folio.kind is Mapping.KSM:
        return folio.mapping == NO_NODE
    assert vma.anon_vma is not None  # prepared by swap_in
    if folio.mapping not in d.anon_vmas:
        return True
    if d.rules.copies_moved and _mapped_at(d, page, number) < folio.mapcount:
        return True
    same_root = d.anon_vmas[folio.mapping].root == d.anon_vmas[vma.anon_vma].root
    return folio.index != linear_page_index(vma, page) or not same_root


def _mapped_at(d: Draft, page: int, number: int) -> int:
    """Return how many processes map the folio at `page`; O(processes)."""
    there = (d.any_mm(mm).ptes.get(page) for mm in d.mm_numbers())
    return sum(1 for pte in there if pte is not None and pte.folio == number)


def copy_ptes(d: Draft, src: MmDraft, dst: MmDraft, start: int, end: int) -> None:
    """Copy the entries of `[start, end)` for fork; nothing stays exclusive (`copy_page_range`)."""
    for page, pte in list(src.ptes.pairs(start, end)):
        if pte.kind is PteKind.PRESENT:
            folio = d.folios[pte.target]
            if folio.exclusive:
                shared = folio._replace(exclusive=False)
                d.folios = d.folios.with_item(pte.target, shared)
        elif pte.exclusive:
            pte = pte._replace(exclusive=False)  # noqa: PLW2901 - both sides lose it
            d.set_pte(src, page, pte)
        d.set_pte(dst, page, pte)
