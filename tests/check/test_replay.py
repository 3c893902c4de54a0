"""Replay of recorded traces: agreement, and that each kind of disagreement is told."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ksm_rmap import walks
from ksm_rmap.check.replay import ReplayReport, replay_paths, replay_trace
from ksm_rmap.check.trace import Trace, read_trace, trace_bytes
from ksm_rmap.walks import WalkError

DATA = Path(__file__).parents[1] / "data" / "traces"
TRACES = [read_trace(str(path)) for path in sorted(DATA.iterdir())]


def named(name: str) -> Trace:
    return next(trace for trace in TRACES if trace.name == name)


def under(trace: Trace, rules: str) -> Trace:
    return trace._replace(header={**trace.header, "rules": rules})


def changed(trace: Trace, number: int, **fields: Any) -> Trace:  # noqa: ANN401 - JSON
    steps = list(trace.steps)
    steps[number] = steps[number]._replace(**fields)
    return trace._replace(steps=tuple(steps))


@pytest.mark.parametrize("trace", TRACES, ids=lambda trace: trace.name)
def test_the_model_agrees_with_the_kernel_on_every_field(trace: Trace) -> None:
    report = replay_trace(trace)
    assert report.diverged == []
    assert report.steps == len(trace.steps)


@pytest.mark.parametrize(
    "change",
    [
        "clone_oldest_first=off",
        "multi_vma_move=off",
        "mremap_unmerges=off",
        "dontunmap_resets_pgoff=on",
    ],
)
def test_the_rules_of_another_kernel_do_not(change: str) -> None:
    assert any(replay_trace(under(trace, f"6.18 {change}")).diverged for trace in TRACES)


# What is told


def test_a_difference_names_trace_step_operation_field_and_values() -> None:
    trace = under(named("hand-multi-vma-move"), "6.18 multi_vma_move=off")
    (diverged,) = replay_trace(trace).diverged
    assert diverged.to_json() == {
        "trace": "hand-multi-vma-move",
        "step": diverged.step,
        "op": str(trace.steps[diverged.step]),
        "field": "res",
        "model": "EFAULT",
        "kernel": "ok",
    }


def test_a_trace_ends_at_the_first_difference_and_shows_both_states() -> None:
    report = replay_trace(under(named("hand-dontunmap"), "6.18 mremap_unmerges=off"))
    assert report.steps == report.diverged[0].step + 1
    assert report.maps
    assert report.maps.model.ksm_folios()
    assert not report.maps.kernel.ksm_folios()


def test_with_keep_going_it_goes_on_and_tells_a_difference_once_while_it_lasts() -> None:
    trace = under(named("hand-dontunmap"), "6.18 mremap_unmerges=off")
    report = replay_trace(trace, keep_going=True)
    assert report.steps == len(trace.steps)
    told = [(diverged.step, diverged.difference.field) for diverged in report.diverged]
    assert len(told) == len(set(told)) > 1
    (first,) = replay_trace(trace).diverged
    assert report.diverged[0] == first


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"result": "EFAULT", "ret": None}, ("res", "ok", "EFAULT")),
        ({"ret": 41}, ("ret", 40, 41)),
    ],
)
def test_result_and_returned_address_are_compared(fields: Any, told: tuple[object, ...]) -> None:  # noqa: ANN401 - JSON
    trace = named("hand-merge-then-move")
    number = next(step.number for step in trace.steps if step.op["op"] == "mremap")
    (diverged,) = replay_trace(changed(trace, number, **fields)).diverged
    assert tuple(diverged.difference) == told


def test_what_was_recorded_of_each_step_counts() -> None:
    trace = named("hand-dontunmap")
    for number in range(1, len(trace.steps)):
        shifted = changed(trace, number, snapshot=trace.steps[number - 1].snapshot)
        same = trace.steps[number].snapshot == trace.steps[number - 1].snapshot
        assert bool(replay_trace(shifted).diverged) != same


# Many files


def test_folders_and_files_are_replayed_and_counted(tmp_path: Path) -> None:
    for path in sorted(DATA.iterdir())[:3]:
        shutil.copy(path, tmp_path)
    report = replay_paths([str(tmp_path)])
    assert report.to_json() == {
        "traces": 3,
        "steps": sum(len(trace.steps) for trace in TRACES[:3]),
        "diverged": [],
        "skipped": [],
        "walks": {},
    }


def test_a_damaged_file_gets_one_line_and_the_others_go_on(tmp_path: Path) -> None:
    paths = sorted(DATA.iterdir())[:2]
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(paths[0].read_bytes()[:200])
    report = replay_paths([str(paths[0]), str(cut), str(tmp_path / "none"), str(paths[1])])
    assert [trace.name for trace in report.traces] == [trace.name for trace in TRACES[:2]]
    assert report.skipped == [
        f"{cut}: the file is damaged or cut off (gzip)",
        f"{tmp_path / 'none'}: No such file or directory",
    ]


def test_a_divergence_does_not_stop_the_others(tmp_path: Path) -> None:
    trace = under(named("hand-multi-vma-move"), "6.18 multi_vma_move=off")
    bad = tmp_path / "bad.jsonl.gz"
    bad.write_bytes(trace_bytes(trace.header, trace.steps))
    report = replay_paths([str(bad), str(DATA / "hand-dontunmap.jsonl.gz")])
    assert [found.agrees for found in report.traces] == [False, True]
    assert [entry["trace"] for entry in report.to_json()["diverged"]] == ["bad"]


def test_traces_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    trace = under(named("hand-multi-vma-move"), "6.18 multi_vma_move=off")
    for folder in ("short", "long"):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "random-0001.jsonl.gz"
        path.write_bytes(trace_bytes(trace.header, trace.steps))
    report = replay_paths([str(tmp_path)])
    assert [found.trace for found in report.diverged] == ["long/random-0001", "short/random-0001"]


def test_a_trace_that_is_given_twice_counts_twice() -> None:
    path = str(DATA / "hand-move-then-merge.jsonl.gz")
    once = replay_paths([path], walks=["address"]).to_json()["walks"]["address"]
    twice = replay_paths([path, path], walks=["address"]).to_json()["walks"]["address"]
    assert once["missed_states"] > 0
    assert twice == {figure: 2 * count for figure, count in once.items()}


def test_progress_is_told_before_each_file() -> None:
    paths = [str(path) for path in sorted(DATA.iterdir())[:2]]
    told: list[tuple[int, int, str]] = []
    replay_paths(paths, progress=lambda *what: told.append(what))
    assert told == [(0, 2, paths[0]), (1, 2, paths[1])]


# Walks over recorded states


@pytest.fixture(scope="module")
def judged() -> ReplayReport:
    return replay_paths([str(DATA)], walks=[*walks.ksm_names(), "anon"])


def test_the_full_walk_finds_every_entry_the_kernel_had(judged: ReplayReport) -> None:
    with_ksm = sum(
        any(
            page["k"] == "ksm"
            for found in step.snapshot["procs"].values()
            for page in found["pages"]
        )
        for trace in TRACES
        for step in trace.steps
    )
    assert judged.walks["full"].states == with_ksm
    assert judged.walks["full"].iterations > 0


def test_the_walk_of_ordinary_folios_is_judged_on_ordinary_folios(judged: ReplayReport) -> None:
    anon = judged.walks["anon"]
    assert anon.states > judged.walks["full"].states
    assert anon.missed == []


def test_the_walk_by_address_misses_entries_that_the_kernel_had(judged: ReplayReport) -> None:
    address = judged.walks["address"]
    assert 0 < address.missed_states < address.states
    traces = {missed.trace for missed in address.missed}
    assert "hand-move-then-merge" in traces
    assert address.iterations < judged.walks["full"].iterations


def test_a_miss_tells_where_and_keeps_the_state(judged: ReplayReport) -> None:
    missed = next(m for m in judged.walks["address"].missed if m.trace == "hand-move-then-merge")
    step = named(missed.trace).steps[missed.step]
    at = {
        (int(slot), page["p"])
        for slot, found in step.snapshot["procs"].items()
        for page in found["pages"]
        if page["k"] == "ksm" and page["f"] == missed.name
    }
    assert set(missed.ptes) <= at
    assert missed.op == str(step)
    assert walks.get("address")(missed.state, missed.folio).ptes != tuple(at)


def test_designs_that_differ_only_in_cost_find_the_same(judged: ReplayReport) -> None:
    full = {(m.trace, m.step, m.ptes) for m in judged.walks["full"].missed}
    counted = {(m.trace, m.step, m.ptes) for m in judged.walks["counted"].missed}
    assert counted == full


def test_the_figures_of_the_walks_are_in_the_json(judged: ReplayReport) -> None:
    found = json.loads(json.dumps(judged.to_json()))["walks"]
    assert set(found) == {*walks.ksm_names(), "anon"}
    assert set(found["full"]) == {"states", "missed_states", "iterations"}


def test_a_reverse_map_design_is_judged_on_the_page_tables_of_the_model() -> None:
    report = replay_paths([str(DATA)], walks=["pte_chain"])
    assert report.diverged == []
    assert report.walks["pte_chain"].states > 0
    assert report.walks["pte_chain"].missed == []


def test_an_unknown_walk_is_refused() -> None:
    with pytest.raises(WalkError, match="unknown walk 'fulll'"):
        replay_paths([str(DATA)], walks=["fulll"])


# Odd traces


def step(op: dict[str, Any], result: str = "ok", **snapshot: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    empty: dict[str, Any] = {"procs": {"0": {"vmas": [], "pages": []}}, "avs": {}, "ksm": {}}
    return {"op": op, "res": result, **empty, **snapshot}


def written(path: Path, *steps: dict[str, Any]) -> str:
    lines: list[dict[str, Any]] = [{"format": 1, "kernel": "6.18"}]
    lines.extend({"i": number, **line} for number, line in enumerate(steps))
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    return str(path)


def test_a_process_that_is_not_there_cannot_do_anything(tmp_path: Path) -> None:
    path = written(tmp_path / "t.jsonl.gz", step({"op": "read", "p": 3, "s": 0}, "ESRCH"))
    assert replay_paths([path]).diverged == []


def test_a_slot_that_is_used_again_is_another_process(tmp_path: Path) -> None:
    two: dict[str, Any] = {"0": {"vmas": [], "pages": []}, "1": {"vmas": [], "pages": []}}
    fork, end = {"op": "fork", "p": 0, "c": 1}, {"op": "exit", "p": 1}
    path = written(tmp_path / "t.jsonl.gz", step(fork, procs=two), step(end), step(fork, procs=two))
    assert replay_paths([path]).diverged == []
