"""The bundled scenarios: what they must show, against the verdicts of the reference text."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from ksm_rmap import walks
from ksm_rmap.check import oracle
from ksm_rmap.model.scenario import Scenario, bundled, load

if TYPE_CHECKING:
    from ksm_rmap.model.state import State

REQUIRED = {
    "fork-unscanned", "hugh", "merge-then-move", "move-poisoning", "move-then-merge",
    "parent-gone", "private-file", "split-after-merge", "unfaulted-move", "zte-20000",
    "zte-table",
}  # fmt: skip
"""Those that people are told of by name."""
LARGE = {"zte-20000", "zte-table"}
SMALL = sorted(set(bundled()) - LARGE)
EVERY = walks.ksm_names()

# Who misses something, by the semantics of the kernel (births B2, B4 and B6 of docs/semantics.md).
# All others find everything.
LOSERS = {
    "hugh": {"address"},
    "move-then-merge": {"address"},
    "split-after-merge": {"vm_pgoff"},
    "parent-gone": {"avc-nofallback"},
    "parent-unmaps": {"avc-nofallback"},
    "move-fork-move": {"address"},
    "move-merge-split": {"address", "vm_pgoff"},
    "merge-move-merge": {"address"},
    "dontunmap": {"address"},
    "private-file": {"address"},
    "swap-stuck": {"address"},
    "child-mergeable": set(EVERY),  # B2: no item refers to an anon_vma of the parent
    "child-moved": set(EVERY) - {"derive"},  # B2: no item has the address
    "child-moves-on": set(EVERY) - {"full", "counted", "derive"},  # B2, and moved unbroken
    "swap-move": set(EVERY) - {"derive"},  # B4
    "move-poisoning": set(EVERY) - {"derive"},  # B6
}


@cache
def _state(name: str) -> State:
    return load(name).run(walks.get("full"), walks=walks.get)


def _missed(name: str, walk: str) -> set[tuple[int, int]]:
    state = _state(name)
    return {
        pte
        for folio in state.ksm_folios()
        for pte in oracle.missed(state, folio, walks.get(walk)(state, folio))
    }


def test_the_required_scenarios_are_there() -> None:
    assert set(bundled()) >= REQUIRED
    assert list(bundled()) == sorted(bundled())


@pytest.mark.parametrize("name", bundled())
def test_each_says_what_it_shows_and_survives_printing(name: str) -> None:
    scenario = load(name)
    assert scenario.name == name
    assert scenario.title
    assert scenario.title[-1] in ".:"
    assert scenario.lines[1].comment, "where it comes from"
    assert max(len(line) for line in str(scenario).split("\n")) <= 100
    again = Scenario.parse(str(scenario))
    assert again == scenario
    assert again.calls == scenario.calls


@pytest.mark.parametrize("name", SMALL)
def test_each_merges_a_page_and_breaks_no_invariant(name: str) -> None:
    for step in load(name).states(walks.get("full"), walks=walks.get):
        step.state.check()
    assert _state(name).ksm_folios()


@pytest.mark.parametrize("name", SMALL)
def test_who_misses_what(name: str) -> None:
    assert {walk for walk in EVERY if _missed(name, walk)} == LOSERS.get(name, set())


def test_hugh_is_five_calls_after_which_address_misses_page_2() -> None:
    assert len(load("hugh").calls) == 5
    assert _missed("hugh", "address") == {(0, 2)}


def test_unfaulted_move_is_filed_anew() -> None:
    moved = _state("unfaulted-move").vma(0, 5)
    assert moved is not None
    assert moved.pgoff == 5
    assert not moved.moved


def test_move_poisoning_needs_a_kernel_before_2_6_38() -> None:
    scenario = load("move-poisoning")
    assert scenario.rules is not None
    assert not scenario.rules.mremap_unmerges
    newer = scenario.run(rules=scenario.rules.replace(mremap_unmerges=True))
    assert all(
        not oracle.missed(newer, folio, walks.get("full")(newer, folio))
        for folio in newer.ksm_folios()
    )


def test_swap_stuck_is_a_folio_that_stays_because_of_one_entry() -> None:
    state = _state("swap-stuck")
    (folio,) = state.ksm_folios()
    assert oracle.truth(state, folio) == {(0, 2)}
    assert state.folios[folio].swap is not None


def test_zte_table_is_one_area_in_22169_pieces() -> None:
    state = load("zte-table").run()
    one_page = [vma for vma in state.mms[0].vmas.values_in_order() if vma.pages == 1]
    assert len(one_page) == len(state.mms[0].vmas) == 22169
    assert len({vma.anon_vma for vma in one_page}) == 1
    (folio,) = state.ksm_folios()
    assert sorted(mm for mm, _ in oracle.truth(state, folio)) == [0, 1, 2, 3]
    for walk, longest in [("full", (22169, 22168, 0)), ("address", (3, 0, 2))]:
        worst = walks.get(walk)(state, folio).worst
        assert worst is not None
        assert (worst.iterations, worst.skip_address, worst.skip_mm) == longest


def test_zte_20000_in_small_has_its_shape() -> None:
    text = str(load("zte-20000")).replace("20000", "600")
    state = Scenario.parse(text).run()
    assert {vma.pages for vma in state.mms[0].vmas.values_in_order()} == {1}
    assert len(state.mms[0].vmas) == 600
    shares = sorted(len(oracle.truth(state, folio)) for folio in state.ksm_folios())
    assert shares == [600 - 2 * 256, 256, 256]
