"""Traces to calls and scenarios, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ksm_rmap.check.replay import replay_trace
from ksm_rmap.check.trace import Trace, parse_trace, read_trace, trace_bytes
from ksm_rmap.check.trace_calls import SCAN_PASSES, Player, rules_of, scenario_of, trace_of
from ksm_rmap.model import ops, scenario
from ksm_rmap.model.calls import Call
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.scenario import Scenario
from ksm_rmap.walks import get

if TYPE_CHECKING:
    from ksm_rmap.model.state import State

DATA = Path(__file__).parents[1] / "data" / "traces"
TRACES = [read_trace(str(path)) for path in sorted(DATA.iterdir())]
SMALL = [name for name in scenario.bundled() if not name.startswith("zte-")]

EVERYTHING = """\
rules 6.18
P mmap 0 6
P mmap 20 4 r file lib 3
P mmap 30 1 -
P madvise 0 6 mergeable
P write 0 3 0x77
P read 4 2
P fork C
ksmd 3
P mremap 1 1 to 9
P mremap 4 2 to 12 dontunmap
P mremap 12 2 resize 1
C mprotect 0 2 r
C munmap 3 1
C prctl merge-any on
P hold 0
reclaim
P read 0 1
P release 0
P hold 2
P munmap 2 1
P read 0 1
expect EFAULT: P release 2
P write 0 1 0x78
P swapout 0
P read 0 1
P migrate-begin 0
P migrate-end 0
ksmd step
unmerge
expect ENOMEM: P mprotect 100 1 r
C exit"""


def plain(text: Scenario) -> list[Call]:
    """Return the calls with touches of one page each, as a trace has them."""
    calls: list[Call] = []
    for call in text.calls:
        if call.op in {"read", "write"}:
            start = int(str(call.get("start")))
            pages = range(start, start + int(str(call.get("pages"))))
            calls.extend(call.replace(start=page, pages=1) for page in pages)
        else:
            calls.append(call)
    return calls


def final(calls: list[Call], rules: Rules) -> State:
    return Scenario.from_calls(calls, rules=rules).run(get("full"))


# A trace as a scenario


@pytest.mark.parametrize("trace", TRACES, ids=lambda trace: trace.name)
def test_a_trace_as_a_scenario_runs_to_the_same_state(trace: Trace) -> None:
    player = Player(rules_of(trace))
    for step in trace.steps:
        player.play(step.op)
    text = scenario_of(trace)
    assert Scenario.parse(str(text)) == text
    ran = text.run(get("full"))
    assert [mm for mm in ran.mms.values_in_order() if mm.alive] == [
        mm for mm in player.state.mms.values_in_order() if mm.alive
    ]
    assert ran.folios == player.state.folios
    assert ran.anon_vmas == player.state.anon_vmas


@pytest.mark.parametrize("trace", TRACES, ids=lambda trace: trace.name)
def test_from_a_trace_to_a_scenario_and_back(trace: Trace) -> None:
    text = scenario_of(trace)
    again = trace_of(text)
    assert replay_trace(again).diverged == []
    assert scenario_of(again).operations() == text.operations()


def test_failures_are_expected_by_the_scenario() -> None:
    trace = next(trace for trace in TRACES if trace.name == "random-0042")
    failures = [step.result for step in trace.steps if step.result != "ok"]
    expected = [line.errno for line in scenario_of(trace).lines if line.errno]
    assert expected == failures != []


def test_the_first_line_tells_where_a_scenario_comes_from() -> None:
    assert scenario_of(TRACES[0]).title == f"trace {TRACES[0].name}: {TRACES[0].header['kernel']}"


def test_what_a_process_did_that_is_not_there_is_left_out() -> None:
    trace = TRACES[0]
    nobody = trace.steps[0]._replace(op={"op": "read", "p": 5, "s": 0}, result="ESRCH")
    assert scenario_of(trace._replace(steps=(nobody,))).operations() == "rules 6.18"


# A scenario as a trace


def test_every_operation_survives_the_way_through_a_trace() -> None:
    text = Scenario.parse(EVERYTHING)
    trace = trace_of(text)
    assert parse_trace(trace_bytes(trace.header, trace.steps), trace.name) == trace
    assert replay_trace(trace).diverged == []
    again = scenario_of(trace)
    assert again.calls == Scenario.from_calls(plain(text), rules="6.18").calls
    assert again.rules == text.rules


@pytest.mark.parametrize("name", SMALL)
def test_bundled_scenarios_survive_as_well(name: str) -> None:
    text = scenario.load(name)
    trace = trace_of(text)
    assert replay_trace(trace).diverged == []
    again = scenario_of(trace)
    rules = text.rules or Rules()
    assert final(list(again.calls), rules) == final(plain(text), rules)


def test_a_trace_names_its_rules_and_is_replayed_under_them() -> None:
    text = Scenario.parse("P mmap 0 1\nP write 0 1 0x1\nP fork C\nC fork D\nD write 0 1 0x2")
    for name in ("6.12", "6.18", "7.0"):
        trace = trace_of(text, rules=Rules.preset(name))
        assert rules_of(trace) == Rules.preset(name)
        assert replay_trace(trace).diverged == []
    assert rules_of(TRACES[0]) == Rules.preset("6.18")


def test_operations_are_written_in_the_words_of_the_recorder() -> None:
    text = "P mmap 0 2 -\nP mprotect 0 2 rw\nP write 0 2 0x5\nP mremap 0 2 to 8 dontunmap\nksmd 6"
    assert [step.op for step in trace_of(Scenario.parse(text)).steps] == [
        {"op": "mmap", "p": 0, "s": 0, "n": 2, "prot": "none"},
        {"op": "mprotect", "p": 0, "s": 0, "n": 2, "prot": "rw"},
        {"op": "write", "p": 0, "s": 0, "tok": 5},
        {"op": "write", "p": 0, "s": 1, "tok": 5},
        {"op": "mremap", "p": 0, "s": 0, "n": 2, "to": 8, "dontunmap": 1, "m": 2},
        {"op": "scan", "passes": 6},
    ]


def test_failures_and_returned_addresses_are_written() -> None:
    text = "P mmap 0 2\nP mremap 0 2 to 8\nexpect EFAULT: P mremap 0 2 to 8\nP mremap 8 2 resize 1"
    steps = trace_of(Scenario.parse(text)).steps
    assert [(step.result, step.ret) for step in steps] == [
        ("ok", None), ("ok", 8), ("EFAULT", None), ("ok", 8),
    ]  # fmt: skip


def test_objects_are_named_by_first_appearance_and_anew_after_an_absence() -> None:
    text = "P mmap 0 1\nP write 0 1 5\nP hold 0\nreclaim\nP read 0 1"
    folios = [
        [page.get("f") for page in step.snapshot["procs"]["0"]["pages"]]
        for step in trace_of(Scenario.parse(text)).steps
    ]
    assert folios == [[], ["f0"], ["f0"], [None], ["f1"]]


def test_a_release_is_a_drop_where_that_closes_the_right_pipe() -> None:
    held = "P mmap 0 1\nP write 0 1 5\nP hold 0\n"
    for text in (held + "P release 0", held + "P mremap 0 1 to 8\nP release 8"):
        trace = trace_of(Scenario.parse(text))
        assert trace.steps[-1].op == {"op": "drop", "p": 0, "s": int(text[-1])}
        assert scenario_of(trace).calls == Scenario.parse(text).calls


def test_otherwise_a_release_is_written_in_the_words_of_the_model() -> None:
    swapped = "P mmap 0 5\nP write 0 1 5\nP write 4 1 6\nP hold 0\nP hold 4\n"
    text = Scenario.parse(swapped + "P mremap 0 1 to 8\nP mremap 4 1 to 0\nP release 0")
    trace = trace_of(text)
    assert trace.steps[-1].op == {"op": "release", "model": 1, "p": 0, "page": 0}
    assert replay_trace(trace).diverged == []
    assert scenario_of(trace).calls == Scenario.from_calls(plain(text)).calls


# Playing


def played(*lines: dict[str, Any]) -> Player:
    player = Player(Rules.preset("6.18"))
    for op in lines:
        assert player.play(op).result == "ok"
    return player


START = (
    {"op": "mmap", "p": 0, "s": 8, "n": 4, "prot": "rw"},
    {"op": "write", "p": 0, "s": 8, "tok": 5},
    {"op": "write", "p": 0, "s": 9, "tok": 5},
)


def test_scan_is_as_many_passes_as_change_anything() -> None:
    state = ops.madvise(played(*START).state, mm=0, start=8, pages=4, advice="mergeable")
    state = ops.fork(state, mm=0, child=1)
    scanned = ops.ksmd(state, passes=SCAN_PASSES)
    more = ops.ksmd(scanned, passes=1)
    assert (more.mms, more.nodes, more.folios) == (scanned.mms, scanned.nodes, scanned.folios)


def pins(player: Player) -> list[int]:
    return [folio.pins for folio in player.state.folios.values_in_order()]


def test_drop_gives_back_what_hold_took() -> None:
    held = [{"op": "hold", "p": 0, "s": 8}, {"op": "hold", "p": 0, "s": 9}]
    assert pins(played(*START, *held)) == [1, 1]
    assert pins(played(*START, *held, {"op": "drop", "p": 0, "s": 8})) == [0, 1]
    assert pins(played(*START, *held, {"op": "drop"})) == [0, 0]
    assert pins(played(*START, *held, {"op": "drop", "p": 0})) == [0, 0]
    assert pins(played(*START, *held, {"op": "drop", "p": 1})) == [1, 1]
    assert pins(played(*START, held[0], *held, {"op": "drop", "p": 0, "s": 8})) == [1, 1]


def test_drop_finds_a_page_that_has_moved_or_was_swapped_out() -> None:
    hold, drop = {"op": "hold", "p": 0, "s": 8}, {"op": "drop", "p": 0, "s": 8}
    move = {"op": "mremap", "p": 0, "s": 8, "n": 1, "m": 1, "to": 40}
    for between in (move, {"op": "reclaim"}):
        player = played(*START, hold, between)
        assert len(player.releases(drop)) == 1
        player.play(drop)
        assert not any(pins(player))


def test_drop_may_name_the_page_where_it_is_now() -> None:
    move = {"op": "mremap", "p": 0, "s": 8, "n": 1, "m": 1, "to": 40}
    held = (*START, {"op": "hold", "p": 0, "s": 8}, move)
    for between in ((), ({"op": "reclaim"},)):
        assert not any(pins(played(*held, *between, {"op": "drop", "p": 0, "s": 40})))
        assert any(pins(played(*held, *between, {"op": "drop", "p": 0, "s": 41})))


def test_drop_finds_a_page_that_is_mapped_nowhere() -> None:
    gone = {"op": "munmap", "p": 0, "s": 8, "n": 1}
    player = played(*START, {"op": "hold", "p": 0, "s": 8}, gone)
    assert sorted(pins(player)) == [0, 1]
    drop = {"op": "drop", "p": 0, "s": 8}
    assert player.releases(drop) == []
    player.play(drop)
    assert pins(player) == [0]


def test_a_hold_that_failed_is_dropped_without_harm() -> None:
    player = played(*START)
    assert player.play({"op": "hold", "p": 0, "s": 11}).result == "EFAULT"
    assert player.play({"op": "drop"}).result == "ok"
    assert pins(player) == [0, 0]


def test_what_was_released_already_is_not_released_by_drop() -> None:
    hold, drop = {"op": "hold", "p": 0, "s": 8}, {"op": "drop"}
    own = {"op": "release", "model": 1, "p": 0, "page": 8}
    assert pins(played(*START, hold, own, drop)) == [0, 0]


def test_the_number_of_a_process_that_has_ended_is_not_given_again() -> None:
    fork = {"op": "fork", "p": 0, "c": 1}
    player = played(*START, fork, {"op": "exit", "p": 1}, fork)
    assert player.mms == {0: 0, 1: 2}
    assert player.slots == {0: 0, 2: 1}
    assert player.call({"op": "read", "p": 1, "s": 8}) == Call.of("read", mm=2, start=8)
