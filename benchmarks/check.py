"""The random search: how soon a wrong walk is caught; the string of a state in both forms."""

from __future__ import annotations

import importlib
import random
import statistics
from functools import cache
from typing import TYPE_CHECKING

from ksm_rmap import walks
from ksm_rmap.check import check_walk
from ksm_rmap.check.actions import Scope, enabled
from ksm_rmap.check.canonical import encode
from ksm_rmap.check.menu import PLAIN_KINDS
from ksm_rmap.check.restore import decode
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.state import State

if TYPE_CHECKING:
    from ksm_rmap.check import Verdict

SEEDS = 20
LIMIT = 10.0
"""Seconds that a search may take."""
SMALL = Scope(2, 4, 2, PLAIN_KINDS)


@cache
def verdict(walk: str, seed: int) -> Verdict:
    return check_walk(walk, seed=seed, seconds=LIMIT)


class CaughtWalk:
    """Each figure of twenty seeds."""

    params = ("address", "vm_pgoff")
    param_names = ("walk",)
    timeout = 2 * SEEDS * LIMIT

    def setup(self, walk: str) -> None:
        self.verdicts = [verdict(walk, seed) for seed in range(SEEDS)]

    def track_seeds_that_find_a_miss(self, walk: str) -> int:
        del walk
        return sum(v.verdict == "missed" and not v.shared for v in self.verdicts)

    def track_median_seconds(self, walk: str) -> float:
        del walk
        return statistics.median(v.seconds + v.shrink_seconds for v in self.verdicts)

    def track_median_examples(self, walk: str) -> float:
        del walk
        return statistics.median(v.examples for v in self.verdicts)

    def track_most_steps(self, walk: str) -> int:
        del walk
        return max(v.steps for v in self.verdicts)


class ExamplesBySeed:
    """Examples until the miss: does not depend on the machine."""

    params = (("address", "vm_pgoff"), tuple(range(SEEDS)))
    param_names = ("walk", "seed")
    timeout = 2 * LIMIT

    def track_examples(self, walk: str, seed: int) -> int:
        return verdict(walk, seed).examples


class Search:
    """One search from beginning to end."""

    params = ("address", "vm_pgoff")
    param_names = ("walk",)
    number = 1
    repeat = 3
    timeout = 60.0

    def setup(self, walk: str) -> None:
        check_walk(walk, seed=0, max_examples=1)

    def time_twenty_seeds(self, walk: str) -> None:
        for seed in range(SEEDS):
            check_walk(walk, seed=seed, seconds=LIMIT)


class Throughput:
    """Calls per second of a search that finds nothing."""

    unit = "calls/s"

    def track_calls_per_second(self) -> float:
        result = check_walk("counted", against="full", seed=0, seconds=3.0)
        return result.tried / result.seconds


class TimeStringSuite:
    """The strings of 200 states after six calls of the kinds that the explorer makes: both forms.

    Shows what the C form is for: the explorer does nothing as often as this.
    """

    params = ("_canonical", "_canonical_pure")
    param_names = ("form",)

    def setup_cache(self) -> list[bytes]:
        full, strings = walks.get("full"), [encode(State())]
        for _ in range(6):
            states = [decode(string, Rules()) for string in strings]
            after = {encode(c.apply(s, full)) for s in states for c in enabled(s, SMALL)}
            strings = random.Random(0).sample(sorted(after), min(200, len(after)))
        return strings

    def setup(self, strings: list[bytes], form: str) -> None:
        try:
            self.form = importlib.import_module(f"ksm_rmap.check.{form}")
        except ImportError as missing:  # asv then skips the parameter
            raise NotImplementedError from missing
        self.states = [decode(string, Rules()) for string in strings]

    def time_encode(self, strings: list[bytes], form: str) -> None:
        del strings, form
        for state in self.states:
            self.form.encode(state)

    def time_named(self, strings: list[bytes], form: str) -> None:
        del strings, form
        for state in self.states:
            self.form.named(state)


class TimeReadBackSuite:
    """The same states from their strings, which the explorer does once for each it expands."""

    def setup_cache(self) -> list[bytes]:
        return TimeStringSuite().setup_cache()

    def time_decode(self, strings: list[bytes]) -> None:
        for string in strings:
            decode(string, Rules())
