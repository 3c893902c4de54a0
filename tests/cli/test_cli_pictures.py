"""`run --steps --walk`, `export --to html|svg`, `--html` of check and explore."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from ksm_rmap.cli._page import write_page
from ksm_rmap.cli._terminal import Terminal, UsageError
from ksm_rmap.model.scenario import Scenario, load
from ksm_rmap.report import html, svg_file
from ksm_rmap.report.export import Job

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Command = Callable[..., Any]


def _chapters(file: Path) -> list[dict[str, Any]]:
    found = re.search(r'id="data">(.*?)</script>', file.read_text("utf-8"), re.DOTALL)
    assert found is not None
    chapters: list[dict[str, Any]] = json.loads(found[1])["chapters"]
    return chapters


def test_steps_with_a_walk_show_its_way(command: Command) -> None:
    ran = command("run", "hugh", "--steps", "--walk", "address")
    assert ran.status == 1
    assert "  pass 0, item P:2: search [2,2] in anon_vma 0" in ran.lines
    assert any(line.startswith("  MISSED: P:2 is at index 1") for line in ran.lines)
    assert max(map(len, ran.lines)) <= 100
    assert "\x1b" not in ran.out


def test_steps_without_a_walk_show_a_line(command: Command) -> None:
    ran = command("run", "hugh", "--steps")
    assert "address misses P:2" in ran.out
    assert "search [2,2]" not in ran.out


def test_colour_on_a_terminal(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = command("run", "hugh", "--steps", "--walk", "address").out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = command("run", "hugh", "--steps", "--walk", "address").out
    assert "\x1b[1;31m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    monkeypatch.setenv("NO_COLOR", "1")
    assert command("run", "hugh", "--steps", "--walk", "address").out == plain


@pytest.mark.parametrize(("form", "module"), [("html", html), ("svg", svg_file)])
def test_export(command: Command, tmp_path: Path, form: str, module: Any) -> None:  # noqa: ANN401 - a module
    file = tmp_path / f"hugh.{form}"
    ran = command("export", "hugh", "--to", form, "-o", str(file))
    assert (ran.status, ran.out) == (0, "")
    assert file.read_text("utf-8") == module.export(Job(load("hugh")))
    printed = command("export", "hugh", "--to", form, "--walk", "index")
    assert printed.out == module.export(Job(load("hugh"), walks=("index",)))


def test_check_writes_its_counterexample(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "found.html"
    ran = command(
        "check",
        "--walk",
        "vm_pgoff",
        "--seconds",
        "20",
        "--seed",
        "1",
        "--html",
        str(file),
        "--json",
    )
    assert ran.status == 1
    verdict = ran.json["walks"]["vm_pgoff"]
    (chapter,) = _chapters(file)
    assert chapter["scenario"] == verdict["scenario"]
    assert chapter["open"]["walks"][0] == "vm_pgoff"
    assert "vm_pgoff" in chapter["steps"][-1]["misses"]


def test_explore_writes_what_it_found(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "found.html"
    options = ("--walk", "vm_pgoff", "--walk", "index", "--depth", "6", "--seconds", "60")
    scope = ("--mms", "1", "--pages", "2", "--contents", "1")
    ran = command("explore", *options, *scope, "--html", str(file), "--json")
    assert ran.status == 1
    found = ran.json["walks"]["vm_pgoff"]["scenario"]
    assert [chapter["scenario"] for chapter in _chapters(file)] == [found]


def test_without_a_counterexample_nothing_is_written(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "found.html"
    ran = command("explore", "--walk", "index", "--depth", "1", "--html", str(file))
    assert ran.status == 0
    assert not file.exists()
    assert ran.err == f"ksm-rmap: --html {file}: not written, there is no counterexample to show\n"


def test_a_folder_that_is_not_there_is_said_before_the_search(command: Command) -> None:
    for name in ("check", "explore"):
        ran = command(name, "--walk", "index", "--html", "/nowhere/at/all/x.html")
        assert (ran.status, ran.out) == (2, "")
        folder = "/nowhere/at/all"
        assert ran.err == f"ksm-rmap: --html {folder}/x.html: there is no folder {folder}\n"


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    found = [("address", Scenario.parse("P mmap 0 1"))]
    with pytest.raises(UsageError, match="Is a directory"):
        write_page(Terminal(), str(tmp_path), found, None)
