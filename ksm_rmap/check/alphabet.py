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

    def renamed(self, calls: int, processes: Sequence[int], contents: Sequence[int]) -> int:
        """Return a set of calls after a change of names.

        `processes` are the old numbers in the order of the new ones, `contents` likewise. What
        belongs to a process that is no more is dropped; a content that is nowhere any more is as
        good as the first that was never there.
        """
        if _kept(processes, 0) and _kept(contents, 1):
            return calls
        places = {process: place for place, process in enumerate(processes)}
        names = {content: name for name, content in enumerate(contents)}
        renamed = 0
        for old, (plain, writes) in enumerate(zip(self._calls, self._writes, strict=True)):
            if old in places and calls & (plain | sum(writes)):
                new = places[old]
                renamed |= _shifted(calls & plain, new - old)
                for content, bits in enumerate(writes):
                    name = names.get(content + 1, len(contents))
                    by = (new - old) * self._contents + name - content
                    renamed |= _shifted(calls & bits, by)
        return renamed


def _labels(menu: Menu, kinds: Sequence[str]) -> Iterator[Label]:
    pages = range(menu.pages)
    for kind in kinds:
        if kind == "exit":
            yield Label(kind)
            continue
        targets = pages if kind == "move" else (0,)
        for start, more, to in product(pages, pages, targets):
            if start + more < menu.pages:
                yield Label(kind, start, more + 1, to)


def _kept(order: Sequence[int], first: int) -> bool:
    """Whether the new names are the old ones."""
    return all(old == new for new, old in enumerate(order, first))


def _shifted(bits: int, by: int) -> int:
    return bits << by if by >= 0 else bits >> -by
