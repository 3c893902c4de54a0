"""The C program as text: it compiles, expects what the model has, and refuses what it cannot do."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from ksm_rmap import walks
from ksm_rmap.check import oracle
from ksm_rmap.model import ops
from ksm_rmap.model.scenario import Scenario, ScenarioError, bundled, load
from ksm_rmap.model.state import PteKind, VmFlag
from ksm_rmap.report.c_reproducer import MOST_PAGES
from ksm_rmap.report.export import Job, exported

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ksm_rmap.model.state import State

LARGE = "zte-20000"
"""Takes seconds to run on the model; zte-table is large enough."""


def text_of(source: str, *names: str) -> str:
    return exported(Job(Scenario.parse(source, name="test"), None, names), "c")


def array(text: str, name: str) -> list[tuple[int, str, int, dict[str, object]]]:
    """Return the rows of an array of the program."""
    body = re.search(rf"struct entry {name}\[\] = \{{\n(.*?)\}};", text, re.DOTALL)
    assert body is not None
    rows = re.findall(r"\{(\d+), '(.)', (-?\d+), \"(.*)\"\},\n", body[1])
    return [(int(p), w, int(a), json.loads(t.replace('\\"', '"'))) for p, w, a, t in rows]


def shown(state: State) -> list[tuple[int, str, int, dict[str, object]]]:
    """Return what user space sees of a small state, written down anew."""
    rows: list[tuple[int, str, int, dict[str, object]]] = []
    names: dict[tuple[str, int], str] = {}

    def named(kind: str, number: int) -> str:
        known = sum(key[0] == kind for key in names)
        return names.setdefault((kind, number), f"{kind}{known}")

    for mm, process in state.mms.pairs():
        for _, vma in process.vmas.pairs() if process.alive else ():
            rights = [
                letter for bit, letter in zip((1, 2, 4), "rwx", strict=True) if vma.flags & bit
            ]
            mergeable = int(bool(vma.flags & VmFlag.MERGEABLE))
            fields = {"s": vma.start, "n": vma.end - vma.start}
            prot = "".join(rights) or "-"
            rows.append((mm, "v", vma.start, {**fields, "prot": prot, "mg": mergeable}))
        for page, pte in process.ptes.pairs():
            row: dict[str, object] = {"p": page, "k": pte.kind.value}
            if pte.kind is PteKind.SWAP:
                row["sw"] = named("s", pte.target)
            elif pte.kind is PteKind.PRESENT:
                folio = state.folios[pte.target]
                row["k"] = "ksm" if folio.ksm else "anon"
                row["f"] = named("f", pte.target)
                row["mc"] = len(oracle.truth(state, pte.target))
                row["tok"] = folio.content
            rows.append((mm, "p", page, row))
    return rows


@pytest.mark.parametrize("name", [name for name in bundled() if name != LARGE])
def test_every_bundled_scenario_compiles(name: str, c_program: Callable[..., Path]) -> None:
    c_program(name)


@pytest.mark.parametrize("option", ["-O2", "-O3"])
def test_everything_compiles(option: str, everything: str, c_program: Callable[..., Path]) -> None:
    c_program(everything, "full", "address", options=(option,))


@pytest.mark.parametrize("name", [name for name in bundled() if not name.startswith("zte")])
def test_the_rows_expected_are_those_of_the_model(name: str) -> None:
    scenario = load(name)
    state = scenario.run(walks.get("full"), walks=walks.get)
    text = exported(Job(scenario, None, ("address", "full")), "c")
    assert array(text, "EXPECTED") == shown(state)
    for number, walk in enumerate(("address", "full")):
        after = ops.reclaim(state, walk=walks.get(walk))
        assert array(text, f"AFTER_{number}") == shown(after)
        assert f'{{"{walk}", ENTRIES(AFTER_{number})}}' in text


def test_many_pages_are_counted() -> None:
    source = "P mmap 0 200\nP write 0 200 1\nP write 7 1 2\nP madvise 0 200 mergeable\nksmd 2\n"
    rows = array(text_of(source), "EXPECTED")
    assert rows == [
        (0, "s", -1, {"vmas": 1}),
        (0, "s", 0, {"k": "anon", "mc": 1, "tok": 2, "pages": 1, "frames": 1}),
        (0, "s", 1, {"k": "ksm", "mc": 199, "tok": 1, "pages": 199, "frames": 1}),
    ]


def test_no_reclaim_of_pages_that_can_only_be_read_from_outside() -> None:
    source = "P mmap 0 2\nP write 0 2 1\n"
    assert '{"full", ENTRIES(AFTER_0)}' in text_of(source)
    assert "AFTER_0" not in text_of(source + "P mprotect 1 1 -\n")


def test_rules_that_are_asked_for_take_precedence() -> None:
    scenario = load("move-poisoning")
    old = exported(Job(scenario, None), "c")
    new = exported(Job(scenario, Scenario.parse("rules 7.0").rules), "c")
    assert array(old, "EXPECTED") != array(new, "EXPECTED")


def test_a_process_is_a_function_and_a_line_a_turn(everything: str) -> None:
    text = text_of(everything)
    for function in ("process_a_b", "process_a_b_", "process_third"):
        assert f"static void {function}(void)\n{{" in text
    assert "FAIL(EFAULT, touch(40, 1));" in text
    assert "for (long int_ = 0; int_ < 2; int_ += 1)" in text
    assert "DO(fill(15, 1, 18446744073709551615UL));" in text
    assert 'memfd_create("data.txt"' in text


def test_a_swap_out_of_a_page_that_one_entry_maps_is_a_pageout() -> None:
    source = "P mmap 0 2\nP write 0 1 1\nP write 1 1 2\nP swapout 1\n"
    assert "DO(madvise(page(1), PAGE, MADV_PAGEOUT));" in text_of(source)


def test_a_swap_out_of_all_there_is_is_a_reclaim() -> None:
    source = "P mmap 0 2\nP write 0 1 1\nP fork C\nP swapout 0\n"
    assert "    reclaim();\n" in text_of(source)


CACHED = "P mmap 0 2\nP write 0 2 1\nP hold 0\nreclaim\n"
SHARED = "P mmap 0 2\nP write 0 1 1\nP write 1 1 2\nP fork C\n"


@pytest.mark.parametrize(
    ("source", "line", "reason"),
    [
        (SHARED + "P swapout 0\n", 5, "cannot swap out one page that several entries map"),
        (SHARED + "P hold 0\nP swapout 0\n", 6, "cannot swap out one page"),
        (SHARED + "P migrate-begin 0\n", 5, "cannot stop a migration half way"),
        ("P mmap 0 1\nP write 0 1 1\nfor i in 0..2: P hold 0\n", 3, "in a loop"),
        ("P mmap 0 1\nexpect EFAULT: P hold 0\n", 2, "cannot make this fail with EFAULT"),
        (f"P mmap {MOST_PAGES} 1\n", 1, "too high"),
        ("P prctl merge-any on\nP mmap 0 1\nP write 0 1 1\nksmd step\n", 4, "other memory"),
        ("for i in 0..1: P mmap i+0*4294967296 1\n", 1, "too large for arithmetic"),
        (CACHED + "P release 0\nP read 1 1\nP dropcache 0\n", 7, "out of the swap cache"),
    ],
)
def test_what_user_space_cannot_do_is_refused(source: str, line: int, reason: str) -> None:
    with pytest.raises(ScenarioError, match=reason) as caught:
        text_of(source)
    assert caught.value.line == line
    assert caught.value.text == source.split("\n")[line - 1]


def test_nothing_to_export() -> None:
    with pytest.raises(ScenarioError, match="nothing to export"):
        text_of("ksmd 2\n")


def test_a_line_that_fails_is_told() -> None:
    with pytest.raises(ScenarioError, match="EFAULT") as caught:
        text_of("P mmap 0 1\nP mremap 3 1 to 5\n")
    assert caught.value.line == 2
