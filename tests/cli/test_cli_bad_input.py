"""Bad input: exit status 2, nothing on stdout, one clear line on stderr (a caret follows)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Command = Callable[..., Any]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["frobnicate"], "invalid choice: 'frobnicate'"),
        (["--frob"], "unrecognized arguments: --frob"),
        (["run"], "the following arguments are required: SCENARIO"),
        (["run", "hugh", "--wal", "full"], "unrecognized arguments: --wal full"),
        (["run", "hugh", "--walk"], "argument --walk: expected one argument"),
        (["run", "hugh", "--walk", "ful"], "unknown walk 'ful'; did you mean 'full'?"),
        (["run", "hugh", "--walk", "nothing.py:walk"], "cannot load nothing.py"),
        (["run", "hugh", "--walk", "os:nothing"], "os has no function 'nothing'"),
        (["run", "hugh", "--rules", "8.1"], "no rules named '8.1'; known: 2.6.37"),
        (["run", "hugh", "--rules", ""], "no rules named ''"),
        (["run", "nothing-there"], "nothing-there: no such file, and no bundled scenario"),
        (["run", "/"], "/: cannot be read: Is a directory"),
        (["check", "--walk", "ful"], "unknown walk 'ful'"),
        (["check", "--against", "ful"], "unknown walk 'ful'"),
        (["check", "--seconds", "0"], "'0' is no number of seconds above 0"),
        (["check", "--seconds", "-3"], "'-3' is no number of seconds above 0"),
        (["check", "--seconds", "nan"], "'nan' is no number of seconds above 0"),
        (["check", "--seconds", "inf"], "'inf' is no number of seconds above 0"),
        (["check", "--seconds", "1e30"], "'1e30' is no number of seconds above 0"),
        (["check", "--seconds", "soon"], "'soon' is no number of seconds above 0"),
        (["check", "--seed", "x"], "argument --seed: invalid int value: 'x'"),
        (["check", "--rules", "x y"], "no rules named 'x'"),
        (["replay"], "the following arguments are required: TRACE"),
        (["replay", "nothing-there"], "nothing-there"),
        (["replay", "nothing-there", "--walk", "ful"], "unknown walk 'ful'"),
    ],
)
def test_usage(command: Command, argv: list[str], message: str) -> None:
    ran = command(*argv)
    assert (ran.status, ran.out) == (2, "")
    assert message in ran.err
    assert ran.err.count("\n") == 1
    assert ran.err.startswith("ksm-rmap")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("P mmap 0 3\nP mmpa 0 3", 2, "no operation 'mmpa'; did you mean 'mmap'?"),
        ("P mmap 0 3 4", 1, "expected the end of the line"),
        (f"P mmap 0 {10**30}", 1, "number too large"),
        ("P mmap 0 -3", 1, "expected PAGES, a number"),
        ("P mmap 0 0", 1, "mmap: "),
        ("P mmap 0 4503599627370497", 1, "it must be 0 to 2**52"),
        ("P write 0 1 7", 1, "(EFAULT)"),
        ("P mmap 0 1\nP mremap 0 1 to 0", 2, "(EINVAL)"),
        ("P mmap 4503599627370496 1", 1, "mmap: "),
        ("for i in 0..9 step 0: unmerge", 1, "the step of the loop"),
        ("expect EPERM: P mmap 0 1", 1, "did not fail"),
        ("P mmap 0 1\nP write 0 1 7\nP swapout 0 via ful", 3, "unknown walk 'ful'"),
    ],
)
def test_broken_scenarios(
    command: Command, tmp_path: Path, text: str, line: int, message: str
) -> None:
    file = tmp_path / "broken.ksm"
    file.write_text(text)
    ran = command("run", str(file))
    assert (ran.status, ran.out) == (2, "")
    head, quoted, caret = ran.err.removesuffix("\n").split("\n")
    assert head.startswith(f"ksm-rmap: {file}:{line}:")
    assert message in head
    assert quoted.strip() == text.split("\n")[line - 1]
    assert caret.strip() == "^"


def test_a_file_that_is_no_text(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "binary.ksm"
    file.write_bytes(bytes(range(256)))
    ran = command("run", str(file))
    assert ran.status == 2
    assert ran.err == f"ksm-rmap: {file}: not UTF-8 text (byte 128)\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise RuntimeError('no such luck')", "RuntimeError: no such luck"),
        ("return 7", "returned 7"),
        ("return [(0, 99)] and state.nothing", "AttributeError"),
    ],
)
def test_a_walk_that_goes_wrong(command: Command, tmp_path: Path, body: str, message: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f"def walk(state, folio):\n    {body}\n")
    ran = command("run", "hugh", "--walk", f"{file}:walk")
    assert (ran.status, ran.out) == (2, "")
    assert message in ran.err
    assert ran.err.count("\n") == 1
