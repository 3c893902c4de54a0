"""`ksm-rmap export`: where the text goes, and what is refused in one line."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest

from ksm_rmap.model.scenario import load
from ksm_rmap.report.export import FORMATS, Job, exported

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Command = Callable[..., Any]


@pytest.mark.parametrize("form", ["c", "pytest", "trace"])
def test_to_stdout(form: str, command: Command) -> None:
    ran = command("export", "hugh", "--to", form)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == exported(Job(load("hugh")), form)


def test_to_a_file(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "hugh.jsonl"
    assert command("export", "hugh", "--to", "trace", "-o", str(path)).out == ""
    packed = tmp_path / "hugh.jsonl.gz"
    command("export", "hugh", "--to", "trace", "-o", str(packed))
    assert path.read_text() == exported(Job(load("hugh")), "trace")
    assert gzip.decompress(packed.read_bytes()) == path.read_bytes()
    assert command("replay", str(packed)).status == 0


def test_json_names_the_file(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "test_hugh.py"
    ran = command("--json", "export", "hugh", "--to", "pytest", "-o", str(path))
    assert ran.json == {"scenario": "hugh", "to": "pytest", "file": str(path)}
    assert path.exists()


def test_json_has_the_text_when_no_file_does(command: Command) -> None:
    ran = command("export", "hugh", "--to", "c", "--json")
    assert ran.json["text"] == exported(Job(load("hugh")), "c")


def test_walks_and_rules(command: Command) -> None:
    text = command(
        "export", "hugh", "--to", "pytest", "--walk", "full", "--walk", "full", "--rules", "6.12"
    ).out
    assert 'rules_from_text("6.12")' in text
    assert text.count('    "full": ') == 1
    assert '"address"' not in text


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["hugh"], "the following arguments are required: --to"),
        (["hugh", "--to", "pdf"], f"--to 'pdf': there are {', '.join(FORMATS)}"),
        (["nothing", "--to", "c"], "no such file"),
        (["hugh", "--to", "c", "--walk", "nobody"], "nobody"),
        (["hugh", "--to", "trace", "--walk", "full"], "--to trace says nothing about walks"),
        (["hugh", "--to", "c", "-o", "/nowhere/x.c"], "-o /nowhere/x.c: No such file"),
    ],
)
def test_bad_input(argv: list[str], message: str, command: Command) -> None:
    ran = command("export", *argv)
    assert ran.status == 2
    assert ran.out == ""
    assert message in ran.err
    assert ran.err.count("\n") == 1


def test_a_line_that_cannot_be_exported_is_shown(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "half.ksm"
    path.write_text("P mmap 0 1\nP write 0 1 1\n  P migrate-begin 0\n")
    ran = command("export", str(path), "--to", "c")
    assert ran.status == 2
    assert ran.err.splitlines()[0].startswith(f"ksm-rmap: {path}:3:3: not for a C program: ")
    assert ran.err.splitlines()[1:] == ["      P migrate-begin 0", "      ^"]
