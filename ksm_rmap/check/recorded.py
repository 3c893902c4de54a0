"""Snapshots and states: what a trace shows of a state, and a state built from what it shows.

Rules of this module:

1. `snapshot_of` shows of a `State` exactly the fields that the recorder shows of a kernel.
2. `recorded_state` is its inverse: the state has the VMAs, chains, page tables, folios, stable
   nodes and items of the snapshot and nothing of the model's, so that a walk over it is a walk
   over the kernel's structures. `snapshot_of(recorded_state(x).state) == x` for every snapshot.
3. A name of the trace is a letter and a number: `a` anon_vma, `f` folio, `s` swap slot.

Left out, because a snapshot does not have it: the order of equal keys in an interval tree,
content of swap slots, unmapped folios, items that are in no list. What an item recorded at merge
time (`index`, `vm_pgoff`) is taken from the state `like`, the model's at the same step, and where
that has no such item from the VMA that holds the item's address.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from ksm_rmap.check.trace import AnonVmaLine, PageLine, ProcLine, Snapshot, VmaLine
from ksm_rmap.interval_tree import FrozenIntervalTree
from ksm_rmap.model._sorted_map import SortedMap
from ksm_rmap.model.state import (
    AnonVma,
    Folio,
    ItemKey,
    ItemState,
    Mapping,
    Mm,
    Pte,
    PteKind,
    RmapItem,
    StableNode,
    State,
    SwapSlot,
    Vma,
    VmaKey,
    VmFlag,
    linear_page_index,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Mapping as MappingType

__all__ = ("GONE", "Recorded", "prot_of", "recorded_state", "snapshot_of")

GONE = "gone"
"""The process of an item whose mm has exited."""

_PERMISSIONS = ((VmFlag.READ, "r"), (VmFlag.WRITE, "w"), (VmFlag.EXEC, "x"))


def _plain_name(kind: str, number: int) -> str:
    return f"{kind}{number}"


def prot_of(flags: int) -> str:
    """Return the access rights of a VMA as letters, "-" for none."""
    return "".join(letter for flag, letter in _PERMISSIONS if flags & flag) or "-"


# From a state to a snapshot


def snapshot_of(
    state: State,
    slots: MappingType[int, int] | None = None,
    name: Callable[[str, int], str] = _plain_name,
) -> Snapshot:
    """Return what the recorder would show of `state`; O(VMAs + PTEs + items).

    Args:
        state: the state.
        slots: number of each living mm in the snapshot; None: its own number.
        name: makes a name of a letter and a number; `f12` for folio 12 if not given.

    """
    living = [(number, mm) for number, mm in state.mms.pairs() if mm.alive]
    shown = {number: number if slots is None else slots[number] for number, _ in living}
    return Snapshot(
        procs={str(shown[number]): _process(state, mm, name) for number, mm in living},
        avs=dict(_anon_vmas(state, name)),
        ksm=dict(_item_lists(state, shown, name)),
    )


def _process(state: State, mm: Mm, name: Callable[[str, int], str]) -> ProcLine:
    return ProcLine(
        vmas=[_vma_line(vma, name) for vma in mm.vmas.values_in_order()],
        pages=[_page_line(state, page, pte, name) for page, pte in mm.ptes.pairs()],
    )


def _vma_line(vma: Vma, name: Callable[[str, int], str]) -> VmaLine:
    line = VmaLine(
        s=vma.start,
        n=vma.pages,
        prot=prot_of(vma.flags),
        mg=int(vma.has(VmFlag.MERGEABLE)),
        pgoff=vma.pgoff,
        flags=hex(vma.flags),
        av=None if vma.anon_vma is None else name("a", vma.anon_vma),
        chain=[name("a", number) for number in vma.chain],
    )
    if vma.file is not None:  # the recorder has anonymous memory only
        line["file"] = vma.file
        line["anon_pgoff"] = vma.anon_pgoff
    return line


def _page_line(state: State, page: int, pte: Pte, name: Callable[[str, int], str]) -> PageLine:
    if pte.kind is PteKind.ZERO:
        return PageLine(p=page, k="zero")
    if pte.kind is PteKind.SWAP:
        return PageLine(p=page, k="swap", sw=name("s", pte.target))
    if pte.kind is PteKind.MIGRATION:
        return PageLine(p=page, k="migration", f=name("f", pte.target))
    folio = state.folios[pte.target]
    line = PageLine(p=page, k="anon", f=name("f", pte.target), mc=folio.mapcount, tok=folio.content)
    if folio.ksm:
        line["k"] = "ksm"
    else:
        line["av"], line["ix"] = name("a", folio.mapping), folio.index
    return line


def _anon_vmas(state: State, name: Callable[[str, int], str]) -> Iterator[tuple[str, AnonVmaLine]]:
    chained = {
        number
        for mm in state.mms.values_in_order()
        for vma in mm.vmas.values_in_order()
        for number in vma.chain
    }
    for number in sorted(chained):
        found = state.anon_vmas[number]
        yield (
            name("a", number),
            AnonVmaLine(
                root=name("a", found.root),
                parent=name("a", found.parent),
                refs=found.refcount,
                nchild=found.num_children,
                nactive=found.num_active_vmas,
            ),
        )


def _item_lists(
    state: State, shown: MappingType[int, int], name: Callable[[str, int], str]
) -> Iterator[tuple[str, list[list[Any]]]]:
    mapped = {
        pte.target
        for mm in state.mms.values_in_order()
        for pte in mm.ptes.values_in_order()
        if pte.kind is PteKind.PRESENT
    }
    for number in sorted(mapped):
        if not state.folios[number].ksm:
            continue
        node = state.stable_node(number)
        items = [state.item(key) for key in node.items] if node else []
        yield (
            name("f", number),
            [[shown.get(item.mm, GONE), item.address, _anon_vma(item, name)] for item in items],
        )


def _anon_vma(item: RmapItem, name: Callable[[str, int], str]) -> str | None:
    return None if item.anon_vma is None else name("a", item.anon_vma)


# From a snapshot to a state


class Recorded(NamedTuple):
    """A state built from a snapshot, and what its objects are called in the trace."""

    state: State
    numbers: dict[str, int]
    """Number of each anon_vma, folio and swap slot of the trace."""


def recorded_state(
    snapshot: Snapshot,
    *,
    like: State | None = None,
    numbers: MappingType[str, int] | None = None,
    mms: MappingType[int, int] | None = None,
) -> Recorded:
    """Return the state that `snapshot` shows; O(VMAs + PTEs + items).

    Args:
        snapshot: what a kernel looked like.
        like: the model's state at the same step: it supplies the rules, and of each item that
            both have what a snapshot does not show.
        numbers: what objects of the trace are called in `like`; others get numbers of their own.
        mms: the mm of `like` for each process slot; None: the slot's own number.

    """
    builder = _Builder(snapshot, like, dict(numbers or {}), dict(mms or {}))
    return Recorded(builder.state(), builder.numbers)


class _Builder:
    """Collects the tables of a recorded state."""

    def __init__(
        self, snapshot: Snapshot, like: State | None, numbers: dict[str, int], mms: dict[int, int]
    ) -> None:
        self.snapshot = snapshot
        self.like = like
        self.numbers = numbers
        self.mms = {int(slot): mms.get(int(slot), int(slot)) for slot in snapshot["procs"]}
        used = [like.next_id if like else 0, *numbers.values(), *self.mms.values()]
        if like is not None:
            used.extend(like.mms)
        self.fresh = count(max(used) + 1)
        self.vmas: dict[int, dict[int, Vma]] = {mm: {} for mm in self.mms.values()}
        self.ptes: dict[int, dict[int, Pte]] = {mm: {} for mm in self.mms.values()}
        self.items: dict[int, dict[int, RmapItem]] = {}
        self.folios: dict[int, Folio] = {}
        self.nodes: dict[int, StableNode] = {}
        self.slots: dict[int, int] = {}

    def state(self) -> State:
        for slot, process in self.snapshot["procs"].items():
            mm = self.mms[int(slot)]
            for vma in process["vmas"]:
                self.vmas[mm][vma["s"]] = self.vma(mm, vma)
            for page in process["pages"]:
                self.ptes[mm][page["p"]] = self.pte(page)
        for folio, items in self.snapshot["ksm"].items():
            self.node(folio, items)
        anon_vmas = self.anon_vmas()
        like = State() if self.like is None else self.like
        return State(
            rules=like.rules,
            mms=SortedMap((number, self.mm(number)) for number in {*self.vmas, *self.items}),
            anon_vmas=SortedMap(anon_vmas.items()),
            folios=SortedMap(self.folios.items()),
            nodes=SortedMap(self.nodes.items()),
            slots=SortedMap((slot, SwapSlot(ptes, 0)) for slot, ptes in self.slots.items()),
            next_id=next(self.fresh),
        )

    def number(self, name: str) -> int:
        if name not in self.numbers:
            self.numbers[name] = next(self.fresh)
        return self.numbers[name]

    def mm(self, number: int) -> Mm:
        return Mm(
            vmas=SortedMap(self.vmas.get(number, {}).items()),
            ptes=SortedMap(self.ptes.get(number, {}).items()),
            items=SortedMap(self.items.get(number, {}).items()),
            alive=number in self.vmas,
        )

    def vma(self, mm: int, line: VmaLine) -> Vma:
        return Vma(
            mm=mm,
            start=line["s"],
            end=line["s"] + line["n"],
            pgoff=line["pgoff"],
            flags=int(line["flags"], 16),
            anon_vma=None if line["av"] is None else self.number(line["av"]),
            chain=tuple(self.number(name) for name in line["chain"]),
            anon_pgoff=line.get("anon_pgoff", line["pgoff"]),
            file=line.get("file"),
        )

    def pte(self, line: PageLine) -> Pte:
        if line["k"] == "zero":
            return Pte(PteKind.ZERO)
        if line["k"] == "swap":
            slot = self.number(line["sw"])
            self.slots[slot] = self.slots.get(slot, 0) + 1
            return Pte(PteKind.SWAP, slot)
        number = self.number(line["f"])
        if line["k"] == "migration":
            return Pte(PteKind.MIGRATION, number)
        self.folios[number] = self.folio(number, line)
        return Pte(PteKind.PRESENT, number)

    def folio(self, number: int, line: PageLine) -> Folio:
        if line["k"] == "ksm":
            return Folio(Mapping.KSM, number, 0, line["mc"], exclusive=False, content=line["tok"])
        return Folio(
            Mapping.ANON,
            self.number(line["av"]),
            line["ix"],
            line["mc"],
            exclusive=line["mc"] == 1,
            content=line["tok"],
        )

    def anon_vmas(self) -> dict[int, AnonVma]:
        """Return the anon_vmas; one that is in no chain (only an item knows it) is empty."""
        links: dict[int, list[tuple[int, int, VmaKey]]] = {}
        for vmas in self.vmas.values():
            for vma in vmas.values():
                for number in vma.chain:
                    links.setdefault(number, []).append((vma.anon_pgoff, vma.last_index, vma.key))
        found = {}
        for name, line in self.snapshot["avs"].items():
            number = self.number(name)
            found[number] = AnonVma(
                root=self.number(line["root"]),
                parent=self.number(line["parent"]),
                refcount=line["refs"],
                num_children=line["nchild"],
                num_active_vmas=line["nactive"],
                tree=FrozenIntervalTree(links.get(number, ())),
            )
        for name, number in self.numbers.items():
            if name.startswith("a") and number not in found:
                found[number] = AnonVma(number, number, 0)
        return found

    def node(self, folio: str, items: list[list[Any]]) -> None:
        number = self.number(folio)
        model = self.like.stable_node(number) if self.like else None
        known = model.items if model and len(model.items) == len(items) else ()
        keys = []
        for at, (slot, address, anon_vma) in enumerate(items):
            item = self.item(slot, address, known[at] if known else None)
            item = item._replace(node=number, anon_vma=self.number(anon_vma))
            self.items.setdefault(item.mm, {})[address] = item
            keys.append(item.key)
        content = self.folios[number].content if number in self.folios else 0
        self.nodes[number] = StableNode(number, content, tuple(keys))

    def item(self, slot: int | str, address: int, known: ItemKey | None) -> RmapItem:
        """Return an item; `known` names the one at this place of the model's list."""
        gone = isinstance(slot, str)
        if known is not None and known[1] == address and gone == (known[0] not in self.vmas):
            mm = known[0]
        else:
            mm = next(self.fresh) if isinstance(slot, str) else self.mms[slot]
        index, vm_pgoff = self.merged_at(mm, address)
        return RmapItem(mm, address, ItemState.STABLE, index=index, vm_pgoff=vm_pgoff)

    def merged_at(self, mm: int, address: int) -> tuple[int, int]:
        """Return what an item recorded when its page was merged: index and `vm_pgoff`."""
        model: Mm | None = self.like.mms.get(mm) if self.like else None
        item: RmapItem | None = model.items.get(address) if model else None
        if item is not None and item.state is ItemState.STABLE:
            return item.index, item.vm_pgoff
        for vma in self.vmas.get(mm, {}).values():
            if vma.start <= address < vma.end:
                return linear_page_index(vma, address), vma.pgoff
        return address, address
