"""`ksm-rmap check`: what it asks the checker for, and what it makes of the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ksm_rmap import walks
from ksm_rmap.check import Verdict
from ksm_rmap.cli import _check
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.scenario import Scenario, load

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[..., Any]


class Checker:
    """Stands for `check_walk`: notes what it was asked, gives the answers it was given."""

    def __init__(self, **answers: Any) -> None:  # noqa: ANN401 - a verdict or an exception
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, walk: str, **options: Any) -> Verdict:  # noqa: ANN401 - as check_walk
        self.asked.append((walk, options))
        answer = self.answers.get(walk) or _found_nothing(walk)
        if isinstance(answer, BaseException):
            raise answer
        assert isinstance(answer, Verdict)
        return answer


def _found_nothing(walk: str, **more: Any) -> Verdict:  # noqa: ANN401 - fields of a verdict
    return Verdict(walk, "none found", "7.0", 5, examples=7, seconds=1.5, **more)


def _miss(walk: str) -> Verdict:
    hugh = Scenario.parse(load("hugh").operations())
    return Verdict(
        walk, "missed", "7.0", 5, scenario=hugh, folio=2, missed=((0, 2),), persistent=True,
        examples=3, seconds=0.25, reached={"merged": 2},
    )  # fmt: skip


@pytest.fixture
def checker(monkeypatch: pytest.MonkeyPatch) -> Checker:
    fake = Checker()
    monkeypatch.setattr(_check, "check_walk", fake)
    return fake


def test_without_a_walk_every_ksm_walk_is_checked(command: Command, checker: Checker) -> None:
    ran = command("check")
    assert ran.status == 0
    assert [name for name, _ in checker.asked] == list(walks.ksm_names())
    assert {options["seconds"] for _, options in checker.asked} == {10.0}


def test_options_are_passed_on(command: Command, checker: Checker) -> None:
    command(
        "check", "--walk", "index", "--walk", "full", "--walk", "index", "--seconds", "2.5",
        "--seed", "7", "--rules", "6.12", "--against", "full", "--persistent",
    )  # fmt: skip
    options = {
        "rules": Rules.preset("6.12"), "seconds": 2.5, "seed": 7, "against": "full",
        "persistent": True,
    }  # fmt: skip
    assert checker.asked == [("index", options), ("full", options)]


def test_what_is_left_out_is_left_to_the_checker(command: Command, checker: Checker) -> None:
    command("check", "--walk", "full")
    ((_, options),) = checker.asked
    assert options == {
        "rules": None, "seconds": 10.0, "seed": None, "against": None, "persistent": False,
    }  # fmt: skip


def test_a_miss_is_printed_as_a_scenario(command: Command, checker: Checker) -> None:
    checker.answers["address"] = _miss("address")
    ran = command("check", "--walk", "address", "--walk", "full")
    assert ran.status == 1
    for line in load("hugh").operations().split("\n"):
        assert f"  {line}" in ran.lines
    assert max(map(len, ran.lines)) <= 100


def test_json(command: Command, checker: Checker) -> None:
    checker.answers["address"] = _miss("address")
    result = command("check", "--walk", "address", "--walk", "full", "--json").json
    assert set(result) == {"walks", "examples", "seconds"}
    assert (result["examples"], result["seconds"]) == (10, 1.75)
    miss, nothing = result["walks"]["address"], result["walks"]["full"]
    assert miss["verdict"] == "missed"
    assert miss["missed"] == [[0, 2]]
    assert Scenario.parse(miss["scenario"]).calls == load("hugh").calls
    assert miss["steps"] == 5
    assert nothing["verdict"] == "none found"
    assert "scenario" not in nothing


def test_a_walk_that_fails_does_not_keep_the_others_from_their_verdict(
    command: Command, checker: Checker
) -> None:
    error = walks.WalkError("walk 'avc' of folio 3: oops")
    error.add_note("  P mmap 0 1")
    checker.answers["avc"] = error
    checker.answers["address"] = _miss("address")
    ran = command("check", "--walk", "avc", "--walk", "address", "--json")
    assert ran.status == 2
    assert ran.err == "ksm-rmap: walk 'avc' of folio 3: oops\n  P mmap 0 1\n"
    assert ran.json["walks"]["avc"] == {"error": "walk 'avc' of folio 3: oops"}
    assert ran.json["walks"]["address"]["verdict"] == "missed"


@pytest.mark.parametrize("inside", [True, False])
def test_ctrl_c_keeps_what_was_found(command: Command, checker: Checker, *, inside: bool) -> None:
    checker.answers["address"] = _miss("address")
    checker.answers["avc"] = (
        _found_nothing("avc", interrupted=True) if inside else KeyboardInterrupt()
    )
    ran = command("check", "--walk", "address", "--walk", "avc", "--walk", "full", "--json")
    assert ran.status == 130
    assert list(ran.json["walks"]) == (["address", "avc"] if inside else ["address"])
    assert ran.err == f"ksm-rmap: interrupted after {1 + inside} of 3 walks\n"
    assert [name for name, _ in checker.asked] == ["address", "avc"]
