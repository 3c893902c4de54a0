"""`ksm-rmap` alone and `ksm-rmap walks`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ksm_rmap import walks
from ksm_rmap.check.survey import Row, shortest, survey
from ksm_rmap.cli import _story
from ksm_rmap.model.scenario import Scenario, bundled, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Command = Callable[..., Any]

SMALL = [name for name in bundled() if not name.startswith("zte")]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the large scenarios out."""
    monkeypatch.setattr(_story, "bundled", lambda: tuple(SMALL))


def test_the_story_fits_on_a_screen(command: Command) -> None:
    ran = command()
    assert (ran.status, ran.err) == (0, "")
    assert max(map(len, ran.lines)) <= 100
    assert len(ran.lines) <= 66
    table = [line.split() for line in ran.lines[3:6]]
    assert table[1:] == [
        ["before", "full", "22169", "22168", "0"],
        ["after", "address", "3", "0", "2"],
    ]


@pytest.mark.usefixtures("small")
def test_the_matrix_has_every_scenario_and_walk(command: Command) -> None:
    lines = [line.split() for line in command().lines]
    at = next(i for i, words in enumerate(lines) if words[:1] == ["scenario"])
    assert lines[at][1:] == list(walks.ksm_names())
    assert [words[0] for words in lines[at + 1 : at + 1 + len(SMALL)]] == SMALL
    hugh = next(words for words in lines[at:] if words[0] == "hugh")
    assert hugh[1:] == ["P:2" if name == "address" else "." for name in walks.ksm_names()]


@pytest.mark.usefixtures("small")
def test_the_shortest_sequences_are_scenarios_that_show_it(command: Command) -> None:
    out = command().out
    for name in ("hugh", "split-after-merge", "parent-gone", "child-mergeable"):
        for line in load(name).operations().split("\n"):
            assert line in out


@pytest.mark.usefixtures("small")
def test_json_has_the_same_facts(command: Command) -> None:
    ran = command("--json")
    result = ran.json
    assert ran.status == 0
    assert set(result) == {"table", "scenarios", "shortest"}
    assert list(result["scenarios"]) == SMALL
    assert result["scenarios"]["hugh"]["address"] == {"missed": [[0, 2]]}
    assert set(result["shortest"]) == set(walks.ksm_names())
    for walk, known in result["shortest"].items():
        assert Scenario.parse(known["text"]).calls == load(known["scenario"]).calls
        assert known["steps"] == len(load(known["scenario"]).calls)
        assert known["missed"] == result["scenarios"][known["scenario"]][walk]["missed"]
        measure = result["scenarios"][known["scenario"]]["full"]["missed"]
        assert known["missed_by_full"] == bool(measure)


@pytest.mark.usefixtures("small")
def test_json_of_the_table(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ksm_rmap.report.story.TABLE", "fork-scanned")
    table = command("--json").json["table"]
    (row,) = _rows("fork-scanned")
    assert table["scenario"] == "fork-scanned"
    for walk, verdict in row.verdicts[0].walks.items():
        worst = verdict.result.worst
        assert worst is not None
        assert table["walks"][walk] == {
            "iterations": worst.iterations,
            "skip_address": worst.skip_address,
            "skip_mm": worst.skip_mm,
        }


def _rows(*names: str) -> list[Row]:
    return list(survey(names, {name: walks.get(name) for name in walks.ksm_names()}))


def test_shortest_prefers_few_calls_then_few_losers() -> None:
    rows = _rows("move-merge-split", "split-after-merge", "hugh", "merge-move-merge")
    found = shortest(rows, "vm_pgoff")
    assert found is not None
    assert found.scenario.name == "split-after-merge"
    found = shortest(rows, "address")
    assert found is not None
    assert found.scenario.name == "hugh"
    assert shortest(rows, "full") is None


def test_shortest_wants_default_rules_and_the_other_walk_to_find_all() -> None:
    rows = _rows("move-poisoning", "child-mergeable")
    found = shortest(rows, "full")
    assert found is not None
    assert found.scenario.name == "child-mergeable"
    assert shortest(rows, "address", found_by="full") is None


@pytest.mark.usefixtures("small")
def test_ctrl_c_tells_what_there_is(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> Iterator[Row]:
        yield from _rows("hugh")
        raise KeyboardInterrupt

    monkeypatch.setattr(_story, "survey", interrupted)
    ran = command()
    assert ran.status == 130
    assert "P mremap 1 1 to 2" in ran.out
    assert ran.err == f"ksm-rmap: interrupted after 1 of {len(SMALL)} scenarios\n"


def test_walks_lists_each_on_a_line(command: Command) -> None:
    ran = command("walks")
    assert ran.status == 0
    assert [line.split()[0] for line in ran.lines] == list(walks.names())
    assert [line.split(maxsplit=1)[1] for line in ran.lines] == [
        walks.describe(name) for name in walks.names()
    ]
    assert max(map(len, ran.lines)) <= 100


def test_walks_in_json(command: Command) -> None:
    described = {name: walks.describe(name) for name in walks.names()}
    assert command("walks", "--json").json == {"walks": described}
    assert command("--json", "walks").json == {"walks": described}
