"""ksmd: the scan, the two trees, and the life of rmap items. Models mm/ksm.c (6.18).

Rules of this module:

1. One step is one page that the scan hands to `cmp_and_merge_page`. A pass ends when the cursor
   has gone round all mms.
2. An item is created at the first visit of its page and freed when a later pass finds no page
   there. While it is stable it holds a reference on the anon_vma of merge time, and what the
   walks of 2026 record: the linear page index and the VMA's `vm_pgoff`.
3. A page that is found mapped to the KSM folio its item already belongs to is left alone at
   once: nothing recorded is refreshed.

Left out: checksums (the content itself stands for its checksum), smart scan, zero pages, NUMA
nodes, the shape of the unstable tree (items are found by the content they were inserted with).
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from ksm_rmap.model._fault import NO_NODE, copy_folio, unshare
from ksm_rmap.model._rmap import put_anon_vma
from ksm_rmap.model.events import FolioMerged, FolioUpgraded
from ksm_rmap.model.state import (
    Folio,
    ItemKey,
    ItemState,
    Ksmd,
    Mapping,
    Pte,
    PteKind,
    RmapItem,
    StableNode,
    Vma,
    VmFlag,
    linear_page_index,
)

if TYPE_CHECKING:
    from ksm_rmap.model._draft import Draft, MmDraft


# The list of mms


def ksm_enter(d: Draft, mm: MmDraft) -> None:
    """Make an mm known to ksmd, just behind the cursor: scanned last (`__ksm_enter`)."""
    slots, cursor = d.ksmd.slots, d.ksmd.mm
    if mm.id not in slots:
        at = len(slots) if cursor is None else slots.index(cursor)
        d.ksmd = d.ksmd._replace(slots=(*slots[:at], mm.id, *slots[at:]))


def ksm_fork(d: Draft, child: MmDraft, parent: MmDraft) -> None:
    """Make a child known to ksmd if its parent is; it gets no items."""
    if parent.id in d.ksmd.slots:
        ksm_enter(d, child)


def ksm_exit(d: Draft, mm: MmDraft) -> None:
    """Forget an exiting mm, or move it to the cursor so that ksmd soon frees its items."""
    slots, cursor = d.ksmd.slots, d.ksmd.mm
    if mm.id not in slots or cursor == mm.id:
        return
    others = tuple(n for n in slots if n != mm.id)
    if mm.items:
        at = 0 if cursor is None else others.index(cursor) + 1
        others = (*others[:at], mm.id, *others[at:])
    d.ksmd = d.ksmd._replace(slots=others)


# The scan


def scan_page(d: Draft) -> bool:
    """Visit the next page; False when the pass has ended instead (`ksm_do_scan`)."""
    if not d.ksmd.slots:
        return False
    if d.ksmd.mm is None:
        d.ksmd = d.ksmd._replace(mm=d.ksmd.slots[0], address=0)
    while (cursor := d.ksmd.mm) is not None:
        mm = d.any_mm(cursor)
        found = _next_page(d, mm)
        if found is not None:
            vma, page = found
            _free_items(d, mm, d.ksmd.address, page)
            d.ksmd = d.ksmd._replace(address=page + 1)
            _cmp_and_merge_page(d, mm, vma, page)
            return True
        _leave_mm(d, mm)
    _end_pass(d)
    return False


def _next_page(d: Draft, mm: MmDraft) -> tuple[Vma, int] | None:
    """Return the next anonymous page of a mergeable VMA at or above the cursor, or None."""
    if not mm.alive:
        return None
    vma = mm.next_vma(d.ksmd.address)
    while vma is not None:
        if vma.has(VmFlag.MERGEABLE) and vma.anon_vma is not None:
            for page, pte in mm.ptes.pairs(max(vma.start, d.ksmd.address), vma.end):
                if pte.kind is PteKind.PRESENT:
                    return vma, page
        vma = mm.next_vma(vma.end)
    return None


def _leave_mm(d: Draft, mm: MmDraft) -> None:
    """Free the items above the cursor and go on to the next mm; drop one with nothing to scan."""
    _free_items(d, mm, 0 if not mm.alive else d.ksmd.address, None)
    slots = d.ksmd.slots
    at = slots.index(mm.id) + 1
    following = slots[at] if at < len(slots) else None
    seen_any = d.ksmd.address > 0 or any(vma.has(VmFlag.MERGEABLE) for _, vma in mm.vmas.pairs())
    if not mm.alive or not seen_any:
        slots = tuple(n for n in slots if n != mm.id)
    d.ksmd = d.ksmd._replace(slots=slots, mm=following, address=0)


def _free_items(d: Draft, mm: MmDraft, low: int, end: int | None) -> None:
    """Free the items of `[low, end)`: no page was found there (`get_next_rmap_item`)."""
    for address, _ in list(mm.items.pairs(low, end)):
        # Read again: a stale node that an earlier item met has let go of this one too.
        remove_from_tree(d, mm, mm.items[address])
        mm.items = mm.items.without(address)


def _end_pass(d: Draft) -> None:
    """Forget the unstable tree: the next pass begins with an empty one."""
    for bucket in d.ksmd.unstable.values_in_order():
        for key in bucket:
            _store(d, d.any_mm(key[0]), _loose(_item(d, key)))
    d.ksmd = d.ksmd._replace(unstable=Ksmd().unstable, seqnr=d.ksmd.seqnr + 1)


# One page


def _cmp_and_merge_page(d: Draft, mm: MmDraft, vma: Vma, page: int) -> None:
    number = mm.ptes[page].target
    folio = d.folios[number]
    item: RmapItem = mm.items.get(page) or RmapItem(mm.id, page)
    if folio.ksm:
        _visit_ksm_page(d, mm, vma, item, folio)
        return
    item = remove_from_tree(d, mm, item)
    if item.checksum != folio.content:  # new, or changed since the last visit
        _store(d, mm, item._replace(checksum=folio.content))
        return
    _store(d, mm, item)
    node = _stable_tree_search(d, folio.content)
    if node is not None:
        if _write_protect(folio) and _candidate(d, node):
            _replace_page(d, mm, page, node)
            _append(d, mm, vma, item, node)
        return
    other = _unstable_search(d, item, number, folio)
    if other is not None:
        _merge_two(d, mm, vma, item, other)


def _visit_ksm_page(d: Draft, mm: MmDraft, vma: Vma, item: RmapItem, folio: Folio) -> None:
    """Give a KSM page that fork copied an item of its own; leave a known one alone."""
    if item.state is ItemState.STABLE and item.node == folio.mapping:
        return
    item = remove_from_tree(d, mm, item)
    if folio.mapping == NO_NODE:
        _store(d, mm, item)
    else:
        _append(d, mm, vma, item, folio.mapping)


def _candidate(d: Draft, node: int) -> bool:
    """Whether the folio of a stable node can be had now (`ksm_get_folio` with a trylock)."""
    return not d.folios[d.nodes[node].folio].migrating


def _stable_tree_search(d: Draft, content: int) -> int | None:
    """Return the fullest stable node with room for one more, and prune stale ones."""
    best = None
    for number in d.ksmd.stable.get(content, ()):
        node = d.nodes[number]
        if node.folio not in d.folios:
            _drop_stale_node(d, number)
        elif 0 < len(node.items) < d.ksmd.max_page_sharing and (
            best is None or len(node.items) > len(d.nodes[best].items)
        ):
            best = number
    return best


def _unstable_search(d: Draft, item: RmapItem, number: int, folio: Folio) -> ItemKey | None:
    """Return an item whose page equals this one; else insert this item, or give up.

    `unstable_tree_search_insert`: gives up without inserting when the page that it meets is
    gone, or is the same folio (a forked page is never merged with itself).
    """
    bucket: tuple[ItemKey, ...] = d.ksmd.unstable.get(folio.content, ())
    for key in bucket:
        other = _mergeable_folio(d, key)
        if other is None or other == number:
            return None
        if d.folios[other].content == folio.content:
            return key
    unstable = d.ksmd.unstable.with_item(folio.content, (*bucket, item.key))
    d.ksmd = d.ksmd._replace(unstable=unstable)
    _store(d, d.any_mm(item.mm), item._replace(state=ItemState.UNSTABLE))
    return None


def _mergeable_folio(d: Draft, key: ItemKey) -> int | None:
    """Return the folio at an item's address if KSM may merge it (`get_mergeable_page`)."""
    mm = d.any_mm(key[0])
    if _mergeable_vma(mm, key[1]) is None:
        return None
    pte: Pte | None = mm.ptes.get(key[1])
    return pte.folio if pte is not None else None


def _mergeable_vma(mm: MmDraft, page: int) -> Vma | None:
    """`find_mergeable_vma`."""
    vma = mm.vma_at(page) if mm.alive else None
    if vma is None or not vma.has(VmFlag.MERGEABLE) or vma.anon_vma is None:
        return None
    return vma


def _merge_two(d: Draft, mm: MmDraft, vma: Vma, item: RmapItem, other_key: ItemKey) -> None:
    """Merge two equal pages (`try_to_merge_two_pages`).

    The page under the scan is upgraded in place: every entry that maps its folio now maps a KSM
    page, but only this address gets an item. The entry of the other page is replaced.
    """
    number = mm.ptes[item.address].target
    folio = d.folios[number]
    if not _write_protect(folio):
        return
    node = number
    d.folios = d.folios.with_item(
        number, folio._replace(kind=Mapping.KSM, mapping=node, exclusive=False)
    )
    if d.events is not None:
        d.events.append(FolioUpgraded(number, mm.id, item.address))
    other_mm = d.any_mm(other_key[0])
    other = _item(d, other_key)
    if not _write_protect(d.folios[other_mm.ptes[other.address].target]):
        _store(d, mm, item)
        _break_unfinished(d, mm, vma, item.address, number)
        return
    other_vma = _mergeable_vma(other_mm, other.address)
    assert other_vma is not None  # the search looked at it
    nodes = d.ksmd.stable.get(folio.content, ())
    d.nodes = d.nodes.with_item(node, StableNode(number, folio.content))
    d.ksmd = d.ksmd._replace(stable=d.ksmd.stable.with_item(folio.content, (*nodes, node)))
    other = remove_from_tree(d, other_mm, other)
    _append(d, other_mm, other_vma, other, node)
    _append(d, mm, vma, item, node)
    _replace_page(d, other_mm, other.address, node)


def _write_protect(folio: Folio) -> bool:
    """Whether KSM can have the page: nobody holds an extra reference (`write_protect_page`).

    The kernel counts references only if the entry is writable or dirty or the page exclusive.
    An entry that a read brought back from the swap cache is none of these, so a page that is
    held merges there.
    """
    read_from_swap = folio.swap is not None and not folio.exclusive
    return not folio.pins or read_from_swap


def _break_unfinished(d: Draft, mm: MmDraft, vma: Vma, page: int, number: int) -> None:
    """Copy the first page again: the second could not be merged (`break_cow`)."""
    folio = d.folios[number]
    d.folios = d.folios.with_item(number, folio._replace(mapping=NO_NODE))
    copy_folio(d, mm, vma, page, folio.content)


def _replace_page(d: Draft, mm: MmDraft, page: int, node: int) -> None:
    """Map the KSM folio of `node` at `page` (`replace_page`)."""
    d.set_pte(mm, page, Pte(PteKind.PRESENT, d.nodes[node].folio))


def _append(d: Draft, mm: MmDraft, vma: Vma, item: RmapItem, node: int) -> None:
    """Record the VMA of now in the item and put it first on the node's list.

    `try_to_merge_with_ksm_page` and `stable_tree_append`.
    """
    assert vma.anon_vma is not None  # mergeable VMAs that are scanned have one
    d.change_anon_vma(vma.anon_vma, refcount=1)
    stable = item._replace(
        state=ItemState.STABLE,
        node=node,
        anon_vma=vma.anon_vma,
        index=linear_page_index(vma, item.address),
        vm_pgoff=vma.pgoff,
    )
    _store(d, mm, stable)
    folio, content, items = d.nodes[node]
    d.nodes = d.nodes.with_item(node, StableNode(folio, content, (item.key, *items)))
    if d.events is not None:
        d.events.append(FolioMerged(folio, vma, item.address))


# Items


def _item(d: Draft, key: ItemKey) -> RmapItem:
    return d.any_mm(key[0]).items[key[1]]


def _store(_: Draft, mm: MmDraft, item: RmapItem) -> None:
    mm.items = mm.items.with_item(item.address, item)


def _loose(item: RmapItem) -> RmapItem:
    return RmapItem(item.mm, item.address, checksum=item.checksum)


def remove_from_tree(d: Draft, mm: MmDraft, item: RmapItem) -> RmapItem:
    """Take an item out of its tree and return it (`remove_rmap_item_from_tree`).

    That needs the lock of the KSM folio, which a migration holds between its two halves.
    """
    if item.state is ItemState.LOOSE:
        return item
    if item.state is ItemState.UNSTABLE:
        _leave_unstable(d, item)
    else:
        assert item.node is not None  # stable items have one
        if d.nodes[item.node].folio not in d.folios:
            _drop_stale_node(d, item.node)
            return _item(d, item.key)
        _wait_for_migration(d, d.nodes[item.node].folio)
        _leave_node(d, item)
    loose = _loose(item)
    _store(d, mm, loose)
    return loose


def _wait_for_migration(d: Draft, number: int) -> None:
    folio = d.folios[number]
    if folio.migrating and not folio.mapcount:
        raise d.fail(errno.EAGAIN, f"ksmd waits for the migration of folio {number}")


def _leave_unstable(d: Draft, item: RmapItem) -> None:
    assert item.checksum is not None  # set at the first visit
    kept = tuple(key for key in d.ksmd.unstable[item.checksum] if key != item.key)
    unstable = d.ksmd.unstable
    unstable = unstable.with_item(item.checksum, kept) if kept else unstable.without(item.checksum)
    d.ksmd = d.ksmd._replace(unstable=unstable)


def _leave_node(d: Draft, item: RmapItem) -> None:
    assert item.node is not None  # stable items have both
    assert item.anon_vma is not None
    folio, content, items = d.nodes[item.node]
    kept = tuple(key for key in items if key != item.key)
    d.nodes = d.nodes.with_item(item.node, StableNode(folio, content, kept))
    put_anon_vma(d, item.anon_vma)


def _drop_stale_node(d: Draft, number: int) -> None:
    """Remove a stable node and let go of all its items (`remove_node_from_stable_tree`)."""
    for key in d.nodes[number].items:
        item = _item(d, key)
        assert item.anon_vma is not None  # stable items have one
        put_anon_vma(d, item.anon_vma)
        _store(d, d.any_mm(key[0]), _loose(item))
    d.nodes = d.nodes.with_item(number, d.nodes[number]._replace(items=()))
    d.drop_node(number)


# Writing 2 to the knob "run"


def unmerge_and_remove_all(d: Draft) -> None:
    """Un-share every page of every mergeable VMA, free all items (`echo 2 > run`).

    A stable node whose folio is still mapped somewhere stays.
    """
    for number in d.ksmd.slots:
        mm = d.any_mm(number)
        if mm.alive:
            for _, vma in mm.vmas.pairs():
                if vma.has(VmFlag.MERGEABLE) and vma.anon_vma is not None:
                    for page, _ in list(mm.ptes.pairs(vma.start, vma.end)):
                        unshare(d, mm, mm.vmas[vma.start], page)
        _free_items(d, mm, 0, None)
    alive = tuple(n for n in d.ksmd.slots if d.any_mm(n).alive)
    for number, node in list(d.nodes.pairs()):
        folio: Folio | None = d.folios.get(node.folio)
        if folio is None:
            _drop_stale_node(d, number)
        elif not folio.mapcount and not folio.migrating:
            d.folios = d.folios.with_item(node.folio, folio._replace(mapping=NO_NODE))
            _drop_stale_node(d, number)
    d.ksmd = d.ksmd._replace(slots=alive, mm=None, address=0, seqnr=0)
