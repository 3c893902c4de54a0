"""The sessions of the README and of the manual are what the command prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ksm_rmap.cli import main

ROOT = Path(__file__).parents[2]
SESSION = re.compile(r"```console\n(?P<body>\$ .*?)```", re.DOTALL)


def sessions(name: str) -> list[tuple[str, str]]:
    """Return `(command, output)` of each console block of a file."""
    text = (ROOT / name).read_text(encoding="utf-8")
    blocks = [match["body"].split("\n", 1) for match in SESSION.finditer(text)]
    return [(command.removeprefix("$ "), output) for command, output in blocks]


def test_the_readme_has_a_session() -> None:
    assert sessions("README.md")


@pytest.mark.parametrize(("command", "expected"), sessions("README.md"))
def test_readme(command: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, *arguments = shlex.split(command)
    assert name == "ksm-rmap"
    assert main(arguments) in {0, 1}
    assert capsys.readouterr().out == expected
