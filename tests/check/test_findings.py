"""What the search found about `full` and `index`, kept as scenarios with the reason.

The oracle judges; what each walk must miss follows from the rules that the docstrings name.
"""

from __future__ import annotations

import pytest

from ksm_rmap import walks
from ksm_rmap.check import oracle
from ksm_rmap.model import ops
from ksm_rmap.model.scenario import Scenario

UPGRADED_IN_PLACE = "P mmap 0 2\nP write 0 2 1\nP fork C\nC madvise 0 2 mergeable\nksmd 2"
"""ksmd upgrades the child's page in place. The parent maps that folio too, but the item's anon_vma
is the child's own, to which the parent is not linked; not mergeable, it never gets an item."""

UPGRADE_GIVEN_UP = (
    "P mmap 0 2\nP madvise 0 2 mergeable\nP write 0 2 1\nP fork C\nP hold 0\nksmd 2\n"
)
"""The upgraded page finds its partner in use: ksmd copies the page at the scanned address again,
and the relatives are left with a KSM folio that has no stable node."""

SWAPPED_OUT_FOR_A_SCAN = (
    "P mmap 0 2\nP madvise 0 2 mergeable\nP write 0 2 1\nksmd 2\nP hold 0\nP swapout 0\nksmd 1\n"
    "P read 0 1"
)
"""A pass of ksmd frees the items of pages that are swapped out; the folio comes back from the swap
cache as it is. The next pass gives it an item again."""

MOVED_BY_A_CHILD = (
    "P mmap 0 2\nP write 0 2 1\nP fork C\nP madvise 0 2 mergeable\nksmd 2\nC mremap 1 1 to 0"
)
"""The child maps the upgraded page too; not mergeable, it may move it without un-merging it. At
page 0 there is an item of the parent: `full` finds the entry by it, but its index is another."""

SWAPPED_IN_ELSEWHERE = (
    "P mmap 0 2\nP madvise 0 2 mergeable\nP write 0 2 1\nksmd 2\nP hold 0\nP swapout 0\n"
    "P mremap 1 1 to 0\nP read 0 1"
)
"""mremap un-merges no swap entry. The folio comes back where an item of its own waits, with the
index of the VMA that was there before; ksmd sees item and folio agree and refreshes nothing."""


@pytest.mark.parametrize(
    ("text", "lost", "heals", "only_index"),
    [
        (UPGRADED_IN_PLACE, {(0, 1)}, False, False),
        (UPGRADE_GIVEN_UP, {(1, 1)}, False, False),
        (SWAPPED_OUT_FOR_A_SCAN, {(0, 0)}, True, False),
        (MOVED_BY_A_CHILD, {(1, 0)}, False, True),
        (SWAPPED_IN_ELSEWHERE, {(0, 0)}, False, True),
    ],
    ids=["upgraded", "given up", "swapped out in a pass", "moved by a child", "swapped in"],
)
def test_what_full_and_index_miss(
    text: str, lost: set[tuple[int, int]], *, heals: bool, only_index: bool
) -> None:
    full, index = walks.get("full"), walks.get("index")
    state = Scenario.parse(text).run(full)
    state.check()
    (folio,) = (n for n in state.ksm_folios() if state.folios[n].mapcount)
    assert oracle.missed(state, folio, index(state, folio)) == lost
    assert oracle.missed(state, folio, full(state, folio)) == (set() if only_index else lost)
    later = ops.ksmd(state)
    assert bool(oracle.missed(later, folio, index(later, folio))) is not heals
