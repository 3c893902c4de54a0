"""The operations: one pure function for each system call and each deed of the kernel's threads.

Each takes a `State` first and returns a new one; the argument is never changed. What Linux would
refuse raises `MmError` with the errno. Arguments are keyword-only; an address is a page number,
a range is `start` and a length in `pages`, both in pages. Each costs O(log n) per page touched,
n being the number of VMAs, entries or links.

>>> from ksm_rmap import State, ops
>>> state = ops.mmap(State(), mm=0, start=0, pages=3)
>>> state = ops.write(state, mm=0, start=0, pages=2, content=0x77)
>>> state.vma(0, 1)
Vma(mm=0, start=0, end=3, pgoff=0, flags=1048691, anon_vma=0, chain=(0,), anon_pgoff=0, file=None)
"""

from __future__ import annotations

import errno

from ksm_rmap.model import _fault, _ksm, _swap
from ksm_rmap.model._draft import Draft, MmDraft
from ksm_rmap.model._mremap import Remap, break_ksm_range
from ksm_rmap.model._mremap import mremap as _mremap
from ksm_rmap.model._rmap import anon_vma_fork, unlink_anon_vmas
from ksm_rmap.model._swap import Walk
from ksm_rmap.model._vma import Range, merge_new, unmap, vma_modify, zap
from ksm_rmap.model.events import Exited, Forked, VmaAdded, VmaChanged, VmaForked, VmaRemoved
from ksm_rmap.model.state import PteKind, State, Vma, VmFlag

__all__ = (
    "ADVICES",
    "PAGES_MAX",
    "Walk",
    "drop_swap_cache",
    "exit_mm",
    "fork",
    "hold",
    "ksmd",
    "ksmd_step",
    "madvise",
    "max_page_sharing",
    "migrate_begin",
    "migrate_end",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "prctl_merge_any",
    "read",
    "reclaim",
    "release",
    "swap_out",
    "unmerge_all",
    "write",
)

PAGES_MAX = 1 << 52
"""Pages of the address space: no range may end beyond it (TASK_SIZE)."""

_ADVICE_FLAGS = {
    "mergeable": (VmFlag.MERGEABLE, True),
    "unmergeable": (VmFlag.MERGEABLE, False),
    "dontfork": (VmFlag.DONTCOPY, True),
    "dofork": (VmFlag.DONTCOPY, False),
    "wipeonfork": (VmFlag.WIPEONFORK, True),
    "keeponfork": (VmFlag.WIPEONFORK, False),
}
ADVICES = (*_ADVICE_FLAGS, "dontneed")
"""The words that `madvise` takes."""

_PROT = {"r": VmFlag.READ, "w": VmFlag.WRITE, "x": VmFlag.EXEC, "-": 0}


# Address space


def mmap(
    state: State,
    *,
    mm: int,
    start: int,
    pages: int,
    prot: str = "rw",
    file: str | None = None,
    offset: int = 0,
) -> State:
    """Map private memory over whatever is there (`mmap`, MAP_PRIVATE|MAP_FIXED).

    Args:
        state: The state before.
        mm: The process.
        start: First page.
        pages: Length in pages, at least 1.
        prot: Letters of "rwx", "-" for PROT_NONE.
        file: Name of a file for a private file mapping; None: anonymous.
        offset: Page of the file that `start` shows.

    Raises:
        MmError: ESRCH, EINVAL.

    Source: `do_mmap`, mm/mmap.c; `mmap_region`, mm/vma.c.

    """
    d = Draft(state, "mmap")
    owner = d.mm(mm)
    end = _range(d, start, pages)
    flags = _prot_flags(d, prot) | VmFlag.MAY
    if flags & VmFlag.WRITE:
        flags |= VmFlag.ACCOUNT
    if owner.merge_any:
        flags |= VmFlag.MERGEABLE
        _ksm.ksm_enter(d, owner)
    unmap(d, owner, start, end)
    pgoff = start if file is None else offset
    anon_pgoff = start if d.rules.anon_pgoff else pgoff
    new = Range(start, end, pgoff, anon_pgoff, flags, file)
    if merge_new(d, owner, new) is None:
        vma = Vma(mm, start, end, pgoff, flags, anon_pgoff=anon_pgoff, file=file)
        owner.vmas = owner.vmas.with_item(start, vma)
        if d.events is not None:
            d.events.append(VmaAdded(vma))
    return d.freeze()


def munmap(state: State, *, mm: int, start: int, pages: int) -> State:
    """Unmap a range; what is not mapped is no error (`do_vmi_munmap`, mm/vma.c).

    Raises:
        MmError: ESRCH, EINVAL.

    """
    d = Draft(state, "munmap")
    owner = d.mm(mm)
    unmap(d, owner, start, _range(d, start, pages))
    return d.freeze()


def mprotect(state: State, *, mm: int, start: int, pages: int, prot: str) -> State:
    """Change the protection of a range (`do_mprotect_pkey`, mm/mprotect.c).

    Raises:
        MmError: ESRCH, EINVAL; ENOMEM over a hole: the part below the hole is changed, and the
            error carries that state.

    """
    d = Draft(state, "mprotect")
    owner = d.mm(mm)
    end = _range(d, start, pages)
    access = _prot_flags(d, prot)
    page = start
    while page < end:
        vma = owner.vma_at(page)
        if vma is None:
            raise d.fail(errno.ENOMEM, _hole(mm, page, start, end), partial=page > start)
        stop = min(vma.end, end)
        flags = _protected(vma, access)
        if flags != vma.flags:
            stop = max(stop, vma_modify(d, owner, vma, page, stop, flags).end)
        page = stop
    return d.freeze()


def _protected(vma: Vma, access: int) -> int:
    """Return the flags of `vma` with new access bits, and charged or not (`mprotect_fixup`)."""
    flags = (vma.flags & ~VmFlag.ACCESS) | access
    if flags & VmFlag.WRITE:
        return flags | VmFlag.ACCOUNT
    if vma.file is None and vma.anon_vma is None and flags != vma.flags:
        return flags & ~VmFlag.ACCOUNT
    return flags


def mremap(
    state: State,
    *,
    mm: int,
    start: int,
    pages: int,
    new_pages: int | None = None,
    to: int | None = None,
    dontunmap: bool = False,
) -> State:
    """Resize or move a range (`do_mremap`, mm/mremap.c).

    Args:
        state: The state before.
        mm: The process.
        start: First page of the source.
        pages: Old size in pages.
        new_pages: New size in pages; None: the old one.
        to: First page of the target (MREMAP_MAYMOVE|MREMAP_FIXED; what is there is unmapped);
            None: in place.
        dontunmap: MREMAP_DONTUNMAP: the source stays mapped, empty.

    Raises:
        MmError: ESRCH; EINVAL; EFAULT: the source is not mapped or leaves its VMA; ENOMEM:
            no room to extend in place; EAGAIN: a KSM page of the range is under migration.

    """
    d = Draft(state, "mremap")
    owner = d.mm(mm)
    size = pages if new_pages is None else new_pages
    _range(d, start, max(pages, 1))
    if to is not None:
        _range(d, to, max(size, 1))
    _mremap(d, owner, Remap(start, pages, size, to, dontunmap))
    return d.freeze()


def madvise(state: State, *, mm: int, start: int, pages: int, advice: str) -> State:
    """Give advice about a range (`madvise_walk_vmas`, mm/madvise.c).

    Args:
        state: The state before.
        mm: The process.
        start: First page.
        pages: Length in pages.
        advice: One of `ADVICES`.

    Raises:
        MmError: ESRCH; EINVAL; ENOMEM over a hole: everything that is mapped has been done, and
            the error carries that state; EAGAIN: a KSM page is under migration.

    """
    d = Draft(state, "madvise")
    owner = d.mm(mm)
    end = _range(d, start, pages)
    if advice not in ADVICES:
        raise d.fail(errno.EINVAL, f"unknown advice {advice!r}; known: {', '.join(ADVICES)}")
    page, hole = start, None
    while page < end:
        vma = owner.next_vma(page)
        if vma is None or vma.start >= end:
            hole = page if hole is None else hole
            break
        if vma.start > page:
            hole, page = page if hole is None else hole, vma.start
        page = _advise(d, owner, vma, page, min(vma.end, end), advice)
    if hole is not None:
        raise d.fail(errno.ENOMEM, _hole(mm, hole, start, end), partial=True)
    return d.freeze()


def _advise(d: Draft, mm: MmDraft, vma: Vma, start: int, end: int, advice: str) -> int:
    """Advise `[start, end)` of one VMA; return the page to go on at."""
    if advice == "dontneed":
        zap(d, mm, start, end)
        return end
    flag, wanted = _ADVICE_FLAGS[advice]
    flags = vma.flags | flag if wanted else vma.flags & ~flag
    if flags == vma.flags:
        return end
    if advice == "mergeable":
        _ksm.ksm_enter(d, mm)
    elif advice == "unmergeable":
        break_ksm_range(d, mm, vma, start, end)
        vma = mm.vmas[vma.start]
    return max(end, vma_modify(d, mm, vma, start, end, flags).end)


def prctl_merge_any(state: State, *, mm: int, enable: bool) -> State:
    """Let KSM merge all memory of a process, now and later, or stop it (PR_SET_MEMORY_MERGE).

    Source: `ksm_enable_merge_any`, `ksm_disable_merge_any`, mm/ksm.c.

    Raises:
        MmError: ESRCH; EAGAIN: a KSM page is under migration.

    """
    d = Draft(state, "prctl_merge_any")
    owner = d.mm(mm)
    if enable == owner.merge_any:
        return d.freeze()
    owner.merge_any = enable
    if enable:
        _ksm.ksm_enter(d, owner)
    for start, vma in list(owner.vmas.pairs()):
        if not enable:
            break_ksm_range(d, owner, vma, start, vma.end)
        now = owner.vmas[start]
        flags = now.flags | VmFlag.MERGEABLE if enable else now.flags & ~VmFlag.MERGEABLE
        changed = now._replace(flags=flags)
        owner.vmas = owner.vmas.with_item(start, changed)
        if d.events is not None:
            d.events.append(VmaChanged(now, changed))
    return d.freeze()


# Faults


def read(state: State, *, mm: int, start: int, pages: int = 1) -> State:
    """Read pages one after the other: zero page, or swap-in (`do_anonymous_page`).

    Raises:
        MmError: ESRCH; EINVAL; EFAULT: not mapped or not readable; EAGAIN: under migration.
            The error carries the state after the pages before.

    """
    d = Draft(state, "read")
    owner = d.mm(mm)
    for page in range(start, _range(d, start, pages)):
        _fault.read_fault(d, owner, page)
    return d.freeze()


def write(state: State, *, mm: int, start: int, content: int, pages: int = 1) -> State:
    """Fill pages with `content`, one after the other (`do_anonymous_page`, `do_wp_page`).

    Raises:
        MmError: ESRCH; EINVAL; EFAULT: not mapped or not writable; EAGAIN: under migration.

    """
    d = Draft(state, "write")
    owner = d.mm(mm)
    for page in range(start, _range(d, start, pages)):
        _fault.write_fault(d, owner, page, content)
    return d.freeze()


# Processes


def fork(state: State, *, mm: int, child: int) -> State:
    """Fork process `mm`; the child gets the number `child` (`dup_mmap`, kernel/fork.c).

    Raises:
        MmError: ESRCH; EEXIST: the number is taken; EINVAL: it is negative.

    """
    d = Draft(state, "fork")
    parent = d.mm(mm)
    if child < 0:
        raise d.fail(errno.EINVAL, f"a process cannot have the number {child}")
    offspring = d.add_mm(child)
    offspring.merge_any = parent.merge_any
    if d.events is not None:
        d.events.append(Forked(mm, child))
    _ksm.ksm_fork(d, offspring, parent)
    for start, vma in list(parent.vmas.pairs()):
        if vma.has(VmFlag.DONTCOPY):
            continue
        copy = vma._replace(mm=child, anon_vma=None, chain=())
        if not vma.has(VmFlag.WIPEONFORK):
            copy = anon_vma_fork(d, copy, vma)
        offspring.vmas = offspring.vmas.with_item(start, copy)
        if d.events is not None:
            d.events.append(VmaForked(vma, copy))
        if copy.chain:
            _fault.copy_ptes(d, parent, offspring, vma.start, vma.end)
    return d.freeze()


def exit_mm(state: State, *, mm: int) -> State:
    """End a process; its rmap items live until ksmd comes by (`exit_mmap`, `__ksm_exit`).

    Raises:
        MmError: ESRCH.

    """
    d = Draft(state, "exit_mm")
    owner = d.mm(mm)
    _ksm.ksm_exit(d, owner)
    for page, _ in list(owner.ptes.pairs()):
        d.set_pte(owner, page, None)
    for start, vma in list(owner.vmas.pairs()):
        unlink_anon_vmas(d, vma)
        owner.vmas = owner.vmas.without(start)
        if d.events is not None:
            d.events.append(VmaRemoved(vma))
    if d.events is not None:
        d.events.append(Exited(mm))
    owner.alive, owner.merge_any = False, False
    return d.freeze()


# KSM


def ksmd_step(state: State) -> State:
    """Let ksmd visit one page, or end its pass (`ksm_do_scan(1)`, mm/ksm.c).

    Raises:
        MmError: EAGAIN: it would free an item of a folio under migration, and waits.

    """
    d = Draft(state, "ksmd_step")
    _ksm.scan_page(d)
    return d.freeze()


def ksmd(state: State, *, passes: int = 1) -> State:
    """Let ksmd finish the pass it is in, then do `passes - 1` more; all whole ones at rest.

    A page merges at its second visit at the earliest: the first one notes its content.

    Raises:
        MmError: EINVAL: fewer than one pass; EAGAIN: ksmd would free an item of a folio under
            migration, and waits.

    """
    d = Draft(state, "ksmd")
    if passes < 1:
        raise d.fail(errno.EINVAL, f"{passes} passes")
    for _ in range(passes):
        while _ksm.scan_page(d):
            pass
    return d.freeze()


def unmerge_all(state: State) -> State:
    """Un-share all KSM pages and forget all items (`echo 2 > run`, then 1 again).

    Source: `unmerge_and_remove_all_rmap_items`, mm/ksm.c.

    Raises:
        MmError: EAGAIN: a KSM page is under migration.

    """
    d = Draft(state, "unmerge_all")
    _ksm.unmerge_and_remove_all(d)
    return d.freeze()


def max_page_sharing(state: State, *, limit: int) -> State:
    """Set how many rmap items one stable node may have (`max_page_sharing` in sysfs).

    Raises:
        MmError: EINVAL: less than 2; EBUSY: there are stable nodes.

    """
    d = Draft(state, "max_page_sharing")
    if limit < 2:  # noqa: PLR2004 - the kernel's own bound
        raise d.fail(errno.EINVAL, f"{limit} is less than 2")
    if state.nodes:
        raise d.fail(errno.EBUSY, f"there are {len(state.nodes)} stable nodes")
    d.ksmd = d.ksmd._replace(max_page_sharing=limit)
    return d.freeze()


# Reclaim, migration, extra references


def swap_out(state: State, *, mm: int, page: int, walk: Walk) -> State:
    """Swap out the folio that `mm` maps at `page`, as far as `walk` finds its entries.

    An entry that the walk misses stays, and so does the folio, in the swap cache.
    Source: `shrink_folio_list`, mm/vmscan.c; `try_to_unmap`, mm/rmap.c.

    Raises:
        MmError: ESRCH; EFAULT: no folio there; EAGAIN: under migration.

    """
    d = Draft(state, "swap_out")
    _swap.swap_out(d, _swap.mapped_folio(d, d.mm(mm), page), walk)
    return d.freeze()


def reclaim(state: State, *, walk: Walk) -> State:
    """Swap out every folio that is not under migration (`memory.reclaim`).

    A folio with an extra reference stays in the swap cache, unmapped.
    """
    d = Draft(state, "reclaim")
    _swap.reclaim(d, walk)
    return d.freeze()


def drop_swap_cache(state: State, *, mm: int, page: int) -> State:
    """Take the folio at or behind the entry out of the swap cache (`folio_free_swap`).

    As reclaim does when a clean folio of the swap cache is not mapped: the swap entries stay.

    Raises:
        MmError: ESRCH; EFAULT: no entry; EBUSY: not in the swap cache, or mapped while
            swap entries refer to the slot, or pinned.

    """
    d = Draft(state, "drop_swap_cache")
    pte = d.mm(mm).ptes.get(page)
    if pte is None or pte.kind not in {PteKind.SWAP, PteKind.PRESENT}:
        raise d.fail(errno.EFAULT, f"process {mm} has no folio or swap entry at page {page}")
    number = pte.target if pte.kind is PteKind.PRESENT else d.slots[pte.target].folio
    folio = None if number is None else d.folios[number]
    if number is None or folio is None or folio.swap is None:
        raise d.fail(errno.EBUSY, f"process {mm} page {page} is not in the swap cache")
    if folio.pins or (folio.mapcount and d.slots[folio.swap].ptes):
        raise d.fail(errno.EBUSY, f"folio {number} is in use and stays in the swap cache")
    d.leave_swap_cache(number)
    return d.freeze()


def hold(state: State, *, mm: int, page: int) -> State:
    """Take an extra reference on the folio at `page` (`vmsplice` into a pipe).

    Raises:
        MmError: ESRCH; EFAULT: no folio there.

    """
    return _pin(state, "hold", mm, page, 1)


def release(state: State, *, mm: int, page: int) -> State:
    """Drop an extra reference of the folio at or behind the entry of `page`.

    Raises:
        MmError: ESRCH; EFAULT: no folio there; EINVAL: it has no extra reference.

    """
    return _pin(state, "release", mm, page, -1)


def _pin(state: State, operation: str, mm: int, page: int, by: int) -> State:
    d = Draft(state, operation)
    owner = d.mm(mm)
    pte = owner.ptes.get(page)
    cached = d.slots[pte.target].folio if pte and pte.kind is PteKind.SWAP else None
    number = _swap.mapped_folio(d, owner, page) if cached is None else cached
    folio = d.folios[number]
    if folio.pins + by < 0:
        raise d.fail(errno.EINVAL, f"folio {number} has no extra reference")
    d.put_folio(number, folio._replace(pins=folio.pins + by))
    return d.freeze()


def migrate_begin(state: State, *, mm: int, page: int, walk: Walk) -> State:
    """First half of migrating the folio at `page`: entries become migration entries.

    If `walk` misses an entry the migration is given up, and what was found is restored through
    the same walk. Source: `try_to_migrate`, mm/rmap.c; `migrate_folio_unmap`, mm/migrate.c.

    Raises:
        MmError: ESRCH; EFAULT: no folio there; EAGAIN: under migration, or pinned.

    """
    d = Draft(state, "migrate_begin")
    _swap.migrate_begin(d, _swap.mapped_folio(d, d.mm(mm), page), walk)
    return d.freeze()


def migrate_end(state: State, *, mm: int, page: int, walk: Walk) -> State:
    """Second half: the migration entries that `walk` finds map the folio again.

    Source: `remove_migration_ptes`, mm/migrate.c. An entry that the walk misses stays a
    migration entry, and whoever touches it waits.

    Raises:
        MmError: ESRCH; EFAULT: no folio there; EINVAL: it is not under migration.

    """
    d = Draft(state, "migrate_end")
    number = _swap.mapped_folio(d, d.mm(mm), page)
    if not d.folios[number].migrating:
        raise d.fail(errno.EINVAL, f"folio {number} is not under migration")
    _swap.migrate_end(d, number, walk)
    return d.freeze()


# Arguments


def _range(d: Draft, start: int, pages: int) -> int:
    """Return the end of a range, exclusive; EINVAL if it is empty or outside."""
    if pages < 1 or start < 0 or start + pages > PAGES_MAX:
        raise d.fail(errno.EINVAL, f"no range of {pages} pages at page {start}")
    return start + pages


def _prot_flags(d: Draft, prot: str) -> int:
    flags = 0
    for letter in prot or "?":
        if letter not in _PROT:
            raise d.fail(errno.EINVAL, f"unknown protection {prot!r}: use letters of 'rwx' or '-'")
        flags |= _PROT[letter]
    return flags


def _hole(mm: int, page: int, start: int, end: int) -> str:
    return f"process {mm} range [{start}, {end}) has a hole at page {page}"
