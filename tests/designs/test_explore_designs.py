"""`explore` with designs: shortest histories, with a memory beside the state."""

from __future__ import annotations

import json

import pytest

from ksm_rmap.check.explore import explore
from ksm_rmap.check.explore_designs import explore_designs
from ksm_rmap.check.menu import Menu
from ksm_rmap.cli import main
from ksm_rmap.walks import WalkError, designs
from ksm_rmap.walks.designs import DesignWalk

SMALL = Menu(2, 2, 1, 2, ("mmap", "write", "fork", "move"))


def walk(name: str) -> DesignWalk:
    return DesignWalk(designs.get(name))


def test_a_shortest_miss_is_found_and_replays() -> None:
    found = explore_designs([walk("anonmm")], menu=SMALL, depth=4)
    example = found.walks["anonmm"]["truth"]
    assert example is not None
    assert [call.op for call in example.scenario.calls] == ["mmap", "write", "fork", "mremap"]
    assert (found.ended, found.missed, found.depth) == ("answered", True, 3)
    run = designs.DesignRun.begin(designs.get("anonmm"), designs.get("pte_chain").rules)
    for call in example.scenario.calls:
        run = run.apply(call)
    assert run.judge()[0] == (example.folio, example.missed)


def test_figures_are_those_of_the_search() -> None:
    found = explore_designs([walk("pte_chain"), walk("anon_vma_tree")], menu=SMALL, depth=2)
    assert found.walks == {"pte_chain": {"truth": None}, "anon_vma_tree": {"truth": None}}
    assert (found.ended, found.depth, found.missed) == ("depth", 2, False)
    assert found.transitions == sum(found.fired.values())
    assert found.frontier > 0
    assert found.reached == {}
    ksm = Menu(1, 2, 1, 2, ("mmap", "write", "mergeable", "ksmd"))
    merged = explore_designs([walk("pte_chain")], menu=ksm, depth=4)
    assert merged.reached["merged"] > 0
    alone = explore_designs([walk("pte_chain")], menu=SMALL, depth=2)
    assert 0 < alone.states < found.states
    assert [level.depth for level in alone.levels] == [0, 1, 2]
    assert sum(level.states for level in alone.levels) == alone.states
    assert sum(level.transitions for level in alone.levels) == alone.transitions


def test_a_whole_space_can_be_exhausted() -> None:
    menu = Menu(1, 1, 1, 1, ("mmap", "write"))
    found = explore_designs([walk("pte_chain")], menu=menu, depth=6)
    assert (found.ended, found.exhausted, found.frontier, found.states) == ("exhausted", True, 0, 3)
    out_of_time = explore_designs([walk("pte_chain")], menu=SMALL, seconds=0)
    assert out_of_time.ended == "seconds"
    assert out_of_time.frontier > 0


def test_the_explorer_of_walks_refuses_a_design() -> None:
    with pytest.raises(WalkError, match="'anonmm' remembers what happened"):
        explore(["anonmm"], depth=1)


def test_the_command_explores_designs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--walk", "anon_vma_lazy", "--depth", "4", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["walks"]["anon_vma_lazy"]["verdict"] == "none found"
    arguments = ["explore", "--walk", "anonmm", "--pages", "2", "--contents", "1", "--depth", "4"]
    assert main(arguments) == 1
    assert "anonmm misses P page 1 after 4 calls" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--walk", "full"], "designs (anonmm) and walks one after the other"),
        (["--random", "3"], "--random: not for the design 'anonmm'"),
    ],
)
def test_what_is_for_walks_only_is_refused(
    capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert main(["explore", "--walk", "anonmm", *more]) == 2
    assert said in capsys.readouterr().err
