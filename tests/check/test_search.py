"""The engine: levels, goals, ways back, and shards that together do what one does."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from ksm_rmap.check.campaign import Campaign, Limits
from ksm_rmap.check.checkpoint import Checkpoint, CheckpointError
from ksm_rmap.check.crew import Forked, Here
from ksm_rmap.check.search import Shard, key_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from ksm_rmap.check.campaign import Outcome


class Grid:
    """Steps right and up in a square; a state is two bytes. Its levels are its diagonals."""

    def __init__(self, size: int, pause: float = 0.0) -> None:
        self.size = size
        self.pause = pause

    sleepers = 0

    def initial(self) -> bytes:
        return bytes((0, 0))

    def successors(self, state: bytes, asleep: int) -> Iterator[tuple[str, bytes, int]]:
        assert asleep == 0
        time.sleep(self.pause)
        x, y = state
        if x < self.size:
            yield "right", bytes((x + 1, y)), 0
        if y < self.size:
            yield "up", bytes((x, y + 1)), 0

    def look(self, state: bytes, goals: Collection[str]) -> tuple[list[str], list[str]]:
        x, y = state
        reached = {"middle": x == y == 2, "edge": x == 4, "outside": x > self.size}
        if x == 250:
            raise ValueError("too far to the right")
        return [g for g in goals if reached[g]], ["diagonal"] if x == y else []


def shards(problem: Grid, size: int) -> list[Shard]:
    return [Shard(problem, index, size) for index in range(size)]


GOALS = ("middle", "edge", "outside")


def searched(crew: Any, *, goals: Sequence[str] = GOALS, **limits: Any) -> tuple[Campaign, Outcome]:  # noqa: ANN401
    campaign = Campaign(crew, goals, Limits(**limits))
    return campaign, campaign.run()


def test_levels_are_diagonals_until_the_square_is_exhausted() -> None:
    _, outcome = searched(Here([Shard(Grid(6))]))
    assert [level.states for level in outcome.levels] == [1, 2, 3, 4, 5, 6, 7, 6, 5, 4, 3, 2, 1]
    assert (outcome.ended, outcome.states, outcome.frontier) == ("exhausted", 49, 0)
    assert outcome.steps == {"right": 42, "up": 42}
    assert outcome.marks == {"diagonal": 7}
    assert [level.transitions for level in outcome.levels][:4] == [0, 2, 4, 6]


def test_each_goal_is_reached_at_its_least_depth() -> None:
    campaign, outcome = searched(Here([Shard(Grid(6))]))
    assert {goal: found.state for goal, found in outcome.found.items()} == {
        "middle": bytes((2, 2)),
        "edge": bytes((4, 0)),
    }
    assert outcome.met.keys() == {"middle", "edge"}
    keys = campaign.trail(outcome.found["edge"].key)
    assert keys == [key_of(bytes((x, 0))) for x in range(5)]


def test_the_search_ends_when_all_goals_are_reached_or_at_the_depth() -> None:
    _, outcome = searched(Here([Shard(Grid(6))]), goals=("middle", "edge"))
    assert (outcome.ended, len(outcome.levels), outcome.frontier) == ("answered", 5, 5)
    _, outcome = searched(Here([Shard(Grid(6))]), depth=2)
    assert (outcome.ended, len(outcome.levels), outcome.frontier) == ("depth", 3, 3)
    _, outcome = searched(Here([Shard(Grid(6))]), goals=())
    assert outcome.ended == "exhausted"


@pytest.mark.parametrize("size", [2, 3, 5])
def test_any_number_of_shards_finds_the_same(size: int) -> None:
    alone, one = searched(Here([Shard(Grid(20))]))
    crew, many = searched(Here(shards(Grid(20), size)))
    assert many.states == one.states
    assert many.found == one.found
    assert many.steps == one.steps
    assert many.marks == one.marks
    assert [level[:3] for level in map(counts, many.levels)] == list(map(counts, one.levels))
    for x in range(21):
        key = key_of(bytes((x, 20 - x)))
        assert crew.trail(key) == alone.trail(key)


def counts(level: Any) -> tuple[int, int, int]:  # noqa: ANN401
    return level.depth, level.states, level.transitions


def test_processes_find_the_same() -> None:
    _, one = searched(Here([Shard(Grid(20))]))
    crew = Forked(shards(Grid(20), 2))
    try:
        campaign, two = searched(crew)
        assert (two.states, two.found, two.steps) == (one.states, one.found, one.steps)
        assert len(campaign.trail(two.found["middle"].key)) == 5
    finally:
        crew.close()


def test_what_a_process_raises_is_raised_here() -> None:
    crew = Forked(shards(Grid(255), 2))
    try:
        with pytest.raises(ValueError, match="too far to the right"):
            searched(crew)
    finally:
        crew.close()


def test_time_and_memory_end_a_search_in_the_middle_of_a_level() -> None:
    _, outcome = searched(Here([Shard(Grid(50, pause=0.002))]), seconds=0.1)
    assert outcome.ended == "seconds"
    assert 0 < outcome.frontier <= 100
    assert outcome.states >= sum(level.states for level in outcome.levels)
    _, outcome = searched(Here([Shard(Grid(200))]), memory=1)
    assert outcome.ended == "memory"


def test_ctrl_c_ends_a_search_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    _, outcome = searched(Here([Shard(Grid(250, pause=0.001))]))
    timer.join()
    assert outcome.ended == "interrupted"
    assert signal.getsignal(signal.SIGINT) is before


def test_a_search_in_another_thread_minds_no_signals() -> None:
    found: list[Outcome] = []
    thread = threading.Thread(target=lambda: found.append(searched(Here([Shard(Grid(3))]))[1]))
    thread.start()
    thread.join()
    assert found[0].ended == "exhausted"


@pytest.mark.parametrize(("before", "after"), [(1, 1), (1, 3), (3, 1), (2, 3)])
def test_a_stopped_search_goes_on_with_any_number_of_shards(
    tmp_path: Path, before: int, after: int
) -> None:
    alone, whole = searched(Here([Shard(Grid(30))]))
    store = Checkpoint(str(tmp_path / "search"), {"grid": 30})
    limits = Limits(seconds=0.15)
    stopped = Campaign(Here(shards(Grid(30, 0.001), before)), GOALS, limits, store=store).run()
    assert stopped.ended == "seconds"
    campaign = Campaign(Here(shards(Grid(30), after)), GOALS, Limits(), store=store)
    resumed = campaign.run()
    assert (resumed.states, resumed.found, resumed.ended) == (961, whole.found, "exhausted")
    assert (resumed.steps, resumed.marks) == (whole.steps, whole.marks)
    assert list(map(counts, resumed.levels)) == list(map(counts, whole.levels))
    key = key_of(bytes((29, 30)))
    assert campaign.trail(key) == alone.trail(key)


def test_a_search_that_reached_its_depth_goes_deeper(tmp_path: Path) -> None:
    store = Checkpoint(str(tmp_path / "search"), {})
    first = Campaign(Here([Shard(Grid(9))]), GOALS, Limits(depth=5), store=store).run()
    assert (first.ended, first.states) == ("depth", 21)
    again = Campaign(Here([Shard(Grid(9))]), GOALS, Limits(depth=5), store=store).run()
    assert (again.ended, again.states, again.steps) == ("depth", 21, first.steps)
    deeper = Campaign(Here([Shard(Grid(9))]), GOALS, Limits(depth=7), store=store).run()
    assert (deeper.ended, deeper.states) == ("depth", 36)


def test_a_checkpoint_of_another_search_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "search"
    Campaign(
        Here([Shard(Grid(9))]), GOALS, Limits(depth=3), store=Checkpoint(str(path), {"a": 1})
    ).run()
    with pytest.raises(CheckpointError, match="another search: a 1"):
        Checkpoint(str(path), {"a": 2}).load()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="damaged"):
        Checkpoint(str(path), {"a": 1}).load()
    for text in (b"", b"[]", b"{}\n", b"\x00\xff"):
        path.write_bytes(text)
        with pytest.raises(CheckpointError, match="no checkpoint"):
            Checkpoint(str(path), {"a": 1}).load()


def test_progress_is_told() -> None:
    told: list[str] = []
    Campaign(Here([Shard(Grid(5))]), GOALS, Limits(), told.append).run()
    assert told[0].startswith("depth 0 done, 1 states, ")
    assert "2 misses" in told[-1]
