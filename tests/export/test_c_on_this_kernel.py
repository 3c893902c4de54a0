"""The C program on the running kernel, as root; skipped with the program's own reason elsewhere."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from ksm_rmap.model.scenario import bundled, load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Build = Callable[..., Path]
    Run = Callable[..., subprocess.CompletedProcess[str]]

MAY_NOT_RUN = 77
FROM_THE_PAST = ("move-poisoning", "swap-stuck")
"""Scenarios of kernels or walks that no machine has today."""
SWAPPING = ("swap-move", "swap-stuck")
BOTH_MERGEABLE = """\
P mmap 0 2
P write 0 2 0x77
P fork C
P madvise 0 2 mergeable
C madvise 0 2 mergeable
ksmd 2
"""
NOT_MOVED = """\
P mmap 0 2
P write 0 2 0x77
P fork C
P madvise 0 2 mergeable
ksmd 2
"""


@pytest.mark.parametrize(
    "name", [n for n in bundled() if n not in (*FROM_THE_PAST, *SWAPPING, "zte-20000")]
)
def test_the_kernel_agrees(name: str, c_program: Build, on_kernel: Run) -> None:
    ran = on_kernel(c_program(name))
    assert "the kernel agrees with the model" in ran.stdout
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize(
    "source",
    ["child-mergeable", BOTH_MERGEABLE, "child-moved", NOT_MOVED, "hugh", "swap-move"],
    ids=["child-mergeable", "its control", "child-moved", "its control too", "hugh", "swap-move"],
)
def test_what_reclaim_leaves_is_what_the_full_walk_misses(
    source: str, c_program: Build, on_kernel: Run, tmp_path: Path
) -> None:
    program = c_program(source, "full", "address")
    ran = on_kernel(program, "--reclaim", "--swap", str(tmp_path / "swap"))
    assert "as with the walk full: yes" in ran.stdout
    assert ran.returncode == 0
    if source == "hugh":
        assert "as with the walk address: no" in ran.stdout


def test_every_operation(everything: str, c_program: Build, on_kernel: Run, tmp_path: Path) -> None:
    ran = on_kernel(c_program(everything, "full"), "--swap", str(tmp_path / "swap"), "--reclaim")
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout


def test_a_kernel_of_today_does_not_poison(c_program: Build, on_kernel: Run) -> None:
    ran = on_kernel(c_program("move-poisoning"))
    assert ran.returncode == 1
    rows = [row for row in ran.stdout.splitlines() if row.endswith("<-- differs")]
    assert len(rows) == 2
    assert "the kernel does NOT agree" in ran.stdout


def test_an_errno_that_does_not_come(c_program: Build, on_kernel: Run) -> None:
    source = "P mmap 0 2\nP munmap 1 1\nexpect EFAULT: P mremap 0 1 to 4\n"
    with pytest.raises(Exception, match="did not fail"):
        c_program(source)
    source = "rules 6.12\nP mmap 0 2\nP mprotect 1 1 r\nexpect EFAULT: P mremap 0 2 to 4\n"
    if tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) < (6, 17):
        pytest.skip("this kernel moves one VMA at a time, as the scenario expects")
    ran = on_kernel(c_program(source))
    assert ran.returncode == 1
    assert "Success, the model expects Bad address" in ran.stdout


def test_pages_without_access_rights(c_program: Build, on_kernel: Run) -> None:
    ran = on_kernel(c_program("P mmap 0 1\nP write 0 1 9\nP mprotect 0 1 -\n"), "--steps")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.count('"tok":9') == 3
    assert ran.stdout.count('"tok":0') == 1


def test_steps_are_shown(c_program: Build, on_kernel: Run) -> None:
    ran = on_kernel(c_program("P mmap 0 1\nP write 0 1 9\nP read 0 1\n"), "--steps")
    assert ran.stdout.count('{"p":0,"k":"anon","f":"f0","mc":1,"tok":9}') == 4


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_does_not_leave_knobs_behind(
    name: signal.Signals, c_program: Build, on_kernel: Run
) -> None:
    on_kernel(c_program("P mmap 0 1\nP read 0 1\n"))  # skips where it may not run
    program = c_program("P mmap 0 1\nP fork C\nksmd 100000\n")
    with subprocess.Popen(  # noqa: S603 - what we have just compiled
        [program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        while b"ksmd" not in running.stdout.readline():
            pass
        time.sleep(0.05)
        running.send_signal(name)
        assert running.wait(10) == 2
        assert b"failed: " in running.stderr.read()


def test_only_root(c_program: Build) -> None:
    if os.geteuid():
        pytest.skip("this is how everybody else sees it")
    program = c_program("P mmap 0 1\nP read 0 1\n")
    for folder in (program.parent, *program.parents[1:3]):
        folder.chmod(0o755)
    ran = subprocess.run(  # noqa: S603 - what we have just compiled
        [program], capture_output=True, text=True, check=False, user=65534
    )
    assert ran.returncode == MAY_NOT_RUN
    assert ran.stderr.startswith("cannot run here: only root")


def test_wrong_usage(c_program: Build) -> None:
    program = c_program("P mmap 0 1\nP read 0 1\n")
    ran = subprocess.run(  # noqa: S603 - what we have just compiled
        [program, "--help"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert ran.stderr == f"usage: {program} [--steps] [--reclaim] [--swap FILE]\n"


def test_titles_come_from_the_scenario(c_program: Build) -> None:
    text = c_program("hugh").with_suffix(".c").read_text()
    assert text.startswith(f"/*\n * {load('hugh').title}\n")
