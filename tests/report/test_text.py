"""Text for terminals: tables, columns, names that are too long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ksm_rmap.check.replay import ReplayReport, TraceReport
from ksm_rmap.report import text
from ksm_rmap.report.replay import difference_lines, summary_lines

CELLS = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12)


@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n))))
def test_a_table_is_as_wide_in_each_row(rows: list[list[str]]) -> None:
    columns = len(rows[0]) if rows else 2
    header = [f"h{i}" for i in range(columns)]
    lines = text.table(header, rows)
    assert len(lines) == 1 + len(rows)
    for line, row in zip(lines, [header, *rows], strict=True):
        assert line.split() == [cell for cell in row if cell]
    right = {len(line) for line, row in zip(lines, [header, *rows], strict=True) if row[-1]}
    assert columns == 1 or len(right) == 1


@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=9))
def test_blocks_beside_each_other_keep_their_lines(blocks: list[list[str]]) -> None:
    lines = text.beside(blocks, width=40)
    assert max(map(len, lines), default=0) <= 40
    words = sorted(cell for block in blocks for cell in block if cell)
    assert sorted(" ".join(lines).split()) == words


def test_blocks_go_to_the_next_row_when_there_is_no_room() -> None:
    blocks = [["aaaa", "b"], ["cccc"], ["dddd"]]
    assert text.beside(blocks, gap=2, width=10) == ["aaaa  cccc", "b", "dddd"]
    assert text.beside(blocks, gap=2, width=16) == ["aaaa  cccc  dddd", "b"]
    assert text.beside([["x" * 30]], width=10) == ["x" * 30]
    assert text.beside([]) == []


@pytest.mark.parametrize("length", [99, 100, 101, 500])
def test_a_line_is_cut_to_the_width(length: int) -> None:
    line = text.fit("x" * length + "  ")
    assert len(line) == min(length, 100)
    assert line.endswith("..." if length > 100 else "x")


def test_the_end_of_a_long_name_is_kept() -> None:
    assert text.short("address") == "address"
    name = "/very/long/path/to/a/file/of/mine.py:walk"
    assert text.short(name, 20) == "..." + name[-17:]
    assert len(text.short(name, 20)) == 20


def test_entries() -> None:
    names = ("P", "C")
    assert text.ptes_text(names, [(0, 1), (1, 2), (7, 3)]) == "P:1 C:2 7:3"
    assert text.ptes_text(names, [(0, page) for page in range(9)], most=2) == "P:0 P:1 +7"
    assert text.ptes_text(names, []) == ""


def test_an_empty_cell_of_a_matrix_is_a_dot() -> None:
    rows = {"one": {"a": "x"}, "two": {"b": "", "a": "yy"}}
    assert text.matrix("", ["a", "b"], rows) == ["     a   b", "one  x   .", "two  yy  ."]


def test_folding_breaks_at_blanks_and_indents() -> None:
    words = " ".join(["word"] * 40)
    lines = text.fold(f"short\n\n  {words}")
    assert lines[:2] == ["short", ""]
    assert max(map(len, lines)) <= 100
    assert " ".join(lines[2:]).split() == words.split()
    assert [len(line) - len(line.lstrip()) for line in lines[2:]] == [2, 4, 4][: len(lines) - 2]


def test_a_replay_without_walks_has_no_table_of_walks() -> None:
    trace = TraceReport("one", "6.18", steps=3)
    assert difference_lines(trace) == []
    assert summary_lines(ReplayReport([trace], ["bad.jsonl: cut off"])) == [
        "skipped: bad.jsonl: cut off",
        "1 traces, 3 steps: 1 traces agree in every field, 0 do not; 1 files skipped",
    ]
