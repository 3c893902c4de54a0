"""The search of all sequences: calls made when calls that commute sleep, and when none does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksm_rmap.check.judged import KernelProblem
from ksm_rmap.check.menu import Menu
from ksm_rmap.check.search import Shard
from ksm_rmap.model.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPTH = 5
HOUR = 3600.0


class Awake(KernelProblem):
    """The same search with no call asleep."""

    def successors(self, state: bytes, asleep: int) -> Iterator[tuple[str, bytes, int]]:
        del asleep
        return super().successors(state, 0)


class Explored:
    """The default scope, one shard, no walk judged."""

    params = ("some sleep", "all awake")
    param_names = ("calls",)

    def setup(self, calls: str) -> None:
        self.make = Awake if calls == "all awake" else KernelProblem

    def search(self) -> tuple[int, int]:
        """Return the states met and the calls made."""
        shard = Shard(self.make(Menu(), Rules(), {}))
        shard.begin(())
        states = made = 0
        for _ in range(DEPTH):
            shard.advance(())
            shard.expand(HOUR)
            level = shard.report()
            states, made = states + level.states, made + level.transitions
        return states, made

    def track_states(self, calls: str) -> int:
        del calls
        return self.search()[0]

    def track_calls(self, calls: str) -> int:
        del calls
        return self.search()[1]

    def time_search(self, calls: str) -> None:
        del calls
        self.search()
