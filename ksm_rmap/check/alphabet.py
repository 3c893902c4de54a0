"""A bit for each call that may sleep: sets of calls as integers that outlive a change of names.

No analogue in the kernel. A state of a search has its own names for processes and contents
(`ksm_rmap.check.canonical`); when a call leads to a state with other names, a set of calls is
renamed with it.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ksm_rmap.check.menu import Menu

__all__ = ("Alphabet", "Label")

ADVICE = frozenset({"mergeable", "unmergeable"})
"""Kinds of calls that are about a whole VMA unless calls have every form."""

Names = tuple[tuple[int, ...], tuple[int, ...]]
"""Old numbers of processes and of contents in the order of the new ones."""


class Label(NamedTuple):
    """What a call does, but for its process and its content. Labels are ordered by `kinds`."""

    kind: str
    start: int = 0
    pages: int = 0
    to: int = 0

    @property
    def end(self) -> int:
        """The page behind the last one."""
        return self.start + self.pages

    @property
    def to_end(self) -> int:
        """The page behind the last one of the target."""
        return self.to + self.pages


class Alphabet:
    """The bits of all calls of `kinds` in the scope of `menu`, in the order of their labels.

    Processes are numbered 0, 1, ... and contents 1, 2, ... as in a state that was decoded.
    """

    def __init__(self, menu: Menu, kinds: Sequence[str]) -> None:
        self._contents = menu.contents
        self._calls = [0] * menu.processes
        """For each process the bits of its calls without a content."""
        self._writes = [[0] * menu.contents for _ in self._calls]
        """For each process and content the bits of its calls that write it."""
        self._bases: dict[Label, int] = {}
        self._moves: dict[Names, list[tuple[int, int, int]]] = {}
        """What changes of names do, computed when first met."""
        self.size = 0
        """How many bits there are."""
        for label in _labels(menu, kinds):
            self._bases[label] = self.size
            for process, writes in enumerate(self._writes):
                self._take(label, process, writes)

    def _take(self, label: Label, process: int, writes: list[int]) -> None:
        """Give the calls of one process with `label` the next bits."""
        if label.kind == "write":
            for content in range(self._contents):
                writes[content] |= 1 << self.size
                self.size += 1
        else:
            self._calls[process] |= 1 << self.size
            self.size += 1

    def bit(self, label: Label, process: int, content: int = 0) -> int:
        """Return the bit of a call; 0 if there is none. `content` is 0 or that of a write."""
        base = self._bases.get(label)
        if base is None:
            return 0
        return 1 << base + (process * self._contents + content - 1 if content else process)

    def before(self, label: Label) -> int:
        """Return the bits of all calls with lesser labels."""
        return (1 << self._bases[label]) - 1

    def renamed(self, calls: int, processes: tuple[int, ...], contents: tuple[int, ...]) -> int:
        """Return a set of calls after a change of names.

        `processes` are the old numbers in the order of the new ones, `contents` likewise. What
        belongs to a process that is no more is dropped; a content that is nowhere any more is as
        good as the first that was never there.
        """
        names = processes, contents
        moves = self._moves.get(names)
        if moves is None:
            moves = self._moves[names] = self._moved(processes, contents)
        renamed = 0
        for bits, left, right in moves:
            renamed |= (calls & bits) << left >> right
        return renamed

    def _moved(
        self, processes: tuple[int, ...], contents: tuple[int, ...]
    ) -> list[tuple[int, int, int]]:
        """Return which bits a change of names moves, and how far to the left and to the right."""
        shifts: dict[int, int] = {}
        for new, old in enumerate(processes):
            shifts[new - old] = shifts.get(new - old, 0) | self._calls[old]
            for content, bits in enumerate(self._writes[old], 1):
                name = contents.index(content) if content in contents else len(contents)
                by = (new - old) * self._contents + name + 1 - content
                shifts[by] = shifts.get(by, 0) | bits
        return [(bits, max(by, 0), max(-by, 0)) for by, bits in shifts.items()]


def _labels(menu: Menu, kinds: Sequence[str]) -> Iterator[Label]:
    """Yield what the calls of the menu may be; plain advice is about a VMA, however long it is."""
    for kind in kinds:
        if kind == "exit":
            yield Label(kind)
            continue
        longest = menu.pages if kind in ADVICE else min(menu.sizes, menu.pages)
        for start, pages in product(range(menu.pages), range(1, longest + 1)):
            for to in range(menu.pages) if kind == "move" else (0,):
                label = Label(kind, start, pages, to)
                if max(label.end, label.to_end) <= menu.pages and not _overlaps(label):
                    yield label


def _overlaps(label: Label) -> bool:
    """Whether this is a move to a place that meets its source."""
    return label.kind == "move" and label.start < label.to_end and label.to < label.end
