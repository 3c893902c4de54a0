"""mremap: mm/mremap.c as of 6.18; moves of several VMAs and the un-merging by `Rules`.

Rules of this module:

1. The order of a move is the kernel's: unmap the target, unmap what a smaller size leaves over,
   break the KSM pages of the range, copy the VMA (which may merge it), move the entries, unmap
   the source or leave it behind.
2. A faulted VMA takes its offsets along: the index of each page stays. An unfaulted anonymous
   one gets the offset of its new address.

Left out: MAYMOVE without a target address, locked and sealed VMAs, map counts, charges.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

from ksm_rmap.model._fault import blocked, copy_folio, unshare
from ksm_rmap.model._rmap import anon_vma_clone, unlink_anon_vmas
from ksm_rmap.model._sorted_map import record
from ksm_rmap.model._vma import Range, merge_new, unmap
from ksm_rmap.model.events import PteMoved, VmaCopied, VmaMoved, VmaUnfaulted
from ksm_rmap.model.state import Folio, PteKind, Vma, VmFlag

if TYPE_CHECKING:
    from ksm_rmap.model._draft import Draft, MmDraft


@record
class Remap(NamedTuple):
    """`struct vma_remap_struct`: one request, in pages."""

    start: int
    pages: int
    new_pages: int
    to: int | None
    """Start of the target (MAYMOVE|FIXED); None: in place."""
    dontunmap: bool


def mremap(d: Draft, mm: MmDraft, req: Remap) -> None:
    """Do what is asked, or raise EINVAL, EFAULT or ENOMEM (`do_mremap`)."""
    _check_parameters(d, mm, req)
    if req.to is not None and req.pages == req.new_pages and d.rules.multi_vma_move:
        _move_each_vma(d, mm, req, req.to)
        return
    vma = mm.vma_at(req.start)
    if vma is None:
        raise d.fail(errno.EFAULT, f"process {mm.id} has nothing mapped at page {req.start}")
    _check_source(d, mm, vma, req)
    if req.to is not None:
        _move_to(d, mm, req, req.to)
    elif req.new_pages < req.pages:
        unmap(d, mm, req.start + req.new_pages, req.start + req.pages)
    elif req.new_pages > req.pages:
        _expand(d, mm, vma, req)


def _check_parameters(d: Draft, mm: MmDraft, req: Remap) -> None:
    """`check_mremap_params`."""
    if not req.new_pages:
        raise d.fail(errno.EINVAL, f"process {mm.id} asks for a new size of 0 pages")
    if req.to is None:
        if req.dontunmap:
            raise d.fail(errno.EINVAL, "DONTUNMAP needs a target address")
        return
    if req.dontunmap and req.pages != req.new_pages:
        raise d.fail(errno.EINVAL, "DONTUNMAP cannot change the size")
    if req.start + req.pages > req.to and req.to + req.new_pages > req.start:
        source = f"[{req.start}, {req.start + req.pages})"
        target = f"[{req.to}, {req.to + req.new_pages})"
        raise d.fail(errno.EINVAL, f"process {mm.id} source {source} overlaps target {target}")


def _check_source(d: Draft, mm: MmDraft, vma: Vma, req: Remap) -> None:
    """`check_prep_vma`: the range that is moved or extended must lie in one VMA."""
    if req.to is None and req.new_pages <= req.pages:
        return
    if not req.pages:
        raise d.fail(errno.EINVAL, "a private mapping cannot be duplicated (old size 0)")
    needed = min(req.pages, req.new_pages)
    if needed > vma.end - req.start:
        end = req.start + needed
        raise d.fail(
            errno.EFAULT,
            f"process {mm.id} range [{req.start}, {end}) leaves the VMA [{vma.start}, {vma.end})",
        )


def _move_each_vma(d: Draft, mm: MmDraft, req: Remap, to: int) -> None:
    """Move every VMA of the range in turn and keep the gaps between them (`remap_move`)."""
    page, end = req.start, req.start + req.pages
    target, last_end, seen = to, 0, False
    while page < end and (vma := mm.next_vma(page)) is not None and vma.start < end:
        start, stop = max(vma.start, req.start), min(vma.end, end)
        if not seen and req.start < vma.start:
            break
        target += vma.start - last_end if seen else 0
        last_end = vma.end
        pages = stop - start
        _move_to(d, mm, Remap(start, pages, pages, target, req.dontunmap), target)
        target, page, seen = target + pages, stop, True
    if not seen:
        raise d.fail(errno.EFAULT, f"process {mm.id} has nothing mapped at page {req.start}")


def _move_to(d: Draft, mm: MmDraft, req: Remap, to: int) -> None:
    """Clear the target, drop what a smaller size leaves over, move (`mremap_to`)."""
    unmap(d, mm, to, to + req.new_pages)
    if req.new_pages < req.pages:
        unmap(d, mm, req.start + req.new_pages, req.start + req.pages)
        req = req._replace(pages=req.new_pages)
    vma = mm.vma_at(req.start)
    assert vma is not None  # source and target do not overlap
    _move_vma(d, mm, vma, req, to)


def _move_vma(d: Draft, mm: MmDraft, vma: Vma, req: Remap, to: int) -> None:
    """`move_vma` and `copy_vma_and_data`."""
    start, end = req.start, req.start + req.pages
    if d.rules.mremap_unmerges:
        break_ksm_range(d, mm, vma, start, end)
        vma = mm.vmas[vma.start]
    if d.rules.copies_moved:
        _copy_shared(d, mm, vma, start, end)
    merged = _copy_vma(d, mm, vma, req, to)
    for page, pte in list(mm.ptes.pairs(start, end)):
        # The target range is empty, so an entry moves without a count changing.
        mm.ptes = mm.ptes.without(page).with_item(to + page - start, pte)
        if d.events is not None:
            d.events.append(PteMoved(mm.id, page, to + page - start, pte))
    if d.events is not None:
        d.events.append(VmaMoved(vma, start, end - start, to, merged))
    if not req.dontunmap:
        unmap(d, mm, start, end)
    elif (vma.start, vma.end) == (start, end) and not merged.start <= start < merged.end:
        _leave_behind(d, mm, vma)


def _copy_shared(d: Draft, mm: MmDraft, vma: Vma, start: int, end: int) -> None:
    """Copy the ordinary pages of `[start, end)` that others use too (`copies_moved`)."""
    for page, pte in list(mm.ptes.pairs(start, end)):
        if pte.kind is PteKind.MIGRATION:
            raise blocked(d, mm, page, pte.target)
        folio: Folio | None = d.folios[pte.target] if pte.kind is PteKind.PRESENT else None
        if folio is not None and not folio.ksm and folio.mapcount > 1:
            copy_folio(d, mm, vma, page, folio.content)


def _copy_vma(d: Draft, mm: MmDraft, vma: Vma, req: Remap, to: int) -> Vma:
    """Return the VMA at the target: a neighbour that took the range, or a copy (`copy_vma`)."""
    shift = req.start - vma.start
    pgoff, anon_pgoff = vma.pgoff + shift, vma.anon_pgoff + shift
    if vma.anon_vma is None:
        if vma.file is None:
            pgoff = anon_pgoff = to
        elif d.rules.anon_pgoff:
            anon_pgoff = to
    end = to + req.new_pages
    wanted = Range(to, end, pgoff, anon_pgoff, vma.flags, vma.file, vma.anon_vma, vma)
    merged = merge_new(d, mm, wanted)
    if merged is not None:
        return merged
    copy = vma._replace(start=to, end=end, pgoff=pgoff, anon_pgoff=anon_pgoff)
    copy = anon_vma_clone(d, copy, vma)
    mm.vmas = mm.vmas.with_item(to, copy)
    if d.events is not None:
        d.events.append(VmaCopied(vma, copy))
    return copy


def _leave_behind(d: Draft, mm: MmDraft, vma: Vma) -> None:
    """Leave the source of a whole DONTUNMAP move unfaulted (`dontunmap_complete`)."""
    left = unlink_anon_vmas(d, vma)
    if d.rules.dontunmap_resets_pgoff:
        left = left._replace(anon_pgoff=left.start)
        if left.file is None:
            left = left._replace(pgoff=left.start)
    mm.vmas = mm.vmas.with_item(left.start, left)
    if d.events is not None:
        d.events.append(VmaUnfaulted(vma, left))


def _expand(d: Draft, mm: MmDraft, vma: Vma, req: Remap) -> None:
    """Extend a VMA at its end, if the room is free (`expand_vma_in_place`)."""
    end = vma.end + req.new_pages - req.pages
    if req.start + req.pages != vma.end or mm.vmas_in(vma.end, end):
        raise d.fail(
            errno.ENOMEM, f"process {mm.id} cannot extend [{vma.start}, {vma.end}) to {end}"
        )
    extension = Range(
        vma.end,
        end,
        vma.pgoff + vma.pages,
        vma.anon_pgoff + vma.pages,
        vma.flags,
        vma.file,
        vma.anon_vma,
    )
    merge_new(d, mm, extension)


def break_ksm_range(d: Draft, mm: MmDraft, vma: Vma, start: int, end: int) -> None:
    """Un-share the KSM pages of `[start, end)` (`ksm_madvise(MADV_UNMERGEABLE)`).

    Nothing happens in a VMA that is not VM_MERGEABLE or has no anon_vma, whatever it maps.
    """
    if vma.has(VmFlag.MERGEABLE) and vma.anon_vma is not None:
        for page, _ in list(mm.ptes.pairs(start, end)):
            unshare(d, mm, vma, page)
