"""The calls that the explorer makes in a state: a part of what `ksm_rmap.check.actions` lists.

No analogue in the kernel. Rules of this module:

1. A call touches at most `sizes` pages, but for plain advice: longer ones are made of several.
2. Calls are plain unless `all_forms` is set: what is mapped or moved goes where nothing is, a move
   keeps the size and leaves nothing behind, advice is about a whole VMA.
3. Contents have no meaning but to be equal or not, so of those that are nowhere yet only the
   first is written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ksm_rmap.check.actions import Enabled, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ksm_rmap.model.calls import Call
    from ksm_rmap.model.state import State

__all__ = ("MIGRATION_KINDS", "PLAIN_KINDS", "SWAP_KINDS", "Menu", "known_contents")

PLAIN_KINDS = (
    "mmap",
    "munmap",
    "write",
    "fork",
    "exit",
    "mergeable",
    "unmergeable",
    "move",
    "ksmd",
)
"""What the explorer does unless told otherwise."""
SWAP_KINDS = ("swap_out", "swap_in", "drop_swap_cache")
MIGRATION_KINDS = ("migrate_begin", "migrate_end")


@dataclass(frozen=True, slots=True)
class Menu:
    """The scope of a search of all sequences. Immutable, hashable."""

    processes: int = 2
    """Most processes at a time, those included that ksmd has still to forget."""
    pages: int = 4
    """Calls touch pages `[0, pages)` of each process."""
    contents: int = 2
    """Different contents that are written."""
    sizes: int = 2
    """Most pages of one call."""
    kinds: tuple[str, ...] = PLAIN_KINDS
    """Kinds of calls, of `ksm_rmap.check.actions.KINDS`."""
    all_forms: bool = False
    """Whether calls come in every form, not only the plain one."""
    scope: Scope = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.sizes < 1:
            raise ValueError(f"Menu: sizes must be at least 1, not {self.sizes}")
        scope = Scope(self.processes, self.pages, self.contents, self.kinds)
        object.__setattr__(self, "scope", scope)

    def calls(
        self, state: State, born: int = 0, kinds: Iterable[str] | None = None
    ) -> Iterator[tuple[str, Call]]:
        """Yield the kind of each call that `state` enables, and the call, in a fixed order.

        Only of `kinds`, if given. A child gets a number above `born` and above all processes
        that there are.
        """
        here = Enabled(state, self.scope, born)
        contents = None
        for kind in self.kinds if kinds is None else kinds:
            for call in here.calls(kind):
                args: dict[str, Any] = dict(call.args)
                if "content" in args:
                    contents = known_contents(state) if contents is None else contents
                    if args["content"] > contents + 1:
                        continue
                if self._small(call.op, args) and (self.all_forms or _plain(here, call.op, args)):
                    yield kind, call

    def _small(self, op: str, args: dict[str, Any]) -> bool:
        """Whether a call touches few pages; plain advice is about a VMA, however long it is."""
        return args.get("pages", 0) <= self.sizes or (op == "madvise" and not self.all_forms)


def known_contents(state: State) -> int:
    """Return the greatest content that is anywhere in `state`, in a page or in what ksmd knows."""
    seen = [folio.content for folio in state.folios.values_in_order()]
    seen += [slot.content for slot in state.slots.values_in_order()]
    seen += [node.content for node in state.nodes.values_in_order()]
    for mm in state.mms.values_in_order():
        seen += [item.checksum or 0 for item in mm.items.values_in_order()]
    return max(seen, default=0)


def _plain(here: Enabled, op: str, args: dict[str, Any]) -> bool:
    if op == "mmap":
        return _free(here, args["mm"], args["start"], args["pages"])
    if op == "mremap":
        if "dontunmap" in args or "new_pages" in args:
            return False
        return _free(here, args["mm"], args["to"], args["pages"])
    if op == "madvise":
        vma = here.cover(args["mm"])[args["start"]]
        return vma is not None and (vma.start, vma.pages) == (args["start"], args["pages"])
    return True


def _free(here: Enabled, mm: int, start: int, pages: int) -> bool:
    return not any(here.cover(mm)[start : start + pages])
