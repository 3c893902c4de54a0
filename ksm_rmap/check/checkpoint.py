"""A search on disk: written between two slices, and taken up again with any number of workers.

No analogue in the kernel. The file is a line of JSON, then the states: for each known key its
parent, the states still to be expanded, and the new states of the level that is being made, each
with the set of steps that sleep in it. It is written beside its place and moved there, so an old
one survives until a new one is whole.
"""

from __future__ import annotations

import json
import sys
from array import array
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ksm_rmap.check.search import Found, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import BinaryIO

    from ksm_rmap.check.search import Entry, Key

__all__ = ("Checkpoint", "CheckpointError", "Saved", "load", "save")

_MAGIC = "ksm_rmap explore 2"


class CheckpointError(Exception):
    """A file that is no checkpoint, or one of another search; one line."""


class Saved(NamedTuple):
    """What a file holds."""

    search: dict[str, Any]
    """What is searched: a search is taken up only if this is equal."""
    outcome: dict[str, Any]
    """What was known at the end of the last finished level, as JSON values."""
    snapshot: Snapshot


def save(
    path: str, search: dict[str, Any], outcome: dict[str, Any], shards: Sequence[Snapshot]
) -> None:
    """Write a checkpoint to `path`. OSError if that cannot be done."""
    header = {
        "magic": _MAGIC,
        "byteorder": sys.byteorder,
        "search": search,
        "outcome": outcome,
        "shards": [_head(shard) for shard in shards],
    }
    temporary = Path(f"{path}.new")
    with temporary.open("wb") as file:
        file.write(json.dumps(header).encode() + b"\n")
        for shard in shards:
            array("Q", shard.parents.keys()).tofile(file)
            array("Q", shard.parents.values()).tofile(file)
            _write_states(file, shard.frontier)
            _write_states(file, shard.coming.items())
    temporary.replace(path)


def _head(shard: Snapshot) -> dict[str, Any]:
    return {
        "parents": len(shard.parents),
        "frontier": len(shard.frontier),
        "coming": len(shard.coming),
        "depth": shard.depth,
        "expanded": shard.expanded,
        "goals": sorted(shard.goals),
        "steps": shard.steps,
        "marks": shard.marks,
        "seconds": shard.seconds,
        "found": {goal: [found.state.hex(), found.key] for goal, found in shard.found.items()},
    }


def _write_states(file: BinaryIO, states: Iterable[tuple[Key, Entry]]) -> None:
    file.writelines(
        key.to_bytes(8, sys.byteorder) + len(state).to_bytes(2, "little") + state
        for key, state in states
    )


def load(path: str, search: dict[str, Any]) -> Saved | None:
    """Return the checkpoint at `path`, None if there is none.

    CheckpointError if it is of another search than `search`, or damaged.
    """
    try:
        with Path(path).open("rb") as file:
            header = _header(path, file)
            if header["search"] != search:
                raise CheckpointError(f"{path}: a checkpoint of another search: {_other(header)}")
            shards = [_read(file, head) for head in header["shards"]]
    except FileNotFoundError:
        return None
    except (EOFError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged: {error}") from error
    return Saved(header["search"], header["outcome"], merged(shards))


def _other(header: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in header["search"].items())


def _header(path: str, file: BinaryIO) -> dict[str, Any]:
    """Return the line of JSON; CheckpointError if it is not that of a checkpoint."""
    try:
        header: Any = json.loads(file.readline(1 << 20))
    except ValueError:
        header = None
    known = isinstance(header, dict) and header.get("magic") == _MAGIC
    if not known or header["byteorder"] != sys.byteorder:
        raise CheckpointError(f"{path}: no checkpoint of this program and kind of machine")
    return dict(header)


def _read(file: BinaryIO, head: dict[str, Any]) -> Snapshot:
    keys, parents = array("Q"), array("Q")
    keys.fromfile(file, head["parents"])
    parents.fromfile(file, head["parents"])
    frontier = [_read_state(file) for _ in range(head["frontier"])]
    coming = dict(_read_state(file) for _ in range(head["coming"]))
    found = {
        goal: Found(len(state) // 2, bytes.fromhex(state), key)
        for goal, (state, key) in head["found"].items()
    }
    return Snapshot(
        dict(zip(keys, parents, strict=True)),
        frontier,
        coming,
        head["depth"],
        head["expanded"],
        frozenset(head["goals"]),
        found,
        head["seconds"],
        Counter(head["steps"]),
        Counter(head["marks"]),
    )


def _read_state(file: BinaryIO) -> tuple[Key, Entry]:
    key = int.from_bytes(file.read(8), sys.byteorder)
    size = int.from_bytes(file.read(2), "little")
    state = file.read(size)
    if not size or len(state) < size:
        raise EOFError("it ends too early")
    return key, state


def merged(shards: Sequence[Snapshot]) -> Snapshot:
    """Return one snapshot of all shards."""
    parents: dict[Key, Key] = {}
    coming: dict[Key, Entry] = {}
    found: dict[str, Found] = {}
    seconds: dict[str, float] = {}
    steps, marks = Counter[str](), Counter[str]()
    for shard in shards:
        parents.update(shard.parents)
        coming.update(shard.coming)
        steps.update(shard.steps)
        marks.update(shard.marks)
        for goal, state in shard.found.items():
            found[goal] = min(state, found.get(goal, state))
            seconds[goal] = min(shard.seconds[goal], seconds.get(goal, shard.seconds[goal]))
    return shards[0]._replace(
        parents=parents,
        frontier=[state for shard in shards for state in shard.frontier],
        coming=coming,
        expanded=sum(shard.expanded for shard in shards),
        found=found,
        seconds=seconds,
        steps=steps,
        marks=marks,
    )


class Checkpoint:
    """The file at `path` of one search."""

    def __init__(self, path: str, search: dict[str, Any]) -> None:
        self.path = path
        self.search = search

    def load(self) -> Saved | None:
        """Return what the file holds; None if there is no file."""
        return load(self.path, self.search)

    def save(self, outcome: dict[str, Any], shards: Sequence[Snapshot]) -> None:
        """Replace the file."""
        save(self.path, self.search, outcome, shards)
