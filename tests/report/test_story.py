"""The story of few rows: what is not there is not told."""

from __future__ import annotations

import pytest

from ksm_rmap import walks
from ksm_rmap.check.survey import Row, survey
from ksm_rmap.model.scenario import Scenario
from ksm_rmap.report.story import story_json, story_lines

NAMES = ("full", "address", "index")


def _rows(*names: str) -> list[Row]:
    return list(survey(names, {name: walks.get(name) for name in NAMES}))


def test_no_rows_make_a_story_without_table_and_sequences() -> None:
    lines = story_lines([], NAMES, "version 0")
    assert lines[0].startswith("version 0: ")
    assert not any("January" in line or "misses as well" in line for line in lines)
    assert story_json([], NAMES) == {
        "table": {"scenario": "zte-table", "walks": {}}, "scenarios": {}, "shortest": {}
    }  # fmt: skip


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["fork-unscanned"], []),
        (["private-file"], ["private-file (address)"]),
        (["hugh"], ["hugh (address)"]),
        (["hugh", "private-file"], ["hugh (address)", "private-file (address)"]),
        (["child-mergeable"], ["child-mergeable (every walk)"]),
    ],
)
def test_which_sequences_are_told(names: list[str], told: list[str]) -> None:
    lines = story_lines(_rows(*names), NAMES, "")
    heads = [word for line in lines for word in line.strip().split("    ") if "(" in word]
    assert [head.strip() for head in heads if head.split()[0] in names] == told


def test_some_walks_that_miss_what_full_misses_are_named() -> None:
    mine = {"full": walks.get("full"), "derive": walks.get("derive")}
    lines = story_lines(list(survey(["child-moved"], mine)), ["full", "derive"], "")
    assert "  child-moved (full)" in lines


def test_json_of_a_walk_that_misses_only_what_full_misses() -> None:
    known = story_json(_rows("child-mergeable"), NAMES)["shortest"]
    assert {walk: found["missed_by_full"] for walk, found in known.items()} == dict.fromkeys(
        NAMES, True
    )
    assert Scenario.parse(known["index"]["text"]).run() is not None


def test_a_walk_without_loops_has_no_place_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ksm_rmap.report.story.TABLE", "hugh")

    class Blind:
        name = "blind"
        summary = "sees nothing"

        def __call__(self, *_: object, **__: object) -> walks.WalkResult:
            return walks.WalkResult()

    rows = list(survey(["hugh"], {"blind": Blind(), "full": walks.get("full")}))
    assert list(story_json(rows, ["blind", "full"])["table"]["walks"]) == ["full"]
