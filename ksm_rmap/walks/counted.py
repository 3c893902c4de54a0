"""Hugh Dickins's proposal: walk narrowly, count, and walk fully if some PTEs are lacking.

Models a design that exists in prose only (his mail of 5 April 2026): the walk of v3, then, if it
found fewer PTEs than the folio has, the full walk. No kernel ever had it, so what the mail leaves
open is decided here, each time for the reading that serves the design best:

1. The count: `mapcount` plus the migration entries of the folio, as the walk begins. When
   `remove_migration_ptes` runs, mapcount is 0; an implementation would have to carry the number
   from `try_to_migrate` and keep it up to date while forks and unmaps go on. `expected` gives
   another number, for instance one that was carried and not kept up to date.
2. What counts: different PTEs that map the folio. The PTE of a scanned child is visited twice
   but counts once; a VMA visited in vain does not count.
3. A VMA that `invalid_vma` leaves out does not count, so such walks fall back each time.
4. Early end: where `rmap_one`, `done` or a lock ended the narrow walk, there is no second one.
5. Swap entries are neither in mapcount nor looked for.
6. The second walk is the full walk in both passes, and visits again what was found.

By rules 1 and 2 it misses a PTE only where the full walk misses one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ksm_rmap.walks import address, full
from ksm_rmap.walks.engine import Traversal

if TYPE_CHECKING:
    from ksm_rmap.model.state import State
    from ksm_rmap.walks.control import RmapWalkControl
    from ksm_rmap.walks.result import WalkResult

__all__ = ("COUNTED", "CountedDesign")


@dataclass(frozen=True, slots=True)
class CountedDesign:
    """The walk of v3, and the full walk when it found too few PTEs."""

    name: str
    summary: str
    source: str

    def __call__(
        self,
        state: State,
        folio: int,
        /,
        *,
        control: RmapWalkControl | None = None,
        expected: int | None = None,
    ) -> WalkResult:
        """Walk the reverse map of `folio`.

        `expected` is how many PTEs there are to find; without it what the folio itself says,
        `mapcount` and `migrating`. The loops of the second walk are marked `fallback`.
        """
        walk = Traversal(state, folio, control)
        if not walk.folio.ksm:
            walk.search_anon()
            return walk.result()
        if expected is None:
            expected = walk.folio.mapcount + walk.folio.migrating
        walk.search_items(address.search_range)
        if walk.found < expected and not walk.ended:
            walk.search_items(full.search_range, fallback=True)
        return walk.result()


COUNTED = CountedDesign(
    name="counted",
    summary="as address; the full walk on top when fewer PTEs than mapcount turn up",
    source="Hugh Dickins, mail of 5 April 2026",
)
