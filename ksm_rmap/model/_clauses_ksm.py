"""What must hold of KSM: stable nodes, rmap items, ksmd (mm/ksm.c).

Rules of this module: see `ksm_rmap.model.validate`, which has the table of all clauses. A node
whose folio was freed is stale, and legal with its items until ksmd notices (`ksm_get_folio`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksm_rmap.model._fault import NO_NODE
from ksm_rmap.model.state import ItemState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ksm_rmap.model._census import Census
    from ksm_rmap.model.state import ItemKey, RmapItem


def _name(key: ItemKey) -> str:
    return f"rmap item {key[0]}:{key[1]}"


def _item(c: Census, key: ItemKey) -> RmapItem | None:
    mm = c.state.mms.get(key[0])
    found: RmapItem | None = mm.items.get(key[1]) if mm is not None else None
    return found


def ksm_folio_node(c: Census) -> Iterator[str]:
    """The mapping of a KSM folio is a stable node of that folio, or none (`NO_NODE`).

    It has none after `echo 2 > run` removed the node of a folio that is only cached or pinned.
    """
    for number, folio in c.state.folios.pairs():
        if not folio.ksm or folio.mapping == NO_NODE:
            continue
        node = c.state.nodes.get(folio.mapping)
        if node is None or node.folio != number:
            yield f"KSM folio {number} has the mapping {folio.mapping}, which is no node of it"


def node_folio(c: Census) -> Iterator[str]:
    """The folio of a stable node leads back to it, if it still exists.

    `ksm_get_folio` tells a stale node by `folio->mapping` (mm/ksm.c).
    """
    for number, node in c.state.nodes.pairs():
        folio = c.state.folios.get(node.folio)
        if folio is not None and not (folio.ksm and folio.mapping == number):
            yield f"stable node {number} has folio {node.folio}, whose mapping is another"


def node_content(c: Census) -> Iterator[str]:
    """A stable node is filed by the content of its folio, which nobody can change."""
    for number, node in c.state.nodes.pairs():
        folio = c.state.folios.get(node.folio)
        if folio is not None and folio.content != node.content:
            yield (
                f"stable node {number} has content {node.content:#x}, "
                f"its folio {node.folio} content {folio.content:#x}"
            )


def node_items(c: Census) -> Iterator[str]:
    """A stable node lists STABLE items that point back to it, each once."""
    for number, node in c.state.nodes.pairs():
        if len(set(node.items)) < len(node.items):
            yield f"stable node {number} lists an rmap item twice"
        for key in node.items:
            item = _item(c, key)
            if item is None or item.state is not ItemState.STABLE or item.node != number:
                yield f"stable node {number} lists {_name(key)}, which is not its own"


def stable_tree(c: Census) -> Iterator[str]:
    """The stable tree holds each node once, by content (a chain: several by one content)."""
    listed: set[int] = set()
    for content, numbers in c.state.ksmd.stable.pairs():
        if not numbers:
            yield f"the stable tree keeps content {content:#x} without a node"
        for number in numbers:
            node = c.state.nodes.get(number)
            if node is None or node.content != content or number in listed:
                yield f"the stable tree lists node {number} by content {content:#x} wrongly"
            listed.add(number)
    for number in c.state.nodes:
        if number not in listed:
            yield f"stable node {number} is not in the stable tree"


def item_keys(c: Census) -> Iterator[str]:
    """An rmap item is filed under its own process and address."""
    for (mm, address), item in c.items:
        if item.key != (mm, address):
            yield f"{_name(item.key)} is filed as item {address} of process {mm}"


def item_stable(c: Census) -> Iterator[str]:
    """A STABLE item has an anon_vma that exists and a node that lists it (stable_tree_append)."""
    for key, item in c.items:
        if item.state is not ItemState.STABLE:
            continue
        if item.anon_vma is None or item.anon_vma not in c.state.anon_vmas:
            yield f"STABLE {_name(key)} has anon_vma {item.anon_vma}, which does not exist"
        node = c.state.nodes.get(item.node) if item.node is not None else None
        if node is None or key not in node.items:
            yield f"STABLE {_name(key)} has node {item.node}, which does not list it"


def item_not_stable(c: Census) -> Iterator[str]:
    """An item that is not STABLE has nothing of a merge: node, anon_vma, index, offset.

    mm/ksm.c of 2026: `linear_page_index` is reset wherever an item leaves its node.
    """
    for key, item in c.items:
        if item.state is ItemState.STABLE:
            continue
        if item.node is not None or item.anon_vma is not None or item.index or item.vm_pgoff:
            yield f"{item.state.name} {_name(key)} still records a merge"


def unstable_tree(c: Census) -> Iterator[str]:
    """The unstable tree holds the UNSTABLE items, each once and by its checksum, and no others."""
    listed: set[ItemKey] = set()
    for content, keys in c.state.ksmd.unstable.pairs():
        if not keys:
            yield f"the unstable tree keeps content {content:#x} without an item"
        for key in keys:
            item = _item(c, key)
            unstable = item is not None and item.state is ItemState.UNSTABLE
            if item is None or not unstable or item.checksum != content or key in listed:
                yield f"the unstable tree lists {_name(key)} by content {content:#x} wrongly"
            listed.add(key)
    for key, item in c.items:
        if item.state is ItemState.UNSTABLE and key not in listed:
            yield f"UNSTABLE {_name(key)} is not in the unstable tree"


def ksmd_slots(c: Census) -> Iterator[str]:
    """The list of ksmd names processes that exist, each once."""
    slots = c.state.ksmd.slots
    for number in sorted(set(slots)):
        if slots.count(number) > 1:
            yield f"ksmd lists process {number} twice"
        if number not in c.state.mms:
            yield f"ksmd lists process {number}, which does not exist"


def ksmd_knows(c: Census) -> Iterator[str]:
    """A process with rmap items is on ksmd's list, and so is a dead one (`__ksm_exit`)."""
    known = frozenset(c.state.ksmd.slots)
    for number, mm in c.state.mms.pairs():
        if number not in known and (mm.items or not mm.alive):
            what = f"has {len(mm.items)} rmap items" if mm.alive else "is dead"
            yield f"process {number} {what} and is not on ksmd's list"


def ksmd_cursor(c: Census) -> Iterator[str]:
    """The cursor is at a process of ksmd's list and at a page, or between two passes."""
    ksmd = c.state.ksmd
    if ksmd.mm is not None and ksmd.mm not in ksmd.slots:
        yield f"ksmd's cursor is at process {ksmd.mm}, which is not on its list"
    if ksmd.address < 0:
        yield f"ksmd's cursor is at page {ksmd.address}"


def ksmd_knobs(c: Census) -> Iterator[str]:
    """`max_page_sharing` is at least 2 (mm/ksm.c), `seqnr` counts from 0."""
    ksmd = c.state.ksmd
    if ksmd.max_page_sharing < 2:  # noqa: PLR2004 - the kernel's limit
        yield f"max_page_sharing is {ksmd.max_page_sharing}, below 2"
    if ksmd.seqnr < 0:
        yield f"ksmd's seqnr is {ksmd.seqnr}"


def dead_mm(c: Census) -> Iterator[str]:
    """A process that exited has neither VMAs nor page-table entries."""
    for number, mm in c.state.mms.pairs():
        if not mm.alive and (mm.vmas or mm.ptes):
            yield f"process {number} is dead and has {len(mm.vmas)} VMAs, {len(mm.ptes)} PTEs"
