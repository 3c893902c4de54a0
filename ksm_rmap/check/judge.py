"""What several walks find and miss of the folios of one state.

No analogue in the kernel. Rules of this module:

1. The truth is that of `ksm_rmap.check.oracle`, for all folios at once: one look at every
   page-table entry.
2. Judged are the KSM folios that at least one entry maps; ordinary folios on request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ksm_rmap.model.state import PteKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ksm_rmap.model.state import State
    from ksm_rmap.walks import Walk, WalkResult

__all__ = ("FolioVerdict", "WalkVerdict", "judge", "judged_folios", "truths")

Ptes = tuple[tuple[int, int], ...]
"""`(mm, page)` of page-table entries."""


class WalkVerdict(NamedTuple):
    """One walk of one folio."""

    result: WalkResult
    missed: Ptes
    """The entries that map the folio and were not found, sorted."""


class FolioVerdict(NamedTuple):
    """All walks of one folio."""

    folio: int
    ptes: Ptes
    """The entries that map the folio, sorted."""
    walks: dict[str, WalkVerdict]
    """By name of the walk, in the order given."""


def truths(state: State) -> dict[int, Ptes]:
    """Return for each mapped folio the entries that map it, sorted; O(all PTEs)."""
    found: dict[int, list[tuple[int, int]]] = {}
    for number, mm in state.mms.pairs():
        for page, pte in mm.ptes.pairs():
            if pte.kind in (PteKind.PRESENT, PteKind.MIGRATION):
                found.setdefault(pte.target, []).append((number, page))
    return {folio: tuple(ptes) for folio, ptes in sorted(found.items())}


def judged_folios(
    state: State, *, ordinary: bool = False, only: int | None = None
) -> Iterator[tuple[int, Ptes]]:
    """Yield `(folio, entries)` of the mapped folios to be judged, by number.

    KSM folios, and the ordinary ones as well with `ordinary`; only folio `only` if given.
    """
    for folio, ptes in truths(state).items():
        if (only is None and (ordinary or state.folios[folio].ksm)) or folio == only:
            yield folio, ptes


def judge(
    state: State, walks: Mapping[str, Walk], folios: Iterable[tuple[int, Ptes]]
) -> Iterator[FolioVerdict]:
    """Yield the verdict on each of `folios`, as `judged_folios` yields them."""
    for folio, ptes in folios:
        verdicts: dict[str, WalkVerdict] = {}
        for name, walk in walks.items():
            result = walk(state, folio)
            found = set(result.ptes)
            missed = tuple(pte for pte in ptes if pte not in found)
            verdicts[name] = WalkVerdict(result, missed)
        yield FolioVerdict(folio, ptes, verdicts)
