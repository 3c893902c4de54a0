"""Each kind of broken line: the place of the caret, and what was expected."""

from __future__ import annotations

import pytest

from ksm_rmap.model.scenario import Scenario, ScenarioError

MMAP = "PROC mmap START PAGES [PROT] [file NAME OFFSET]"

# (text, line, what the caret points at, part of the message)
BROKEN = [
    ("P", 1, "", "expected an operation after process 'P'"),
    ("P mmpa 0 3", 1, "mmpa 0 3", "no operation 'mmpa'; did you mean 'mmap'?"),
    ("P zzz 0 3", 1, "zzz 0 3", "no operation 'zzz'; expected one of dropcache exit"),
    ("P 7", 1, "7", "expected an operation after process 'P'"),
    ("mmap 0 1", 1, "mmap 0 1", f"expected a process before 'mmap': {MMAP}"),
    ("kmsd 2", 1, "kmsd 2", "no operation 'kmsd'; did you mean 'ksmd'?"),
    ("12 mmap 0 1", 1, "12 mmap 0 1", "expected a process or an operation"),
    ("\x00\x01", 1, "\x00\x01", "expected a process or an operation"),
    ("P mmap", 1, "", f"expected START, a number: {MMAP}"),
    ("P mmap 0   ", 1, "", f"expected PAGES, a number: {MMAP}"),
    ("P mmap 0 # 3", 1, "# 3", f"expected PAGES, a number: {MMAP}"),
    ("P mmap x 3", 1, "x 3", f"expected START, a number: {MMAP}, not 'x'"),
    ("P mmap 0 -3", 1, "-3", f"expected PAGES, a number: {MMAP}"),
    ("P mmap 0 3e4", 1, "3e4", f"expected PAGES, a number: {MMAP}"),
    ("P mmap 0 0xg", 1, "0xg", f"expected PAGES, a number: {MMAP}"),
    ("P mmap 0 3,4", 1, ",4", f"expected a blank after PAGES, a number: {MMAP}"),
    ("P mmap 0 3 rz", 1, "rz", f"expected the end of the line: {MMAP}"),
    ("P mmap 0 3 r w", 1, "w", f"expected the end of the line: {MMAP}"),
    ("P mmap 0 3 file", 1, "", f"expected NAME: {MMAP}"),
    ("P mmap 0 3 file f", 1, "", f"expected OFFSET, a number: {MMAP}"),
    ("P mmap 0 3 file 7 7", 1, "7 7", f"expected NAME: {MMAP}"),
    ("P mprotect 0 1 rr", 1, "rr", "expected PROT: PROC mprotect START PAGES PROT"),
    ("P madvise 0 1 nice", 1, "nice", "expected ADVICE, one of mergeable unmergeable"),
    ("P prctl merge on", 1, "merge on", "expected 'merge-any': PROC prctl merge-any SWITCH"),
    ("P prctl merge-any 1", 1, "1", "expected SWITCH, one of on off"),
    ("P mremap 0 1 to", 1, "", "expected TO, a number"),
    ("P mremap 0 1 to 2 to 3", 1, "to 3", "expected the end of the line"),
    ("P mremap 0 1 dontunmap 4", 1, "4", "expected the end of the line"),
    ("P exit now", 1, "now", "expected the end of the line: PROC exit"),
    ("ksmd", 1, "", "expected PASSES, a number: ksmd PASSES"),
    ("ksmd 1 2", 1, "2", "expected the end of the line: ksmd PASSES"),
    ("ksmd step 2", 1, "2", "expected the end of the line: ksmd step"),
    ("P swapout 3 via", 1, "", "expected WALK: PROC swapout PAGE [via WALK]"),
    ("max-page-sharing", 1, "", "expected LIMIT, a number: max-page-sharing LIMIT"),
    # numbers
    (f"P mmap 0 {10**30}", 1, f"{10**30}", "number too large: the greatest is 2**64 - 1"),
    ("P mmap 0 " + "9" * 5000, 1, "9" * 5000, "number too large"),
    (f"P mmap 0 {2**60}", 1, f"{2**60}", f"PAGES is {2**60}; it must be 0 to 2**52"),
    ("P mmap 3-4 1", 1, "3-4 1", "START is -1; it must be 0 to 2**52"),
    ("P write 0 9999999 1", 1, "9999999 1", "PAGES is 9999999; it must be 0 to 2**20"),
    ("P write 0 1 0-1", 1, "0-1", "CONTENT is -1; it must be 0 to 2**64 - 1"),
    ("ksmd 99999999999", 1, "99999999999", "PASSES is 99999999999; it must be 0 to 2**20"),
    ("P read 2**3 1", 1, "*3 1", "expected START, a number"),
    ("P read (1 1", 1, "1", "expected ) or one of + - *"),
    ("P read () 1", 1, ") 1", "expected START, a number"),
    ("P read 1+ 1", 1, " 1", "expected START, a number"),
    ("P read " + "(" * 50, 1, "(" * 10, "more than 40 parentheses in each other"),
    # processes
    ("P exit\nQ exit", 2, "Q exit", "no process 'Q'; there are: P"),
    ("P fork C\nC fork D\nE exit", 3, "E exit", "no process 'E'; there are: P, C, D"),
    ("P fork P", 1, "P fork P", "process 'P' is there already"),
    ("P fork C\nP fork C", 2, "P fork C", "process 'C' is there already"),
    ("for i in 0..2: P fork C", 1, "P fork C", "a loop would make process 'C' twice"),
    ("P fork ksmd", 1, "ksmd", "'ksmd' cannot name a process"),
    ("P fork 1", 1, "1", "expected CHILD: PROC fork CHILD"),
    # loops
    ("for 1 in 0..2: ksmd 1", 1, "1 in 0..2: ksmd 1", "expected NAME: for NAME in"),
    ("for i = 0..2: ksmd 1", 1, "= 0..2: ksmd 1", "expected 'in': for NAME in FIRST..END"),
    ("for i in ..2: ksmd 1", 1, "..2: ksmd 1", "expected FIRST, a number"),
    ("for i in 0.2: ksmd 1", 1, ".2: ksmd 1", "expected '..'"),
    ("for i in 0..: ksmd 1", 1, ": ksmd 1", "expected END, a number"),
    ("for i in 0..2 ksmd 1", 1, "ksmd 1", "expected 'step'"),
    ("for i in 0..2 step 1 ksmd 1", 1, "ksmd 1", "expected ':'"),
    ("for i in 0..2:", 1, "", "expected a process or an operation"),
    ("for i in 0..2: for i in 0..2: ksmd 1", 1, "i in 0..2: ksmd 1", "of an outer loop"),
    ("for i in 0..j: ksmd 1", 1, "j: ksmd 1", "expected END, a number: for NAME"),
    ("for i in 0..2: P read j 1", 1, "j 1", "not 'j'; variables here: i"),
    ("".join(f"for v{n} in 0..1: " for n in range(9)) + "unmerge", 1, " v8", "more than 8 loops"),
    # expect, rules
    ("expect P exit", 1, "P exit", "expected the name of an error, such as EFAULT"),
    ("expect EFOO: P exit", 1, "EFOO: P exit", "expected the name of an error"),
    ("expect EFAULT P exit", 1, "P exit", "expected ':' and an operation"),
    ("expect EFAULT: for i in 0..2: P exit", 1, "i in 0..2: P exit", "no operation 'i'"),
    ("rules", 1, "", "no rules named ''; known: 2.6.37, 6.12"),
    ("rules 9.9", 1, "9.9", "no rules named '9.9'; known: 2.6.37, 6.12"),
    ("rules 7.0 anon_pgof=on", 1, "7.0 anon", "did you mean anon_pgoff?"),
    ("rules 7.0 anon_pgoff", 1, "7.0 anon", "anon_pgoff is one of on, off, not ''"),
    ("rules 7.0 reuse=often", 1, "7.0 reuse", "reuse is one of never, degree, split, not 'often'"),
    ("P exit\nrules 7.0", 2, "rules 7.0", "rules come once, before the first operation"),
    ("rules 7.0\nrules 6.12", 2, "rules 6.12", "rules come once, before the first operation"),
]


def _error(text: str) -> ScenarioError:
    with pytest.raises(ScenarioError) as caught:
        Scenario.parse(text, name="broken.ksm")
    return caught.value


@pytest.mark.parametrize(("text", "line", "rest", "message"), BROKEN, ids=range(len(BROKEN)))
def test_broken_line(text: str, line: int, rest: str, message: str) -> None:
    error = _error(text)
    assert (error.file, error.line) == ("broken.ksm", line)
    assert error.text == text.split("\n")[line - 1]
    assert message in error.detail
    at_caret = error.text[error.column - 1 :]
    assert at_caret.startswith(rest) if rest else not at_caret.strip()


@pytest.mark.parametrize(("text", "line", "rest", "message"), BROKEN, ids=range(len(BROKEN)))
def test_message_has_place_line_and_caret(text: str, line: int, rest: str, message: str) -> None:
    head, quoted, caret = str(_error(text)).split("\n")
    assert head.startswith(f"broken.ksm:{line}:")
    assert message in head
    assert caret.strip() == "^"
    assert len(quoted) <= 100
    assert quoted[caret.index("^") :].startswith(rest.replace("\x00\x01", "  ")[:40])


def test_a_caret_in_a_long_line_stays_in_sight() -> None:
    text = "P read 0 1" + " " * 300 + "x" + " " * 300 + "y"
    _, quoted, caret = str(_error(text)).split("\n")
    assert quoted[caret.index("^")] == "x"


# Errors that only show when loops are unrolled or calls are made.
LATE = [
    ("for i in 0..2 step 0: ksmd 1", "the step of the loop over i is 0; it must be positive"),
    ("for i in 0..3: P read 1-i 1", "START is -1; it must be 0 to 2**52"),
    (
        f"for i in 1..3: P write 0 i*{2**60} 1",
        f"PAGES is {2**60}; it must be 0 to 2**20",
    ),
    (
        f"for i in 9..10: P read i*{2**60}*{2**60} 1",
        "START is a number of 124 bits; it must be 0 to 2**52",
    ),
    ("for i in 0..99999999: for j in 0..0: ksmd 1", "more than 1000 calls"),
]


@pytest.mark.parametrize(("text", "message"), LATE, ids=range(len(LATE)))
def test_a_loop_that_goes_wrong(monkeypatch: pytest.MonkeyPatch, text: str, message: str) -> None:
    monkeypatch.setattr("ksm_rmap.model.scenario.MAX_CALLS", 1000)
    scenario = Scenario.parse("# first\n" + text, name="late.ksm")
    with pytest.raises(ScenarioError) as caught:
        _ = scenario.calls
    assert caught.value.detail == message
    assert (caught.value.line, caught.value.text) == (2, text)
    assert text[caught.value.column - 1 :] == text.rpartition(": ")[2]


def test_an_operation_that_fails() -> None:
    scenario = Scenario.parse("P  mmap 0 2\nfor i in 1..3:  P write i 1 7", name="f.ksm")
    with pytest.raises(ScenarioError) as caught:
        scenario.run()
    error = caught.value
    assert (error.line, error.column) == (2, 17)
    assert error.text == "for i in 1..3:  P write i 1 7"
    assert error.detail.startswith("write: ")
    assert error.detail.endswith("(EFAULT)")


def test_an_operation_that_fails_otherwise_than_expected() -> None:
    scenario = Scenario.parse("expect ENOMEM: P write 0 1 7")
    with pytest.raises(ScenarioError, match=r"\(EFAULT\), not ENOMEM"):
        scenario.run()


def test_an_operation_that_does_not_fail_as_expected() -> None:
    scenario = Scenario.parse("expect EFAULT: P mmap 0 1")
    with pytest.raises(ScenarioError, match="did not fail; EFAULT was expected"):
        scenario.run()
