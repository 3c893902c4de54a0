"""The events of an operation are the whole of what it did to VMAs and page tables."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING

import pytest

from ksm_rmap.check.actions import KINDS
from ksm_rmap.model import events as ev
from ksm_rmap.model import ops
from ksm_rmap.model.calls import Call
from ksm_rmap.model.errors import MmError
from ksm_rmap.model.events import Record, recording
from ksm_rmap.model.rules import AnonVmaReuse, Rules
from ksm_rmap.model.state import State
from ksm_rmap.walks import get
from tests.designs.histories import LENGTH, chances, next_call

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ksm_rmap.model.state import Pte, Vma

RULES = (
    *Rules.presets(),
    Rules(name="copies", copies_moved=True),
    Rules(name="never", reuse=AnonVmaReuse.NEVER),
)


class Mirror:
    """Keeps VMAs, entries and folios from events alone."""

    def __init__(self) -> None:
        self.vmas: dict[tuple[int, int], Vma] = {}
        self.ptes: dict[tuple[int, int], Pte] = {}
        self.folios: dict[int, bool] = {}
        self.processes = {0}

    def hear(self, events: Iterable[ev.Event]) -> None:  # noqa: C901 - one case an event
        for event in events:
            match event:
                case ev.PteSet(mm, page, old, new):
                    assert self.ptes.pop((mm, page), None) == old
                    if new is not None:
                        self.ptes[mm, page] = new
                case ev.PteMoved(mm, page, to, pte):
                    assert self.ptes.pop((mm, page)) == pte
                    assert (mm, to) not in self.ptes
                    self.ptes[mm, to] = pte
                case ev.FolioBorn(folio):
                    assert folio not in self.folios
                    self.folios[folio] = False
                case ev.FolioUpgraded(folio):
                    self.folios[folio] = True
                case ev.FolioMerged(folio, vma, page):
                    assert self.folios[folio]
                    assert self.vmas[vma.key] == vma
                    assert vma.start <= page < vma.end
                case ev.FolioFreed(folio):
                    del self.folios[folio]
                case ev.FolioOwned(folio, vma, page):
                    assert self.vmas[vma.key] == vma
                    assert vma.start <= page < vma.end
                case ev.Forked(mm, child):
                    assert mm in self.processes
                    self.processes.add(child)
                case ev.Exited(mm):
                    self.processes.remove(mm)
                    assert not [key for key in (*self.vmas, *self.ptes) if key[0] == mm]
                case _:
                    self.hear_vma(event)

    def hear_vma(self, event: ev.Event) -> None:
        match event:
            case ev.VmaAdded(vma) | ev.VmaForked(_, vma) | ev.VmaCopied(_, vma):
                assert vma.key not in self.vmas
                self.vmas[vma.key] = vma
            case ev.VmaRemoved(vma):
                assert self.vmas.pop(vma.key) == vma
            case ev.VmaFaulted(old, vma, lender):
                assert lender is None or self.vmas[lender.key] == lender
                self.change([old], [vma])
            case ev.VmaChanged(old, vma) | ev.VmaUnfaulted(old, vma):
                self.change([old], [vma])
            case ev.VmaSplit(old, lower, upper):
                assert (old.start, lower.end, old.end) == (lower.start, upper.start, upper.end)
                self.change([old], [lower, upper])
            case ev.VmaMerged(old, vma, donor, removed, shrunk):
                assert donor is None or old.anon_vma is None
                before = [old, *removed, *(shrunk or ())[:1]]
                self.change(before, [vma, *(shrunk or ())[1:]])
            case ev.VmaMoved(source, start, pages, to, vma):
                assert self.vmas[vma.key] == vma
                assert source.start <= start <= start + pages <= source.end
                assert vma.start <= to <= to + pages <= vma.end
            case _:
                pytest.fail(f"an event that nobody knows: {event}")

    def change(self, before: list[Vma], after: list[Vma]) -> None:
        for vma in before:
            assert self.vmas.pop(vma.key) == vma
        for vma in after:
            assert vma.key not in self.vmas
            self.vmas[vma.key] = vma

    def agrees(self, state: State) -> None:
        mms = {n: mm for n, mm in state.mms.pairs() if mm.alive}
        vmas = {vma.key: vma for mm in mms.values() for vma in mm.vmas.values_in_order()}
        ptes = {(n, page): pte for n, mm in mms.items() for page, pte in mm.ptes.pairs()}
        assert self.processes == set(mms)
        assert self.vmas == vmas
        assert self.ptes == ptes
        assert self.folios == {n: folio.ksm for n, folio in state.folios.pairs()}


@pytest.mark.parametrize("rules", RULES, ids=lambda rules: rules.name)
def test_events_alone_tell_the_vmas_and_the_page_tables(rules: Rules) -> None:
    walk = get("full")
    for chance in chances(f"mirror {rules.name}", 12):
        state, mirror, plain = recording(State(rules=rules)), Mirror(), State(rules=rules)
        for _ in range(LENGTH):
            call = next_call(state, chance, tuple(KINDS))
            try:
                state, plain = call.apply(state, walk), call.apply(plain, walk)
            except MmError as error:
                if error.state is None:
                    continue
                state = error.state
                with pytest.raises(MmError) as same:
                    call.apply(plain, walk)
                assert same.value.state is not None
                plain = same.value.state
            assert isinstance(state.events, Record)
            mirror.hear(state.events)
            mirror.agrees(state)
            assert plain.events is None
            assert state == plain


def test_every_event_of_a_whole_history_can_be_read_from_its_last_state() -> None:
    state = recording(State())
    calls = [
        Call.of("mmap", mm=0, start=0, pages=2),
        Call.of("write", mm=0, start=0, content=7),
        Call.of("fork", mm=0, child=1),
    ]
    seen = []
    for call in calls:
        state = call.apply(state)
        seen.append(state.events)
    told = []
    at = state.events
    while isinstance(at, Record):
        told.append(at)
        at = at.before
    assert told[-2::-1] == seen
    assert told[-1] == ()


def test_events_are_no_part_of_the_value() -> None:
    state = ops.mmap(recording(State()), mm=0, start=0, pages=1)
    plain = ops.mmap(State(), mm=0, start=0, pages=1)
    assert (state, hash(state), repr(state)) == (plain, hash(plain), repr(plain))
    assert state.events
    assert plain.events is None


def test_an_operation_that_does_nothing_has_no_events() -> None:
    state = ops.mmap(recording(State()), mm=0, start=0, pages=1)
    assert ops.prctl_merge_any(state, mm=0, enable=False).events == ()


def test_recording_begins_with_an_empty_state() -> None:
    with pytest.raises(ValueError, match="begins with an empty state"):
        recording(ops.mmap(State(), mm=0, start=0, pages=1))
    with pytest.raises(ValueError, match="begins with an empty state"):
        recording(ops.fork(State(), mm=0, child=1))


def test_notes_let_a_recording_begin_anywhere() -> None:
    state = ops.mmap(State(), mm=0, start=0, pages=1)
    notes = {"listener": 1}
    begun = recording(state, notes)
    assert isinstance(begun.events, Record)
    assert (begun.events.notes, begun.events.before) == (notes, None)
    assert begun.events.notes is not notes


def test_a_state_that_records_can_be_copied() -> None:
    state = ops.mmap(recording(State()), mm=0, start=0, pages=1)
    assert copy.copy(state).events == state.events
    assert dataclasses.replace(state, next_id=9).events is state.events


def test_a_lent_anon_vma_names_the_neighbour() -> None:
    state = ops.mmap(recording(State()), mm=0, start=0, pages=2)
    state = ops.mprotect(state, mm=0, start=1, pages=1, prot="r")
    state = ops.write(state, mm=0, start=0, content=1)
    state = ops.mprotect(state, mm=0, start=1, pages=1, prot="rw")
    faults = [e for e in state.events or () if isinstance(e, ev.VmaFaulted)]
    assert faults == []
    state = ops.mmap(recording(State()), mm=0, start=0, pages=3)
    state = ops.mprotect(state, mm=0, start=1, pages=1, prot="-")
    first = ops.write(state, mm=0, start=2, content=1)
    (fault,) = [e for e in first.events or () if isinstance(e, ev.VmaFaulted)]
    assert fault.lender is None


def test_copies_moved_makes_a_private_copy_of_a_shared_page_only() -> None:
    def moved(rules: Rules, *, shared: bool) -> State:
        state = ops.mmap(State(rules=rules), mm=0, start=0, pages=1)
        state = ops.write(state, mm=0, start=0, content=5)
        state = ops.fork(state, mm=0, child=1) if shared else state
        return ops.mremap(state, mm=0, start=0, pages=1, to=4)

    today, then = Rules(), Rules(copies_moved=True)
    assert moved(today, shared=True).folio_at(0, 4) == moved(today, shared=True).folio_at(1, 0)
    assert moved(then, shared=True).folio_at(0, 4) != moved(then, shared=True).folio_at(1, 0)
    assert moved(then, shared=False) == dataclasses.replace(moved(today, shared=False), rules=then)


def test_copies_moved_copies_at_swap_in_what_is_mapped_elsewhere() -> None:
    def swapped_in(rules: Rules, *, to: int | None) -> State:
        state = ops.mmap(State(rules=rules), mm=0, start=0, pages=1)
        state = ops.write(state, mm=0, start=0, content=5)
        state = ops.fork(state, mm=0, child=1)
        state = ops.swap_out(state, mm=0, page=0, walk=get("anon"))
        page = 0
        if to is not None:
            state, page = ops.mremap(state, mm=0, start=0, pages=1, to=to), to
        state = ops.read(state, mm=1, start=0)
        state = ops.read(state, mm=0, start=page)
        assert state.pte(0, page) is not None
        return state

    then = Rules(copies_moved=True)
    here, there = swapped_in(then, to=None), swapped_in(then, to=4)
    assert here.folio_at(0, 0) == here.folio_at(1, 0)
    assert there.folio_at(0, 4) != there.folio_at(1, 0)
    today = swapped_in(Rules(), to=4)
    assert today.folio_at(0, 4) == today.folio_at(1, 0)
