"""Random histories for the tests of the designs; the same ones each time."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from ksm_rmap.check.actions import KINDS, Enabled, Scope
from ksm_rmap.walks.designs import DesignRun

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ksm_rmap.model.calls import Call
    from ksm_rmap.model.rules import Rules
    from ksm_rmap.model.state import State
    from ksm_rmap.walks.designs import Design

SCOPE = Scope(processes=3, pages=5, contents=2)
LENGTH = 30


def next_call(state: State, chance: random.Random, kinds: tuple[str, ...]) -> Call:
    here = Enabled(state, SCOPE)
    possible = [kind for kind in kinds if here.any(kind)]
    return chance.choice(here.calls(chance.choice(possible)))


def chances(name: str, count: int) -> Iterator[random.Random]:
    for number in range(count):
        yield random.Random(f"{name} {number}")  # noqa: S311 - a repeatable choice


def runs(
    design: Design[Any], rules: Rules, count: int, kinds: tuple[str, ...] = tuple(KINDS)
) -> Iterator[DesignRun]:
    for chance in chances(design.name, count):
        run = DesignRun.begin(design, rules)
        for _ in range(LENGTH):
            run = run.apply(next_call(run.state, chance, kinds))
            yield run
