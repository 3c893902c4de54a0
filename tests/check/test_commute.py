"""Calls that commute: every pair in every state of small scopes, and no state lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksm_rmap import walks
from ksm_rmap.check import commute
from ksm_rmap.check.alphabet import Alphabet, Label
from ksm_rmap.check.canonical import encode
from ksm_rmap.check.commute import Choices
from ksm_rmap.check.judged import KernelProblem
from ksm_rmap.check.menu import MIGRATION_KINDS, PLAIN_KINDS, SWAP_KINDS, Menu
from ksm_rmap.check.restore import decode
from ksm_rmap.model.errors import MmError
from ksm_rmap.model.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ksm_rmap.check.commute import Choice
    from ksm_rmap.model.calls import Call
    from ksm_rmap.model.state import State

new_layout = Choices._new_layout
FULL = walks.get("full")

SCOPES = {
    "long": (Menu(2, 3, 1, 3), 4),
    "contents": (Menu(2, 2, 2), 4),
    "three processes": (Menu(3, 2, 1), 4),
    "all forms": (Menu(1, 4, 1, 4, all_forms=True), 3),
    "swap": (Menu(2, 2, 1, 2, (*PLAIN_KINDS, *SWAP_KINDS, "ksmd_step", "read")), 4),
    "held": (Menu(2, 2, 1, 2, (*PLAIN_KINDS, *MIGRATION_KINDS, "hold", "release")), 4),
    "other": (Menu(2, 2, 1, 2, (*PLAIN_KINDS, "mmap_file", "mprotect", "merge_any")), 3),
    "slots": (Menu(2, 2, 1, 2, ("mmap", "write", "swap_out", "fork", "munmap")), 5),
    "merge any": (Menu(2, 2, 1, 1, ("mmap", "fork", "merge_any", "ksmd")), 5),
}


def problem_of(name: str, rules: Rules | None = None) -> tuple[KernelProblem, int]:
    menu, depth = SCOPES[name]
    return KernelProblem(menu, rules or Rules(), {}), depth


def states(problem: KernelProblem, depth: int) -> Iterator[State]:
    """Yield each state within `depth` calls, found without any call asleep."""
    for level in levels(problem, depth, asleep=False):
        for string in sorted(level):
            yield decode(string, problem.rules)


def levels(problem: KernelProblem, depth: int, *, asleep: bool = True) -> list[set[bytes]]:
    """Return the new states of each depth; with `asleep` calls that sleep are left out."""
    frontier = {problem.initial(): 0}
    seen = set(frontier)
    found = [set(frontier)]
    for _ in range(depth):
        coming: dict[bytes, int] = {}
        for state, sleepers in frontier.items():
            for _, after, more in problem.successors(state, sleepers if asleep else 0):
                if after not in seen or after in coming:
                    coming[after] = coming.get(after, 0) | more
            seen.update(coming)
        found.append(set(coming))
        frontier = coming
    return found


def after(state: State, *calls: Call) -> bytes | str:
    """Return the string of the state after some calls, or the error of one that is refused."""
    try:
        for call in calls:
            state = call.apply(state, FULL)
    except MmError as error:
        return str(error)
    return encode(state)


def sleeping(choices: list[Choice], enabled: int) -> Iterator[tuple[Choice, Choice]]:
    """Yield each call with each that it puts to sleep."""
    for choice in choices:
        for other in choices:
            if other.bit & choice.sleepers & enabled:
                yield choice, other


def clashes(problem: KernelProblem, depth: int) -> tuple[list[tuple[State, Call, Call]], int]:
    """Return the pairs that were said to commute and do not, and how many were tried."""
    wrong = []
    tried = 0
    for state in states(problem, depth):
        for one, other in sleeping(*problem.choices.of(state)):
            tried += 1
            if after(state, one.call, other.call) != after(state, other.call, one.call):
                wrong.append((state, one.call, other.call))
    return wrong, tried


@pytest.mark.parametrize("name", SCOPES)
def test_what_is_said_to_commute_commutes(name: str) -> None:
    problem, depth = problem_of(name)
    wrong, tried = clashes(problem, depth - 1)
    assert not wrong, f"{wrong[0][1:]} in\n{wrong[0][0]}"
    assert tried > 10


@pytest.mark.parametrize("name", SCOPES)
def test_no_state_is_lost_nor_met_later(name: str) -> None:
    problem, depth = problem_of(name)
    assert levels(problem, depth) == levels(problem, depth, asleep=False)


@pytest.mark.parametrize("kernel", ["2.6.37", "6.12", "mm-2026-08"])
def test_under_other_rules_as_well(kernel: str) -> None:
    problem, depth = problem_of("long", Rules.preset(kernel))
    assert clashes(problem, depth - 1)[0] == []
    assert levels(problem, depth) == levels(problem, depth, asleep=False)


@pytest.mark.parametrize("name", SCOPES)
def test_the_choices_are_the_menu(name: str) -> None:
    problem, depth = problem_of(name)
    for state in states(problem, depth - 1):
        assert not listed(problem, state)
        choices, enabled = problem.choices.of(state)
        bits = [choice.bit for choice in choices if choice.bit and enabled]
        assert sum(bits) == enabled  # each call has a bit of its own
        assert len(set(bits)) == len(bits)


def listed(problem: KernelProblem, state: State) -> set[tuple[str, Call]]:
    """Return the calls that are in the menu or among the choices only."""
    choices, _ = problem.choices.of(state)
    return {choice[:2] for choice in choices} ^ set(problem.menu.calls(state))


def test_calls_are_left_out() -> None:
    problem, depth = problem_of("long")
    steps = {False: 0, True: 0}
    for asleep in steps:
        frontier = {problem.initial(): 0}
        for _ in range(depth):
            coming: dict[bytes, int] = {}
            for state, sleepers in frontier.items():
                for _, new, more in problem.successors(state, sleepers if asleep else 0):
                    steps[asleep] += 1
                    coming[new] = coming.get(new, 0) | more
            frontier = coming
    assert steps[True] < steps[False]


def bare_cut(start: int, end: int, _: object) -> int:
    return commute._span(start, end, commute._BOTH)


def bare_joined(start: int, end: int, _: object) -> commute._Touched:
    return commute._Touched(0, commute._span(start, end, commute._VMA))


def every_bit(self: Alphabet, _: Label) -> int:
    return (1 << self.size) - 1


def never_entered(self: Choices, number: int, state: State) -> commute._Layout:
    return new_layout(self, number, state)._replace(enter=0)


def both_write(self: commute._Known, other: commute._Known) -> bool:
    return self.kind == other.kind == "write"


def without(clause: str) -> Callable[[State], bool]:
    """Return `_quiet` without one of its clauses."""

    def planted(state: State) -> bool:
        loud = {
            "slots": bool(state.slots),
            "merge_any": any(mm.merge_any for mm in state.mms.values()),
            "migrating": any(folio.migrating for folio in state.folios.values()),
        }
        return not any(holds for name, holds in loud.items() if name != clause)

    return planted


PLANTED: dict[str, tuple[str, object, str, object]] = {
    "a split keeps the order of links": ("long", commute, "_cut", bare_cut),
    "neighbours do not merge": ("long", commute, "_joined", bare_joined),
    "a fault is about one page": ("long", commute, "_lenders", lambda _: 0),
    "entries are not touched": ("contents", commute, "_ENTRY", 0),
    "ksmd's list has no order": ("contents", Choices, "_new_layout", never_entered),
    "swap changes nothing": ("slots", commute, "_quiet", without("slots")),
    "migration changes nothing": ("held", commute, "_quiet", without("migrating")),
    "new memory is never mergeable": ("merge any", commute, "_quiet", without("merge_any")),
    "contents do not matter": ("contents", commute._Known, "writes_as", both_write),
    "both orders sleep": ("long", Alphabet, "before", every_bit),
    "names stay": ("contents", Alphabet, "renamed", lambda _, calls, *__: calls),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_planted_bugs_are_found(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scope, owner, name, planted = PLANTED[bug]
    monkeypatch.setattr(owner, name, planted)
    problem, depth = problem_of(scope)
    assert (
        levels(problem, depth) != levels(problem, depth, asleep=False)
        or clashes(problem, depth - 1)[0]
        or any(listed(problem, state) for state in states(problem, depth - 1))
    )
