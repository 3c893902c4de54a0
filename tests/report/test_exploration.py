"""What the explorer found, as text: results made by hand, no search."""

from __future__ import annotations

import dataclasses

import pytest

from ksm_rmap.check.exploration import Counterexample, Exploration, LevelCount, Wandering
from ksm_rmap.check.judged import AGAINST_FULL, PERSISTENT, TRUTH
from ksm_rmap.check.menu import Menu
from ksm_rmap.model.scenario import Scenario
from ksm_rmap.report.exploration import counterexample_lines, exploration_lines, wandering_lines

SHORT = Scenario.parse("P mmap 0 1\nP write 0 1 7")
LONG = Scenario.parse("P mmap 0 2\nP fork C\nC write 1 1 7")


def example(question: str, scenario: Scenario) -> Counterexample:
    return Counterexample("own", question, scenario, 3, ((0, 0), (1, 1)), 0.5)


FOUND = Exploration(
    walks={
        "own": {
            AGAINST_FULL: example(AGAINST_FULL, SHORT),
            TRUTH: example(TRUTH, SHORT),
            PERSISTENT: example(PERSISTENT, LONG),
        },
        "index": {AGAINST_FULL: None, TRUTH: None},
    },
    menu=Menu(kinds=("mmap", "write", "fork", "ksmd")),
    rules="6.12",
    ended="depth",
    levels=(LevelCount(0, 1, 0, 0.0), LevelCount(1, 5, 6, 0.1)),
    states=6,
    transitions=9,
    frontier=5,
    seconds=2.0,
    workers=4,
    bytes_per_state=100,
    reached={"merged": 2, "moved": 0},
    fired={"mmap": 5, "write": 4},
)


def test_a_counterexample_says_what_is_missed_and_after_what() -> None:
    head, *calls = counterexample_lines(example(TRUTH, LONG))
    assert head == "own misses P page 0, C page 1 after 3 calls:"
    assert [line[4:] for line in calls] == str(LONG).splitlines()
    assert all(line.startswith("    ") for line in calls)


def test_a_sequence_is_written_once_for_each_walk() -> None:
    lines = exploration_lines(FOUND)
    again = lines.index("own misses P page 0, C page 1 after 2 calls: the same sequence")
    assert lines[0] == "own misses, though full finds it, P page 0, C page 1 after 2 calls:"
    assert lines[1:again] == [f"    {line}" for line in str(SHORT).splitlines()]
    assert lines[again + 1].startswith("own misses, even after a pass of ksmd, ")
    assert "index: no miss found for: full, truth" in lines


def test_how_much_was_seen_comes_last() -> None:
    assert exploration_lines(FOUND)[-4:] == [
        (
            "every sequence of at most 1 calls "
            "(6 states, 9 calls, 2.0 s, 3 states/s, 4 workers, 100 bytes a state)"
        ),
        "new states by depth: 1, 5",
        "reached: merged 2",
        "never enabled: fork, ksmd",
    ]
    bare = dataclasses.replace(
        FOUND, menu=Menu(kinds=("mmap",)), reached={}, bytes_per_state=None, seconds=0.0
    )
    head, _, reached = exploration_lines(bare)[-3:]
    assert head.endswith("(6 states, 9 calls, 0.0 s, 0 states/s, 4 workers)")
    assert reached == "reached: nothing"


@pytest.mark.parametrize(
    ("ended", "text"),
    [
        ("exhausted", "the whole space: 1 calls reach every state ("),
        ("answered", "every sequence of at most 1 calls, every question answered ("),
        ("memory", "every sequence of at most 1 calls, stopped by memory, 5 states left to expand"),
    ],
)
def test_why_it_ended(ended: str, text: str) -> None:
    lines = exploration_lines(dataclasses.replace(FOUND, ended=ended))
    assert lines[-4].startswith(text)


def test_random_walks_tell_their_seed() -> None:
    found = Wandering(FOUND.walks, "6.12", 7, 10, 400, 2.0, 1)
    answers = exploration_lines(FOUND)[:-4]
    assert wandering_lines(found) == [
        *answers,
        "10 random walks of 400 calls in all, seed 7 (2.0 s, 200 calls/s, 1 workers)",
    ]
    at_once = wandering_lines(dataclasses.replace(found, seconds=0.0))
    assert at_once[-1].endswith("(0.0 s, 0 calls/s, 1 workers)")


def test_str_is_that_text() -> None:
    assert str(FOUND).splitlines() == exploration_lines(FOUND)
    assert str(example(TRUTH, LONG)).splitlines() == counterexample_lines(example(TRUTH, LONG))
    found = Wandering(FOUND.walks, "6.12", 7, 10, 400, 2.0, 1)
    assert str(found).splitlines() == wandering_lines(found)
