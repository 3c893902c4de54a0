"""Every sequence of calls up to a depth, for reverse-map designs.

No analogue in the kernel. As `ksm_rmap.check.explore`, with two differences: each design is
searched for itself, because what it remembers is part of the state, and states are not taken for
equal up to names, because a design may keep them.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ksm_rmap.check.exploration import Counterexample, Exploration, LevelCount
from ksm_rmap.check.histories import breadth_first
from ksm_rmap.check.judged import TRUTH
from ksm_rmap.check.reduce import scenario_of
from ksm_rmap.model.rules import Rules
from ksm_rmap.walks.designs import DesignRun, DesignWalk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ksm_rmap.check.histories import Found
    from ksm_rmap.check.menu import Menu

__all__ = ("explore_designs",)

_FOREVER = 10.0**9
_DEEPEST = 10**6


def explore_designs(
    walks: Sequence[DesignWalk],
    *,
    menu: Menu,
    rules: Rules | None = None,
    depth: int | None = None,
    seconds: float | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Exploration:
    """Search for each design, with an equal share of `seconds`; arguments as of `explore`.

    The figures are sums; the levels are those of the design whose search came least deep.
    """
    share = _FOREVER if seconds is None else seconds / len(walks)
    kernel = Rules() if rules is None else rules
    found: dict[str, Found] = {}
    for walk in walks:
        progress(f"exploring {walk.name}")
        begin: DesignRun = DesignRun.begin(walk.design, kernel)
        most = _DEEPEST if depth is None else depth
        found[walk.name] = breadth_first(begin, menu, seconds=share, depth=most)
    outcomes = list(found.values())
    least = min(outcomes, key=lambda outcome: len(outcome.levels))
    return Exploration(
        walks={name: {TRUTH: _answer(name, one, kernel)} for name, one in found.items()},
        menu=menu,
        rules=kernel.name,
        ended=_ended(outcomes, depth),
        levels=tuple(LevelCount(at, *level) for at, level in enumerate(least.levels)),
        states=sum(outcome.subjects for outcome in outcomes),
        transitions=sum(outcome.steps for outcome in outcomes),
        frontier=sum(outcome.frontier for outcome in outcomes),
        seconds=sum(outcome.seconds for outcome in outcomes),
        workers=1,
        reached=_sums(outcome.reached for outcome in outcomes),
        fired=_sums(outcome.fired for outcome in outcomes),
    )


def _sums(counts: Iterable[tuple[tuple[str, int], ...]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(dict(count))
    return dict(total)


def _answer(name: str, found: Found, rules: Rules) -> Counterexample | None:
    if found.calls is None:
        return None
    miss: Any = found.missed[0]
    scenario = scenario_of(found.calls, rules)
    return Counterexample(name, TRUTH, scenario, miss.folio, miss.ptes, found.seconds)


def _ended(outcomes: Sequence[Found], depth: int | None) -> str:
    """Return why the searches ended, of several reasons the weakest."""
    if all(outcome.calls is not None for outcome in outcomes):
        return "answered"
    open_ones = [outcome for outcome in outcomes if outcome.calls is None]
    if all(outcome.exhausted for outcome in open_ones):
        return "exhausted" if len(open_ones) == len(outcomes) else "answered"
    deep = all(outcome.exhausted or outcome.depth == depth for outcome in open_ones)
    return "depth" if deep else "seconds"
