"""Snapshots to states and back: lossless, over everything that a kernel was seen to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksm_rmap.check.recorded import GONE, prot_of, recorded_state, snapshot_of
from ksm_rmap.check.trace import Snapshot, Trace, read_trace
from ksm_rmap.check.trace_calls import Player, rules_of
from ksm_rmap.model import ops
from ksm_rmap.model.state import PteKind, RmapItem, State, VmFlag
from ksm_rmap.walks import get

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(__file__).parents[1] / "data" / "traces"
TRACES = [read_trace(str(path)) for path in sorted(DATA.iterdir())]
EMPTY = Snapshot(procs={"0": {"vmas": [], "pages": []}}, avs={}, ksm={})


def back(snapshot: Snapshot) -> Snapshot:
    recorded = recorded_state(snapshot)
    names = {(name[0], number): name for name, number in recorded.numbers.items()}
    return snapshot_of(recorded.state, None, lambda kind, number: names[kind, number])


@pytest.mark.parametrize("trace", TRACES, ids=lambda trace: trace.name)
def test_a_recorded_snapshot_survives_the_way_through_a_state(trace: Trace) -> None:
    for step in trace.steps:
        assert back(step.snapshot) == step.snapshot


def played(*names: str) -> Iterator[tuple[Player, Snapshot]]:
    for trace in TRACES:
        if trace.name.startswith(names):
            player = Player(rules_of(trace))
            for step in trace.steps:
                player.play(step.op)
                yield player, step.snapshot


def test_the_data_hold_what_the_round_trip_is_about() -> None:
    kinds: set[str] = set()
    items: set[object] = set()
    chains: set[int] = set()
    for trace in TRACES:
        for step in trace.steps:
            for process in step.snapshot["procs"].values():
                kinds.update(page["k"] for page in process["pages"])
                chains.update(len(vma["chain"]) for vma in process["vmas"])
            items.update(item[0] for found in step.snapshot["ksm"].values() for item in found)
    assert kinds == {"anon", "ksm", "zero", "swap"}
    assert items >= {0, 1, GONE}
    assert chains >= {0, 1, 2}


def test_interval_trees_hold_the_links_of_the_chains() -> None:
    for _, snapshot in played("hand-fork", "hand-partial"):
        state = recorded_state(snapshot).state
        links = {
            (number, vma.anon_pgoff, vma.last_index, vma.key)
            for mm in state.mms.values_in_order()
            for vma in mm.vmas.values_in_order()
            for number in vma.chain
        }
        assert links == {
            (number, *entry)
            for number, anon_vma in state.anon_vmas.pairs()
            for entry in anon_vma.tree
        }


def test_an_item_takes_index_and_pgoff_from_the_model_where_that_has_it() -> None:
    found = set()
    for player, snapshot in played("hand-mprotect-split-then-move", "hand-merge-then-move"):
        model = player.state
        numbers = {
            page["f"]: model.folio_at(player.mms[int(slot)], page["p"])
            for slot, process in snapshot["procs"].items()
            for page in process["pages"]
            if page["k"] in {"anon", "ksm"}
        }
        known = {name: number for name, number in numbers.items() if number is not None}
        recorded = recorded_state(snapshot, like=model, numbers=known, mms=player.mms)
        for folio in recorded.state.ksm_folios():
            node, other = recorded.state.stable_node(folio), model.stable_node(folio)
            assert node
            assert other
            assert node.items == other.items
            for key in node.items:
                ours, theirs = recorded.state.item(key), model.item(key)
                found.add((key[1], ours.index, ours.vm_pgoff))
                assert (ours.index, ours.vm_pgoff) == (theirs.index, theirs.vm_pgoff)
    assert found


def merged(*, moved: bool) -> State:
    state = ops.mmap(State(), mm=0, start=8, pages=3)
    state = ops.madvise(state, mm=0, start=8, pages=3, advice="mergeable")
    state = ops.write(state, mm=0, start=8, pages=2, content=7)
    if moved:
        state = ops.mremap(state, mm=0, start=9, pages=1, to=20)
    return ops.ksmd(state, passes=2)


def test_without_a_model_an_item_takes_them_from_the_vma_at_its_address() -> None:
    state = merged(moved=True)
    recorded = recorded_state(snapshot_of(state)).state
    assert {item.address: (item.index, item.vm_pgoff) for item in items_of(recorded)} == {
        item.address: (item.index, item.vm_pgoff) for item in items_of(state)
    }


def test_an_item_of_a_place_that_is_unmapped_has_its_address_as_index() -> None:
    state = ops.munmap(merged(moved=False), mm=0, start=9, pages=1)
    recorded = recorded_state(snapshot_of(state)).state
    assert {(item.address, item.index) for item in items_of(recorded)} == {(8, 8), (9, 9)}


def items_of(state: State) -> list[RmapItem]:
    return [
        item
        for mm in state.mms.values_in_order()
        for item in mm.items.values_in_order()
        if item.node is not None
    ]


def test_items_of_processes_that_are_gone_do_not_collide() -> None:
    snapshot = snapshot_of(merged(moved=False))
    (folio,) = snapshot["ksm"]
    snapshot["ksm"][folio] += [[GONE, 8, "a90"], [GONE, 8, "a91"]]
    state = recorded_state(snapshot).state
    owners = [item.mm for item in items_of(state) if item.address == 8]
    assert len(set(owners)) == 3
    assert [state.mms[mm].alive for mm in owners].count(False) == 2
    assert back(snapshot) == snapshot


def test_a_walk_runs_over_what_was_recorded() -> None:
    for moved in (False, True):
        snapshot = snapshot_of(merged(moved=moved))
        state = recorded_state(snapshot).state
        (folio,) = state.ksm_folios()
        assert len(get("full")(state, folio).ptes) == 2
        assert len(get("address")(state, folio).ptes) == (1 if moved else 2)


def test_a_state_with_migration_and_file_survives_as_well() -> None:
    state = ops.mmap(State(), mm=0, start=8, pages=2, file="lib", offset=3)
    state = ops.write(state, mm=0, start=8, content=7)
    state = ops.migrate_begin(state, mm=0, page=8, walk=get("full"))
    snapshot = snapshot_of(state)
    recorded = recorded_state(snapshot).state
    (vma,) = recorded.mms[0].vmas.values_in_order()
    assert (vma.file, vma.pgoff) == ("lib", 3)
    pte = recorded.pte(0, 8)
    assert pte
    assert pte.kind is PteKind.MIGRATION
    assert back(snapshot) == snapshot


def test_processes_go_by_their_slot() -> None:
    state = ops.fork(State(), mm=0, child=9)
    assert set(snapshot_of(state, {0: 0, 9: 1})["procs"]) == {"0", "1"}
    recorded = recorded_state(EMPTY, mms={0: 5})
    assert list(recorded.state.mms) == [5]


@pytest.mark.parametrize(
    ("flags", "text"),
    [(0, "-"), (VmFlag.READ, "r"), (3, "rw"), (7, "rwx"), (VmFlag.MERGEABLE, "-")],
)
def test_rights_as_letters(flags: int, text: str) -> None:
    assert prot_of(flags) == text
