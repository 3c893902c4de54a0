"""The trace format: reading, refusing, writing."""

from __future__ import annotations

import copy
import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ksm_rmap.check.trace import (
    Trace,
    TraceError,
    parse_trace,
    read_trace,
    trace_bytes,
    trace_files,
)

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = Path(__file__).parents[1] / "data" / "traces"
FILE = DATA / "hand-dontunmap.jsonl.gz"


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def plain(lines: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def reason(data: bytes) -> str:
    with pytest.raises(TraceError) as caught:
        parse_trace(data, "x/y.jsonl.gz")
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith("x/y.jsonl.gz")
    return text.removeprefix("x/y.jsonl.gz")


def test_a_trace_has_a_name_a_header_and_every_step() -> None:
    trace = read_trace(str(FILE))
    assert trace.name == "hand-dontunmap"
    assert trace.header["kernel"].startswith("6.18")
    assert [step.number for step in trace.steps] == list(range(len(lines_of(FILE)) - 1))


def test_a_step_keeps_its_line_as_it_was() -> None:
    for step, line in zip(read_trace(str(FILE)).steps, lines_of(FILE)[1:], strict=True):
        assert (step.op, step.result, step.ret) == (line["op"], line["res"], line.get("ret"))
        assert step.snapshot == {key: line[key] for key in ("procs", "avs", "ksm")}


def test_a_step_prints_as_one_line_with_its_arguments() -> None:
    step = next(step for step in read_trace(str(FILE)).steps if step.op["op"] == "mremap")
    assert str(step) == "mremap p=0 s=8 n=4 m=4 to=40 dontunmap=1"


def test_plain_and_compressed_files_are_the_same_trace() -> None:
    unpacked = gzip.decompress(FILE.read_bytes())
    assert parse_trace(unpacked, "hand-dontunmap.jsonl") == read_trace(str(FILE))


@pytest.mark.parametrize("path", sorted(DATA.iterdir()), ids=lambda path: path.stem)
def test_what_is_written_is_read_again(path: Path) -> None:
    trace = read_trace(str(path))
    data = trace_bytes(trace.header, trace.steps)
    assert parse_trace(data, path.name) == trace
    assert data == trace_bytes(trace.header, trace.steps)


def test_writing_keeps_the_order_and_the_names_of_the_recorder() -> None:
    trace = read_trace(str(FILE))
    written = gzip.decompress(trace_bytes(trace.header, trace.steps)).splitlines()
    for ours, theirs in zip(written, lines_of(FILE), strict=True):
        theirs.pop("t", None)
        assert ours.decode() == json.dumps(theirs, separators=(",", ":"))


def test_a_header_without_a_format_gets_one() -> None:
    assert parse_trace(trace_bytes({"name": "empty"}, ())).header["format"] == 1


# What is refused


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.99])
def test_a_compressed_file_that_was_cut_off(kept: float) -> None:
    data = FILE.read_bytes()
    assert reason(data[: int(len(data) * kept)]) == ": the file is damaged or cut off (gzip)"


def test_a_compressed_file_with_a_flipped_bit() -> None:
    data = bytearray(FILE.read_bytes())
    data[len(data) // 2] ^= 16
    assert "damaged" in reason(bytes(data))


def test_a_plain_file_that_was_cut_off_within_a_line() -> None:
    data = gzip.decompress(FILE.read_bytes())[:-20]
    last = len(lines_of(FILE))
    assert reason(data) == f", line {last}: the line is damaged or cut off: it is not JSON"


def test_other_files() -> None:
    assert reason(b"") == ": the file is empty"
    assert reason(b"\xff\xfe") == ": this is no trace: the file is not text"
    assert reason(b"P mmap 0 3\n").startswith(", line 1: the line is damaged")
    assert reason(b"[1]\n") == ", line 1: the header is [1], an object was expected"
    assert reason(b'{"kernel": 1}') == ", line 1: the header has no field 'format'"
    assert reason(b'{"format": 2}') == ", line 1: the format is 2, only 1 is known"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="No such file or directory"):
        read_trace(str(tmp_path / "none"))
    with pytest.raises(TraceError, match="Is a directory"):
        read_trace(str(tmp_path))


BAD: dict[str, Callable[[dict[str, Any]], object]] = {
    "this is step 5, step 7 was due": lambda step: step.update(i=5),
    "the line has no field 'res'": lambda step: step.pop("res"),
    "the line has 'avs' = []": lambda step: step.update(avs=[]),
    "the operation {} has no name": lambda step: step.update(op={}),
    "the operation 'brk' is unknown": lambda step: step.update(op={"op": "brk"}),
    "the operation 'mremap' has no field 'm'": lambda step: step["op"].pop("m"),
    "the operation 'mremap' has 'n' = true": lambda step: step["op"].update(n=True),
    "a process has the slot 'x'": lambda step: step["procs"].update(x={}),
    "process 0 has no field 'pages'": lambda step: step["procs"]["0"].pop("pages"),
    "a VMA of process 0 has no field 'av'": lambda step: vmas(step)[0].pop("av"),
    "a VMA at 8 has 0 pages": lambda step: vmas(step)[0].update(n=0),
    "a VMA at 8 has the chain [1]": lambda step: vmas(step)[0].update(chain=[1]),
    "a VMA at 8 has the flags '0xg'": lambda step: vmas(step)[0].update(flags="0xg"),
    "the VMAs of process 0 are not in order at 8": lambda step: vmas(step).reverse(),
    "the pages of process 0 are not in order at 42": lambda step: pages(step).reverse(),
    "a page of process 0 is null, an object was expected": lambda step: pages(step).append(None),
    "a page of process 0 is of the unknown kind 'thp'": lambda step: pages(step)[0].update(k="thp"),
    "a page of process 0 has no field 'ix'": lambda step: pages(step)[0].pop("ix"),
    "anon_vma a0 has 'refs' = \"3\"": lambda step: step["avs"]["a0"].update(refs="3"),
    "an item of f1 is [0, 9]": lambda step: step["ksm"].update(f1=[[0, 9]]),
    'an item of f1 is ["lost", 9, "a0"]': lambda step: step["ksm"].update(f1=[["lost", 9, "a0"]]),
    "the items of f1 are 3, a list was expected": lambda step: step["ksm"].update(f1=3),
}


def vmas(step: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = step["procs"]["0"]["vmas"]
    return found


def pages(step: dict[str, Any]) -> list[Any]:
    found: list[Any] = step["procs"]["0"]["pages"]
    return found


@pytest.mark.parametrize("message", BAD)
def test_a_line_that_makes_no_sense_is_named(message: str) -> None:
    lines = copy.deepcopy(lines_of(FILE))
    BAD[message](lines[8])
    assert reason(plain(lines)) == f", line 9: {message}"


def test_a_long_value_is_shortened_in_a_message() -> None:
    lines = lines_of(FILE)
    lines[8]["procs"] = ["x" * 100]
    assert len(reason(plain(lines))) < 100


# Folders


def test_a_folder_stands_for_the_traces_in_and_below_it(tmp_path: Path) -> None:
    below = tmp_path / "long"
    below.mkdir()
    for path in (tmp_path / "b.jsonl.gz", tmp_path / "a.jsonl", below / "c.jsonl.gz"):
        path.touch()
    (tmp_path / "README.md").touch()
    names = [str(Path(path).relative_to(tmp_path)) for path in trace_files([str(tmp_path)])]
    assert names == ["a.jsonl", "b.jsonl.gz", "long/c.jsonl.gz"]


def test_files_stay_as_they_are_named() -> None:
    assert trace_files(["b", "a", "b"]) == ["b", "a", "b"]


def test_a_trace_without_steps_is_one() -> None:
    assert parse_trace(b'{"format": 1}\n', "none") == Trace("none", {"format": 1}, ())
