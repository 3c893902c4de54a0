"""A verdict as text: verdicts made by hand, no search."""

from __future__ import annotations

import dataclasses

from ksm_rmap.check.reach import SITUATIONS, VITAL
from ksm_rmap.check.verdict import MISSED, NONE_FOUND, Verdict
from ksm_rmap.model.scenario import Scenario
from ksm_rmap.report.verdict import verdict_lines

CALLS = Scenario.parse("P mmap 0 2\nP fork C\nC write 1 1 7")
MISS = Verdict(
    walk="own",
    verdict=MISSED,
    rules="6.12",
    seed=7,
    scenario=CALLS,
    folio=3,
    missed=((0, 0), (1, 1)),
    persistent=True,
    reached=dict.fromkeys(SITUATIONS, 2),
    examples=4,
    tried=90,
    seconds=1.25,
)
CLEAN = Verdict("own", NONE_FOUND, "6.12", 7, reached=dict.fromkeys(VITAL, 1), examples=4, tried=90)


def test_a_miss_has_its_calls_and_what_becomes_of_it() -> None:
    head, *lines, reached = verdict_lines(MISS)
    assert head == "own: MISSED (rules 6.12, seed 7, 4 examples, 90 calls, 1.2 s)"
    assert lines == [
        *(f"  {line}" for line in str(CALLS).splitlines()),
        "  -> misses P page 0, C page 1 of folio 3; after a pass of ksmd: still missed",
    ]
    assert reached == "  reached: " + ", ".join(f"{name} 2" for name in SITUATIONS)


def test_a_miss_that_heals_is_shared_or_ended_early_says_so() -> None:
    other = dataclasses.replace(
        MISS, persistent=False, shared=True, against="full", interrupted=True
    )
    lines = verdict_lines(other)
    assert lines[0].startswith("own against full: MISSED (")
    assert lines[0].endswith(", interrupted)")
    assert lines[-3].endswith("after a pass of ksmd: found again")
    assert lines[-2] == "  -> the walk full misses the same, and nothing worse was found"


def test_what_never_occurred_is_told() -> None:
    head, reached, never = verdict_lines(CLEAN)
    assert head.startswith("own: nothing missed (")
    assert reached == "  reached: " + ", ".join(f"{name} 1" for name in VITAL)
    others = [name for name in SITUATIONS if name not in VITAL]
    assert never == "  never: " + ", ".join(others)


def test_a_search_that_met_nothing_is_no_pass() -> None:
    lines = verdict_lines(dataclasses.replace(CLEAN, reached={}))
    assert lines[1] == "  reached: nothing"
    assert lines[-1].startswith("  THIS IS NO PASS: no example had ")
    assert all(SITUATIONS[name][0] in lines[-1] for name in VITAL)
    missed = verdict_lines(dataclasses.replace(MISS, reached={}))
    assert not any("NO PASS" in line for line in missed)


def test_str_is_that_text() -> None:
    assert str(MISS).splitlines() == verdict_lines(MISS)
    assert str(CLEAN).splitlines() == verdict_lines(CLEAN)
