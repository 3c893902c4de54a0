"""Planted bugs: both forms with one text of their source changed."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import shutil
import subprocess
import sys
import sysconfig
import types
from pathlib import Path
from typing import Any

import pytest

HERE = Path(importlib.import_module("ksm_rmap.interval_tree").__file__ or "").parent

#: File, right text, wrong text.
Bug = tuple[str, str, str]
NONE: Bug = ("", "", "")


def mutated(source: str, right: str, wrong: str) -> str:
    assert source.count(right) == 1, f"the text to change is there once: {right!r}"
    return source.replace(right, wrong)


def load_pure(bug: Bug) -> Any:  # noqa: ANN401 - a class
    """Execute the two modules of the pure form with one text changed."""
    modules: dict[str, types.ModuleType] = {}
    for name in ("_pages.py", "_pure.py"):
        source = (HERE / name).read_text()
        if name == bug[0]:
            source = mutated(source, *bug[1:])
        module = types.ModuleType(f"mutated{name[:-3]}")
        module.__dict__["_pages"] = modules.get("_pages.py")
        source = source.replace("from ksm_rmap.interval_tree import _pages", "")
        exec(compile(source, name, "exec"), module.__dict__)  # noqa: S102 - our own source
        modules[name] = module
    return modules["_pure.py"].IntervalTree


def compile_with(bug: Bug, where: Path) -> Path:
    """Compile the C form with one text changed."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    include = sysconfig.get_path("include")
    if not compiler or not (Path(include) / "Python.h").exists():
        pytest.skip("no C compiler or no Python.h")
    for path in [*HERE.glob("*.h"), HERE / "_core.c"]:
        source = path.read_text()
        if path.name == bug[0]:
            source = mutated(source, *bug[1:])
        (where / path.name).write_text(source)
    library = where / "_core.so"
    flags = ["-O0", "-w", "-fPIC", "-shared", f"-I{include}"]
    command = [compiler, *flags, str(where / "_core.c"), "-o", str(library)]
    subprocess.run(command, check=True)  # noqa: S603 - the compiler of this machine
    return library


def load_library(library: str) -> Any:  # noqa: ANN401 - a module
    """Load a compiled library; for a process that may crash."""
    loader = importlib.machinery.ExtensionFileLoader("mutated._core", library)
    spec = importlib.util.spec_from_loader("mutated._core", loader)
    assert spec is not None
    core = importlib.util.module_from_spec(spec)
    loader.exec_module(core)
    return core


def assert_found(script: str, name: str, bug: Bug, where: Path) -> None:
    """Run ``run_library`` of a test file over the compiled bug; only "no bug" may survive."""
    library = compile_with(bug, where)
    code = f"import runpy; runpy.run_path({script!r})['run_library']({str(library)!r})"
    # A process of its own: a wrong pointer in C may end it.
    ended = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", code], cwd=HERE.parents[1], capture_output=True, check=False
    )
    assert (ended.returncode == 0) == (name == "no bug"), ended.stderr.decode()
