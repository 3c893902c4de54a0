"""The scenario language: what it means, how it prints, how it is loaded."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from ksm_rmap.model import ops
from ksm_rmap.model.calls import Call
from ksm_rmap.model.rules import AnonVmaReuse, Rules
from ksm_rmap.model.scenario import (
    Scenario,
    ScenarioError,
    bundled,
    call_text,
    load,
    process_name,
    rules_from_text,
    rules_text,
)
from ksm_rmap.model.state import State

if TYPE_CHECKING:
    from pathlib import Path

# Each operation of the language: its line, and the call that it makes.
OPERATIONS = [
    ("P mmap 0 3", Call.of("mmap", mm=0, start=0, pages=3)),
    ("P mmap 0 3 r", Call.of("mmap", mm=0, start=0, pages=3, prot="r")),
    ("P mmap 0 3 -", Call.of("mmap", mm=0, start=0, pages=3, prot="-")),
    (
        "P mmap 5 3 rwx file a.out 7",
        Call.of("mmap", mm=0, start=5, pages=3, prot="rwx", file="a.out", offset=7),
    ),
    ("P munmap 1 2", Call.of("munmap", mm=0, start=1, pages=2)),
    ("P mprotect 1 2 -", Call.of("mprotect", mm=0, start=1, pages=2, prot="-")),
    ("P mprotect 1 2 rw", Call.of("mprotect", mm=0, start=1, pages=2, prot="rw")),
    ("P read 4 2", Call.of("read", mm=0, start=4, pages=2)),
    ("P write 4 2 0x77", Call.of("write", mm=0, start=4, pages=2, content=0x77)),
    ("P fork C", Call.of("fork", mm=0, child=1)),
    ("P exit", Call.of("exit_mm", mm=0)),
    ("P madvise 0 1 mergeable", Call.of("madvise", mm=0, start=0, pages=1, advice="mergeable")),
    ("P prctl merge-any on", Call.of("prctl_merge_any", mm=0, enable=True)),
    ("P prctl merge-any off", Call.of("prctl_merge_any", mm=0, enable=False)),
    ("P mremap 0 1", Call.of("mremap", mm=0, start=0, pages=1)),
    ("P mremap 0 1 resize 2", Call.of("mremap", mm=0, start=0, pages=1, new_pages=2)),
    ("P mremap 0 1 to 0", Call.of("mremap", mm=0, start=0, pages=1, to=0)),
    (
        "P mremap 0 1 resize 2 to 5 dontunmap",
        Call.of("mremap", mm=0, start=0, pages=1, new_pages=2, to=5, dontunmap=True),
    ),
    ("ksmd step", Call.of("ksmd_step")),
    ("ksmd 2", Call.of("ksmd", passes=2)),
    ("unmerge", Call.of("unmerge_all")),
    ("P swapout 3", Call.of("swap_out", mm=0, page=3)),
    ("P swapout 3 via my.py:walk", Call.of("swap_out", mm=0, page=3, walk="my.py:walk")),
    ("P dropcache 3", Call.of("drop_swap_cache", mm=0, page=3)),
    ("reclaim", Call.of("reclaim")),
    ("reclaim via full", Call.of("reclaim", walk="full")),
    ("P hold 3", Call.of("hold", mm=0, page=3)),
    ("P release 3", Call.of("release", mm=0, page=3)),
    ("P migrate-begin 3", Call.of("migrate_begin", mm=0, page=3)),
    ("P migrate-begin 3 via full", Call.of("migrate_begin", mm=0, page=3, walk="full")),
    ("P migrate-end 3", Call.of("migrate_end", mm=0, page=3)),
    ("P migrate-end 3 via full", Call.of("migrate_end", mm=0, page=3, walk="full")),
    ("max-page-sharing 4", Call.of("max_page_sharing", limit=4)),
]


def _lines(text: str) -> list[str]:
    return str(Scenario.parse(text)).split("\n")


@pytest.mark.parametrize(("line", "call"), OPERATIONS)
def test_a_line_is_a_call(line: str, call: Call) -> None:
    assert Scenario.parse(line).calls == (call,)


@pytest.mark.parametrize(("line", "call"), OPERATIONS)
def test_a_call_is_a_line(line: str, call: Call) -> None:
    assert str(Scenario.from_calls([call])) == line
    assert call_text(call, ["P", "C"]) == line


def test_every_operation_of_the_model_can_be_written() -> None:
    written = {call.op for _, call in OPERATIONS}
    operations = {name for name in ops.__all__ if name.islower() and callable(getattr(ops, name))}
    assert written == operations


@pytest.mark.parametrize(
    ("loose", "tidy"),
    [
        ("  P   mmap\t0  3  rw ", "P mmap 0 3"),
        ("P mmap 0 3 file f 1 r", "P mmap 0 3 r file f 1"),
        ("P mremap 0 1 dontunmap to 3 resize 1", "P mremap 0 1 resize 1 to 3 dontunmap"),
        ("P write 0 1 (( 2 + 3 ) * 4)", "P write 0 1 ((2+3)*4)"),
        ("for  i in 0..4 step 1 :P read i 1", "for i in 0..4: P read i 1"),
        ("expect  ENOMEM :  P read 0 1", "expect ENOMEM: P read 0 1"),
        ("P exit#bye", "P exit  #bye"),
        ("   # why  ", "# why"),
        ("rules   6.12  reuse=never", "rules 6.12 reuse=never"),
        ("rules 6.12 reuse=split", "rules 6.12"),
        ("P mmap 0x10 007", "P mmap 0x10 007"),
        ("P exit\r", "P exit"),
    ],
)
def test_printing_tidies(loose: str, tidy: str) -> None:
    assert _lines(loose) == [tidy]
    assert Scenario.parse(loose) == Scenario.parse(tidy)


def test_comments_and_blank_lines_are_kept() -> None:
    text = "# why\n\nP mmap 0 1  # note\n\n#\nP exit"
    assert str(Scenario.parse(text)) == text
    assert Scenario.parse(text + "\n") == Scenario.parse(text)
    assert Scenario.parse(text).title == "why"
    assert Scenario.parse("P exit").title == ""
    assert Scenario.parse(text).operations() == "P mmap 0 1\nP exit"


def test_repr_is_a_call() -> None:
    scenario = Scenario.parse("# 'why'\nP write 0 1 0x7", name="mine")
    assert repr(scenario) == "Scenario.parse(\"# 'why'\\nP write 0 1 0x7\", name='mine')"
    again = eval(repr(scenario), {"Scenario": Scenario})  # noqa: S307 - our own text
    assert (again, again.name) == (scenario, "mine")


def test_equality_disregards_the_name_but_not_the_lines() -> None:
    assert Scenario.parse("P exit", name="a") == Scenario.parse("P exit", name="b")
    assert Scenario.parse("P exit") != Scenario.parse("P fork C")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("7", 7),
        ("0x1f", 31),
        ("1+2*3", 7),
        ("(1+2)*3", 9),
        ("9-3-2", 4),
        ("9-(3-2)", 8),
        ("2*i", 10),
        ("(i+1)*(i-1)", 24),
        ("( i + 1 )", 6),
        ("12-i*2", 2),
    ],
)
def test_arithmetic(expression: str, value: int) -> None:
    scenario = Scenario.parse(f"for i in 5..6: P read {expression} 1")
    assert [call.get("start") for call in scenario.calls] == [value]


@pytest.mark.parametrize(
    ("loop", "values"),
    [
        ("for i in 0..4:", [0, 1, 2, 3]),
        ("for i in 0..5 step 2:", [0, 2, 4]),
        ("for i in 3..3:", []),
        ("for i in 4..3:", []),
        ("for k in 1..3: for i in k..k*2:", [1, 2, 3]),
        ("for k in 1..3: for i in 0..k step k:", [0, 0]),
    ],
)
def test_loops(loop: str, values: list[int]) -> None:
    scenario = Scenario.parse(f"{loop} P read i 1")
    assert [call.get("start") for call in scenario.calls] == values


def test_processes_are_numbered_by_first_appearance() -> None:
    scenario = Scenario.parse("Zed fork B\nB fork a-1\nZed exit")
    assert scenario.processes == ("Zed", "B", "a-1")
    assert [call.get("mm") for call in scenario.calls] == [0, 1, 0]
    assert [call.get("child") for call in scenario.calls] == [1, 2, None]


def test_a_fork_that_fails_makes_no_process() -> None:
    text = "P exit\nexpect ESRCH: P fork C"
    assert Scenario.parse(text).run().mms.get(1) is None
    with pytest.raises(ScenarioError, match="no process 'C'"):
        Scenario.parse(f"{text}\nC exit")
    again = Scenario.parse("expect ESRCH: P fork C\nP fork D\nP fork C")
    assert [call.get("child") for call in again.calls] == [1, 2, 1]


def test_calls_make_the_states() -> None:
    scenario = Scenario.parse("# x\nP mmap 0 3\nP write 0 2 7\nfor i in 0..2: P read i 1")
    state = State()
    for step, call in zip(scenario.states(), scenario.calls, strict=True):
        state = call.apply(state)
        assert (step.call, step.state) == (call, state)
    assert [step.line for step in scenario.states()] == [2, 3, 4, 4]
    assert scenario.run() == state


def test_an_empty_scenario_is_the_first_state() -> None:
    assert Scenario.parse("").run() == State()
    assert Scenario.parse("rules 6.12").run() == State(rules=Rules.preset("6.12"))
    assert Scenario.parse("").calls == ()


def test_an_expected_error_with_a_partial_state_keeps_it() -> None:
    before = Scenario.parse("P mmap 0 1").run()
    after = Scenario.parse("P mmap 0 1\nexpect ENOMEM: P mprotect 0 2 r").run()
    assert after != before
    whole = Scenario.parse("P mmap 0 1\nP mprotect 0 1 r").run()
    assert after == whole


def test_an_expected_error_without_a_state_changes_nothing() -> None:
    assert (
        Scenario.parse("P mmap 0 1\nexpect EFAULT: P write 3 1 7").run()
        == Scenario.parse("P mmap 0 1").run()
    )


def test_rules_of_the_text_and_rules_that_take_precedence() -> None:
    scenario = Scenario.parse("rules 2.6.37\nP mmap 0 1")
    assert scenario.rules == Rules.preset("2.6.37")
    assert scenario.run().rules == Rules.preset("2.6.37")
    assert scenario.run(rules=Rules.preset("6.12")).rules == Rules.preset("6.12")
    assert Scenario.parse("P exit").rules is None
    assert Scenario.parse("P exit").run().rules == Rules()


@pytest.mark.parametrize("rules", Rules.presets(), ids=lambda rules: rules.name)
def test_rules_as_text(rules: Rules) -> None:
    assert rules_text(rules) == rules.name
    assert rules_from_text(rules.name) == rules
    other = rules.replace(reuse=AnonVmaReuse.DEGREE, anon_pgoff=not rules.anon_pgoff)
    assert rules_from_text(rules_text(other)) == other


def _named(pages: list[int]) -> SimpleNamespace:
    return SimpleNamespace(ptes=[(0, page) for page in pages])


def test_the_walk_of_a_line_goes_before_the_walk_of_the_run() -> None:
    text = "P mmap 0 2\nP write 0 1 7\nP write 1 1 8\nP swapout 0\nP swapout 1 via other"
    asked: list[str] = []

    def find(name: str) -> ops.Walk:
        asked.append(name)
        return lambda _state, _folio: _named([])

    state = Scenario.parse(text).run(lambda _state, _folio: _named([0]), walks=find)
    assert asked == ["other"]
    assert state.folio_at(0, 0) is None  # swapped out by the walk of the run
    assert state.folio_at(0, 1) is not None  # the walk of the line found nothing


def test_from_calls_numbers_processes_anew() -> None:
    calls = [Call.of("fork", mm=4, child=9), Call.of("exit_mm", mm=9), Call.of("exit_mm", mm=4)]
    assert str(Scenario.from_calls(calls)) == "P fork C\nC exit\nP exit"


def test_from_calls_with_comment_rules_and_expected_errors() -> None:
    rules = Rules.preset("6.12").replace(mremap_unmerges=False)
    calls = [Call.of("mmap", mm=0, start=0, pages=1), Call.of("read", mm=0, start=7)]
    scenario = Scenario.from_calls(
        calls, rules=rules, name="made", comment="one\ntwo", expect={1: "EFAULT"}
    )
    assert scenario.name == "made"
    assert str(scenario).split("\n") == [
        "# one",
        "# two",
        "rules 6.12 mremap_unmerges=off",
        "P mmap 0 1",
        "expect EFAULT: P read 7 1",
    ]
    assert scenario.run().rules == rules
    assert str(Scenario.from_calls([], rules="7.0")) == "rules 7.0"


def test_from_calls_leaves_out_what_is_a_default() -> None:
    call = Call.of("mmap", mm=0, start=0, pages=1, prot="rw", file=None, offset=0)
    assert str(Scenario.from_calls([call])) == "P mmap 0 1"
    call = Call.of("mremap", mm=0, start=0, pages=1, new_pages=None, to=None, dontunmap=False)
    assert str(Scenario.from_calls([call])) == "P mremap 0 1"
    assert str(Scenario.from_calls([Call.of("ksmd")])) == "ksmd 1"
    assert str(Scenario.from_calls([Call.of("mmap", mm=0, start=0, pages=1, file="f")])) == (
        "P mmap 0 1 file f 0"
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (Call.of("frobnicate"), "no scenario line for the operation 'frobnicate'"),
        (Call.of("exit_mm"), "the call lacks mm"),
        (Call.of("exit_mm", mm=0, how="fast"), "no scenario line for how of exit_mm"),
        (Call.of("munmap", mm=0, start=-1, pages=1), "-1 is negative"),
        (Call.of("mprotect", mm=0, start=0, pages=1, prot="odd"), "expected PROT"),
    ],
)
def test_a_call_that_cannot_be_written(call: Call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Scenario.from_calls([call])


def test_a_process_that_no_fork_made_cannot_be_written() -> None:
    calls = [Call.of("exit_mm", mm=0), Call.of("exit_mm", mm=1)]
    with pytest.raises(ValueError, match="no process 'C'; there are: P"):
        Scenario.from_calls(calls)


def test_names_of_processes_are_distinct_and_can_be_read() -> None:
    names = [process_name(number) for number in range(60)]
    assert len(set(names)) == 60
    text = "\n".join(f"{names[0]} fork {name}" for name in names[1:])
    assert Scenario.parse(text).processes == tuple(names)


def test_load_reads_a_file_and_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.ksm"
    path.write_bytes(b"P mmap 0 1\r\nP exit\r\n")
    scenario = load(str(path))
    assert str(scenario) == "P mmap 0 1\nP exit"
    assert scenario.name == str(path)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"P exit\n")))
    assert load("-") == Scenario.parse("P exit")


def test_load_goes_to_bundled_names_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hugh").write_text("P exit")
    assert load("hugh") != load("./hugh")
    assert load("./hugh") == Scenario.parse("P exit")


def test_load_of_what_cannot_be_read(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"P exit\n\xff\xfe")
    huge = tmp_path / "huge"
    huge.write_bytes(b"#" * (2**24 + 1))
    for source, message in [
        ("nothing-there", f"nothing-there: no such file, and no bundled scenario .*{bundled()[0]}"),
        (str(tmp_path), "cannot be read: Is a directory"),
        ("a\0b", "cannot be read: embedded null"),
        (str(binary), r"not UTF-8 text \(byte 7\)"),
        (str(huge), "larger than 16777216 bytes"),
    ]:
        with pytest.raises(ScenarioError, match=message) as caught:
            load(source)
        assert "\n" not in str(caught.value)
