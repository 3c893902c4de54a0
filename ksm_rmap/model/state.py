"""The state of anonymous memory: processes, VMAs, anon_vmas, page tables, folios, swap, KSM.

Models the objects of include/linux/mm_types.h, include/linux/rmap.h and mm/ksm.c.

Rules of this module:

1. Everything is immutable, hashable and compared by value. An operation (`ksm_rmap.model.ops`)
   makes a new `State` that shares what did not change.
2. An address is a page number (vpn). A VMA covers `[start, end)`; the key of a VMA in an
   interval tree is `[first index, last index]`, both inclusive.
3. An object refers to another by name, never by pointer: a VMA by `(mm, start)`, an rmap item
   by `(mm, address)`, an anon_vma, a folio, a stable node and a swap slot by number. Numbers
   come from one counter and are never used again.

Left out: locks, huge pages, memory control groups, NUMA, policies, userfaultfd, shared mappings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from ksm_rmap.interval_tree import FrozenIntervalTree
from ksm_rmap.model._enum import NamedEnum
from ksm_rmap.model._sorted_map import SortedMap, frozen_record, record
from ksm_rmap.model.rules import Rules

if TYPE_CHECKING:
    from ksm_rmap.model.events import Event

__all__ = (
    "AnonVma",
    "Folio",
    "ItemKey",
    "ItemState",
    "Ksmd",
    "Mapping",
    "Mm",
    "Pte",
    "PteKind",
    "RmapItem",
    "StableNode",
    "State",
    "SwapSlot",
    "VmFlag",
    "Vma",
    "VmaKey",
    "linear_page_index",
)

VmaKey = tuple[int, int]
"""`(mm, start)`: names a VMA."""
ItemKey = tuple[int, int]
"""`(mm, address)`: names an rmap item."""


class VmFlag:
    """Bits of `vm_flags` with the values of include/linux/mm.h: plain integers.

    Not an `enum.IntFlag`: each `&` of one costs as much as a step of the reverse map.
    """

    READ: Final = 0x1
    WRITE: Final = 0x2
    EXEC: Final = 0x4
    MAY: Final = 0x70
    """VM_MAYREAD, VM_MAYWRITE and VM_MAYEXEC, which every private mapping has."""
    DONTCOPY: Final = 0x20000
    """fork skips the VMA (MADV_DONTFORK)."""
    ACCOUNT: Final = 0x100000
    """The VMA was writable once and is charged; part of the merge test."""
    WIPEONFORK: Final = 0x2000000
    """The child gets the VMA empty (MADV_WIPEONFORK)."""
    MERGEABLE: Final = 0x80000000
    """KSM may merge pages of the VMA (MADV_MERGEABLE)."""

    ACCESS: Final = 0x7
    """VM_ACCESS_FLAGS: read, write, execute."""


@record
class Vma(NamedTuple):
    """`struct vm_area_struct`: pages `[start, end)` of one process."""

    mm: int
    start: int
    end: int
    """Exclusive."""
    pgoff: int
    """`vm_pgoff`: of page `start`; the file offset for a private file mapping."""
    flags: int
    """`vm_flags`, bits of `VmFlag`."""
    anon_vma: int | None = None
    """The anon_vma that new folios of this VMA belong to; None: unfaulted."""
    chain: tuple[int, ...] = ()
    """The anon_vmas of `anon_vma_chain` in list order (the newest link first)."""
    anon_pgoff: int = 0
    """Page offset by which anonymous folios of this VMA are indexed: equal to `pgoff`, but for
    private file mappings under `Rules.anon_pgoff`."""
    file: str | None = None
    """Name of the file of a private file mapping; None: anonymous memory."""

    @property
    def key(self) -> VmaKey:
        """The name of this VMA: `(mm, start)`."""
        return self.mm, self.start

    @property
    def pages(self) -> int:
        """Length in pages."""
        return self.end - self.start

    @property
    def last_index(self) -> int:
        """Index of the last page, inclusive; with `anon_pgoff` the key in an interval tree."""
        return self.anon_pgoff + self.end - self.start - 1

    @property
    def moved(self) -> bool:
        """Whether an index of this anonymous VMA differs from the address (`mremap` moved it)."""
        return self.file is None and self.anon_pgoff != self.start

    def has(self, flags: int) -> bool:
        """Whether all of `flags` are set."""
        return self.flags & flags == flags


def linear_page_index(vma: Vma, page: int) -> int:
    """Return the index under which an anonymous folio at `page` of `vma` is filed.

    `linear_page_index()`, in newer kernels `linear_anon_page_index()`
    (include/linux/pagemap.h). Invariant under split, merge, fork and move.
    """
    return page - vma.start + vma.anon_pgoff


@record
class AnonVma(NamedTuple):
    """`struct anon_vma` with the VMAs that are linked to it."""

    root: int
    parent: int
    refcount: int = 1
    num_children: int = 0
    """anon_vmas whose parent is this one; a root counts itself."""
    num_active_vmas: int = 0
    """VMAs whose `anon_vma` (not merely a link of the chain) is this one."""
    tree: FrozenIntervalTree[VmaKey] = FrozenIntervalTree()
    """`rb_root`: one interval `[first index, last index]` per anon_vma_chain, the value names
    the VMA."""


class PteKind(NamedEnum):
    """What a page-table entry holds; an absent entry is no `Pte` at all."""

    PRESENT = "present"
    ZERO = "zero"
    """The shared zero page (read fault on anonymous memory)."""
    SWAP = "swap"
    MIGRATION = "migration"


@record
class Pte(NamedTuple):
    """A page-table entry that is not none.

    Whether it is writable is not kept: only a PTE to an exclusive folio can be, and there it
    makes no difference to the reverse map.
    """

    kind: PteKind
    target: int = 0
    """Folio (present, migration) or swap slot (swap)."""
    exclusive: bool = False
    """Swap and migration entries: the page was exclusive to this process."""

    @property
    def folio(self) -> int | None:
        """The folio this PTE maps now: present entries only."""
        return self.target if self.kind is PteKind.PRESENT else None


class Mapping(NamedEnum):
    """The tag bits of `folio->mapping`."""

    ANON = "anon"
    """`mapping` is an anon_vma."""
    KSM = "ksm"
    """`mapping` is a stable node; `index` is left over and means nothing."""


@record
class Folio(NamedTuple):
    """`struct folio`: one page of anonymous memory."""

    kind: Mapping
    mapping: int
    """The anon_vma or the stable node, as `kind` says."""
    index: int  # type: ignore[assignment]  # the kernel's name, over tuple.index()
    mapcount: int
    exclusive: bool
    """PageAnonExclusive: a write may reuse the page."""
    content: int
    swap: int | None = None
    """The slot while the folio is in the swap cache."""
    pins: int = 0
    """Extra references (a pipe, direct I/O): keep the folio in the swap cache, and KSM away."""
    migrating: int = 0
    """Migration entries that refer to the folio; they are not counted in `mapcount`."""

    @property
    def ksm(self) -> bool:
        """`folio_test_ksm()`."""
        return self.kind is Mapping.KSM


@record
class SwapSlot(NamedTuple):
    """A slot of the swap area."""

    ptes: int
    """Swap PTEs that refer to the slot."""
    content: int
    folio: int | None = None
    """The folio while it is in the swap cache."""


class ItemState(NamedEnum):
    """Where an rmap item hangs: the low bits of `rmap_item->address`."""

    LOOSE = "loose"
    UNSTABLE = "unstable"
    STABLE = "stable"


@record
class RmapItem(NamedTuple):
    """`struct ksm_rmap_item` of `(mm, address)`."""

    mm: int
    address: int
    state: ItemState = ItemState.LOOSE
    checksum: int | None = None
    """`oldchecksum`: the content seen last."""
    node: int | None = None
    """STABLE: `head`, the stable node."""
    anon_vma: int | None = None
    """STABLE: the VMA's anon_vma at merge time, of which a reference is held."""
    index: int = 0  # type: ignore[assignment]  # the kernel's name, over tuple.index()
    """STABLE: `linear_page_index` at merge time (the walk merged in 2026 searches at it)."""
    vm_pgoff: int = 0
    """STABLE: `vm_pgoff` of the VMA at merge time (the walk of v4 searches at it)."""

    @property
    def key(self) -> ItemKey:
        """The name of this item: `(mm, address)`."""
        return self.mm, self.address


@record
class StableNode(NamedTuple):
    """`struct ksm_stable_node`: one KSM folio and the rmap items that led to it."""

    folio: int
    content: int
    items: tuple[ItemKey, ...] = ()
    """`hlist` in list order: the item appended last comes first."""


@record
class Mm(NamedTuple):
    """`struct mm_struct`: one process."""

    vmas: SortedMap[Vma] = SortedMap()
    """By start."""
    ptes: SortedMap[Pte] = SortedMap()
    """By page; entries that are none are absent."""
    items: SortedMap[RmapItem] = SortedMap()
    """KSM's `rmap_list`: by address."""
    merge_any: bool = False
    """MMF_VM_MERGE_ANY (prctl PR_SET_MEMORY_MERGE)."""
    alive: bool = True
    """False after exit, while ksmd has not freed the items yet (`ksm_test_exit`)."""


@record
class Ksmd(NamedTuple):
    """`struct ksm_scan` and the trees that go with it."""

    slots: tuple[int, ...] = ()
    """mms known to KSM in scan order (`ksm_mm_head`)."""
    mm: int | None = None
    """Cursor: the mm being scanned; None between two passes."""
    address: int = 0
    """Cursor: the next page to look at."""
    seqnr: int = 0
    """Passes completed."""
    stable: SortedMap[tuple[int, ...]] = SortedMap()
    """The stable tree by content: the nodes (dups of a chain) that hold it."""
    unstable: SortedMap[tuple[ItemKey, ...]] = SortedMap()
    """The unstable tree by content when inserted (the item's `checksum`)."""
    max_page_sharing: int = 256


@frozen_record
@dataclass(frozen=True, slots=True)
class State:
    """One moment of the machine. Immutable, hashable, compared by value.

    `State()` has one process, 0, with nothing mapped; `State(rules=Rules.preset("6.12"))`
    chooses a kernel. `str()` is the map, `check()` raises on a broken invariant.
    """

    rules: Rules = field(default_factory=Rules)
    mms: SortedMap[Mm] = SortedMap([(0, Mm())])
    anon_vmas: SortedMap[AnonVma] = SortedMap()
    folios: SortedMap[Folio] = SortedMap()
    nodes: SortedMap[StableNode] = SortedMap()
    """Stable nodes by number (that of the folio the node was made for)."""
    slots: SortedMap[SwapSlot] = SortedMap()
    ksmd: Ksmd = Ksmd()
    next_id: int = 0
    events: tuple[Event, ...] | None = field(default=None, compare=False, repr=False)
    """What the operation that led here did; None: nobody listens (`ksm_rmap.model.events`)."""

    def vma(self, mm: int, page: int) -> Vma | None:
        """Return the VMA of process `mm` that covers `page`, or None; O(log n)."""
        owner: Mm | None = self.mms.get(mm)
        found = owner.vmas.floor(page) if owner else None
        return found[1] if found and page < found[1].end else None

    def pte(self, mm: int, page: int) -> Pte | None:
        """Return the page-table entry of process `mm` at `page`, or None; O(log n)."""
        owner: Mm | None = self.mms.get(mm)
        found: Pte | None = owner.ptes.get(page) if owner else None
        return found

    def folio_at(self, mm: int, page: int) -> int | None:
        """Return the folio that process `mm` maps at `page`, or None; O(log n)."""
        pte = self.pte(mm, page)
        return pte.folio if pte else None

    def stable_node(self, folio: int) -> StableNode | None:
        """Return the stable node of a KSM folio (`folio_stable_node`), None for others."""
        found: Folio | None = self.folios.get(folio)
        if found is None or not found.ksm:
            return None
        node: StableNode | None = self.nodes.get(found.mapping)
        return node

    def item(self, key: ItemKey) -> RmapItem:
        """Return the rmap item named `(mm, address)`; KeyError if there is none."""
        return self.mms[key[0]].items[key[1]]

    def ksm_folios(self) -> list[int]:
        """Return the KSM folios, mapped or only in the swap cache, by number."""
        return [n for n, folio in self.folios.pairs() if folio.ksm]

    def check(self) -> None:
        """Raise `InvariantError` that names the first broken structural invariant."""
        from ksm_rmap.model.validate import validate_state  # noqa: PLC0415 - floor order

        validate_state(self)

    def __str__(self) -> str:
        from ksm_rmap.model.map import state_map  # noqa: PLC0415 - floor order

        return state_map(self)
