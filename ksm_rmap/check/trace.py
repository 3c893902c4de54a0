"""Traces of a running kernel: the file format, read and written.

A trace is a gzip file of JSON lines: a header, then one line an operation with its result and
the whole reverse-map state after it. The names of the fields are those of the recorder.

Rules of this module:

1. Nothing is left out and nothing is guessed: a step keeps the JSON of its snapshot as it was.
2. What cannot be used is refused in one line that names file, line and reason (`TraceError`).
3. Pages are counted from the start of the arena; a range of a VMA or an operation is a start and
   a number of pages.

Left out: the times of the operations, which no comparison may depend on.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NotRequired, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = (
    "AnonVmaLine",
    "PageLine",
    "ProcLine",
    "Snapshot",
    "Step",
    "Trace",
    "TraceError",
    "VmaLine",
    "parse_trace",
    "read_trace",
    "trace_bytes",
    "trace_files",
    "trace_name",
)

FORMAT = 1
"""The version in the header of every file that this module knows."""


class TraceError(ValueError):
    """A file that is no trace, or a damaged one.

    Attributes:
        name: the file, as it was named by the caller.
        line: number of the line, from 1; None if the file as a whole is meant.
        reason: what is wrong, in a few words.

    """

    def __init__(self, name: str, line: int | None, reason: str) -> None:
        super().__init__(name, line, reason)
        self.name = name
        self.line = line
        self.reason = reason

    def __str__(self) -> str:
        where = "" if self.line is None else f", line {self.line}"
        return f"{self.name}{where}: {self.reason}"


class VmaLine(TypedDict):
    """A VMA of a snapshot.

    `file` and `anon_pgoff` occur only in traces that a model wrote: no recorder maps files.
    """

    s: int
    n: int
    prot: str
    mg: int
    pgoff: int
    flags: str
    av: str | None
    chain: list[str]
    file: NotRequired[str]
    anon_pgoff: NotRequired[int]


class PageLine(TypedDict, total=False):
    """A page-table entry that is not none; `k` is anon, ksm, zero or swap."""

    p: int
    k: str
    f: str
    mc: int
    tok: int
    av: str
    ix: int
    sw: str


class ProcLine(TypedDict):
    """A process."""

    vmas: list[VmaLine]
    pages: list[PageLine]


class AnonVmaLine(TypedDict):
    """An anon_vma that is in the chain of some VMA."""

    root: str
    parent: str
    refs: int
    nchild: int
    nactive: int


class Snapshot(TypedDict):
    """The reverse-map state after a step.

    `ksm` holds, for each mapped KSM folio, its rmap items in list order: process slot (or
    "gone"), page, anon_vma.
    """

    procs: dict[str, ProcLine]
    avs: dict[str, AnonVmaLine]
    ksm: dict[str, list[list[Any]]]


class Step(NamedTuple):
    """One operation and what the kernel looked like afterwards."""

    number: int
    op: dict[str, Any]
    """The operation as recorded: `{"op": "mmap", "p": 0, "s": 8, "n": 4, "prot": "rw"}`."""
    result: str
    """"ok" or the name of an errno."""
    ret: int | None
    """Start page of what mremap returned; None for other operations and failures."""
    snapshot: Snapshot

    def __str__(self) -> str:
        words = [str(self.op["op"])]
        words.extend(f"{key}={value}" for key, value in self.op.items() if key != "op")
        return " ".join(words)


class Trace(NamedTuple):
    """A whole trace: where it came from and every step."""

    name: str
    """The file name without directories and suffixes."""
    header: dict[str, Any]
    steps: tuple[Step, ...]


_Fields = dict[str, tuple[type, ...]]
_INT, _STR, _LIST, _DICT = (int,), (str,), (list,), (dict,)
_NAME = (str, type(None))
_VMA: _Fields = {
    "s": _INT, "n": _INT, "prot": _STR, "mg": _INT, "pgoff": _INT, "flags": _STR, "av": _NAME,
    "chain": _LIST,
}  # fmt: skip
_MAPPED: _Fields = {"p": _INT, "f": _STR, "mc": _INT, "tok": _INT}
_PROCESS: _Fields = {"vmas": _LIST, "pages": _LIST}
_HEADER: _Fields = {"format": _INT}
_KIND: _Fields = {"k": _STR}
_PAGES: dict[str, _Fields] = {
    "anon": {**_MAPPED, "av": _STR, "ix": _INT},
    "ksm": _MAPPED,
    "zero": {"p": _INT},
    "swap": {"p": _INT, "sw": _STR},
    "migration": {"p": _INT, "f": _STR},
}
_ANON_VMA: _Fields = {"root": _STR, "parent": _STR, "refs": _INT, "nchild": _INT, "nactive": _INT}
_STEP: _Fields = {"i": _INT, "op": _DICT, "res": _STR, "procs": _DICT, "avs": _DICT, "ksm": _DICT}
_RANGE: _Fields = {"p": _INT, "s": _INT, "n": _INT}
_OPS: dict[str, _Fields] = {
    "mmap": {**_RANGE, "prot": _STR},
    "munmap": _RANGE,
    "mprotect": {**_RANGE, "prot": _STR},
    "madvise": {**_RANGE, "adv": _STR},
    "mremap": {**_RANGE, "m": _INT},
    "write": {"p": _INT, "s": _INT, "tok": _INT},
    "read": {"p": _INT, "s": _INT},
    "fork": {"p": _INT, "c": _INT},
    "exit": {"p": _INT},
    "hold": {"p": _INT, "s": _INT},
    "drop": {},
    "scan": {},
    "reclaim": {},
}


class _BadError(Exception):
    """What is wrong with a line; becomes a `TraceError` with file and line."""


def _need(what: str, found: object, fields: _Fields) -> None:
    """Raise `_BadError` unless `found` is an object that has `fields` of the right types."""
    if not isinstance(found, dict):
        raise _BadError(f"{what} is {_show(found)}, an object was expected")
    for key, types in fields.items():
        if key not in found:
            raise _BadError(f"{what} has no field {key!r}")
        if not isinstance(found[key], types) or isinstance(found[key], bool):
            raise _BadError(f"{what} has {key!r} = {_show(found[key])}")


def _show(value: object) -> str:
    text = json.dumps(value)
    limit = 40
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _check_snapshot(snapshot: Snapshot) -> None:
    for slot, process in snapshot["procs"].items():
        if not slot.isdecimal():
            raise _BadError(f"a process has the slot {slot!r}")
        _need(f"process {slot}", process, _PROCESS)
        _check_process(slot, process)
    for name, anon_vma in snapshot["avs"].items():
        _need(f"anon_vma {name}", anon_vma, _ANON_VMA)
    for folio, items in snapshot["ksm"].items():
        _check_items(folio, items)


def _check_process(slot: str, process: ProcLine) -> None:
    end = 0
    for vma in process["vmas"]:
        _need(f"a VMA of process {slot}", vma, _VMA)
        _check_vma(vma)
        if vma["s"] < end:
            raise _BadError(f"the VMAs of process {slot} are not in order at {vma['s']}")
        end = vma["s"] + vma["n"]
    last = -1
    for page in process["pages"]:
        _check_page(slot, page)
        if page["p"] <= last:
            raise _BadError(f"the pages of process {slot} are not in order at {page['p']}")
        last = page["p"]


def _check_vma(vma: VmaLine) -> None:
    if vma["n"] < 1:
        raise _BadError(f"a VMA at {vma['s']} has {vma['n']} pages")
    if not all(isinstance(name, str) for name in vma["chain"]):
        raise _BadError(f"a VMA at {vma['s']} has the chain {_show(vma['chain'])}")
    try:
        int(vma["flags"], 16)
    except ValueError:
        raise _BadError(f"a VMA at {vma['s']} has the flags {vma['flags']!r}") from None


def _check_page(slot: str, page: PageLine) -> None:
    _need(f"a page of process {slot}", page, _KIND)
    if page["k"] not in _PAGES:
        raise _BadError(f"a page of process {slot} is of the unknown kind {page['k']!r}")
    _need(f"a page of process {slot}", page, _PAGES[page["k"]])


def _check_items(folio: str, items: object) -> None:
    if not isinstance(items, list):
        raise _BadError(f"the items of {folio} are {_show(items)}, a list was expected")
    for item in items:
        match item:
            case [int() | "gone", int(), str()]:
                pass
            case _:
                raise _BadError(f"an item of {folio} is {_show(item)}")


def _check_op(op: dict[str, Any]) -> None:
    name = op.get("op")
    if not isinstance(name, str):
        raise _BadError(f"the operation {_show(op)} has no name")
    if op.get("model"):  # the model's own call, of a trace that a model wrote
        return
    if name not in _OPS:
        raise _BadError(f"the operation {name!r} is unknown")
    _need(f"the operation {name!r}", op, _OPS[name])


def _step(line: str, due: int) -> Step:
    found = _object(line)
    _need("the line", found, _STEP)
    if found["i"] != due:
        raise _BadError(f"this is step {found['i']}, step {due} was due")
    _check_op(found["op"])
    snapshot = Snapshot(procs=found["procs"], avs=found["avs"], ksm=found["ksm"])
    _check_snapshot(snapshot)
    return Step(due, found["op"], found["res"], found.get("ret"), snapshot)


def _object(line: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(line)
    except ValueError:
        raise _BadError("the line is damaged or cut off: it is not JSON") from None
    return found


def _header(line: str) -> dict[str, Any]:
    found = _object(line)
    _need("the header", found, _HEADER)
    if found["format"] != FORMAT:
        raise _BadError(f"the format is {found['format']}, only {FORMAT} is known")
    return found


def parse_trace(data: bytes, name: str = "trace") -> Trace:
    """Return the trace in `data`, gzip or plain JSON lines; O(size).

    `name` stands in messages; the trace is called by its last part without suffixes.

    Raises:
        TraceError: the data is no trace, is cut off, or has a line that makes no sense.

    """
    try:
        text = _text(data)
    except (OSError, EOFError, zlib.error):
        raise TraceError(name, None, "the file is damaged or cut off (gzip)") from None
    except UnicodeDecodeError:
        raise TraceError(name, None, "this is no trace: the file is not text") from None
    lines = text.splitlines()
    if not lines:
        raise TraceError(name, None, "the file is empty")
    number = 1
    try:
        header = _header(lines[0])
        steps = []
        for number, line in enumerate(lines[1:], 2):
            steps.append(_step(line, number - 2))
    except _BadError as bad:
        raise TraceError(name, number, str(bad)) from None
    return Trace(trace_name(name), header, tuple(steps))


def _text(data: bytes) -> str:
    gzip_magic = b"\x1f\x8b"
    return (gzip.decompress(data) if data.startswith(gzip_magic) else data).decode()


def trace_name(path: str) -> str:
    """Return what the trace in a file is called: the file without folders and suffixes."""
    return Path(path).name.split(".")[0]


def read_trace(path: str) -> Trace:
    """Return the trace in the file `path`; `TraceError` if it cannot be read or understood."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise TraceError(path, None, error.strerror or str(error)) from None
    return parse_trace(data, path)


def trace_files(paths: Sequence[str]) -> list[str]:
    """Return the files that `paths` mean: a folder stands for every trace in and below it.

    A folder contributes `*.jsonl.gz` and `*.jsonl`, sorted; a path that is no folder stays as it
    is, so that a file that does not exist is reported by `read_trace`.
    """
    found: list[str] = []
    for path in paths:
        found.extend(_below(path) if Path(path).is_dir() else [path])
    return found


def _below(folder: str) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if name.endswith((".jsonl.gz", ".jsonl")):
                yield str(Path(parent, name))


def trace_bytes(header: dict[str, Any], steps: Iterable[Step]) -> bytes:
    """Return a trace as the bytes of a `.jsonl.gz` file; equal steps give equal bytes."""
    lines: list[dict[str, Any]] = [{"format": FORMAT, **header}]
    for step in steps:
        line: dict[str, Any] = {"i": step.number, "op": step.op, "res": step.result}
        if step.ret is not None:
            line["ret"] = step.ret
        lines.append({**line, **step.snapshot})
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    return gzip.compress(text.encode(), mtime=0)
