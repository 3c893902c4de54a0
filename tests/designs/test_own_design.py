"""A design of the user's own, and what happens when one fails."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ksm_rmap.check import check_walk
from ksm_rmap.cli import main
from ksm_rmap.model import ops
from ksm_rmap.model.events import recording
from ksm_rmap.model.state import State
from ksm_rmap.walks import WalkError, get
from ksm_rmap.walks.designs import DesignWalk
from ksm_rmap.walks.designs import get as get_design

OWN = Path(__file__).with_name("own_design.py")
ROOT = Path(__file__).parents[2]

BROKEN = """
from ksm_rmap.walks.designs import Design

class Base(Design):
    summary = "a broken design"
    def start(self):
        return 0
    def handle(self, side, event, state):
        return side
    def walk(self, side, state, folio):
        return []

class Deaf(Base):
    def handle(self, side, event, state):
        raise RuntimeError("no")

class Blind(Base):
    def walk(self, side, state, folio):
        return 42

class Shy(Base):
    def __init__(self, needed):
        pass
"""


def test_it_is_thirty_lines_long() -> None:
    code = OWN.read_text().splitlines()
    assert len([line for line in code if line.strip()]) <= 30


@pytest.mark.parametrize("page", ["README.md", "docs/designs.md"])
def test_the_docs_show_it_as_it_is(page: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert OWN.read_text() in blocks


def test_it_can_be_checked_run_and_priced(capsys: pytest.CaptureFixture[str]) -> None:
    name = f"{OWN}:Places"
    walk = get(name)
    assert isinstance(walk, DesignWalk)
    assert walk.name == name
    verdict = check_walk(walk, seconds=2, seed=1, max_examples=20)
    assert verdict.verdict == "none found"
    assert main(["run", "hugh", "--walk", name, "--ordinary"]) == 0
    assert main(["compare", "--layout", "levels", "--walk", name]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^places +", printed, re.MULTILINE)


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        ("Deaf", "design '.*' at VmaAdded.*: RuntimeError: no"),
        ("Blind", "walk '.*Blind' of folio 1: TypeError: "),
    ],
)
def test_a_design_that_fails_is_told_in_one_line(tmp_path: Path, cls: str, said: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(BROKEN)
    walk = get(f"{file}:{cls}")
    state = ops.mmap(recording(State()), mm=0, start=0, pages=1)
    state = ops.write(state, mm=0, start=0, content=1)
    with pytest.raises(WalkError, match=said) as error:
        walk(state, 1)
    assert "\n" not in str(error.value)


def test_a_class_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(BROKEN)
    with pytest.raises(WalkError, match=r"TypeError: .*needed"):
        get(f"{file}:Shy")


def test_a_walk_needs_a_state_that_records() -> None:
    state = ops.mmap(State(), mm=0, start=0, pages=1)
    state = ops.write(state, mm=0, start=0, content=1)
    with pytest.raises(WalkError, match="'pte_chain' needs the history of the state"):
        get("pte_chain")(state, 1)
    with pytest.raises(WalkError, match="there is no such folio"):
        get("pte_chain")(recording(State()), 7)


def test_an_unknown_design_gets_a_proposal() -> None:
    with pytest.raises(WalkError, match="did you mean 'anonmm'"):
        get_design("anonm")
    with pytest.raises(WalkError, match="did you mean 'cow_context'"):
        get("cow_contxt")
