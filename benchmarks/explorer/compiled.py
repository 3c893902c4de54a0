"""The small model and the engine as machine code, made by mypyc when asked for.

The sources are those of `small_model` and `ksm_rmap.check.search`, under other names in a folder
of their own, so that nothing else meets the compiled form. mypy and a C compiler must be there.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ksm_rmap.check.search import Problem, Shard

ROOT = Path(__file__).parents[2]
SOURCES = {
    "fast_small_model": ROOT / "benchmarks/explorer/small_model.py",
    "fast_search": ROOT / "ksm_rmap/check/search.py",
}


class Compiled(NamedTuple):
    """What was compiled."""

    problem: type[Problem]
    shard: type[Shard]


def cache() -> Path:
    """Return the folder for what is compiled from the sources as they are now."""
    digest = hashlib.sha256(sys.version.encode())
    for source in SOURCES.values():
        digest.update(source.read_bytes())
    above = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return above / "ksm_rmap" / digest.hexdigest()[:16]


def build(folder: Path) -> None:
    """Compile the sources in a folder.

    Raises:
        RuntimeError: There is no mypyc or no compiler, or it refuses the sources.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in SOURCES.items():
        (folder / f"{name}.py").write_bytes(source.read_bytes())
    # The folder has no settings of ours for mypy or setuptools, which mypyc would obey.
    done = subprocess.run(  # noqa: S603 - this interpreter, our own sources
        [
            sys.executable,
            *("-m", "mypyc", "--explicit-package-bases", "--follow-imports=silent"),
            *(f"{name}.py" for name in SOURCES),
        ],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"mypyc: {(done.stdout + done.stderr)[-2000:]}")


def load() -> Compiled:
    """Return the compiled form, which is made first unless it is there."""
    folder = cache()
    if len(list(folder.glob("fast_*.so"))) < len(SOURCES):
        build(folder)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    model, engine = (importlib.import_module(name) for name in SOURCES)
    return Compiled(model.SmallProblem, engine.Shard)
