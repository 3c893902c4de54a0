"""The test file that an export writes: it runs as it stands, and fails when a verdict is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ksm_rmap.model.scenario import load
from ksm_rmap.report.export import Job, exported

ROOT = Path(__file__).parents[2]


def run_pytest(folder: Path, text: str) -> str:
    (folder / "test_exported.py").write_text(text)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_exported.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout.splitlines()[-1]


def test_it_runs_as_it_stands(tmp_path: Path) -> None:
    text = exported(Job(load("hugh")), "pytest")
    assert run_pytest(tmp_path, text).startswith("9 passed")


def test_each_wrong_verdict_fails_one_test(tmp_path: Path) -> None:
    text = exported(Job(load("hugh"), None, ("full", "address", "index")), "pytest")
    for right, wrong in (
        ('["P:0", "P:2"]', '["P:0", "P:1"]'),
        ('"address": ([["P:2"]], [2])', '"address": ([[]], [2])'),
        ('"full": ([[]], [8])', '"full": ([[]], [4])'),
    ):
        assert text.count(right) == 1
        text = text.replace(right, wrong)
    assert run_pytest(tmp_path, text).startswith("3 failed, 1 passed")


def test_text_that_needs_escapes(tmp_path: Path) -> None:
    source = tmp_path / 'odd "name" \\.ksm'
    source.write_text('# """ and \\ and \\n\nP mmap 0 1\nP write 0 1 1\n')
    text = exported(Job(load(str(source)), None, ("full",)), "pytest")
    assert run_pytest(tmp_path, text).startswith("2 passed")


def test_equal_arguments_give_equal_text() -> None:
    assert exported(Job(load("hugh")), "pytest") == exported(Job(load("hugh")), "pytest")
