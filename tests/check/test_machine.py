from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis.stateful import rule, run_state_machine_as_test

import ksm_rmap
from ksm_rmap import walks
from ksm_rmap.check import MissedPteError, Scope, machine_for
from ksm_rmap.check.machine import WalkMachine, search_settings
from ksm_rmap.model import ops
from ksm_rmap.model.calls import Call
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.scenario import Scenario
from ksm_rmap.model.validate import InvariantError
from ksm_rmap.walks import WalkError, WalkResult

if TYPE_CHECKING:
    from ksm_rmap.model.state import State


def run(machine: type[WalkMachine], examples: int = 60) -> None:
    settings = search_settings(30, examples)
    run_state_machine_as_test(machine, settings=type(settings)(settings, derandomize=True))


def test_a_walk_that_misses_fails_with_the_shrunk_scenario(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(MissedPteError, match="walk 'vm_pgoff' misses P page") as caught:
        run(machine_for("vm_pgoff"))
    lines = str(caught.value).splitlines()
    scenario = Scenario.parse("\n".join(lines[1 : lines.index("ksmd 2") + 2]))
    assert len(scenario.calls) <= 7
    state = scenario.run(walks.get("vm_pgoff"))
    (folio,) = state.ksm_folios()
    found = set(walks.get("vm_pgoff")(state, folio).ptes)
    assert found < set(walks.get("full")(state, folio).ptes)
    assert capsys.readouterr().out == ""


def test_the_steps_print_as_a_scenario() -> None:
    with pytest.raises(MissedPteError) as caught:
        run(machine_for("address"))
    notes = [line for note in caught.value.__notes__ for line in note.splitlines()]
    first = notes.index("state = AddressMachine()")
    last = notes.index("state.teardown()")
    steps = "\n".join(line for line in notes[first + 1 : last] if line.strip())
    state = Scenario.parse(steps).run(walks.get("address"))
    assert state.ksm_folios()
    assert "state.call(" not in steps


def test_pytest_runs_the_machine_as_it_stands(tmp_path: Path) -> None:
    module = tmp_path / "test_mine.py"
    module.write_text(
        "from ksm_rmap.check import machine_for\n"
        "def narrow(state, folio):\n"
        "    node = state.stable_node(folio)\n"
        "    return list(node.items)[:1] if node else []\n"
        "TestNarrow = machine_for(narrow).TestCase\n"
        "TestFull = machine_for('index', against='full', max_examples=3).TestCase\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(module)]
    environment = {**os.environ, "PYTHONPATH": str(Path(ksm_rmap.__file__).parents[1])}
    done = subprocess.run(  # noqa: S603 - our own pytest
        command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "walk 'narrow' misses" in done.stdout


def test_a_subclass_may_add_rules_of_its_own() -> None:
    class Mine(machine_for("full", scope=Scope(kinds=("mmap",)))):  # type: ignore[misc]
        @rule()
        def write_to_the_first_mapped_page(self) -> None:
            mapped = list(self.state.mms[0].vmas)
            if mapped:
                self.take(Call.of("write", mm=0, start=mapped[0], content=1, pages=1))

    run(Mine, 5)
    assert Mine.reach.steps > 20
    assert Mine.reach.refused == 0


def test_the_machine_looks_at_the_state_itself_first(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = ops.munmap

    def forgets_the_entries(state: State, *, mm: int, start: int, pages: int) -> State:
        ptes = state.mms[mm].ptes
        after = sound(state, mm=mm, start=start, pages=pages)
        owner = after.mms[mm]._replace(ptes=ptes)
        return dataclasses.replace(after, mms=after.mms.with_item(mm, owner))

    monkeypatch.setattr(ops, "munmap", forgets_the_entries)
    with pytest.raises(InvariantError) as caught:
        run(machine_for("full", scope=Scope(kinds=("mmap", "munmap", "write"))))
    scenario = caught.value.__notes__[0].removeprefix("after\n")
    assert "P munmap" in scenario
    assert len(scenario.splitlines()) <= 3


def test_a_walk_that_fails_ends_the_test_with_the_calls() -> None:
    def broken(state: State, folio: int) -> WalkResult:
        raise RuntimeError(f"no idea about {folio} of {len(state.mms)}")

    with pytest.raises(WalkError, match=r"walk 'broken' of folio \d+: RuntimeError: no idea") as e:
        run(machine_for(broken))
    assert "ksmd 2" in e.value.__notes__[0]


def test_rules_by_name_or_as_they_are() -> None:
    assert machine_for("full", rules="6.12").kernel == Rules.preset("6.12")
    assert machine_for("full", rules=Rules(mremap_unmerges=False)).kernel.mremap_unmerges is False
    assert machine_for("full").kernel == Rules()
    with pytest.raises(ValueError, match=r"no rules named '5\.0'"):
        machine_for("full", rules="5.0")
    with pytest.raises(WalkError, match=r"unknown walk 'ful'; did you mean 'full'"):
        machine_for("ful")


def test_without_the_unmerging_of_mremap_the_full_walk_misses_in_one_process() -> None:
    alone = Scope(processes=1, kinds=("mmap", "mergeable", "write", "ksmd", "move"))
    with pytest.raises(MissedPteError):
        run(machine_for("full", rules=Rules.preset("2.6.37"), scope=alone))
    run(machine_for("full", scope=alone))


def test_anon_is_asked_about_ordinary_folios() -> None:
    machine = machine_for("anon", max_examples=20)
    run(machine, 20)
    assert machine.reach.steps > 300
