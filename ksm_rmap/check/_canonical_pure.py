"""The Python form of `ksm_rmap.check.canonical`, and what the bytes of the string mean.

The C form (`_canonical.c`) mirrors it function by function: what is changed here is changed
there. The string is written from left to right: the processes, then the records of the objects
that have got a name, in the order in which they got it, then ksmd.
"""

from __future__ import annotations

from itertools import chain as joined
from itertools import groupby, permutations, product
from typing import TYPE_CHECKING, NamedTuple

from ksm_rmap.model._fault import NO_NODE
from ksm_rmap.model.state import ItemState, Mapping, PteKind, VmFlag

if TYPE_CHECKING:
    from collections.abc import Callable

    from ksm_rmap.model.state import Ksmd, Mm, Pte, RmapItem, State, Vma

__all__ = (
    "ANON_VMA",
    "FILE",
    "FLAG_BITS",
    "FOLIO",
    "LIMIT",
    "MAPPED_KSM",
    "NODE",
    "PTE_KINDS",
    "SLOT",
    "Named",
    "encode",
    "named",
)

LIMIT = 255
"""Greatest number that a string can hold: pages, offsets, contents, objects of one kind."""
MAPPED_KSM = 1
"""Bit of the first byte: some page-table entry maps a KSM folio."""

FLAG_BITS = (
    VmFlag.READ,
    VmFlag.WRITE,
    VmFlag.EXEC,
    VmFlag.DONTCOPY,
    VmFlag.ACCOUNT,
    VmFlag.WIPEONFORK,
    VmFlag.MERGEABLE,
)
"""`vm_flags` by bit of the byte that stands for them."""
FILE = 0x80
"""Bit of that byte: a private file mapping; its anonymous page offset follows."""
PTE_KINDS = (PteKind.PRESENT, PteKind.ZERO, PteKind.SWAP, PteKind.MIGRATION)
"""Kinds of page-table entries by the lower two bits of their byte; bit 2: exclusive."""
ANON_VMA, FOLIO, SLOT, NODE = range(4)
"""Kinds of objects that are named and have a record."""

_PRESENT, _ZERO, _SWAP, _ = PTE_KINDS
_FLAG_BYTES: dict[int, int] = {}


class Named(NamedTuple):
    """The string of a state, and what the names in it stand for."""

    string: bytes
    processes: tuple[int, ...]
    """The numbers of the processes in the order of the string."""
    contents: tuple[int, ...]
    """The contents in the order of their names: `contents[0]` has the name 1."""


def encode(state: State) -> bytes:
    """Return the string of `state`; equal strings: the states differ in names only.

    ValueError if a number of the state is above `LIMIT`. O(size of the state), times the
    orders of processes that look alike at first sight.
    """
    return named(state).string


def named(state: State) -> Named:
    """Return the string of `state` with what its names stand for; errors and cost: `encode`.

    Where several orders of the processes give the least string, the names are those of the
    first, the orders being tried in that of their numbers.
    """
    if len(state.mms) == 1:
        return _Writer(state).write(state.mms.columns()[0])
    orders = _orders(state)
    if len(orders) == 1:
        return _Writer(state).write(orders[0])
    return min([_Writer(state).write(order) for order in orders], key=_string)


def _string(found: Named) -> bytes:
    return found.string


def _orders(state: State) -> list[tuple[int, ...]]:
    """Return the orders of processes to try: by outward looks, all orders of those alike."""
    groups = _alike(state, _sketch)
    if len(groups) < len(state.mms):
        groups = _alike(state, _looks)
    return [tuple(joined(*choice)) for choice in product(*map(permutations, groups))]


def _alike(state: State, look: Callable[[Mm], tuple[object, ...]]) -> list[list[int]]:
    """Return the processes in groups of those that look alike, the groups in order of looks."""
    slots = state.ksmd.slots
    looks = sorted(
        [(slots.index(n) if n in slots else -1, look(mm), n) for n, mm in state.mms.pairs()]
    )
    return [[n for *_, n in group] for _, group in groupby(looks, key=lambda look: look[:2])]


def _sketch(mm: Mm) -> tuple[object, ...]:
    """Return what tells most processes apart, at no cost."""
    vmas, ptes, items, merge_any, alive = mm
    return alive, merge_any, vmas.columns()[0], ptes.columns()[0], items.columns()[0]


def _looks(mm: Mm) -> tuple[object, ...]:
    """Return what tells processes apart without a name in it."""
    kinds = tuple([pte[0].value for pte in mm.ptes.columns()[1]])
    vmas = tuple([(v[1], v[2], v[3], v[4], len(v[6])) for v in mm.vmas.columns()[1]])
    return _sketch(mm), kinds, vmas


def _flag_byte(flags: int) -> int:
    """Return the byte for `vm_flags`; VM_MAYREAD and its like are always there."""
    byte = sum(1 << at for at, flag in enumerate(FLAG_BITS) if flags & flag)
    _FLAG_BYTES[flags] = byte
    return byte


class _Names(dict[int, int]):
    """Numbers objects of one kind from 1 by first appearance, and queues those to be written."""

    __slots__ = ("_kind", "_queue")

    def __init__(self, kind: int, queue: list[tuple[int, int]]) -> None:
        self._kind = kind
        self._queue = queue

    def __missing__(self, number: int) -> int:
        name = self[number] = len(self) + 1
        self._queue.append((self._kind, number))
        return name


class _Writer:
    """Writes one state for one order of the processes."""

    __slots__ = ("_contents", "_kinds", "_out", "_queue", "_state")

    def __init__(self, state: State) -> None:
        self._state = state
        self._out: list[int] = [0]
        self._queue: list[tuple[int, int]] = []
        """Kind and number of each object, in the order in which its record is written."""
        self._kinds = [_Names(kind, self._queue) for kind in range(4)]
        self._contents = _Names(4, [])

    def write(self, order: tuple[int, ...]) -> Named:
        """Return the string with the processes in `order`."""
        mms = self._state.mms
        self._out.append(len(order))
        for number in order:
            self._mm(mms[number])
        records = (self._anon_vma, self._folio, self._slot, self._node)
        for kind, number in self._queue:  # grows on the way
            records[kind](number)
        self._ksmd(self._state.ksmd, {number: at for at, number in enumerate(order)})
        return Named(bytes(self._out), order, tuple(self._contents))

    def _mm(self, mm: Mm) -> None:
        vmas, ptes, items, merge_any, alive = mm
        self._out += (alive + 2 * merge_any, len(vmas), len(ptes), len(items))
        self._vmas(vmas.columns()[1])
        self._ptes(*ptes.columns())
        for item in items.columns()[1]:
            self._item(item)

    def _vmas(self, vmas: tuple[Vma, ...]) -> None:
        out, names = self._out, self._kinds[ANON_VMA]
        for _, start, end, pgoff, flags, anon_vma, chain, anon_pgoff, file in vmas:
            byte = _FLAG_BYTES.get(flags) or _flag_byte(flags)
            if file is None:
                out += (start, end, pgoff, byte, len(chain))
            else:
                out += (start, end, pgoff, byte | FILE, anon_pgoff, len(chain))
            if chain:
                out += [names[number] for number in chain]
                out.append(0 if anon_vma is None else names[anon_vma])

    def _ptes(self, pages: tuple[int, ...], entries: tuple[Pte, ...]) -> None:
        out, folios, slots = self._out, self._kinds[FOLIO], self._kinds[SLOT]
        for page, (kind, target, exclusive) in zip(pages, entries, strict=True):
            if kind is _PRESENT:
                out += (page, 0, folios[target])
            elif kind is _ZERO:
                out += (page, 1, 0)
            elif kind is _SWAP:
                out += (page, 2 + 4 * exclusive, slots[target])
            else:
                out += (page, 3 + 4 * exclusive, folios[target])

    def _item(self, item: RmapItem) -> None:
        _, address, state, checksum, node, anon_vma, index, vm_pgoff = item
        seen = 0 if checksum is None else self._contents[checksum]
        if node is None or anon_vma is None:
            self._out += (address, int(state is ItemState.UNSTABLE), seen)
            return
        names = self._kinds
        self._out += (
            address, 2, seen, names[NODE][node], names[ANON_VMA][anon_vma], index, vm_pgoff,
        )  # fmt: skip

    def _anon_vma(self, number: int) -> None:
        root, parent, *_, tree = self._state.anon_vmas[number]
        names = self._kinds[ANON_VMA]
        self._out += (names[root], names[parent] if tree else 0)

    def _folio(self, number: int) -> None:
        state, names = self._state, self._kinds
        kind, mapping, index, mapcount, exclusive, content, swap, pins, migrating = state.folios[
            number
        ]
        ksm = kind is Mapping.KSM
        if ksm:
            name, index = 0 if mapping == NO_NODE else names[NODE][mapping], 0
            if mapcount or migrating:
                self._out[0] = MAPPED_KSM
        else:
            name = names[ANON_VMA][mapping] if mapping in state.anon_vmas else 0
        slot = 0 if swap is None else names[SLOT][swap]
        flags = ksm + 2 * exclusive + 4 * pins
        self._out += (flags, name, index, self._contents[content], slot)

    def _slot(self, number: int) -> None:
        _, content, folio = self._state.slots[number]
        name = 0 if folio is None else self._kinds[FOLIO][folio]
        self._out += (self._contents[content], name)

    def _node(self, number: int) -> None:
        folio, content, _ = self._state.nodes[number]
        name = self._kinds[FOLIO][folio] if folio in self._state.folios else 0
        self._out += (self._contents[content], name)

    def _ksmd(self, ksmd: Ksmd, places: dict[int, int]) -> None:
        slots, mm, address, _, stable, unstable, _ = ksmd
        out = self._out
        out.append(len(slots))
        out += [places[number] for number in slots]
        out += (0, 0) if mm is None else (places[mm] + 1, address)
        if not stable and not unstable:
            out.append(0)
            return
        nodes, contents = self._kinds[NODE], self._contents
        chains = [[nodes[n] for n in chain if n in nodes] for chain in stable.columns()[1]]
        dups = [name for chain in sorted(chains) if len(chain) > 1 for name in chain]
        out.append(len(dups))
        out += dups
        buckets = sorted((contents[content], keys) for content, keys in unstable.pairs())
        for _, keys in buckets:
            for number, page in keys:
                out += (places[number], page)
