from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import ksm_rmap
from ksm_rmap import walks
from ksm_rmap.check import Scope, Verdict, check_walk, oracle
from ksm_rmap.check.reduce import Replay
from ksm_rmap.model import ops
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.scenario import Scenario
from ksm_rmap.walks import WalkError, WalkResult, WalkTimeoutError

if TYPE_CHECKING:
    from ksm_rmap.model.state import State

SEEDS = range(3)
FORKED = ("merge_any", "mergeable", "write", "ksmd", "fork", "hold", "swap_out", "swap_in")
ALONE = ("mmap", "munmap", "mprotect", "mergeable", "write", "ksmd", "move", "resize")


def judged_anew(verdict: Verdict) -> tuple[tuple[int, int], ...]:
    """Return what the walk misses after the text of the scenario, all made from scratch."""
    scenario = Scenario.parse(str(verdict.scenario))
    walk = walks.get(verdict.walk)
    assert verdict.folio is not None
    state = scenario.run(walk)
    return tuple(sorted(oracle.missed(state, verdict.folio, walk(state, verdict.folio))))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("walk", ["address", "vm_pgoff"])
def test_a_wrong_walk_is_caught_quickly_and_minimally(walk: str, seed: int) -> None:
    verdict = check_walk(walk, seed=seed, seconds=60, max_examples=400)
    assert verdict.verdict == "missed"
    assert verdict.steps <= 7
    assert verdict.shared is False
    assert verdict.missed == judged_anew(verdict) != ()
    assert verdict.refused == 0


@pytest.mark.parametrize("walk", ["address", "vm_pgoff"])
def test_no_call_of_the_scenario_can_go(walk: str) -> None:
    verdict = check_walk(walk, seed=1, seconds=60, against="full")
    assert verdict.scenario is not None
    calls = verdict.scenario.calls
    for i in range(len(calls)):
        state = Replay(Rules(), walks.get("full")).run(calls[:i] + calls[i + 1 :])
        for folio in state.ksm_folios():
            found = walks.get(walk)(state, folio)
            assert not oracle.missed_against(found, walks.get("full")(state, folio))


def test_full_itself_misses_what_no_item_leads_to() -> None:
    verdict = check_walk("full", seed=2, seconds=60, max_examples=400)
    assert verdict.missed == judged_anew(verdict) != ()
    assert verdict.shared is None
    assert verdict.steps <= 10


@pytest.mark.parametrize("walk", ["full", "index", "counted", "avc", "derive"])
def test_one_process_without_swap_hides_nothing_from_a_sound_walk(walk: str) -> None:
    scope = Scope(processes=1, kinds=ALONE)
    verdict = check_walk(walk, seed=0, seconds=60, max_examples=15, scope=scope)
    assert verdict.verdict == "none found"
    assert verdict.scenario is None
    assert verdict.reached["moved"] > 1


def test_what_full_misses_as_well_is_said_to_be_shared() -> None:
    verdict = check_walk(
        "counted", seed=2, seconds=60, max_examples=60, scope=Scope(kinds=("mmap", *FORKED))
    )
    assert verdict.verdict == "missed"
    assert verdict.shared is True
    assert "full misses the same" in str(verdict)
    against = check_walk("counted", against="full", seed=2, seconds=60, max_examples=20)
    assert against.verdict == "none found"
    assert against.against == "full"


def test_only_persistent_misses_on_request() -> None:
    verdict = check_walk("full", persistent=True, seed=0, seconds=60, max_examples=400)
    assert verdict.persistent is True
    state = Scenario.parse(str(verdict.scenario)).run(walks.get("full"))
    assert verdict.folio is not None
    later = ops.ksmd(state)
    still = oracle.missed(later, verdict.folio, walks.get("full")(later, verdict.folio))
    assert still & set(verdict.missed)


def test_equal_seeds_give_equal_verdicts() -> None:
    one, two = (check_walk("vm_pgoff", seed=5, seconds=60) for _ in range(2))
    assert str(one.scenario) == str(two.scenario)
    assert (one.examples, one.tried, one.reached) == (two.examples, two.tried, two.reached)
    assert check_walk("full", seed=None, seconds=60, max_examples=1).seed >= 0


def test_a_search_that_could_find_nothing_says_so() -> None:
    verdict = check_walk(
        "index", seed=0, seconds=60, max_examples=5, scope=Scope(kinds=("mmap", "read"))
    )
    assert verdict.vacuous
    assert verdict.to_json()["vacuous"] is True
    assert "THIS IS NO PASS: no example had two entries map one KSM folio" in str(verdict)


def test_a_walk_that_raises_is_one_clear_error_with_the_calls() -> None:
    def broken(state: State, folio: int) -> WalkResult:
        raise KeyError(folio, len(state.mms))

    with pytest.raises(WalkError, match=r"^walk 'broken' of folio \d+: KeyError") as caught:
        check_walk(broken, seed=0, seconds=60)
    (note,) = caught.value.__notes__
    calls = Scenario.parse(note.removeprefix("after\n")).calls
    assert len(calls) <= 5


def test_a_walk_that_returns_nonsense_is_one_clear_error() -> None:
    with pytest.raises(WalkError, match="returned 42"):
        check_walk(lambda _state, _folio: 42, seed=0, seconds=60)  # type: ignore[arg-type,return-value]


def test_a_walk_that_never_ends_is_interrupted() -> None:
    def endless(_state: State, _folio: int) -> WalkResult:
        for _ in itertools.count():
            pass
        raise AssertionError

    begun = time.monotonic()
    with pytest.raises(WalkTimeoutError, match="walk 'endless' of folio") as caught:
        check_walk(endless, seed=0, seconds=2)
    assert time.monotonic() - begun < 6
    assert "ksmd" in caught.value.__notes__[0]
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_the_time_is_kept_with_nothing_to_find() -> None:
    begun = time.monotonic()
    verdict = check_walk("full", seconds=0.3, scope=Scope(kinds=("mmap", "munmap")))
    assert time.monotonic() - begun < 4
    assert verdict.seconds >= 0.3
    assert verdict.verdict == "none found"


def test_control_c_returns_what_there_is() -> None:
    turns = itertools.count()

    def stopped(state: State, folio: int) -> WalkResult:
        if next(turns) == 20:
            raise KeyboardInterrupt
        return walks.get("full")(state, folio)

    verdict = check_walk(stopped, against="full", seed=0, seconds=60)
    assert verdict.interrupted
    assert verdict.verdict == "none found"
    assert verdict.tried > 0
    assert verdict.to_json()["interrupted"] is True
    assert "interrupted" in str(verdict)


def test_control_c_while_shrinking_returns_the_longer_scenario() -> None:
    misses = itertools.count()

    def stopped(state: State, folio: int) -> WalkResult:
        result = walks.get("address")(state, folio)
        if set(result.ptes) < set(walks.get("full")(state, folio).ptes) and next(misses) == 5:
            raise KeyboardInterrupt
        return result

    verdict = check_walk(stopped, against="full", seed=0, seconds=60)
    assert verdict.interrupted
    assert verdict.verdict == "missed"
    assert verdict.missed


def test_it_works_outside_of_the_main_thread() -> None:
    verdicts: list[Verdict] = []

    def work() -> None:
        verdicts.append(check_walk("address", seed=0, seconds=60))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert verdicts[0].verdict == "missed"


def test_nothing_is_printed_and_nothing_written(tmp_path: Path) -> None:
    code = "from ksm_rmap.check import check_walk; check_walk('address', seed=0)"
    environment = {**os.environ, "PYTHONPATH": str(Path(ksm_rmap.__file__).parents[1])}
    done = subprocess.run(  # noqa: S603 - our own Python
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=environment,
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seconds": 0}, "seconds must be positive, not 0"),
        ({"seconds": float("nan")}, "seconds must be positive, not nan"),
        ({"max_examples": 0}, "max_examples must be at least 1, not 0"),
        ({"rules": "5.0"}, "no rules named '5.0'"),
    ],
)
def test_bad_arguments(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_walk("full", **arguments)  # type: ignore[arg-type]


def test_a_verdict_as_json() -> None:
    verdict = check_walk("vm_pgoff", seed=2, seconds=60, rules="6.12")
    data = json.loads(json.dumps(verdict.to_json()))
    assert data["verdict"] == "missed"
    assert data["rules"] == "6.12"
    assert data["scenario"].splitlines()[0] == "rules 6.12"
    assert Scenario.parse(data["scenario"]).rules == Rules.preset("6.12")
    assert data["steps"] == verdict.steps == len(Scenario.parse(data["scenario"]).calls)
    assert [tuple(pte) for pte in data["missed"]] == list(verdict.missed)
    assert "MISSED (rules 6.12, seed 2," in str(verdict)


def test_the_oracle_does_without_hypothesis() -> None:
    code = "import sys, ksm_rmap.check, ksm_rmap.check.oracle; print('hypothesis' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(ksm_rmap.__file__).parents[1])}
    done = subprocess.run(  # noqa: S603 - our own Python
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout == "False\n"


def test_unknown_names_of_the_package() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        ksm_rmap.check.nonsense  # noqa: B018 - the access is the test
    assert {"check_walk", "machine_for", "shrink"} <= set(dir(ksm_rmap.check))
