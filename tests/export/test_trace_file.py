"""The trace that an export writes: the model replays it without a difference."""

from __future__ import annotations

import pytest

from ksm_rmap.check.replay import replay_trace
from ksm_rmap.check.trace import parse_trace
from ksm_rmap.check.trace_calls import rules_of, scenario_of
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.scenario import Scenario, ScenarioError, bundled, load
from ksm_rmap.report.export import Job, exported

SMALL = [name for name in bundled() if not name.startswith("zte")]


@pytest.mark.parametrize("name", SMALL)
def test_the_model_replays_its_own_trace(name: str) -> None:
    trace = parse_trace(exported(Job(load(name)), "trace").encode(), name)
    report = replay_trace(trace)
    assert report.agrees
    assert report.steps == len(trace.steps) > 0


def test_it_leads_back_to_the_scenario() -> None:
    trace = parse_trace(exported(Job(load("hugh")), "trace").encode(), "hugh")
    back = scenario_of(trace)
    assert back.run() == load("hugh").run()


def test_rules_are_in_the_header() -> None:
    job = Job(load("hugh"), Rules.preset("6.12"))
    assert rules_of(parse_trace(exported(job, "trace").encode())) == Rules.preset("6.12")


def test_a_long_run_over_many_pages_is_refused() -> None:
    scenario = Scenario.parse("P mmap 0 4096\nfor i in 0..4096: P write i 1 1\n")
    with pytest.raises(ScenarioError, match="too large for a trace"):
        exported(Job(scenario), "trace")


def test_a_call_that_fails_unexpectedly_is_told() -> None:
    with pytest.raises(ScenarioError, match="EFAULT"):
        exported(Job(Scenario.parse("P mmap 0 1\nP mremap 3 1 to 5\n")), "trace")
