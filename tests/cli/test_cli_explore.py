"""`ksm-rmap explore`: what it asks the explorer for, and what it makes of the answer."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import pytest

from ksm_rmap.check.explore import explore
from ksm_rmap.check.menu import MIGRATION_KINDS, SWAP_KINDS, Menu
from ksm_rmap.cli import _explore
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ksm_rmap.check.exploration import Exploration

    Command = Callable[..., Any]


class Explorer:
    """Stands for `explore`: notes what it was asked; finds what one small search finds."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[str], dict[str, Any]]] = []
        self.ended: str | None = None

    def __call__(self, walks: list[str], **options: Any) -> Exploration:  # noqa: ANN401
        options.pop("progress")("searching")
        self.asked.append((walks, options))
        found = explore(walks, menu=Menu(1, 1, 1), depth=2)
        return dataclasses.replace(found, ended=self.ended or found.ended)


@pytest.fixture
def explorer(monkeypatch: pytest.MonkeyPatch) -> Explorer:
    fake = Explorer()
    monkeypatch.setattr(_explore, "explore", fake)
    return fake


def test_options_are_passed_on(command: Command, explorer: Explorer) -> None:
    ran = command(
        "explore", "--walk", "index", "--walk", "index", "--depth", "3", "--seconds", "4.5",
        "--mms", "3", "--pages", "5", "--contents", "1", "--workers", "2", "--rules", "6.12",
    )  # fmt: skip
    assert ran.status == 0
    options = {
        "menu": Menu(3, 5, 1), "rules": Rules.preset("6.12"), "depth": 3, "seconds": 4.5,
        "workers": 2, "memory": None, "checkpoint": None,
    }  # fmt: skip
    assert explorer.asked == [(["index"], options)]


@pytest.mark.parametrize(
    ("argv", "depth", "seconds"),
    [([], None, 10.0), (["--depth", "2"], 2, None), (["--seconds", "3"], None, 3.0)],
)
def test_a_search_has_an_end(
    command: Command, explorer: Explorer, argv: list[str], depth: int | None, seconds: float | None
) -> None:
    command("explore", *argv)
    ((walks, options),) = explorer.asked
    assert walks == []
    assert (options["depth"], options["seconds"]) == (depth, seconds)
    assert (options["menu"], options["workers"]) == (Menu(), 1)


def test_ctrl_c_tells_what_there_is(command: Command, explorer: Explorer) -> None:
    explorer.ended = "interrupted"
    ran = command("explore", "--walk", "full", "--json")
    assert ran.status == 130
    assert ran.json["ended"] == "interrupted"
    assert ran.err == "ksm-rmap: interrupted after 2 calls\n"


def test_a_walk_that_never_ends_is_told_in_one_line(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_explore, "explore", functools.partial(explore, limit=0.05))
    file = tmp_path / "mine.py"
    file.write_text("def mine(state, folio):\n    while True:\n        pass\n")
    ran = command("explore", "--walk", f"{file}:mine", "--mms", "1", "--pages", "2")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.endswith(": did not return within 0.05 s\n")
    assert ran.err.count("\n") == 1


def test_a_miss_is_a_shortest_sequence(command: Command) -> None:
    argv = ("explore", "--walk", "address", "--mms", "1", "--pages", "3", "--contents", "1")
    ran = command(*argv, "--depth", "6", "--seconds", "60", "--json")
    assert ran.status == 1
    found = ran.json["walks"]["address"]
    assert found["verdict"] == "missed"
    assert len(Scenario.parse(found["scenario"]).calls) == found["steps"]
    assert {"states", "depth", "exhausted", "seconds"} <= set(ran.json)


def test_text_fits_the_width(command: Command) -> None:
    ran = command("explore", "--depth", "2")
    assert ran.status == 0
    assert max(map(len, ran.lines)) <= 100
    assert any(line.startswith("every sequence of at most 2 calls") for line in ran.lines)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--depth", "-1"), ("--depth", "1e9"), ("--mms", "0"), ("--mms", "9"),
        ("--pages", "1" + "0" * 30), ("--contents", "x"), ("--workers", "100000"),
    ],
)  # fmt: skip
def test_absurd_numbers(command: Command, option: str, value: str) -> None:
    ran = command("explore", option, value)
    assert (ran.status, ran.out) == (2, "")
    assert f"argument {option}: {value!r} is no number from" in ran.err
    assert ran.err.count("\n") == 1


def test_the_scope_is_what_the_options_say(command: Command, explorer: Explorer) -> None:
    argv = ("--ops", "mmap,write", "--swap", "--migration", "--sizes", "3", "--all-forms")
    command("explore", *argv, "--memory", "2G", "--checkpoint", "there")
    ((_, options),) = explorer.asked
    kinds = ("mmap", "write", *SWAP_KINDS, *MIGRATION_KINDS)
    assert options["menu"] == Menu(2, 4, 2, 3, kinds, all_forms=True)
    assert (options["memory"], options["checkpoint"]) == (2 << 30, "there")


def test_random_walks(command: Command) -> None:
    argv = ("explore", "--random", "300", "--walk", "address", "--contents", "1", "--json")
    ran = command(*argv, "--seed", "2")
    assert ran.status == 1
    assert ran.json["walks"]["address"]["verdict"] == "missed"
    assert (ran.json["examples"], ran.json["seed"]) == (300, 2)


def test_a_search_goes_on_where_it_was_stored(command: Command, tmp_path: Path) -> None:
    stored = ("explore", "--walk", "index", "--checkpoint", str(tmp_path / "there"), "--json")
    assert command(*stored, "--depth", "2").json["states"] == 51
    assert command(*stored, "--depth", "3").json["depth"] == 3
    other = command(*stored, "--depth", "3", "--mms", "1")
    assert (other.status, other.out) == (2, "")
    assert "a checkpoint of another search" in other.err
    nowhere = command("explore", "--checkpoint", str(tmp_path / "no" / "way"), "--depth", "1")
    assert nowhere.status == 2
    assert "--checkpoint: " in nowhere.err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--ops", "dance"), "no kind of call named 'dance'"),
        (("--memory", "much"), "'much' is no size"),
        (("--memory", "0G"), "'0G' is no size"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    command: Command, argv: tuple[str, ...], words: str
) -> None:
    ran = command("explore", "--depth", "1", *argv)
    assert (ran.status, ran.out) == (2, "")
    assert words in ran.err
    assert ran.err.count("\n") == 1
