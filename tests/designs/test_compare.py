"""Prices on layouts, their tables and pictures, and the command."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from ksm_rmap.check.layouts import LAYOUTS
from ksm_rmap.check.pricing import Price, Row, exponent, price
from ksm_rmap.cli import main
from ksm_rmap.model.events import recording
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.state import State
from ksm_rmap.report.compare import chart, layout_lines, rows_json
from ksm_rmap.report.loglog import loglog
from ksm_rmap.walks import designs, get, ksm_names

if TYPE_CHECKING:
    from pathlib import Path

    from ksm_rmap.model.state import Folio

ALL = [designs.get(name) for name in designs.names()]
SIZES = {name: layout.sizes[:2] for name, layout in LAYOUTS.items()}


def prices(layout: str, *names: str, sizes: tuple[int, ...] | None = None) -> dict[str, Row]:
    chosen = [designs.get(name) for name in names] if names else ALL
    rows = price(LAYOUTS[layout], chosen, rules=Rules(), sizes=sizes or SIZES[layout])
    return {row.name: row for row in rows}


def last(row: Row, column: str) -> int | None:
    return row.prices[column].last


def folio_at(state: State, place: tuple[int, int] | None) -> Folio:
    assert place is not None
    number = state.folio_at(*place)
    assert number is not None
    return state.folios[number]


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_pages_of_a_layout_are_what_they_are_called(name: str) -> None:
    plan = LAYOUTS[name].plan(LAYOUTS[name].sizes[0])
    state = recording(State())
    for call in plan.setup:
        state = call.apply(state)
    for probe in (plan.fork, plan.move, plan.split):
        assert probe is None or probe.apply(state) != state
    if plan.private is not None:
        private = folio_at(state, plan.private)
        assert (private.mapcount, private.ksm) == (1, False)
    if plan.shared is not None:
        shared = folio_at(state, plan.shared)
        assert shared.mapcount > 1
        assert not shared.ksm
    if plan.ksm is not None:
        assert folio_at(state, plan.ksm).ksm


def test_prices_are_those_of_the_table_of_the_designs() -> None:
    n = 32
    rows = prices("children", sizes=(8, n))
    family = n + 1
    for name, private, shared in (
        ("pte_chain", 1, family),
        ("anonmm", 1, family),
        ("anon_vma_list", family, family),
        ("anon_vma_chain", 1, family),
        ("anon_vma_tree", 1, family),
        ("cow_context-repaired", 1, family),
        ("anon_vma_lazy-all", family, family),
    ):
        assert (last(rows[name], "private"), last(rows[name], "shared")) == (private, shared)
    assert last(rows["anon_vma_tree"], "objects") == family + 1 + 2 * n
    assert last(rows["cow_context"], "objects") == last(rows["anonmm"], "objects") == family


def test_a_tree_finds_at_once_what_a_list_searches() -> None:
    rows = prices("vmas", "anon_vma_list", "anon_vma_chain", "anon_vma_tree", sizes=(16, 64))
    assert last(rows["anon_vma_tree"], "shared") == 2
    assert last(rows["anon_vma_chain"], "shared") == 2 * 64
    assert last(rows["anon_vma_list"], "private") == 2 * 64


def test_a_walk_that_misses_has_no_price() -> None:
    rows = prices("moves", "cow_context", "cow_context-repaired", sizes=(8,))
    assert rows["cow_context"].prices["private"] == Price((None,), missed=True)
    assert not rows["cow_context-repaired"].prices["private"].missed


def test_ksm_walks_are_priced_where_there_is_a_ksm_page() -> None:
    walks = [get(name) for name in ksm_names()]
    rows = {r.name: r for r in price(LAYOUTS["pieces"], [], walks, rules=Rules(), sizes=(50, 100))}
    assert last(rows["full"], "ksm") == 2 * 2 * 100
    assert last(rows["index"], "ksm") == 2 * 2
    assert price(LAYOUTS["levels"], [], walks, rules=Rules(), sizes=(2,)) == []


@pytest.mark.parametrize(
    ("values", "power"),
    [([5, 5, 5], 0.0), ([1, 10, 100], 1.0), ([3, 300, 30000], 2.0), ([None, None, 4], None)],
)
def test_growth_is_the_slope_at_the_end(values: list[int | None], power: float | None) -> None:
    assert exponent([10, 100, 1000], values) == power


def test_a_table_shows_numbers_growth_and_misses() -> None:
    layout, sizes = LAYOUTS["levels"], (10, 100)
    rows = [
        Row("one", {"objects": Price((20, 200)), "bytes": Price((2048, 2048)),
                    "shared": Price((None, None), missed=True)}),
        Row("two", {"objects": Price((1, 31)), "bytes": Price((500, 5_000_000))}),
    ]  # fmt: skip
    head, names, one, two = layout_lines(layout, sizes, rows)
    assert head.startswith("levels: ")
    assert "n = 10, 100 levels" in head
    assert names.split() == ["objects", "bytes", "shared"]
    assert re.split(r"  +", one) == ["one", "200 n", "2 KB", "MISS"]
    assert re.split(r"  +", two) == ["two", "31 n^1.5", "4.8 MB n^4", "-"]


def test_a_chart_is_well_formed_and_has_a_line_for_each_series() -> None:
    picture = loglog("a < b", "n", {"one & two": [(1, 2), (10, 20)], "none": [(1, 0)]})
    root = ET.fromstring(picture)  # noqa: S314 - made here
    space = "{http://www.w3.org/2000/svg}"
    lines = root.findall(f"{space}polyline")
    said = [element.text for element in root.iter(f"{space}text")]
    assert len(lines) == 1
    assert {"a < b", "n", "one & two", "1", "10", "100"} <= set(said)
    xs = [float(point.split(",")[0]) for point in lines[0].attrib["points"].split()]
    assert xs == sorted(xs)
    with pytest.raises(ValueError, match="nothing to show"):
        loglog("t", "n", {"none": [(1, 0)]})


def test_labels_of_a_chart_do_not_overlap() -> None:
    names = [f"series {n}" for n in range(6)]
    root = ET.fromstring(loglog("t", "n", {n: [(1, 5), (10, 5)] for n in names}))  # noqa: S314
    texts = [e for e in root.iter("{http://www.w3.org/2000/svg}text") if e.text in names]
    heights = sorted(float(e.attrib["y"]) for e in texts)
    assert all(b - a >= 13.9 for a, b in pairwise(heights))


def test_a_column_without_numbers_has_no_picture() -> None:
    row = Row("one", {"private": Price((None,), missed=True), "fork": Price((0,))})
    assert chart(LAYOUTS["levels"], (1,), [row], "private") is None
    assert chart(LAYOUTS["levels"], (1,), [row], "fork") is None
    assert rows_json(LAYOUTS["levels"], (1,), [row])["designs"]["one"]["private"]["missed"] is True


def test_the_command_prints_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--layout", "levels", "--layout", "moves"]) == 0
    out = capsys.readouterr().out
    assert "levels: a chain of n forks" in out
    assert "moves: n pages moved" in out
    assert all(len(line) <= 100 for line in out.splitlines())


def test_the_command_prints_json_and_draws(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    there = tmp_path / "pictures"
    arguments = ["compare", "--layout", "moves", "--walk", "cow_context", "--walk", "pte_chain"]
    assert main([*arguments, "--json", "--svg", str(there)]) == 1
    told = json.loads(capsys.readouterr().out)
    design = told["layouts"]["moves"]["designs"]["cow_context"]
    assert told["rules"] == "7.0"
    assert design["private"]["missed"] is True
    assert design["objects"]["growth"] == pytest.approx(1, abs=0.1)
    assert sorted(file.name for file in there.iterdir()) == [
        "moves-bytes.svg", "moves-fork.svg", "moves-private.svg", "moves-shared.svg",
    ]  # fmt: skip
    for file in there.iterdir():
        ET.parse(file)  # noqa: S314 - made here


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--layout", "nowhere"], "no layout named 'nowhere'; known: vmas"),
        (["--walk", "nobody"], "unknown walk 'nobody'"),
        (["--rules", "1.0"], "no rules named '1.0'"),
        (["--layout", "levels", "--svg", "/dev/null/x"], "--svg /dev/null/x: "),
    ],
)
def test_bad_input_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["compare", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
