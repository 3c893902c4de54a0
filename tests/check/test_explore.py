"""The explorer: what it leaves out loses nothing, and what it finds is so and is shortest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksm_rmap import walks
from ksm_rmap.check import menu as menu_module
from ksm_rmap.check import oracle
from ksm_rmap.check.canonical import encode
from ksm_rmap.check.explore import explore, wander
from ksm_rmap.check.judged import AGAINST_FULL, PERSISTENT, TRUTH, KernelProblem
from ksm_rmap.check.menu import MIGRATION_KINDS, PLAIN_KINDS, SWAP_KINDS, Menu
from ksm_rmap.check.search import Shard
from ksm_rmap.model import ops
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.scenario import Scenario
from ksm_rmap.model.state import State
from ksm_rmap.walks import WalkError, WalkResult

if TYPE_CHECKING:
    from ksm_rmap.check.exploration import Counterexample, Exploration

FULL = walks.get("full")
NARROW = ("address", "vm_pgoff")

SCOPES = {
    "plain": (Menu(2, 2, 1), 5),
    "contents": (Menu(2, 2, 2), 4),
    "long": (Menu(1, 4, 1), 4),
    "three processes": (Menu(3, 1, 2, 1), 5),
    "swap": (Menu(2, 2, 1, 2, ("mmap", "write", "mergeable", "ksmd", "fork", *SWAP_KINDS)), 5),
    "migration": (Menu(1, 2, 1, 2, (*PLAIN_KINDS, *MIGRATION_KINDS)), 5),
    "steps": (Menu(2, 2, 1, 2, ("mmap", "write", "mergeable", "ksmd_step", "fork")), 5),
    "all forms": (Menu(1, 3, 1, 3, ("mmap", "mmap_file", "write", "move"), all_forms=True), 2),
    "other": (Menu(1, 2, 1, 2, ("mmap", "write", "mprotect", "merge_any", "ksmd", "dontneed")), 5),
}


def reduced(problem: KernelProblem, depth: int) -> list[tuple[set[bytes], set[str]]]:
    """Return for each depth the strings of the new states and the questions they answer."""
    shard = Shard(problem)
    shard.begin(problem.goals)
    levels = []
    width = (problem.sleepers + 7) // 8
    for _ in range(depth + 1):
        level = shard.report()
        states = {entry[: len(entry) - width] for entry in shard.coming.values()}
        levels.append((states, set(level.found)))
        shard.advance(())
        shard.expand(1000.0)
    return levels


def unreduced(problem: KernelProblem, depth: int) -> list[tuple[set[bytes], set[str]]]:
    """Return the same from a search that takes states as they are."""
    seen = level = {State(rules=problem.rules)}
    strings: set[bytes] = set()
    levels = []
    for _ in range(depth + 1):
        new = {encode(state) for state in level} - strings
        strings |= new
        answers = {goal for state in level for goal in problem.reached(state, problem.goals)}
        levels.append((new, answers))
        level = {after for state in level for _, _, after in problem.steps(state)} - seen
        seen = seen | level
    return levels


@pytest.mark.parametrize("name", SCOPES)
def test_nothing_is_lost_by_what_the_strings_leave_out(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    menu, depth = SCOPES[name]
    problem = KernelProblem(menu, Rules(), {n: walks.get(n) for n in walks.ksm_names()})
    fewer = reduced(problem, depth)
    monkeypatch.setattr(menu_module, "known_contents", lambda _: menu.contents)  # every content
    for (few, answers), (many, all_answers) in zip(fewer, unreduced(problem, depth), strict=True):
        assert few == many
        assert answers == all_answers


def replayed(example: Counterexample) -> frozenset[tuple[int, int]]:
    """Return what the walk misses of the folio when the scenario is run from its text."""
    scenario = Scenario.parse(str(example.scenario), name="found")
    state = scenario.run(FULL)
    if example.question == PERSISTENT:
        state = ops.ksmd(state)
    result = walks.get(example.walk)(state, example.folio)
    lost = oracle.missed(state, example.folio, result)
    if example.question == AGAINST_FULL:
        assert lost & set(FULL(state, example.folio).ptes)
    return lost


@pytest.fixture(scope="module")
def found() -> Exploration:
    return explore(menu=Menu(2, 3, 1), depth=5)


def test_every_sequence_replays_from_its_text(found: Exploration) -> None:
    examples = [e for answers in found.walks.values() for e in answers.values() if e]
    assert {example.question for example in examples} == {TRUTH, AGAINST_FULL, PERSISTENT}
    for example in examples:
        assert set(example.missed) & replayed(example), str(example)
        assert example.steps == 5


def test_narrow_walks_miss_what_the_full_walk_finds_after_five_calls(found: Exploration) -> None:
    for name in NARROW:
        answers = found.walks[name]
        assert all(answers[question] is not None for question in (TRUTH, AGAINST_FULL, PERSISTENT))


def test_no_shorter_sequence_makes_any_walk_miss() -> None:
    less = explore(menu=Menu(2, 3, 1), depth=4)
    assert not less.missed
    assert (less.ended, less.depth, less.exhausted) == ("depth", 4, False)


def test_the_full_walk_misses_a_parents_page_when_only_the_child_is_mergeable(
    found: Exploration,
) -> None:
    answers = found.walks["full"]
    assert answers.keys() == {TRUTH, PERSISTENT}
    for example in answers.values():
        assert example is not None
        calls = [call.op for call in example.scenario.calls]
        assert calls == ["mmap", "write", "fork", "madvise", "ksmd"]
        assert {mm for mm, _ in example.missed} == {0}
        assert example.scenario.calls[3].get("mm") == 1


def test_walks_that_ask_as_much_as_full_find_what_it_finds(found: Exploration) -> None:
    for name in ("counted", "index", "avc"):
        assert found.walks[name][AGAINST_FULL] is None
    assert found.walks["index"][TRUTH] is not None


def test_what_was_reached_and_what_fired(found: Exploration) -> None:
    assert found.reached["merged"] > 0
    assert found.reached["moved"] > 0
    assert found.reached["forked"] > 0
    assert found.never_fired == ()
    assert sum(found.fired.values()) == found.transitions
    assert sum(level.states for level in found.levels) == found.states
    alone = explore(["full"], menu=Menu(1, 1, 1), depth=4)
    assert alone.never_fired == ("fork", "exit", "move")


def test_a_small_space_is_exhausted() -> None:
    whole = explore(["index"], menu=Menu(1, 1, 2))
    assert whole.exhausted
    assert whole.frontier == 0
    assert not whole.missed
    deeper = explore(["index"], menu=Menu(1, 1, 2), depth=whole.depth + 5)
    assert deeper.states == whole.states


def test_results_do_not_depend_on_the_number_of_workers(found: Exploration) -> None:
    two = explore(menu=Menu(2, 3, 1), depth=5, workers=2)
    assert (two.states, two.transitions, two.fired) == (
        found.states,
        found.transitions,
        found.fired,
    )
    assert two.reached == found.reached
    for name, answers in two.walks.items():
        for question, example in answers.items():
            other = found.walks[name][question]
            assert (example and example.scenario) == (other and other.scenario)


def blind(state: State, folio: int) -> WalkResult:
    """Find nothing."""
    del state, folio
    return WalkResult()


def test_a_walk_of_ones_own_is_judged_and_ends_the_search() -> None:
    result = explore([blind], menu=Menu(1, 2, 1))
    assert result.ended == "answered"
    example = result.walks["blind"][TRUTH]
    assert example is not None
    assert [call.op for call in example.scenario.calls] == ["mmap", "write", "madvise", "ksmd"]
    assert example.missed == ((0, 0), (0, 1))


def broken(state: State, folio: int) -> WalkResult:
    """Fail."""
    del state, folio
    raise RuntimeError("no idea")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_walk_that_fails_is_an_error_of_one_line(workers: int) -> None:
    with pytest.raises(WalkError, match=r"walk 'broken'.*no idea"):
        explore([broken], menu=Menu(1, 2, 1), workers=workers)


class Moody:
    """Finds an entry the second time only."""

    name = "moody"
    summary = "changes its mind"

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, state: State, folio: int, **_: object) -> WalkResult:
        self.asked += 1
        return FULL(state, folio) if self.asked > 1 else WalkResult()


def test_a_walk_that_changes_its_mind_is_an_error() -> None:
    with pytest.raises(WalkError, match="moody") as caught:
        explore(
            [Moody()], menu=Menu(1, 2, 1, kinds=("mmap", "write", "mergeable", "ksmd")), depth=4
        )
    assert "ksmd" in caught.value.__notes__[0]


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="workers must be at least 1"):
        explore(workers=0)
    with pytest.raises(ValueError, match="sizes must be at least 1"):
        Menu(sizes=0)
    with pytest.raises(ValueError, match="'dance'"):
        Menu(kinds=("dance",))
    with pytest.raises(ValueError, match="256"):
        explore(menu=Menu(1, 260, 1, kinds=("mmap",)), depth=1)
    with pytest.raises(ValueError, match="1999"):
        explore(rules="1999")
    with pytest.raises(WalkError, match="nobody"):
        explore(["nobody"])


def test_the_text_says_what_was_found(found: Exploration) -> None:
    text = str(found)
    assert "address misses, though full finds it, P page" in text
    assert "index: no miss found for: full" in text
    assert f"every sequence of at most 5 calls ({found.states} states" in text
    assert "new states by depth: 1, 6," in text
    assert "the same sequence" in text
    assert "the whole space" in str(explore(["index"], menu=Menu(1, 1, 1)))
    stopped = explore(["index"], menu=Menu(2, 4, 2), seconds=0.3)
    assert "stopped by seconds" in str(stopped)
    assert stopped.rate > 0


def test_json_has_what_the_text_has(found: Exploration) -> None:
    result = found.to_json()
    assert result["walks"]["address"]["verdict"] == "missed"
    assert result["walks"]["address"]["steps"] == 5
    assert result["walks"]["index"]["full"] is None
    assert result["walks"]["full"]["persistent"]["missed"] == [[0, 1]]
    assert (result["depth"], result["exhausted"], result["ended"]) == (5, False, "depth")
    assert [level["states"] for level in result["levels"]][:2] == [1, 6]
    assert result["states"] == found.states
    assert 0 < result["collision"] < 1e-6
    clean = explore(["index"], menu=Menu(1, 1, 1), depth=2).to_json()
    assert clean["walks"]["index"] == {"verdict": "none found", "full": None, "persistent": None}


def test_ordinary_folios_are_judged_for_the_walk_of_ordinary_folios() -> None:
    anon = explore(["anon"], menu=Menu(2, 2, 1), depth=3)
    assert not anon.missed
    shown = explore([Ordinary()], menu=Menu(1, 1, 1), depth=2)
    example = shown.walks["anon"][TRUTH]
    assert example is not None
    assert [call.op for call in example.scenario.calls] == ["mmap", "write"]


class Ordinary:
    """Stands for the walk of ordinary folios, and finds nothing."""

    name = "anon"
    summary = "finds nothing"

    def __call__(self, state: State, folio: int, **_: object) -> WalkResult:
        del state, folio
        return WalkResult()


def test_random_walks_find_minimal_sequences_that_replay() -> None:
    result = wander(["full", "address"], menu=Menu(2, 4, 1), number=150, seed=3)
    examples = [e for answers in result.walks.values() for e in answers.values() if e]
    assert len(examples) == 5
    for example in examples:
        assert set(example.missed) & replayed(example), str(example)
        assert 5 <= example.steps <= 9
    assert result.missed
    assert str(result).splitlines()[-1].startswith("150 random walks of ")
    assert result.to_json()["walks"]["full"]["verdict"] == "missed"
    two = wander(["full", "address"], menu=Menu(2, 4, 1), number=150, seed=3, workers=2)
    assert {n: list(map(str, a.values())) for n, a in two.walks.items()} == {
        n: list(map(str, a.values())) for n, a in result.walks.items()
    }
    assert two.steps == result.steps


def test_random_walks_end_in_time_or_where_nothing_is_enabled() -> None:
    assert wander(["full"], number=10**9, seconds=0.2).number < 10**9
    stuck = wander(["full"], menu=Menu(1, 1, 1, kinds=("munmap",)), number=30)
    assert (stuck.steps, stuck.missed) == (0, False)
    assert str(stuck).startswith("full: no miss found for: truth, persistent")
