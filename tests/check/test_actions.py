from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from ksm_rmap import walks
from ksm_rmap.check.actions import KINDS, Enabled, Scope, enabled
from ksm_rmap.check.machine import FOCUSES, WEIGHTS
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.scenario import Scenario
from ksm_rmap.model.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ksm_rmap.model.calls import Call

FULL = walks.get("full")
SCOPE = Scope(pages=3, processes=3, contents=1)
RULES = [Rules(), Rules.preset("2.6.37"), Rules.preset("6.12"), Rules.preset("mm-2026-08")]


def random_states(seed: int, rules: Rules, steps: int = 40) -> Iterator[Enabled]:
    """Walk at random through enabled calls, writing and scanning more often than not."""
    choose = random.Random(seed)  # noqa: S311 - reproducible
    ring = [kind for kind, weight in WEIGHTS.items() for _ in range(weight)]
    here = Enabled(State(rules=rules), SCOPE)
    for _ in range(steps):
        yield here
        kind = choose.choice([kind for kind in ring if here.any(kind)])
        call = choose.choice(here.calls(kind))
        here = Enabled(call.apply(here.state, FULL), SCOPE, here.child - 1)


def all_states() -> Iterator[Enabled]:
    for seed in range(8):
        yield from random_states(seed, RULES[seed % len(RULES)])


def test_no_enabled_call_is_refused_and_no_kind_is_never_enabled() -> None:
    seen: dict[str, int] = dict.fromkeys(KINDS, 0)
    for here in all_states():
        for kind in KINDS:
            for call in here.calls(kind)[:: 1 + len(here.calls(kind)) // 3]:
                call.apply(here.state, FULL).check()
            seen[kind] += len(here.calls(kind))
    assert all(seen.values()), {kind for kind, count in seen.items() if not count}


def test_whether_a_kind_is_enabled_is_whether_it_has_calls() -> None:
    for here in random_states(3, Rules()):
        fresh = Enabled(here.state, SCOPE, here.child - 1)
        assert {kind for kind in KINDS if fresh.any(kind)} == {k for k in KINDS if here.calls(k)}


def test_calls_stay_within_the_scope() -> None:
    for here in random_states(5, Rules()):
        for call in enabled(here.state, SCOPE):
            args: dict[str, Any] = dict(call.args)
            start, pages = args.get("start", 0), args.get("pages", 1)
            size = args.get("new_pages", pages)
            assert start + pages <= SCOPE.pages
            assert args.get("to", start) + size <= SCOPE.pages
            assert args.get("content", 1) <= SCOPE.contents
            assert len(here.state.mms) + (call.op == "fork") <= SCOPE.processes


def test_calls_are_distinct_and_always_in_the_same_order() -> None:
    for here in random_states(7, Rules(), steps=15):
        calls = enabled(here.state, SCOPE)
        assert len(set(calls)) == len(calls)
        assert enabled(here.state, SCOPE) == calls


def test_a_number_of_a_process_is_never_given_out_twice() -> None:
    here = Enabled(State(), SCOPE)
    born: list[Any] = []
    for _ in range(4):
        (fork, *_) = here.calls("fork")
        born.append(fork.get("child"))
        state = fork.apply(here.state)
        here = Enabled(state, SCOPE, here.child)
        exits: dict[Any, Call] = {call.get("mm"): call for call in here.calls("exit")}
        here = Enabled(exits[born[-1]].apply(state), SCOPE, here.child - 1)
    assert born == [1, 2, 3, 4]


def test_ksmd_does_not_run_while_a_ksm_folio_migrates() -> None:
    text = "P mmap 0 2\nP prctl merge-any on\nP write 0 2 1\nksmd 2\nP migrate-begin 0"
    state = Scenario.parse(text).run(FULL)
    here = Enabled(state, Scope())
    assert not here.any("ksmd")
    assert not here.any("ksmd_step")
    assert not here.any("unmerge_all")
    assert not here.any("swap_out")
    assert here.any("migrate_end")
    assert {call.get("start") for call in here.calls("write")}.isdisjoint({0, 1})


def test_only_the_chosen_kinds_are_listed() -> None:
    calls = enabled(State(), Scope(kinds=("mmap",), pages=2))
    assert {call.op for call in calls} == {"mmap"}
    assert {call.op for call in enabled(State())} == {"mmap", "fork", "prctl_merge_any"}


@pytest.mark.parametrize("field", ["processes", "pages", "contents"])
def test_a_scope_without_room_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} must be at least 1, not 0"):
        Scope(**{field: 0})  # type: ignore[arg-type]


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no kind of call named 'merge'; known: mmap,"):
        Scope(kinds=("merge",))


def test_every_kind_has_a_weight_and_focuses_name_kinds() -> None:
    assert set(WEIGHTS) == set(KINDS)
    assert all(set(weights) <= set(KINDS) for weights in FOCUSES.values())
