"""The bundled scenarios, each walked by several walks: what is known to be missed.

No analogue in the kernel. Rules of this module:

1. A row is one scenario, run to its end, with the verdict on each KSM folio that is mapped.
2. The shortest sequence for a walk is the one with fewest calls, of the default kernel, after
   which the walk misses an entry; on request one that another walk finds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ksm_rmap import walks as registry
from ksm_rmap.check.judge import FolioVerdict, Ptes, judge, judged_folios
from ksm_rmap.model.scenario import Scenario, load
from ksm_rmap.model.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ksm_rmap.walks import NamedWalk

__all__ = ("Row", "shortest", "survey")


class Row(NamedTuple):
    """What the walks find at the end of one scenario."""

    scenario: Scenario
    calls: int
    """Calls made, loops unrolled."""
    verdicts: tuple[FolioVerdict, ...]
    """One for each mapped KSM folio."""

    @property
    def losers(self) -> int:
        """How many walks miss an entry of some folio."""
        return len({n for v in self.verdicts for n, walk in v.walks.items() if walk.missed})

    def missed(self, walk: str) -> Ptes:
        """Return every entry that `walk` misses, folio by folio."""
        return tuple(pte for verdict in self.verdicts for pte in verdict.walks[walk].missed)


def survey(
    names: Iterable[str],
    walks: Mapping[str, NamedWalk],
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[Row]:
    """Run the bundled scenarios `names` and yield a row for each; `progress` is told of calls."""
    for name in names:
        scenario = load(name)
        state, calls = State(), 0
        for calls, step in enumerate(scenario.states(registry.get("full"), walks=registry.get), 1):
            state = step.state
            progress(f"{name}: {calls} calls")
        yield Row(scenario, calls, tuple(judge(state, walks, judged_folios(state))))


def shortest(rows: Sequence[Row], walk: str, *, found_by: str | None = None) -> Row | None:
    """Return the row with fewest calls in which `walk` misses an entry; None if there is none.

    With `found_by`, one in which that other walk misses nothing. Rows of special rules, which
    are not those of the default kernel, do not count. Of equals the one that fewest walks miss.
    """
    known = [
        row
        for row in rows
        if row.missed(walk)
        and row.scenario.rules is None
        and not (found_by and row.missed(found_by))
    ]
    return min(known, key=lambda row: (row.calls, row.losers), default=None)
