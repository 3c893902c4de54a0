"""`ksm-rmap run`: the promised JSON, what is walked, what is missed, exit statuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ksm_rmap import walks
from ksm_rmap.check import oracle
from ksm_rmap.model.scenario import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Command = Callable[..., Any]

WALK_KEYS = {
    "found", "missed", "iterations", "visits", "max_iterations", "max_skip_address", "max_skip_mm",
    "loops",
}  # fmt: skip
LOOP_KEYS = {"pass", "iterations", "skip_address", "skip_mm", "visits"}
NEVER_MISSES = """
def walk(state, folio):
    return [(n, p) for n, mm in state.mms.pairs() for p, _ in mm.ptes.pairs()]
"""


def _missed(ran: Any) -> dict[str, list[list[int]]]:  # noqa: ANN401 - a run
    (folio,) = ran.json["folios"]
    return {name: walk["missed"] for name, walk in folio["walks"].items() if walk["missed"]}


def test_hugh(command: Command) -> None:
    ran = command("run", "hugh", "--json")
    assert ran.status == 1
    assert _missed(ran) == {"address": [[0, 2]]}


def test_split_after_merge(command: Command) -> None:
    assert set(_missed(command("run", "split-after-merge", "--json"))) == {"vm_pgoff"}


def test_json_has_the_promised_shape_and_the_walks_own_figures(command: Command) -> None:
    result = command("run", "hugh", "--json").json
    state = load("hugh").run()
    assert list(result) == ["scenario", "rules", "steps", "folios"]
    assert (result["scenario"], result["rules"], result["steps"]) == ("hugh", "7.0", 5)
    for folio in result["folios"]:
        assert list(folio) == ["folio", "ptes", "walks"]
        truth = oracle.truth(state, folio["folio"])
        assert folio["ptes"] == sorted(list(pte) for pte in truth)
        assert list(folio["walks"]) == list(walks.ksm_names())
        for name, walk in folio["walks"].items():
            assert set(walk) == WALK_KEYS
            found = walks.get(name)(state, folio["folio"])
            assert walk["found"] == [list(pte) for pte in found.ptes]
            assert sorted(map(tuple, walk["missed"])) == sorted(truth.difference(found.ptes))
            assert [set(loop) for loop in walk["loops"]] == [LOOP_KEYS] * len(found.loops)
            assert sum(loop["iterations"] for loop in walk["loops"]) == walk["iterations"]
            assert max(loop["skip_mm"] for loop in walk["loops"]) == walk["max_skip_mm"]


def test_only_the_walks_that_are_asked_for_decide(command: Command) -> None:
    ran = command("run", "hugh", "--walk", "full", "--walk", "index", "--json")
    assert ran.status == 0
    assert list(ran.json["folios"][0]["walks"]) == ["full", "index"]
    assert command("run", "hugh", "--walk", "full", "--walk", "address").status == 1


def test_rules_of_the_command_take_precedence(command: Command) -> None:
    assert command("run", "move-poisoning", "--walk", "full", "--json").json["rules"] == "2.6.37"
    ran = command("run", "move-poisoning", "--walk", "full", "--rules", "6.12", "--json")
    assert (ran.status, ran.json["rules"]) == (0, "6.12")
    ran = command("run", "move-poisoning", "--rules", "6.12 mremap_unmerges=off", "--json")
    assert (ran.status, ran.json["rules"]) == (1, "6.12+mremap_unmerges")


def test_a_walk_of_the_users_own(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(NEVER_MISSES)
    ran = command("run", "hugh", "--walk", f"{file}:walk")
    assert ran.status == 0
    assert max(map(len, ran.lines)) <= 100
    assert "mine.py:walk" in ran.out


def test_a_scenario_of_the_users_own(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "mine.ksm"
    file.write_text(str(load("hugh")))
    ran = command("run", str(file), "--json")
    assert ran.json == {**command("run", "hugh", "--json").json, "scenario": str(file)}


def test_nothing_merged_is_no_folio(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "plain.ksm"
    file.write_text("P mmap 0 1\nP write 0 1 7\n")
    ran = command("run", str(file))
    assert ran.status == 0
    assert ran.lines == [
        f"{'...' + str(file)[-57:] if len(str(file)) > 60 else file}: 2 calls, rules 7.0"
    ]
    assert ran.err == "ksm-rmap: no folio to walk: no KSM page is mapped at the end\n"
    assert command("run", str(file), "--json").json["folios"] == []


@pytest.mark.parametrize(
    ("options", "walked"),
    [
        ([], {2: walks.ksm_names()}),
        (["--walk", "anon"], {3: ("anon",)}),
        (["--walk", "anon", "--walk", "full"], {2: ("full",), 3: ("anon",)}),
        (["--walk", "full", "--ordinary"], {2: ("full",), 3: ("full",)}),
        (["--walk", "full", "--page", "P:4"], {3: ("full",)}),
        (["--walk", "full", "--page", "P:1"], {2: ("full",)}),
    ],
)
def test_which_folios_are_walked_by_whom(
    command: Command, tmp_path: Path, options: list[str], walked: dict[int, tuple[str, ...]]
) -> None:
    file = tmp_path / "mixed.ksm"
    file.write_text(
        "P mmap 0 2\nP madvise 0 2 mergeable\nP write 0 2 7\nP mmap 4 1 r\nP mprotect 4 1 rw\n"
        "P write 4 1 9\nksmd 2\n"
    )
    ran = command("run", str(file), *options, "--json")
    assert ran.status == 0
    folios = ran.json["folios"]
    assert [tuple(folio["walks"]) for folio in folios] == list(walked.values())
    assert [len(folio["ptes"]) for folio in folios] == [{2: 2, 3: 1}[n] for n in walked]


@pytest.mark.parametrize("page", ["P", "P:", "P:x", "Q:1", ":1", "P:-1", "P:" + "9" * 5000])
def test_a_page_that_is_none(command: Command, page: str) -> None:
    ran = command("run", "hugh", "--page", page)
    assert ran.status == 2
    assert ran.err.endswith("expected a process and a page, such as P:0\n")


def test_a_page_where_nothing_is(command: Command) -> None:
    ran = command("run", "hugh", "--page", "P:1")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == "ksm-rmap: --page: process P maps no folio at page 1\n"


def test_the_table_of_a_folio(command: Command) -> None:
    lines = command("run", "fork-scanned", "--walk", "full", "--walk", "index").lines
    assert lines[0] == "fork-scanned: 6 calls, rules 7.0"
    assert lines[1] == "processes: P is 0, C is 1"
    assert lines[2].endswith(", 4 entries: P:100 P:101 C:100 C:101")
    assert lines[3].split() == [
        "walk", "missed", "found", "loops", "iterations", "visits", "longest", "loop",
    ]  # fmt: skip
    state = load("fork-scanned").run()
    (folio,) = state.ksm_folios()
    for line, name in zip(lines[4:6], ["full", "index"], strict=True):
        walk = walks.get(name)(state, folio)
        figures = (4, len(walk.loops), walk.iterations, walk.visits)
        assert line.split()[:-1] == [name, "-", *map(str, figures)]
    assert lines[-1] == "longest loop: iterations/skipped by address/skipped by mm"


def test_what_is_missed_is_said_last(command: Command) -> None:
    assert command("run", "hugh").lines[-1] == "MISSED by address: P:2"


def test_steps_show_each_map_and_verdict(command: Command) -> None:
    ran = command("run", "hugh", "--steps")
    scenario = load("hugh")
    at = 0
    for number, step in enumerate(scenario.states(), 1):
        at = ran.out.index(f"--- {number}: ", at)
        assert str(step.state) in ran.out[at:]
    assert "address misses P:2" in ran.out[at:]
    assert max(map(len, ran.lines)) <= 100


def test_steps_in_json(command: Command) -> None:
    result = command("run", "hugh", "--steps", "--json").json
    steps = list(load("hugh").states())
    assert [state["map"] for state in result["states"]] == [str(step.state) for step in steps]
    assert [state["line"] for state in result["states"]] == [step.line for step in steps]
    assert [state["step"] for state in result["states"]] == [1, 2, 3, 4, 5]
    assert result["states"][-1]["call"] == "ksmd 2"
    assert result["states"][-1]["folios"] == result["folios"]
