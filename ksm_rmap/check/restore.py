"""From the string of `ksm_rmap.check.canonical` to a state again.

No analogue in the kernel. What the string leaves out is made up from what it has: trees from the
chains of VMAs, counters from what they count. Objects are numbered in the order of the string,
each kind by numbers that no other kind has; processes are 0, 1, 2...
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeVar

from ksm_rmap.check.canonical import ANON_VMA, FILE, FLAG_BITS, FOLIO, NODE, PTE_KINDS, SLOT
from ksm_rmap.interval_tree import FrozenIntervalTree
from ksm_rmap.model._fault import NO_NODE
from ksm_rmap.model._sorted_map import SortedMap
from ksm_rmap.model.state import (
    AnonVma,
    Folio,
    ItemState,
    Ksmd,
    Mapping,
    Mm,
    Pte,
    PteKind,
    RmapItem,
    StableNode,
    State,
    SwapSlot,
    Vma,
    VmFlag,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ksm_rmap.model.rules import Rules
    from ksm_rmap.model.state import ItemKey, VmaKey

__all__ = ("decode",)

V = TypeVar("V")

_Count = defaultdict[int, int]
_EMPTY: SortedMap[Any] = SortedMap()

FILE_NAME = "f"
"""Name of the only file there is (see `ksm_rmap.check.actions`)."""
_FLAGS = tuple(
    int(VmFlag.MAY) + sum(int(flag) for bit, flag in enumerate(FLAG_BITS) if byte >> bit & 1)
    for byte in range(FILE)
)
_KINDS = 4
"""An object with the name n, of kind k, has the number 4 n + k; no object has 0."""


def decode(string: bytes, rules: Rules, max_page_sharing: int = 256) -> State:
    """Return the state that `string` stands for, of a kernel with `rules`.

    `encode(decode(s, rules)) == s` for each string that `encode` returned. O(len(string)).
    """
    return _Reader(string).state(rules, max_page_sharing)


class _Reader:
    """Reads one string from left to right and counts on the way what the tables count."""

    __slots__ = (
        "_active", "_anon_vmas", "_at", "_contents", "_folios", "_items", "_links", "_mapped",
        "_migrating", "_named", "_nodes", "_queue", "_slots", "_string", "_swapped",
    )  # fmt: skip

    def __init__(self, string: bytes) -> None:
        self._string = string
        self._at = 2
        self._named = [0] * _KINDS
        """How many names of each kind were met."""
        self._queue: list[tuple[int, int]] = []
        """Kind and number of each object, in the order of their records."""
        self._links: dict[int, list[tuple[int, int, VmaKey]]] = {}
        self._items: list[RmapItem] = []
        self._active: _Count = defaultdict(int)
        self._mapped: _Count = defaultdict(int)
        self._migrating: _Count = defaultdict(int)
        self._swapped: _Count = defaultdict(int)
        self._anon_vmas: list[tuple[int, tuple[int, int]]] = []
        self._folios: list[tuple[int, Folio]] = []
        self._slots: list[tuple[int, SwapSlot]] = []
        self._nodes: list[tuple[int, StableNode]] = []

    def state(self, rules: Rules, max_page_sharing: int) -> State:
        """Return the state."""
        count = self._string[1]
        mms = [(number, self._mm(number)) for number in range(count)]
        records = (self._anon_vma, self._folio, self._slot, self._node)
        for kind, number in self._queue:  # grows on the way
            records[kind](number)
        return State(
            rules,
            _map(mms),
            _map(self._counted_anon_vmas()),
            _map(self._folios),
            _map(self._nodes),
            _map(self._slots),
            self._ksmd(max_page_sharing),
            _KINDS * (max(self._named) + 1),
        )

    def _take(self, count: int) -> bytes:
        at = self._at
        self._at = at + count
        return self._string[at : at + count]

    def _named_by(self, name: int, kind: int) -> int:
        """Return the number of the object that `name` names, 0 for none; queue a new one."""
        if name > self._named[kind]:
            self._named[kind] = name
            self._queue.append((kind, _KINDS * name + kind))
        return _KINDS * name + kind if name else 0

    def _mm(self, number: int) -> Mm:
        flags, vmas, ptes, items = self._take(4)
        return Mm(
            _by_key([self._vma(number) for _ in range(vmas)], 1),
            _map([self._pte() for _ in range(ptes)]),
            _by_key([self._item(number) for _ in range(items)], 1),
            bool(flags & 2),
            bool(flags & 1),
        )

    def _vma(self, mm: int) -> Vma:
        start, end, pgoff, byte, links = self._take(5)
        file, anon_pgoff = None, pgoff
        if byte & FILE:
            file, anon_pgoff = FILE_NAME, links
            (links,) = self._take(1)
        chain = tuple([self._named_by(name, ANON_VMA) for name in self._take(links)])
        anon_vma = self._named_by(self._take(1)[0], ANON_VMA) if chain else 0
        self._active[anon_vma] += 1
        for number in chain:
            interval = (anon_pgoff, anon_pgoff + end - start - 1, (mm, start))
            self._links.setdefault(number, []).append(interval)
        flags = _FLAGS[byte & ~FILE]
        return Vma(mm, start, end, pgoff, flags, anon_vma or None, chain, anon_pgoff, file)

    def _pte(self) -> tuple[int, Pte]:
        page, byte, name = self._take(3)
        kind = PTE_KINDS[byte & 3]
        if kind is PteKind.ZERO:
            return page, Pte(kind)
        if kind is PteKind.SWAP:
            target = self._named_by(name, SLOT)
            self._swapped[target] += 1
        else:
            target = self._named_by(name, FOLIO)
            counter = self._mapped if kind is PteKind.PRESENT else self._migrating
            counter[target] += 1
        return page, Pte(kind, target, byte > 3)  # noqa: PLR2004 - bit 2

    def _item(self, mm: int) -> RmapItem:
        address, state, seen = self._take(3)
        checksum = seen or None
        if state < 2:  # noqa: PLR2004 - not stable
            kind = ItemState.UNSTABLE if state else ItemState.LOOSE
            item = RmapItem(mm, address, kind, checksum)
        else:
            node, anon_vma, index, vm_pgoff = self._take(4)
            item = RmapItem(
                mm, address, ItemState.STABLE, checksum, self._named_by(node, NODE),
                self._named_by(anon_vma, ANON_VMA), index, vm_pgoff,
            )  # fmt: skip
        self._items.append(item)
        return item

    def _anon_vma(self, number: int) -> None:
        root, parent = self._take(2)
        names = self._named_by(root, ANON_VMA), self._named_by(parent, ANON_VMA)
        self._anon_vmas.append((number, names))

    def _folio(self, number: int) -> None:
        flags, name, index, content, slot = self._take(5)
        kind = Mapping.KSM if flags & 1 else Mapping.ANON
        if flags & 1:
            mapping = self._named_by(name, NODE) if name else NO_NODE
        else:
            mapping = self._named_by(name, ANON_VMA)
        swap = self._named_by(slot, SLOT) or None
        mapcount, migrating = self._mapped[number], self._migrating[number]
        folio = Folio(
            kind, mapping, index, mapcount, bool(flags & 2), content, swap, flags >> 2, migrating
        )
        self._folios.append((number, folio))

    def _slot(self, number: int) -> None:
        content, folio = self._take(2)
        cached = self._named_by(folio, FOLIO) or None
        self._slots.append((number, SwapSlot(self._swapped[number], content, cached)))

    def _node(self, number: int) -> None:
        content, folio = self._take(2)
        cached = self._named_by(folio, FOLIO)
        keys = tuple([item.key for item in reversed(self._items) if item.node == number])
        self._nodes.append((number, StableNode(cached, content, keys)))

    def _counted_anon_vmas(self) -> list[tuple[int, AnonVma]]:
        """Return the anon_vmas with trees and counters."""
        children: _Count = defaultdict(int)
        held: _Count = defaultdict(int)
        for number, (root, parent) in self._anon_vmas:
            children[parent] += 1
            held[root] += root != number
        for item in self._items:
            if item.anon_vma:
                held[item.anon_vma] += 1
        return [
            (number, self._counted(number, root, parent, held[number], children[number]))
            for number, (root, parent) in self._anon_vmas
        ]

    def _counted(self, number: int, root: int, parent: int, held: int, children: int) -> AnonVma:
        active, links = self._active[number], self._links.get(number)
        if not links:
            return AnonVma(root, parent or root, held, children, active)
        tree = FrozenIntervalTree(links)
        return AnonVma(root, parent or root, held + 1, children, active, tree)

    def _ksmd(self, max_page_sharing: int) -> Ksmd:
        slots = tuple(self._take(self._take(1)[0]))
        cursor, address, dups = self._take(3)
        chained = [_KINDS * name + NODE for name in self._take(dups)]
        return Ksmd(
            slots,
            cursor - 1 if cursor else None,
            address,
            0,
            self._stable(chained),
            self._unstable(),
            max_page_sharing,
        )

    def _stable(self, chained: list[int]) -> SortedMap[tuple[int, ...]]:
        contents = {number: node.content for number, node in self._nodes}
        order = chained + [number for number in contents if number not in chained]
        stable: dict[int, tuple[int, ...]] = {}
        for number in order:
            content = contents[number]
            stable[content] = (*stable.get(content, ()), number)
        return _map(sorted(stable.items()))

    def _unstable(self) -> SortedMap[tuple[ItemKey, ...]]:
        rest = self._string[self._at :]
        if not rest:
            return _EMPTY
        checksums = {item.key: item.checksum for item in self._items}
        buckets: dict[int, tuple[ItemKey, ...]] = {}
        for key in zip(rest[::2], rest[1::2], strict=True):
            checksum = checksums[key]
            if checksum is not None:
                buckets[checksum] = (*buckets.get(checksum, ()), key)
        return _map(sorted(buckets.items()))


def _map(pairs: Sequence[tuple[int, V]]) -> SortedMap[V]:
    """Return the map of `pairs`, whose keys ascend, so that it need not sort them."""
    if not pairs:
        return _EMPTY
    keys, values = zip(*pairs, strict=True)
    return SortedMap.from_columns(keys, values)


def _by_key(entries: list[Any], field: int) -> SortedMap[Any]:
    """Return the map of entries, which ascend, by their field number `field`."""
    if not entries:
        return _EMPTY
    return SortedMap.from_columns(tuple([entry[field] for entry in entries]), tuple(entries))
