"""The record of an operation, replayed from nothing, gives the VMAs, entries and folios."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ksm_rmap import MmError, Rules, State, ops
from ksm_rmap.model.calls import Call
from ksm_rmap.model.events import (
    Event,
    Exited,
    FolioBorn,
    FolioFreed,
    FolioMerged,
    FolioOwned,
    FolioUpgraded,
    Forked,
    PteMoved,
    PteSet,
    VmaAdded,
    VmaChanged,
    VmaCopied,
    VmaFaulted,
    VmaForked,
    VmaMerged,
    VmaMoved,
    VmaRemoved,
    VmaSplit,
    VmaUnfaulted,
    recording,
)
from ksm_rmap.model.state import Pte, Vma, linear_page_index
from tests.support import truth


class Replica:
    """A listener that rebuilds what it is told; it never looks at the model's tables."""

    def __init__(self) -> None:
        self.vmas: dict[int, dict[int, Vma]] = {0: {}}
        self.ptes: dict[int, dict[int, Pte]] = {0: {}}
        self.folios: set[int] = set()
        self.upgraded: set[int] = set()
        self.merged: set[tuple[int, int]] = set()
        self.seen: set[type[Any]] = set()

    def hear(self, event: Event) -> None:
        self.seen.add(type(event))
        match event:
            case PteSet(mm, page, old, new):
                assert self.ptes[mm].pop(page, None) == old
                if new is not None:
                    self.ptes[mm][page] = new
            case PteMoved(mm, page, to, pte):
                assert self.ptes[mm].pop(page) == pte
                assert to not in self.ptes[mm]
                self.ptes[mm][to] = pte
            case FolioBorn(folio, vma, page, exclusive):
                assert folio not in self.folios
                assert vma.start <= page < vma.end
                assert vma.anon_vma is not None
                assert exclusive in {True, False}
                self.folios.add(folio)
            case FolioOwned(folio, vma, page):
                assert folio in self.folios
                assert self.ptes[vma.mm][page].target == folio
                assert vma.start <= page < vma.end
            case FolioUpgraded(folio, mm, page):
                assert self.ptes[mm][page].target == folio
                self.upgraded.add(folio)
            case FolioMerged(folio, vma, page):
                assert folio in self.upgraded
                assert vma.start <= page < vma.end
                self.merged.add((vma.mm, page))
            case FolioFreed(folio):
                self.folios.remove(folio)
                self.upgraded.discard(folio)
            case _:
                self._hear_of_processes(event)

    def _hear_of_processes(self, event: Event) -> None:
        match event:
            case Forked(mm, child):
                assert mm in self.vmas
                self.vmas[child], self.ptes[child] = {}, {}
            case Exited(mm):
                assert not self.ptes.pop(mm)
                assert not self.vmas.pop(mm)
            case _:
                self._hear_of_vmas(event)

    def _hear_of_vmas(self, event: Event) -> None:
        match event:
            case VmaAdded(vma):
                self._put(vma)
            case VmaRemoved(vma):
                self._take(vma)
            case VmaFaulted(old, vma, lender):
                assert (old.anon_vma, vma.anon_vma is None) == (None, False)
                assert lender is None or lender.anon_vma == vma.anon_vma
                self._swap(old, vma)
            case VmaUnfaulted(old, vma):
                assert vma.anon_vma is None
                self._swap(old, vma)
            case VmaChanged(old, vma):
                assert _place(old)[:4] == _place(vma)[:4]
                self._swap(old, vma)
            case _:
                self._hear_of_shapes(event)

    def _hear_of_shapes(self, event: Event) -> None:
        match event:
            case VmaForked(parent, vma):
                assert _place(parent)[:4] == _place(vma)[:4]
                assert _place(parent) == _place(self.vmas[parent.mm][parent.start])
                self._put(vma)
            case VmaSplit(old, lower, upper, new_below):
                assert new_below in {True, False}
                assert (old.start, lower.end, old.end) == (lower.start, upper.start, upper.end)
                self._take(old)
                self._put(lower)
                self._put(upper)
            case VmaCopied(source, vma):
                assert _place(source) == _place(self.vmas[source.mm][source.start])
                self._put(vma)
            case VmaMoved(source, start, pages, to, vma):
                assert source.start <= start
                assert start + pages <= source.end
                assert vma.start <= to
                assert to + pages <= vma.end
                assert linear_page_index(vma, to) == linear_page_index(source, start) or (
                    source.anon_vma is None
                )
            case VmaMerged(old, vma, donor, removed, shrunk):
                for gone in (old, *removed, *(shrunk[:1] if shrunk else ())):
                    self._take(gone)
                for made in (vma, *(shrunk[1:] if shrunk else ())):
                    self._put(made)
                assert donor is None or (old.anon_vma, donor.anon_vma) == (None, vma.anon_vma)
            case _:  # pragma: no cover - every kind of event is named above
                pytest.fail(f"unknown event {event}")

    def _put(self, vma: Vma) -> None:
        assert vma.start not in self.vmas[vma.mm]
        self.vmas[vma.mm][vma.start] = vma

    def _take(self, vma: Vma) -> None:
        assert _place(self.vmas[vma.mm].pop(vma.start)) == _place(vma)

    def _swap(self, old: Vma, new: Vma) -> None:
        self._take(old)
        self._put(new)

    def compare(self, state: State) -> None:
        alive = {number: mm for number, mm in state.mms.pairs() if mm.alive}
        assert set(alive) == set(self.vmas)
        for number, mm in alive.items():
            assert dict(mm.ptes.pairs()) == self.ptes[number]
            assert [_place(vma) for _, vma in mm.vmas.pairs()] == [
                _place(vma) for _, vma in sorted(self.vmas[number].items())
            ]
        assert set(state.folios) == self.folios
        assert set(state.ksm_folios()) == self.upgraded
        stable = {key for node in state.nodes.values_in_order() for key in node.items}
        assert stable <= self.merged  # what was noted may be forgotten later


def _place(vma: Vma) -> tuple[object, ...]:
    faulted = vma.anon_vma is not None
    return (vma.start, vma.end, vma.pgoff, vma.anon_pgoff, vma.flags, vma.file, faulted)


def calls() -> st.SearchStrategy[Call]:
    mm = st.sampled_from((0, 0, 1))
    start, pages = st.integers(0, 7), st.integers(1, 4)
    area = {"mm": mm, "start": start, "pages": pages}
    advice = st.sampled_from((*ops.ADVICES, "mergeable", "mergeable"))
    kinds: dict[str, dict[str, st.SearchStrategy[Any]]] = {
        "mmap": area,
        "munmap": area,
        "mprotect": {**area, "prot": st.sampled_from(("r", "rw"))},
        "write": {**area, "content": st.integers(1, 2)},
        "read": area,
        "madvise": {**area, "advice": advice},
        "mremap": {
            **area,
            "new_pages": st.none() | st.integers(1, 4),
            "to": st.none() | st.integers(0, 12),
            "dontunmap": st.booleans(),
        },
        "fork": {"mm": mm, "child": st.just(1)},
        "exit_mm": {"mm": st.just(1)},
        "prctl_merge_any": {"mm": mm, "enable": st.booleans()},
        "ksmd": {"passes": st.integers(1, 3)},
        "unmerge_all": {},
        "swap_out": {"mm": mm, "page": start},
        "drop_swap_cache": {"mm": mm, "page": start},
        "reclaim": {},
        "hold": {"mm": mm, "page": start},
        "migrate_begin": {"mm": mm, "page": start},
        "migrate_end": {"mm": mm, "page": start},
    }
    one = [st.tuples(st.just(op), st.fixed_dictionaries(args)) for op, args in kinds.items()]
    return st.one_of(one).map(lambda drawn: Call.of(drawn[0], **drawn[1]))


OPENING = (
    Call.of("mmap", mm=0, start=0, pages=8),
    Call.of("madvise", mm=0, start=0, pages=8, advice="mergeable"),
    Call.of("write", mm=0, start=0, pages=4, content=1),
)


def outcome(call: Call, state: State) -> tuple[str, State | None]:
    try:
        return "ok", call.apply(state, truth)
    except MmError as error:
        return error.name, error.state


@pytest.mark.parametrize("rules", Rules.presets(), ids=lambda rules: rules.name)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(program=st.lists(calls(), max_size=25))
def test_a_replica_that_only_listens_has_the_same_memory(rules: Rules, program: list[Call]) -> None:
    state, replica = recording(State(rules=rules)), Replica()
    plain = State(rules=rules)
    for call in (*OPENING, *program):
        recorded, expected = outcome(call, state), outcome(call, plain)
        assert recorded == expected  # recording changes nothing
        if recorded[1] is None or expected[1] is None:
            continue
        state, plain = recorded[1], expected[1]
        assert plain.events is None
        assert state.events is not None
        for event in state.events:
            replica.hear(event)
        replica.compare(state)
        state.check()


def test_every_kind_of_event_occurs() -> None:
    """The companion: a replica that heard nothing would have nothing to get wrong."""
    state, replica = recording(State()), Replica()
    program = [
        *OPENING,
        Call.of("fork", mm=0, child=1),
        Call.of("write", mm=1, start=0, content=2),
        Call.of("write", mm=0, start=0, content=1),
        Call.of("ksmd", passes=2),
        Call.of("mprotect", mm=0, start=1, pages=1, prot="r"),
        Call.of("mprotect", mm=0, start=1, pages=1, prot="rw"),
        Call.of("mremap", mm=0, start=2, pages=1, to=20),
        Call.of("mmap", mm=0, start=40, pages=1),
        Call.of("write", mm=0, start=40, content=3),
        Call.of("mremap", mm=0, start=40, pages=1, to=50, dontunmap=True),
        Call.of("madvise", mm=0, start=50, pages=1, advice="dontfork"),
        Call.of("exit_mm", mm=1),
    ]
    for call in program:
        state = call.apply(state)
        for event in state.events or ():
            replica.hear(event)
    replica.compare(state)
    assert replica.seen == set(get_args(Event))


def test_a_record_knows_the_record_before_it() -> None:
    state = recording(State())
    first = ops.mmap(state, mm=0, start=0, pages=1)
    second = ops.munmap(first, mm=0, start=0, pages=1)
    assert second.events is not None
    assert second.events.before is first.events  # type: ignore[attr-defined]  # a Record


def test_recording_begins_with_an_empty_state() -> None:
    with pytest.raises(ValueError, match="begins with an empty state"):
        recording(ops.mmap(State(), mm=0, start=0, pages=1))
