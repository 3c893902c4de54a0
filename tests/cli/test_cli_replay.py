"""`ksm-rmap replay`: figures, differences, damaged files, exit statuses."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ksm_rmap import walks
from ksm_rmap.check import replay
from ksm_rmap.cli import _replay

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[..., Any]

TRACES = sorted((Path(__file__).parent.parent / "data" / "traces").glob("hand-*.jsonl.gz"))[:4]
GOOD = [str(path) for path in TRACES]


def _changed(path: Path, line: int, change: Callable[[dict[str, Any]], None]) -> str:
    """Return the text of the trace with one line changed."""
    rows = gzip.decompress(path.read_bytes()).decode().splitlines()
    row = json.loads(rows[line])
    change(row)
    rows[line] = json.dumps(row)
    return "\n".join(rows) + "\n"


@pytest.fixture
def wrong(tmp_path: Path) -> str:
    """Return a trace whose first VMA starts one page further up than the model's."""

    def shift(row: dict[str, Any]) -> None:
        row["procs"]["0"]["vmas"][0]["n"] += 1

    file = tmp_path / "wrong.jsonl"
    file.write_text(_changed(TRACES[0], 1, shift))
    return str(file)


def _in_json(found: replay.ReplayReport) -> Any:  # noqa: ANN401 - any JSON value
    return json.loads(json.dumps(found.to_json()))


def test_traces_that_agree(command: Command) -> None:
    ran = command("replay", *GOOD)
    found = replay.replay_paths(GOOD, walks=walks.ksm_names())
    assert (ran.status, ran.err) == (0, "")
    assert ran.lines[0].startswith(f"{len(GOOD)} traces, {found.steps} steps: {len(GOOD)} traces")
    table = {line.split()[0]: line.split()[1:] for line in ran.lines[3:]}
    assert list(table) == list(walks.ksm_names())
    for name, tally in found.walks.items():
        figures = (tally.states, tally.missed_states, tally.iterations)
        assert table[name] == [str(figure) for figure in figures]


def test_json(command: Command) -> None:
    ran = command("replay", *GOOD, "--walk", "full", "--walk", "index", "--json")
    assert ran.status == 0
    assert ran.json == _in_json(replay.replay_paths(GOOD, walks=["full", "index"]))


def test_a_difference_is_told_with_both_maps(command: Command, wrong: str) -> None:
    ran = command("replay", wrong, GOOD[1])
    assert ran.status == 1
    assert ran.lines[0].startswith("wrong")
    assert ": model " in ran.lines[0]
    assert "kernel" in ran.lines[1] or any(line.strip() == "kernel" for line in ran.lines)
    assert "1 traces agree in every field, 1 do not" in ran.out
    assert max(map(len, ran.lines)) <= 100


def test_a_difference_in_json(command: Command, wrong: str) -> None:
    ran = command("replay", wrong, "--json")
    assert ran.status == 1
    assert ran.json == _in_json(replay.replay_paths([wrong], walks=walks.ksm_names()))
    assert len(ran.json["diverged"]) == 1


def test_keep_going_compares_the_rest(command: Command, wrong: str) -> None:
    going = command("replay", wrong, "--keep-going", "--json").json
    stopped = command("replay", wrong, "--json").json
    assert going["steps"] > stopped["steps"]


def test_a_damaged_file_is_skipped(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "cut.jsonl.gz"
    file.write_bytes(TRACES[0].read_bytes()[:200])
    ran = command("replay", str(file), GOOD[1])
    assert ran.status == 0
    assert ran.lines[0].startswith("skipped: ")
    assert "1 files skipped" in ran.out
    ran = command("replay", str(file), "--json")
    assert ran.status == 2
    assert ran.err.count("\n") == 1
    assert ran.json["traces"] == 0


@pytest.mark.parametrize("option", ["--walk", "--show"])
def test_a_walk_that_is_named_decides(command: Command, option: str) -> None:
    loser = next(
        path
        for path in sorted(TRACES[0].parent.glob("*.jsonl.gz"))
        if replay.replay_paths([str(path)], walks=["address"]).walks["address"].missed
    )
    ran = command("replay", str(loser), option, "address")
    assert ran.status == 1
    assert command("replay", str(loser)).status == 0
    shown = [line for line in ran.lines if "address misses" in line]
    assert bool(shown) == (option == "--show")


def test_ctrl_c_tells_what_there_is(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    real = replay.replay_paths

    def interrupted(paths: list[str], **options: Any) -> replay.ReplayReport:  # noqa: ANN401
        if paths[0] == GOOD[1]:
            raise KeyboardInterrupt
        return real(paths, **options)

    monkeypatch.setattr(_replay, "replay_paths", interrupted)
    ran = command("replay", *GOOD[:3])
    assert ran.status == 130
    assert ran.lines[0].startswith("1 traces, ")
    assert ran.err == "ksm-rmap: interrupted after 1 files\n"
