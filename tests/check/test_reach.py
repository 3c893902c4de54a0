from __future__ import annotations

import pytest

from ksm_rmap import walks
from ksm_rmap.check.reach import SITUATIONS, VITAL, Reach, situations
from ksm_rmap.model.scenario import Scenario
from ksm_rmap.model.state import State

MERGED = "P mmap 0 3\nP prctl merge-any on\nP write 0 2 1\nksmd 2\n"
LED_TO = {
    "merged": MERGED,
    "moved": "P mmap 0 3\nP prctl merge-any on\nP write 0 2 1\nP mremap 1 1 to 2\nksmd 2",
    "file": "P mmap 0 3 file f 7\nP prctl merge-any on\nP write 0 2 1\nksmd 2",
    "split": MERGED + "P mprotect 0 1 r",
    "forked": MERGED + "P fork C",
    "unscanned": MERGED + "P fork C",
    "orphaned": MERGED + "P fork C\nP munmap 0 1",
    "upgraded": "P mmap 0 2\nP write 0 2 1\nP fork C\nC prctl merge-any on\nksmd 2",
    "cached": MERGED + "P hold 0\nP swapout 0\nP read 0 1",
    "swapped in": MERGED + "P hold 0\nP swapout 0\nP read 0 1",
    "swapped in moved": MERGED + "P hold 0\nP swapout 0\nP mremap 1 1 to 2\nP read 2 1",
    "migrating": MERGED + "P migrate-begin 0",
    "migrated": MERGED + "P migrate-begin 0\nP migrate-end 0",
}


def last_situations(text: str) -> set[str]:
    before, found = State(), set[str]()
    for step in Scenario.parse(text).states(walks.get("full")):
        found = set(situations(before, step.call, step.state))
        before = step.state
    return found


@pytest.mark.parametrize("name", SITUATIONS)
def test_each_situation_is_recognised(name: str) -> None:
    assert name in last_situations(LED_TO[name])


@pytest.mark.parametrize("name", [name for name in SITUATIONS if name != "merged"])
def test_no_situation_is_seen_where_it_is_not(name: str) -> None:
    assert name not in last_situations(MERGED)
    assert last_situations("P mmap 0 2\nP write 0 2 1") == set()


def test_a_situation_counts_once_an_example() -> None:
    reach = Reach()
    for _ in range(2):
        before = State()
        for step in Scenario.parse(MERGED + "P mprotect 0 1 r").states():
            reach.step(before, step.call, step.state)
            before = step.state
        reach.end_example()
    assert reach.counts["merged"] == reach.counts["split"] == reach.examples == 2
    assert reach.steps == 10
    assert str(reach) == "reached in 2 examples: merged 2, split 2"
    assert set(reach.missing) == set(SITUATIONS) - {"merged", "split"}


def test_vacuous_is_a_search_without_one_of_the_vital_situations() -> None:
    reach = Reach()
    assert reach.vacuous
    for name in VITAL:
        reach.counts[name] = 1
    assert not reach.vacuous
    reach.counts["moved"] = 0
    assert reach.vacuous
