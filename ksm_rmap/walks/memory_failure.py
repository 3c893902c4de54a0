"""Whom to kill for a broken KSM page: `collect_procs_ksm` of mm/ksm.c.

Models mm/ksm.c with `add_to_kill_ksm` of mm/memory-failure.c (commit 4248d0083ec5, "mm: ksm:
support hwpoison for ksm page", 2023).

Rules of this module:

1. For each item and each process, the VMAs in the range are compared with the process, and with
   nothing else: neither is the item's address in the VMA, nor is the page mapped there. So
   processes are killed that do not map the page.
2. A process is killed once, with the address of the first item that led to it.
3. The range is everything up to 7.0; [index, index] since the walk was narrowed in 2026.

Left out: threads and their PF_MCE_EARLY policy (`early_kill` says who wants to be killed early).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ksm_rmap.walks import index
from ksm_rmap.walks.engine import Traversal

if TYPE_CHECKING:
    from collections.abc import Collection

    from ksm_rmap.model.state import State
    from ksm_rmap.walks.engine import RangeOf

__all__ = ("Kill", "collect_procs_ksm")


class Kill(NamedTuple):
    """`struct to_kill`: a process, and the address that its signal names."""

    mm: int
    address: int


def collect_procs_ksm(
    state: State,
    folio: int,
    *,
    range_of: RangeOf = index.search_range,
    early_kill: Collection[int] | None = None,
) -> tuple[Kill, ...]:
    """Return the processes that `memory_failure` would kill for `folio`, in order.

    Args:
        state: the machine; not changed.
        folio: number of a KSM folio; for another one nothing is returned.
        range_of: what to search for an item: `index.search_range` (since 2026) or
            `full.search_range` (before).
        early_kill: the processes to consider; None: all that are alive.

    O(items * (log n + VMAs in the range)). `WalkError` if there is no such folio.

    """
    candidates = [mm for mm, owner in state.mms.pairs() if owner.alive]
    if early_kill is not None:
        candidates = [mm for mm in candidates if mm in early_kill]
    killed: dict[int, int] = {}
    for item, owners in Traversal(state, folio).owners_of_items(range_of):
        for mm in candidates:
            if mm in owners:
                killed.setdefault(mm, item.address)
    return tuple(Kill(mm, address) for mm, address in killed.items())
