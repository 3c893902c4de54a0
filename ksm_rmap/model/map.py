"""A state as text, in the manner of the userland VMA tests of the kernel (tools/testing/vma).

A ruler of page numbers stands above a letter for each page of a VMA and a mark for each
page-table entry; below follow the objects that the letters stand for. Made for a mail.

Rules of this module:

1. No line is longer than `WIDTH` columns, whatever the state; there is no colour.
2. Equal states give equal texts. Nothing is printed that an object does not have.
3. A list of more than ten shows the first eight, the last one, a few that KSM or swap has to do
   with, and how many are left out; only what is shown is formatted.

Marks of the VMA row: capitals in turn, small where the VMA has moved (its index is not its
address). Marks of the PTE row: `K L M ...` KSM folios, `a b c ...` other folios with more than one
PTE, `o` a folio with this PTE only, `z` the zero page, `s` a swap entry, `m` a migration entry.
"""

from __future__ import annotations

import textwrap
from bisect import bisect_right
from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ksm_rmap.model.letters import KSM_LETTERS, SHARED_LETTERS, folio_letters, vma_letter
from ksm_rmap.model.state import ItemState, PteKind, VmFlag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ksm_rmap.model._sorted_map import SortedMap
    from ksm_rmap.model.state import AnonVma, Folio, Mm, Pte, RmapItem, State, SwapSlot, Vma

__all__ = ("WIDTH", "state_map")

T = TypeVar("T")

WIDTH = 100
"""Columns of a line at most."""
_ROW = 80
"""Columns of a row of pages at most."""
_EDGE = 8
"""Pages shown at either end of a long VMA, and list entries shown before the gap."""

_MARKS = {PteKind.ZERO: "z", PteKind.SWAP: "s", PteKind.MIGRATION: "m"}
_LEGEND = (
    (KSM_LETTERS, "CAPITAL: KSM folio"),
    (SHARED_LETTERS, "small: shared folio"),
    ("o", "o: folio with one PTE"),
    ("z", "z: zero page"),
    ("s", "s: swap entry"),
    ("m", "m: migration entry"),
)

_ROWS = 4
"""Rows of pages of a process that are all shown; of more, a few."""
_SPECIAL = 4
"""Entries shown out of the middle of a long list."""
_GAP = 4
"""Empty pages that are shown rather than cut out."""
_WORD = 40
"""Columns of a file name or a content at most."""
_BETWEEN = "  "
"""Stands where pages are cut out."""

Segment = tuple[int, int]
"""Pages `[first, end)` that stand side by side in a row."""


def state_map(state: State) -> str:
    """Return the map of `state`: lines of at most `WIDTH` columns without a final newline.

    O(n) in the number of VMAs and page-table entries.
    """
    places = _Places.of(state)
    rules = f"rules {_clipped(ascii(state.rules.name)[1:-1])}"
    lines = _wrapped(f"{rules}, max_page_sharing {state.ksmd.max_page_sharing}", 0)
    processes = list(state.mms.pairs())
    lines += _elided(processes, lambda entry: ["", *_process(*entry, places.marks)])
    special = (at for at, number in enumerate(state.folios) if number in places.marks)
    lines += _section("folios", state.folios, lambda n, f: _folio(n, f, places), special)
    lines += _section("swap slots", state.slots, lambda n, s: _slot(n, s, places))
    lines += _section("stable nodes", state.nodes, lambda n, _: _node(state, n))
    lines += _section("anon_vmas", state.anon_vmas, lambda n, a: _anon_vma(state, n, a))
    lines += ["", *_ksmd(state)]
    return "\n".join(lines)


class _Places(NamedTuple):
    """Where folios and slots are mapped, as `mm:page`, and the mark of each folio."""

    present: dict[int, list[str]]
    migration: dict[int, list[str]]
    swap: dict[int, list[str]]
    marks: dict[int, str]

    @classmethod
    def of(cls, state: State) -> _Places:
        """Collect the page-table entries of all processes in order."""
        places: dict[PteKind, dict[int, list[str]]] = {k: defaultdict(list) for k in PteKind}
        for number, mm in state.mms.pairs():
            for page, pte in mm.ptes.pairs():
                places[pte.kind][pte.target].append(f"{number}:{page}")
        present = places[PteKind.PRESENT]
        marks = folio_letters(state, lambda number, _: len(present[number]) > 1)
        return cls(present, places[PteKind.MIGRATION], places[PteKind.SWAP], marks)


# Lists and lines


def _elided(
    entries: Sequence[T], show: Callable[[T], Iterable[str]], special: Iterable[int] = ()
) -> list[str]:
    """Return the lines of `entries`: of all, or of the first, the last and `special` positions."""
    if len(entries) <= _EDGE + 2:
        return [line for entry in entries for line in show(entry)]
    kept = sorted({*range(_EDGE), *islice(special, _SPECIAL), len(entries) - 1})
    lines: list[str] = []
    for before, position in zip((-1, *kept), kept, strict=False):
        if position > before + 1:
            lines.append(f"  … {position - before - 1:,} more")
        lines += show(entries[position])
    return lines


def _listed(words: Sequence[str]) -> str:
    """Return `words` in one line, the middle of a long list left out."""
    if len(words) > _EDGE + 2:
        words = [*words[:_EDGE], f"… {len(words) - _EDGE - 1:,} more …", words[-1]]
    return " ".join(words)


def _wrapped(text: str, indent: int = 2) -> list[str]:
    """Return `text` as lines of at most `WIDTH`, indented, the later ones deeper."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 4),
        break_on_hyphens=False,
    )


def _section(
    title: str,
    table: SortedMap[T],
    show: Callable[[int, T], list[str]],
    special: Iterable[int] = (),
) -> list[str]:
    if not table:
        return []
    return ["", title, *_elided(list(table.pairs()), lambda entry: show(*entry), special)]


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _hex(content: int | None) -> str:
    return "none" if content is None else _clipped(f"{content:#x}")


def _clipped(word: str) -> str:
    return word if len(word) <= _WORD else word[: _WORD - 1] + "…"


# Processes


def _process(number: int, mm: Mm, marks: dict[int, str]) -> list[str]:
    counts = [
        _count(len(table), what)
        for table, what in ((mm.vmas, "VMA"), (mm.ptes, "PTE"), (mm.items, "rmap item"))
        if table
    ]
    counts += ["dead"] * (not mm.alive) + ["merge-any"] * mm.merge_any
    lines = _wrapped(f"process {number}: {', '.join(counts) or 'nothing mapped'}", 0)
    special = [page for page, pte in mm.ptes.pairs() if _mark(pte, marks) != "o"]
    lines += _ruler(mm, marks, special)
    starts = list(mm.vmas)
    lines += _elided(
        list(enumerate(mm.vmas.values_in_order())),
        lambda entry: _wrapped(f"{vma_letter(*entry)} {_vma(entry[1])}"),
        _positions(starts, special),
    )
    items = list(mm.items.values_in_order())
    return lines + _elided(items, lambda item: _wrapped(_item(item)))


def _positions(firsts: Sequence[int], pages: Iterable[int]) -> Iterator[int]:
    """Yield, each once, the positions of the ranges that begin at `firsts` and hold `pages`."""
    last = -1
    for page in pages:
        position = bisect_right(firsts, page) - 1
        if position > last:
            yield position
            last = position


def _vma(vma: Vma) -> str:
    words = [f"[{vma.start},{vma.end})", _prot(vma.flags)]
    words += [f"file {_clipped(ascii(vma.file))}"] if vma.file is not None else []
    words += [f"pgoff {vma.pgoff}"] if vma.moved or vma.file is not None else []
    words += [f"moved {vma.start - vma.anon_pgoff:+}"] if vma.moved else []
    words += [f"anon_pgoff {vma.anon_pgoff}"] if vma.anon_pgoff != vma.pgoff else []
    if vma.anon_vma is None:
        return " ".join([*words, "unfaulted"])
    words.append(f"anon_vma {vma.anon_vma}")
    if vma.chain != (vma.anon_vma,):
        words.append(f"chain {_listed([str(n) for n in vma.chain])}")
    return " ".join(words)


def _prot(flags: int) -> str:
    access = ((VmFlag.READ, "r"), (VmFlag.WRITE, "w"), (VmFlag.EXEC, "x"))
    names = (
        (VmFlag.MERGEABLE, " mergeable"),
        (VmFlag.DONTCOPY, " dontfork"),
        (VmFlag.WIPEONFORK, " wipeonfork"),
    )
    bits = "".join(letter if flags & flag else "-" for flag, letter in access)
    return bits + "".join(name for flag, name in names if flags & flag)


def _item(item: RmapItem) -> str:
    name = f"item {item.mm}:{item.address} {item.state.value}"
    if item.state is not ItemState.STABLE:
        return f"{name}, checksum {_hex(item.checksum)}"
    return (
        f"{name}, node {item.node}, recorded anon_vma {item.anon_vma} index {item.index} "
        f"vm_pgoff {item.vm_pgoff}"
    )


# The ruler


def _ruler(mm: Mm, marks: dict[int, str], special: Sequence[int]) -> list[str]:
    """Return rows of pages, each with ruler, VMA letters and PTE marks, and the legend."""
    rows = _rows(_segments(mm))
    kept = _kept_rows(rows, special)
    letters = {v.start: vma_letter(n, v) for n, v in enumerate(mm.vmas.values_in_order())}
    lines: list[str] = []
    used: set[str] = set()
    for before, position in zip((-1, *kept), kept, strict=False):
        left_out = rows[before + 1 : position]
        if left_out:
            pages = sum(end - first for row in left_out for first, end in row)
            lines.append(f"  … {pages:,} more pages")
        lines += _row(mm, rows[position], letters, marks)
        used |= {_mark(pte, marks) for row in rows[position] for _, pte in mm.ptes.pairs(*row)}
    legend = [text for alphabet, text in _LEGEND if used & set(alphabet)]
    return lines + (_wrapped(f"({', '.join(legend)})", 8) if legend else [])


def _kept_rows(rows: Sequence[list[Segment]], special: Sequence[int]) -> Sequence[int]:
    """Return the positions of the rows to show: the first ones, the last, some special ones."""
    if len(rows) <= _ROWS:
        return range(len(rows))
    firsts = [row[0][0] for row in rows]
    return sorted({0, 1, *islice(_positions(firsts, special), _ROWS - 2), len(rows) - 1})


def _segments(mm: Mm) -> list[Segment]:
    """Return the pages worth a column: short VMAs, the ends of long ones, pages with a PTE."""
    wanted = [
        segment
        for vma in mm.vmas.values_in_order()
        for segment in (
            ((vma.start, vma.end),)
            if vma.pages <= _ROW
            else ((vma.start, vma.start + _EDGE), (vma.end - _EDGE, vma.end))
        )
    ]
    wanted += [(page, page + 1) for page in mm.ptes]
    joined: list[Segment] = []
    for first, end in sorted(wanted):
        if joined and first <= joined[-1][1] + _GAP:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((first, end))
    return joined


def _rows(segments: list[Segment]) -> list[list[Segment]]:
    """Return the segments cut and packed into rows of at most `_ROW` columns."""
    cut = [
        (page, min(page + _ROW, end)) for first, end in segments for page in range(first, end, _ROW)
    ]
    rows: list[list[Segment]] = []
    room = 0
    for segment in cut:
        width = _width(segment) + len(_BETWEEN)
        if width > room:
            rows.append([])
            room = _ROW + len(_BETWEEN)
        rows[-1].append(segment)
        room -= width
    return rows


def _width(segment: Segment) -> int:
    first, end = segment
    return max(end - first, len(str(first)))


def _row(mm: Mm, row: list[Segment], letters: dict[int, str], marks: dict[int, str]) -> list[str]:
    """Return the four lines of a row: page numbers, last digits, VMAs, PTEs."""
    spans = [(segment, _width(segment)) for segment in row]
    columns = (
        ("pages", [_numbers(segment).ljust(width) for segment, width in spans]),
        ("", ["".join(str(p % 10) for p in range(*seg)).ljust(width) for seg, width in spans]),
        ("VMAs", [_vma_marks(mm, segment, letters).ljust(width) for segment, width in spans]),
        ("PTEs", [_pte_marks(mm, segment, marks).ljust(width) for segment, width in spans]),
    )
    return [f"  {title:5} {_BETWEEN.join(cells)}".rstrip() for title, cells in columns]


def _numbers(segment: Segment) -> str:
    """Return the first page, and the tens after it where they fit.

    >>> _numbers((7, 25))
    '7  10        20'
    """
    first, end = segment
    text = str(first)
    for page in range(first - first % 10 + 10, end, 10):
        if len(text) < page - first and page - first + len(str(page)) <= end - first:
            text = text.ljust(page - first) + str(page)
    return text


def _vma_marks(mm: Mm, segment: Segment, letters: dict[int, str]) -> str:
    first, end = segment
    marks = ["."] * (end - first)
    below = mm.vmas.floor(first)
    for start, vma in mm.vmas.pairs(below[0] if below else first, end):
        for page in range(max(start, first), min(vma.end, end)):
            marks[page - first] = letters[vma.start]
    return "".join(marks)


def _pte_marks(mm: Mm, segment: Segment, marks: dict[int, str]) -> str:
    first, end = segment
    line = ["."] * (end - first)
    for page, pte in mm.ptes.pairs(first, end):
        line[page - first] = _mark(pte, marks)
    return "".join(line)


def _mark(pte: Pte, marks: dict[int, str]) -> str:
    return _MARKS.get(pte.kind) or marks.get(pte.target, "o")


# What the letters stand for


def _folio(number: int, folio: Folio, places: _Places) -> list[str]:
    at = f"node {folio.mapping}" if folio.ksm else f"anon_vma {folio.mapping} index {folio.index}"
    mark = places.marks.get(number, "o" if folio.mapcount else "-")
    words = [
        f"{mark} folio {number}: {'KSM ' * folio.ksm}{at}",
        f"content {_hex(folio.content)}",
        f"mapcount {folio.mapcount}: {_listed(places.present[number])}".rstrip(": "),
    ]
    words += ["exclusive"] * folio.exclusive
    words += [f"migration entries {_listed(places.migration[number])}"] * bool(folio.migrating)
    words += [f"in the swap cache, slot {folio.swap}"] if folio.swap is not None else []
    words += [_count(folio.pins, "pin")] * bool(folio.pins)
    return _wrapped(", ".join(words))


def _slot(number: int, slot: SwapSlot, places: _Places) -> list[str]:
    cached = "not cached" if slot.folio is None else f"folio {slot.folio} in the swap cache"
    entries = _listed(places.swap[number])
    return _wrapped(
        f"slot {number}: content {_hex(slot.content)}, {cached}, swap entries {slot.ptes}"
        f"{': ' if entries else ''}{entries}"
    )


def _node(state: State, number: int) -> list[str]:
    node = state.nodes[number]
    folio = f"folio {node.folio}" if node.folio in state.folios else f"stale, folio {node.folio}"
    items = _listed([f"{mm}:{address}" for mm, address in node.items])
    return _wrapped(f"node {number}: {folio}, content {_hex(node.content)}, items {items or '-'}")


def _anon_vma(state: State, number: int, anon_vma: AnonVma) -> list[str]:
    above = "" if anon_vma.root == number else f" {anon_vma.root} parent {anon_vma.parent}"
    lines = _wrapped(
        f"anon_vma {number}: root{above}, refcount {anon_vma.refcount}, "
        f"num_children {anon_vma.num_children}, num_active_vmas {anon_vma.num_active_vmas}"
    )

    def link(entry: tuple[int, int, tuple[int, int]]) -> list[str]:
        first, last, (mm, start) = entry
        vma = state.mms[mm].vmas[start] if mm in state.mms else None
        end = vma.end if vma is not None else "?"
        return _wrapped(f"[{first},{last}] VMA {mm}:[{start},{end})", 6)

    return lines + _elided([(e.start, e.last, e.value) for e in anon_vma.tree], link)


def _ksmd(state: State) -> list[str]:
    ksmd = state.ksmd
    cursor = "between passes" if ksmd.mm is None else f"at {ksmd.mm}:{ksmd.address}"
    words = [
        f"ksmd: processes {_listed([str(n) for n in ksmd.slots]) or '-'}",
        cursor,
        _count(ksmd.seqnr, "pass").replace("passs", "passes"),
    ]
    unstable = [
        f"{mm}:{address} by {_hex(content)}"
        for content, keys in ksmd.unstable.pairs()
        for mm, address in keys
    ]
    words += [f"unstable {_listed(unstable)}"] * bool(unstable)
    return _wrapped(", ".join(words), 0)
