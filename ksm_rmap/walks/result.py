"""What a walk of the reverse map found, and what each of its loops cost.

No analogue in the kernel, but for the counters: they are the columns of the table in the mail
that proposed the narrow range ("ksm: Optimize rmap_walk_ksm by passing a suitable address
range", January 2026).

Rules of this module:

1. A loop is one query of one interval tree: in `rmap_walk_ksm` one rmap item in one pass, in
   `rmap_walk_anon` the only one. It counts the VMAs that the query yields, and for each VMA
   the first test that it fails, so `iterations` is the sum of the other counters.
2. A PTE is found once, however often it is visited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ksm_rmap.model.state import ItemKey

__all__ = ("Loop", "WalkResult")


class Loop(NamedTuple):
    """The counters of one loop over the VMAs of one interval-tree query."""

    pass_: int
    """0: only the process of the item; 1: every other process (`search_new_forks`)."""
    item: ItemKey | None
    """The rmap item, `(mm, address)`; None in `rmap_walk_anon`."""
    iterations: int
    """VMAs that the query yielded, up to an early end of the walk."""
    skip_address: int = 0
    """VMAs that do not cover the address."""
    skip_mm: int = 0
    """VMAs that do, of a process whose turn is the other pass."""
    skip_invalid: int = 0
    """VMAs that the caller's `invalid_vma` refuses."""
    visits: int = 0
    """Calls of `rmap_one`."""
    fallback: bool = False
    """Whether the loop belongs to the second, full walk of a design that has one."""
    anon_vma: int | None = None
    """The anon_vma whose tree was searched; None: the walk does not say."""
    searched: tuple[int, int] | None = None
    """`(first, last)` index of the search, inclusive; None: nothing was searched."""

    def to_json(self) -> dict[str, int]:
        """Return the loop as `ksm-rmap run --json` prints it."""
        return {
            "pass": self.pass_,
            "iterations": self.iterations,
            "skip_address": self.skip_address,
            "skip_mm": self.skip_mm,
            "visits": self.visits,
        }


class WalkResult(NamedTuple):
    """What one walk found, and its loops in the order in which they ran."""

    ptes: tuple[tuple[int, int], ...] = ()
    """`(mm, page)` of each page-table entry that maps the folio, in order of first visit."""
    loops: tuple[Loop, ...] = ()
    stopped: bool = False
    """`rmap_one` returned false, or `done` returned true, before the last VMA."""
    contended: bool = False
    """A lock could not be had at once and the caller did not want to wait."""

    @property
    def iterations(self) -> int:
        """VMAs looked at, in all loops."""
        return sum(loop.iterations for loop in self.loops)

    @property
    def visits(self) -> int:
        """Calls of `rmap_one` in all loops; more than PTEs found if some were met twice."""
        return sum(loop.visits for loop in self.loops)

    @property
    def max_iterations(self) -> int:
        """VMAs looked at in the longest loop: about how long a lock was held."""
        return max((loop.iterations for loop in self.loops), default=0)

    @property
    def max_skip_address(self) -> int:
        """VMAs in vain because of their range, in the loop that has most of them."""
        return max((loop.skip_address for loop in self.loops), default=0)

    @property
    def max_skip_mm(self) -> int:
        """VMAs in vain because of their process, in the loop that has most of them."""
        return max((loop.skip_mm for loop in self.loops), default=0)

    @property
    def worst(self) -> Loop | None:
        """The loop with most iterations, the first of equals; None if there was no loop."""
        return max(self.loops, key=lambda loop: loop.iterations, default=None)

    def to_json(self) -> dict[str, Any]:
        """Return the result as `ksm-rmap run --json` prints it, but for what was missed."""
        return {
            "found": [list(pte) for pte in self.ptes],
            "iterations": self.iterations,
            "visits": self.visits,
            "max_iterations": self.max_iterations,
            "max_skip_address": self.max_skip_address,
            "max_skip_mm": self.max_skip_mm,
            "loops": [loop.to_json() for loop in self.loops],
        }
