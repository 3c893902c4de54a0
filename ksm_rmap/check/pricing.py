"""What a design costs on a layout: objects, bytes, upkeep, and iterations of walks.

No analogue in the kernel. `price(layout, ...)` runs the history once for each size and lets every
design listen to it.

Rules of this module:

1. A measured call is applied to the state that the setup leads to, each alone; its work is the
   number of objects that it makes, changes or frees (`ksm_rmap.walks.designs.work`).
2. A walk that misses an entry has no price: `None`, shown as a miss.
3. Growth is the exponent k of n ** k between the two largest sizes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from ksm_rmap.check.judge import truths
from ksm_rmap.model.errors import MmError
from ksm_rmap.model.events import recording
from ksm_rmap.model.state import State
from ksm_rmap.walks.designs import DesignWalk, side_of, work

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

    from ksm_rmap.check.layouts import Layout, Plan
    from ksm_rmap.model.calls import Call
    from ksm_rmap.model.rules import Rules
    from ksm_rmap.walks import NamedWalk
    from ksm_rmap.walks.designs import Design

__all__ = ("COLUMNS", "Price", "Row", "exponent", "price")

COLUMNS = ("objects", "bytes", "fork", "move", "split", "private", "shared", "ksm")
"""What is measured: kept, work of three calls, iterations of the walks of three pages."""

_WALKED = ("private", "shared", "ksm")


class Price(NamedTuple):
    """One number for each size; None where it does not apply, or the walk missed an entry."""

    values: tuple[int | None, ...]
    missed: bool = False
    """Whether a walk missed an entry at some size."""

    @property
    def last(self) -> int | None:
        """The number for the largest size."""
        return self.values[-1] if self.values else None


class Row(NamedTuple):
    """The prices of one design or walk on one layout."""

    name: str
    prices: dict[str, Price]
    """By column, those that were measured."""


def exponent(sizes: Sequence[int], values: Sequence[int | None]) -> float | None:
    """Return k where the values grow as size ** k at the end; None: too few numbers.

    >>> exponent([10, 100, 1000], [7, 70, 700])
    1.0
    """
    known = [(n, v) for n, v in zip(sizes, values, strict=True) if v]
    if len(known) < 2:  # noqa: PLR2004 - a slope needs two points
        return None
    (n1, v1), (n2, v2) = known[-2:]
    return round(math.log(v2 / v1) / math.log(n2 / n1), 2)


class _Moment:
    """The state that a setup leads to, and what designs keep in it."""

    def __init__(self, state: State, plan: Plan) -> None:
        self.state = state
        self.plan = plan
        self.truth = truths(state)
        self.after = {
            name: self._applied(call)
            for name in ("fork", "move", "split")
            if (call := getattr(plan, name)) is not None
        }

    def _applied(self, call: Call) -> State:
        try:
            return call.apply(self.state)
        except MmError as error:  # pragma: no cover - a mistake in a layout
            raise AssertionError(f"{call}: {error}") from error

    def of_design(self, design: Design[Any]) -> dict[str, int | None]:
        """Return the prices of a design."""
        side = side_of(design, self.state)
        before = design.objects(side)
        cost = design.cost(side)
        prices: dict[str, int | None] = {"objects": cost.objects, "bytes": cost.size}
        for name, state in self.after.items():
            prices[name] = work(before, self._objects(design, state))
        prices.update(self.of_walk(DesignWalk(design), own_ksm=design.ksm))
        return prices

    @staticmethod
    def _objects(design: Design[Any], state: State) -> Mapping[Hashable, Hashable]:
        return design.objects(side_of(design, state))

    def of_walk(self, walk: NamedWalk, *, own_ksm: bool = True) -> dict[str, int | None]:
        """Return the iterations of the walks of the layout's pages; None for a miss."""
        prices: dict[str, int | None] = {}
        for name in _WALKED:
            place = getattr(self.plan, name)
            folio = None if place is None else self.state.folio_at(*place)
            if folio is None or (self.state.folios[folio].ksm and not own_ksm):
                continue
            result = walk(self.state, folio)
            complete = set(self.truth[folio]).issubset(result.ptes)
            prices[name] = result.iterations if complete else None
        return prices


def price(
    layout: Layout,
    designs: Sequence[Design[Any]],
    walks: Sequence[NamedWalk] = (),
    *,
    rules: Rules,
    sizes: Sequence[int] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Row]:
    """Return the prices of designs, and of walks of KSM folios, on a layout.

    O(calls of the layout * designs) for the largest of `sizes`, by default the layout's own.
    """
    found: dict[str, list[dict[str, int | None]]] = {}
    for n in layout.sizes if sizes is None else sizes:
        progress(f"{layout.name}: {n} {layout.unit}")
        moment = _moment(layout, n, rules)
        for design in designs:
            found.setdefault(design.name, []).append(moment.of_design(design))
        if moment.plan.ksm is not None:
            for walk in walks:
                only = {"ksm": moment.of_walk(walk).get("ksm")}
                found.setdefault(walk.name, []).append(only)
    return [Row(name, dict(_prices(measured))) for name, measured in found.items()]


def _moment(layout: Layout, n: int, rules: Rules) -> _Moment:
    plan = layout.plan(n)
    state = recording(State(rules=rules))
    for call in plan.setup:
        state = call.apply(state)
    return _Moment(state, plan)


def _prices(measured: Sequence[Mapping[str, int | None]]) -> Iterator[tuple[str, Price]]:
    for column in COLUMNS:
        if any(column in one for one in measured):
            values = tuple(one.get(column) for one in measured)
            missed = column in _WALKED and any(
                v is None and column in one for one, v in zip(measured, values, strict=True)
            )
            yield column, Price(values, missed)
