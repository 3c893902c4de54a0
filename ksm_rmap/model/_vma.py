"""VMAs: split, merge, modify, unmap. Models mm/vma.c (6.18; the older merge rule by `Rules`).

Rules of this module:

1. `index(vma, page)` of a page that is mapped never changes here: a split adds to the offset of
   the upper piece what it adds to its start, a merge demands contiguous offsets.
2. The VMA map of the mm is changed together with the interval trees, in the kernel's order, so
   that ties between equal keys come out as they do there.

Left out: policies, userfaultfd contexts, anonymous names, `vm_ops->close`, sealing, map counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ksm_rmap.model._rmap import anon_vma_clone, rekey, unlink_anon_vmas
from ksm_rmap.model._sorted_map import record
from ksm_rmap.model.events import VmaChanged, VmaMerged, VmaRemoved, VmaSplit
from ksm_rmap.model.rules import MergeRule

if TYPE_CHECKING:
    from ksm_rmap.model._draft import Draft, MmDraft
    from ksm_rmap.model.state import Vma


@record
class Range(NamedTuple):
    """`struct vma_merge_struct`: a range that might join its neighbours."""

    start: int
    end: int
    """Exclusive."""
    pgoff: int
    anon_pgoff: int
    flags: int
    file: str | None
    anon_vma: int | None = None
    source: Vma | None = None
    """The VMA that is modified (`middle`) or copied by mremap (`copied_from`)."""


def split_vma(d: Draft, mm: MmDraft, vma: Vma, page: int, *, new_below: bool) -> tuple[Vma, Vma]:
    """Split `vma` at `page` and return the lower and the upper piece (`__split_vma`).

    The new VMA is cloned and enters the trees before the old one is shrunk; `new_below` tells
    which of the two pieces is new.
    """
    lower = vma._replace(end=page)
    shift = page - vma.start
    upper = vma._replace(start=page, pgoff=vma.pgoff + shift, anon_pgoff=vma.anon_pgoff + shift)
    if new_below:
        lower = anon_vma_clone(d, lower, vma)
        rekey(d, [(vma, upper)])
    else:
        upper = anon_vma_clone(d, upper, vma)
        rekey(d, [(vma, lower)])
    mm.vmas = mm.vmas.with_item(lower.start, lower).with_item(upper.start, upper)
    if d.events is not None:
        d.events.append(VmaSplit(vma, lower, upper, new_below))
    return lower, upper


def vma_modify(d: Draft, mm: MmDraft, vma: Vma, start: int, end: int, flags: int) -> Vma:
    """Give `[start, end)` of `vma` new flags: merge with a neighbour or split; return the result.

    `vma_modify`, mm/vma.c. The result may be larger than the range when it was merged.
    """
    merged = _merge_existing(d, mm, vma, start, end, flags)
    if merged is not None:
        return merged
    if vma.start < start:
        _, vma = split_vma(d, mm, vma, start, new_below=True)
    if vma.end > end:
        vma, _ = split_vma(d, mm, vma, end, new_below=False)
    changed = vma._replace(flags=flags)
    mm.vmas = mm.vmas.with_item(vma.start, changed)
    if d.events is not None:
        d.events.append(VmaChanged(vma, changed))
    return changed


def merge_new(d: Draft, mm: MmDraft, new: Range) -> Vma | None:
    """Join a range that is not mapped yet to its neighbours; None if neither takes it.

    `vma_merge_new_range` and `vma_expand`, mm/vma.c.
    """
    prev, following = mm.prev_vma(new.start), mm.vmas.get(new.end)
    left = prev is not None and prev.end == new.start and _merge_after(d, prev, new)
    right = following is not None and _merge_before(d, new, following)
    if left and right:
        right = _both(prev, following)
    if left and prev is not None:
        absorbed = following if right else None
        donor = _donor(prev, absorbed, new.source)
        target = _dup_anon_vma(d, prev, donor)
        grown = target._replace(end=absorbed.end if absorbed else new.end)
        removed = () if absorbed is None else (absorbed,)
        return _commit(d, mm, target, VmaMerged(prev, grown, donor, removed))
    if right and following is not None:
        donor = _donor(following, None, new.source)
        target = _dup_anon_vma(d, following, donor)
        grown = _lowered(target, new.start)
        return _commit(d, mm, target, VmaMerged(following, grown, donor))
    return None


def _merge_existing(
    d: Draft, mm: MmDraft, vma: Vma, start: int, end: int, flags: int
) -> Vma | None:
    """`vma_merge_existing_range`: the part `[start, end)` of `vma` joins its neighbours."""
    at_left, at_right = start == vma.start, end == vma.end
    shift = start - vma.start
    part = Range(
        start, end, vma.pgoff + shift, vma.anon_pgoff + shift, flags, vma.file, vma.anon_vma, vma
    )
    prev = mm.prev_vma(start) if at_left else None
    following = mm.vmas.get(end) if at_right else None
    left = prev is not None and prev.end == start and _merge_after(d, prev, part)
    right = following is not None and _merge_before(d, part, following)
    if left and right:
        right = _both(prev, following)
    if left and prev is not None:
        return _merge_left(d, mm, prev, vma, end, following if right else None)
    if right and following is not None:
        return _merge_right(d, mm, vma, start, following)
    return None


def _merge_left(d: Draft, mm: MmDraft, prev: Vma, vma: Vma, end: int, following: Vma | None) -> Vma:
    """`prev` grows over `[vma.start, end)`, and over `following` if that is given."""
    donor = _donor(prev, following, vma)
    target = _dup_anon_vma(d, prev, donor)
    if following is not None:
        grown = target._replace(end=following.end)
        return _commit(d, mm, target, VmaMerged(prev, grown, donor, (vma, following)))
    grown = target._replace(end=end)
    if end == vma.end:
        return _commit(d, mm, target, VmaMerged(prev, grown, donor, (vma,)))
    shrunk = (vma, _raised(vma, end))
    return _commit(d, mm, target, VmaMerged(prev, grown, donor, (), shrunk))


def _merge_right(d: Draft, mm: MmDraft, vma: Vma, start: int, following: Vma) -> Vma:
    """`following` grows down to `start`; `vma` shrinks or disappears."""
    donor = _donor(following, None, vma)
    target = _dup_anon_vma(d, following, donor)
    grown = _lowered(target, start)
    if start == vma.start:
        return _commit(d, mm, target, VmaMerged(following, grown, donor, (vma,)))
    shrunk = (vma, vma._replace(end=start))
    return _commit(d, mm, target, VmaMerged(following, grown, donor, (), shrunk))


def _raised(vma: Vma, start: int) -> Vma:
    """Return `vma` with a higher start; the index of each page stays."""
    shift = start - vma.start
    return vma._replace(start=start, pgoff=vma.pgoff + shift, anon_pgoff=vma.anon_pgoff + shift)


_lowered = _raised  # a negative shift


def _commit(d: Draft, mm: MmDraft, target: Vma, merged: VmaMerged) -> Vma:
    """Change VMAs, then unlink the swallowed ones (`commit_merge`, `vma_complete`).

    `target` is the VMA that is kept, linked already; returns it as it is afterwards.
    """
    changes = [(target, merged.vma)]
    if merged.shrunk is not None:
        changes.insert(merged.shrunk[0].start > target.start, merged.shrunk)
    rekey(d, changes)
    vmas = mm.vmas
    for vma in (*(old for old, _ in changes), *merged.removed):
        vmas = vmas.without(vma.start)
    for _, new in changes:
        vmas = vmas.with_item(new.start, new)
    mm.vmas = vmas
    for vma in merged.removed:
        unlink_anon_vmas(d, vma)
    if d.events is not None:
        d.events.append(merged)
    return merged.vma


def _donor(target: Vma, neighbour: Vma | None, source: Vma | None) -> Vma | None:
    """Return the VMA whose anon_vmas an unfaulted `target` gets; None: none or no need.

    `source` is the VMA that is modified, or that mremap copies; a swallowed neighbour with an
    anon_vma goes first.
    """
    if target.anon_vma is None:
        for vma in (neighbour, source):
            if vma is not None and vma.anon_vma is not None:
                return vma
    return None


def _dup_anon_vma(d: Draft, target: Vma, donor: Vma | None) -> Vma:
    """Link `target` to the anon_vmas of what it swallows (`dup_anon_vma`)."""
    if donor is None:
        return target
    return anon_vma_clone(d, target._replace(anon_vma=donor.anon_vma), donor)


def _merge_after(d: Draft, prev: Vma, part: Range) -> bool:
    """`can_vma_merge_after`: `part` may join the end of `prev`."""
    return (
        _mergeable(prev, part)
        and prev.pgoff + prev.pages == part.pgoff
        and prev.anon_pgoff + prev.pages == part.anon_pgoff
        and _anon_vmas_agree(d, part, prev)
    )


def _merge_before(d: Draft, part: Range, following: Vma) -> bool:
    """`can_vma_merge_before`: `part` may join the start of `following`."""
    pages = part.end - part.start
    return (
        _mergeable(following, part)
        and part.pgoff + pages == following.pgoff
        and part.anon_pgoff + pages == following.anon_pgoff
        and _anon_vmas_agree(d, part, following)
    )


def _mergeable(vma: Vma, part: Range) -> bool:
    return vma.flags == part.flags and vma.file == part.file


def _anon_vmas_agree(d: Draft, part: Range, target: Vma) -> bool:
    """`is_mergeable_anon_vma`, in the two forms that `MergeRule` names."""
    if part.anon_vma == target.anon_vma:
        return True
    if part.anon_vma is not None and target.anon_vma is not None:
        return False
    if d.rules.merge_rule is MergeRule.OLD:
        return len(target.chain) == 1
    faulted = target if target.anon_vma is not None else part.source
    return faulted is None or len(faulted.chain) == 1


def _both(prev: Vma | None, following: Vma | None) -> bool:
    """Whether two neighbours that both take the range agree with each other."""
    assert prev is not None  # callers found both
    assert following is not None
    one_is_null = prev.anon_vma is None or following.anon_vma is None
    return one_is_null or prev.anon_vma == following.anon_vma


def unmap(d: Draft, mm: MmDraft, start: int, end: int) -> None:
    """Remove `[start, end)`: split the ends, zap the entries, unlink (`do_vmi_munmap`)."""
    doomed = mm.vmas_in(start, end)
    for at, vma in enumerate(doomed):
        if vma.start < start:
            _, doomed[at] = split_vma(d, mm, vma, start, new_below=True)
        if vma.end > end:
            doomed[at], _ = split_vma(d, mm, doomed[at], end, new_below=False)
    zap(d, mm, start, end)
    for vma in doomed:
        mm.vmas = mm.vmas.without(vma.start)
        unlink_anon_vmas(d, vma)
        if d.events is not None:
            d.events.append(VmaRemoved(vma))


def zap(d: Draft, mm: MmDraft, start: int, end: int) -> None:
    """Clear the page-table entries of `[start, end)` (`zap_page_range_single`)."""
    for page, _ in list(mm.ptes.pairs(start, end)):
        d.set_pte(mm, page, None)
