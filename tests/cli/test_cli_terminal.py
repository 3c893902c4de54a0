"""Progress, interrupts and closed pipes, seen from inside the process."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from ksm_rmap import cli, interval_tree
from ksm_rmap.check import canonical
from ksm_rmap.check.judge import judge as real
from ksm_rmap.cli import _app, _run
from ksm_rmap.cli._terminal import Terminal, collect
from ksm_rmap.model import _sorted_map

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

    Command = Callable[..., Any]


class Screen(io.StringIO):
    """A stderr that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace the clock by a number."""
    seconds = [0.0]
    monkeypatch.setattr("ksm_rmap.cli._terminal.time.monotonic", lambda: seconds[0])
    return seconds


def test_progress_is_shown_on_a_terminal_and_wiped(
    monkeypatch: pytest.MonkeyPatch, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    terminal = Terminal()
    terminal.progress("too early")
    assert screen.getvalue() == ""
    clock[0] = 1.0
    terminal.progress("one" + "x" * 100)
    assert screen.getvalue() == "\rone" + "x" * 76
    terminal.progress("too soon after")
    clock[0] = 2.0
    terminal.progress("two")
    assert screen.getvalue().endswith("\rtwo" + " " * 76)
    terminal.lines(["result"])
    terminal.finish()
    assert screen.getvalue().endswith("\r   \r")
    assert capsys.readouterr().out == "result\n"


def test_no_progress_without_a_terminal(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    clock[0] = 9.0
    terminal.progress("nobody sees it")
    assert capsys.readouterr().err == ""


def test_collect_keeps_what_came_before_the_interrupt() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    assert collect(items()) == ([1], True)
    assert collect([1, 2]) == ([1, 2], False)


def _raise(error: BaseException) -> Callable[..., NoReturn]:
    def run(*_: object) -> NoReturn:
        raise error

    return run


def test_an_interrupt_nobody_handles(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_run, "run", _raise(KeyboardInterrupt()))
    ran = command("run", "hugh")
    assert (ran.status, ran.out, ran.err) == (130, "", "ksm-rmap: interrupted\n")


def test_a_closed_pipe(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    muted: list[bool] = []
    monkeypatch.setattr(_run, "run", _raise(BrokenPipeError()))
    monkeypatch.setattr(Terminal, "mute", lambda _: muted.append(True))
    ran = command("run", "hugh")
    assert (ran.status, ran.out, ran.err, muted) == (141, "", "", [True])


def test_mute_sends_the_rest_nowhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("mute") / "out"
    with path.open("w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        Terminal.mute()
        print("gone", flush=True)  # noqa: T201 - what is tested
    assert path.read_text() == ""


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (interval_tree, "(interval tree: {}, model: Python, explorer: Python)\n"),
        (_sorted_map, "(interval tree: Python, model: {}, explorer: Python)\n"),
        (canonical, "(interval tree: Python, model: Python, explorer: {})\n"),
    ],
)
def test_the_version_tells_the_form_of_each_part(
    command: Command, monkeypatch: pytest.MonkeyPatch, part: ModuleType, text: str
) -> None:
    for compiled in (interval_tree, _sorted_map, canonical):
        monkeypatch.setattr(compiled, "COMPILED", False)
    for form in ("Python", "C"):
        monkeypatch.setattr(part, "COMPILED", form == "C")
        ran = command("--version")
        assert ran.status == 0
        assert ran.out.endswith(text.format(form))


def test_an_exit_without_a_number_is_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_app, "_parser", _raise(SystemExit("why")))
    assert cli.main([]) == 2


def test_main_takes_the_arguments_of_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["ksm-rmap", "walks"])
    assert cli.main() == 0
    assert capsys.readouterr().out.startswith("full ")


def test_an_interrupted_run_tells_which_folios_it_has(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "two.ksm"
    file.write_text("P mmap 0 4\nP madvise 0 4 mergeable\nP write 0 2 7\nP write 2 2 8\nksmd 2\n")
    walked: list[int] = []

    def judge(*arguments: Any) -> Any:  # noqa: ANN401 - as judge
        walked.append(1)
        if len(walked) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    assert len(command("run", str(file), "--json").json["folios"]) == 2
    monkeypatch.setattr(_run, "judge", judge)
    ran = command("run", str(file), "--json")
    assert ran.status == 130
    assert len(ran.json["folios"]) == 1
    assert ran.err == "ksm-rmap: interrupted after 1 folios\n"
