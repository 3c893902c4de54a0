"""The command as a process: its entry, its start, Ctrl-C, a closed pipe, walks that never end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import ksm_rmap
from ksm_rmap import interval_tree
from ksm_rmap.check import canonical
from ksm_rmap.model import _sorted_map

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-m", "ksm_rmap"]
ENDLESS = """
import sys

def walk(state, folio):
    print("walking", file=sys.stderr, flush=True)
    while True:
        pass
"""
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def _run(*argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        [*COMMAND, *argv], capture_output=True, text=True, check=False, input=stdin,
        env=ENVIRONMENT, timeout=60,
    )  # fmt: skip


def _listen_to_ctrl_c() -> None:
    """Undo what a shell does to jobs in the background: a child inherits an ignored SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _start(*argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own command
        [*COMMAND, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=ENVIRONMENT, preexec_fn=_listen_to_ctrl_c,  # noqa: PLW1509 - one thread here
    )  # fmt: skip


def test_version_tells_which_forms_run() -> None:
    ran = _run("--version")
    tree, model, explorer = (
        "C" if part.COMPILED else "Python" for part in (interval_tree, _sorted_map, canonical)
    )
    forms = f"interval tree: {tree}, model: {model}, explorer: {explorer}"
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == f"ksm_rmap {ksm_rmap.__version__} ({forms})\n"


def test_help_names_every_command() -> None:
    ran = _run("--help")
    assert ran.returncode == 0
    for command in ("walks", "run", "check", "explore", "replay"):
        assert f"    {command} " in ran.stdout
    assert "130" in ran.stdout


def test_a_scenario_from_standard_input() -> None:
    ran = _run("run", "-", "--json", stdin="P mmap 0 1\n")
    assert (ran.returncode, '"scenario": "-"' in ran.stdout) == (0, True)
    broken = _run("run", "-", stdin="P mmap\n")
    assert broken.returncode == 2
    assert broken.stderr.startswith("ksm-rmap: -:1:7: expected START")


def test_running_a_scenario_does_not_load_hypothesis() -> None:
    code = (
        "import sys; from ksm_rmap.cli import main; main(['run', 'hugh']); "
        "sys.exit('hypothesis' in sys.modules)"
    )
    ran = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], env=ENVIRONMENT, check=False, capture_output=True, timeout=60
    )
    assert ran.returncode == 0


def test_a_reader_that_went_away() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ran = subprocess.run(  # noqa: S603 - our own command
            [*COMMAND, "run", "hugh", "--steps"], stdout=writer, stderr=subprocess.PIPE,
            env=ENVIRONMENT, check=False, timeout=60,
        )  # fmt: skip
    finally:
        os.close(writer)
    assert (ran.returncode, ran.stderr) == (141, b"")


def test_ctrl_c_in_a_walk_that_never_ends(tmp_path: Path) -> None:
    file = tmp_path / "endless.py"
    file.write_text(ENDLESS)
    process = _start("run", "hugh", "--walk", f"{file}:walk")
    assert process.stderr is not None
    assert process.stderr.readline() == "walking\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == "hugh: 5 calls, rules 7.0\n"
    assert err == "ksm-rmap: interrupted after 0 folios\n"


def test_ctrl_c_while_the_calls_are_made(tmp_path: Path) -> None:
    file = tmp_path / "long.ksm"
    file.write_text("P mmap 0 100000\nfor i in 0..100000: P write i 1 i\n")
    process = _start("run", str(file), "--steps")
    assert process.stdout is not None
    assert process.stdout.readline() == "--- 1: P mmap 0 100000\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == "ksm-rmap: interrupted\n"


def test_seconds_hold_for_a_walk_that_never_ends(tmp_path: Path) -> None:
    file = tmp_path / "endless.py"
    file.write_text(ENDLESS.replace('    print("walking", file=sys.stderr, flush=True)\n', ""))
    begun = time.monotonic()
    ran = _run("check", "--walk", f"{file}:walk", "--seconds", "2", "--seed", "3")
    assert time.monotonic() - begun < 20
    assert "Traceback" not in ran.stderr
    assert ran.returncode in (0, 2)  # 0: the search met no KSM page in its two seconds
    if ran.returncode == 2:
        assert "did not return" in ran.stderr
