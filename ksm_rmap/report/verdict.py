"""The verdict of `ksm-rmap check` on one walk, as text.

No analogue in the kernel. Rules of this module:

1. The first line says it all: walk, result, rules, and the seed that finds it again.
2. A search that could not have found anything is told in capitals: it is no pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksm_rmap.check.reach import SITUATIONS, VITAL
from ksm_rmap.model.scenario import process_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ksm_rmap.check.verdict import Verdict

__all__ = ("verdict_lines",)


def verdict_lines(verdict: Verdict) -> list[str]:
    """Return the result, the calls that lead to a miss, and what the search met."""
    return [_headline(verdict), *_miss(verdict), *_reached(verdict)]


def _headline(verdict: Verdict) -> str:
    versus = f" against {verdict.against}" if verdict.against else ""
    result = "MISSED" if verdict.scenario else "nothing missed"
    ended = ", interrupted" if verdict.interrupted else ""
    return (
        f"{verdict.walk}{versus}: {result} (rules {verdict.rules}, seed {verdict.seed}, "
        f"{verdict.examples} examples, {verdict.tried} calls, {verdict.seconds:.1f} s{ended})"
    )


def _miss(verdict: Verdict) -> Iterator[str]:
    if verdict.scenario is None:
        return
    places = ", ".join(f"{process_name(mm)} page {page}" for mm, page in verdict.missed)
    healed = "still missed" if verdict.persistent else "found again"
    for line in str(verdict.scenario).splitlines():
        yield f"  {line}"
    yield f"  -> misses {places} of folio {verdict.folio}; after a pass of ksmd: {healed}"
    if verdict.shared:
        yield "  -> the walk full misses the same, and nothing worse was found"


def _reached(verdict: Verdict) -> Iterator[str]:
    counts = ", ".join(f"{name} {n}" for name, n in verdict.reached.items() if n)
    yield f"  reached: {counts or 'nothing'}"
    if never := verdict.never(SITUATIONS):
        yield f"  never: {', '.join(never)}"
    if verdict.vacuous:
        what = "; no example had ".join(SITUATIONS[name][0] for name in verdict.never(VITAL))
        yield f"  THIS IS NO PASS: no example had {what}"
