"""States as the C reproducer compares them: rows of text per VMA and per page.

Rules of this module:

1. The text of a row is what the program prints of the kernel: the fields of a trace that user
   space can see. Frames (`f`) and swap slots (`sw`) are named by first appearance.
2. Of a state with more than `MOST_ROWS` rows, equal pages are counted: rows of kind "s". The
   program orders and counts in the same way.
"""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from ksm_rmap.check.recorded import snapshot_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ksm_rmap.check.trace import PageLine, Snapshot
    from ksm_rmap.model.state import State

__all__ = ("MOST_ROWS", "Row", "rows", "size")

MOST_ROWS: Final = 128
"""VMAs and page-table entries of a state that are listed one by one."""
_KINDS: Final = ("anon", "ksm", "zero", "swap")
"""In the order in which the program sorts them."""


class Row(NamedTuple):
    """One row: `struct entry` of the program."""

    process: int
    what: str
    """"v" a VMA, "p" a page, "s" a number of equal pages or of VMAs."""
    at: int
    """Its first page, or -1, 0, 1 ... of the rows "s"."""
    text: str


def size(state: State) -> int:
    """Return the number of VMAs and page-table entries."""
    return sum(len(mm.vmas) + len(mm.ptes) for _, mm in state.mms.pairs())


def rows(state: State, *, summary: bool) -> list[Row]:
    """Return the rows of `state` in the order of the program."""
    snapshot = snapshot_of(state)
    found = list(_counted(snapshot) if summary else _listed(snapshot))
    order = {"v": 0, "s": 0, "p": 1}
    return sorted(found, key=lambda row: (row.process, order[row.what], row.at))


def _text(**fields: object) -> str:
    return json.dumps(fields, separators=(",", ":"))


def _listed(snapshot: Snapshot) -> Iterator[Row]:
    names: dict[str, str] = {}
    for slot, process in sorted(snapshot["procs"].items(), key=lambda item: int(item[0])):
        for vma in process["vmas"]:
            text = _text(s=vma["s"], n=vma["n"], prot=vma["prot"], mg=vma["mg"])
            yield Row(int(slot), "v", vma["s"], text)
        for page in process["pages"]:
            yield Row(int(slot), "p", page["p"], _page(page, names))


def _page(page: PageLine, names: dict[str, str]) -> str:
    if page["k"] == "zero":
        return _text(p=page["p"], k="zero")
    if page["k"] == "swap":
        return _text(p=page["p"], k="swap", sw=_named(page["sw"], names))
    frame = _named(page["f"], names)
    return _text(p=page["p"], k=page["k"], f=frame, mc=page["mc"], tok=page["tok"])


def _named(name: str, names: dict[str, str]) -> str:
    """Return `f` or `s` with a number by first appearance."""
    if name not in names:
        names[name] = f"{name[0]}{sum(known[0] == name[0] for known in names)}"
    return names[name]


def _counted(snapshot: Snapshot) -> Iterator[Row]:
    for slot, process in snapshot["procs"].items():
        yield Row(int(slot), "s", -1, _text(vmas=len(process["vmas"])))
        looks = sorted(map(_look, process["pages"]))
        for at, ((kind, count, content), alike) in enumerate(groupby(looks, lambda x: x[:3])):
            frames = [frame for *_, frame in alike]
            text = _text(
                k=_KINDS[kind], mc=count, tok=content, pages=len(frames), frames=len(set(frames))
            )
            yield Row(int(slot), "s", at, text)


def _look(page: PageLine) -> tuple[int, int, int, str]:
    kind = _KINDS.index(page["k"])
    return kind, page.get("mc", 0), page.get("tok", 0), page.get("f", page.get("sw", ""))
