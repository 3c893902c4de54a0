"""Compiling and running exported C programs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksm_rmap.model.scenario import Scenario, load
from ksm_rmap.report.export import Job, exported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KSM = Path("/sys/kernel/mm/ksm")
KNOBS = (
    "run", "advisor_mode", "pages_to_scan", "sleep_millisecs", "smart_scan", "use_zero_pages",
    "merge_across_nodes", "max_page_sharing",
)  # fmt: skip
MAY_NOT_RUN = 77
STRICT = ("-Wall", "-Wextra", "-Werror")

EVERYTHING = r"""# a /* comment */ with ??/ everything \
a-b mmap 010 (2+1)*2 rwx
a-b mmap 30 2 rw file data.txt 3
a-b write 010 2 0xffffffffffffffff
a-b write 15 1 18446744073709551615
a-b fork a_b
expect EFAULT: a-b read 40 1
expect EFAULT: a_b write 40 1 7
expect ENOMEM: a-b mprotect 14 4 r
expect EINVAL: a-b mremap 10 1 to 10
expect EINVAL: max-page-sharing 1
for int in 0..2: for j in 1..3: a_b read 10+int*1+(j-1) 1
ksmd step
a_b prctl merge-any on
a-b madvise 10 6 mergeable
a-b mremap 15 1 resize 2
a-b mremap 11 1 to 20 dontunmap
max-page-sharing 4
ksmd 2
a-b hold 10
a-b release 10
a-b madvise 10 1 dontneed
a-b madvise 11 1 dontfork
a-b mprotect 12 1 -
a-b munmap 13 1
a-b fork third
unmerge
a-b exit
ksmd 2
reclaim
a_b prctl merge-any off
"""


def knobs() -> dict[str, str]:
    return {name: (KSM / name).read_text() for name in KNOBS if (KSM / name).exists()}


def programs() -> list[str]:
    """Return the command lines of all processes."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                found.append((process / "cmdline").read_text())
            except OSError:
                continue
    return found


@pytest.fixture(scope="session")
def everything() -> str:
    """Return a scenario with every operation that a C program can make."""
    return EVERYTHING


@pytest.fixture(scope="session")
def gcc() -> str:
    found = shutil.which("gcc")
    if found is None:
        pytest.skip("no gcc")
    return found


@pytest.fixture(scope="session")
def c_program(gcc: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that exports a scenario, by name or text, and compiles it, once."""
    built: dict[tuple[object, ...], Path] = {}

    def build(source: str, *walks: str, options: tuple[str, ...] = ()) -> Path:
        key = source, walks, options
        if key not in built:
            scenario = Scenario.parse(source, name="test") if "\n" in source else load(source)
            text = exported(Job(scenario, None, walks), "c")
            built[key] = compile_c(gcc, text, tmp_path_factory.mktemp("export"), options)
        return built[key]

    return build


def compile_c(gcc: str, text: str, folder: Path, options: tuple[str, ...]) -> Path:
    program = folder / "reproducer"
    program.with_suffix(".c").write_text(text)
    compiled = subprocess.run(  # noqa: S603 - the compiler, over our own text
        [gcc, *STRICT, *options, "-o", str(program), f"{program}.c"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert compiled.returncode == 0, compiled.stderr
    return program


@pytest.fixture
def on_kernel(tmp_path: Path) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Return a function that runs a program on this kernel, or skips with its own reason.

    Whatever it does, knobs, processes, swap and cgroups must be as they were.
    """

    def run(program: Path, *options: str) -> subprocess.CompletedProcess[str]:
        ran = subprocess.run(  # noqa: S603 - what we have just compiled
            [str(program), *options], capture_output=True, text=True, timeout=60, check=False
        )
        if ran.returncode == MAY_NOT_RUN:
            pytest.skip(ran.stderr.strip())
        return ran

    before = knobs()
    yield run
    assert knobs() == before
    assert not [line for line in programs() if "/export" in line and "/reproducer\0" in line]
    assert str(tmp_path) not in Path("/proc/swaps").read_text()
    assert not list(Path("/sys/fs/cgroup").glob("**/ksm-rmap-*"))
