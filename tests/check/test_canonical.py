"""The string of a state: independent of names, complete, and read back without a loss."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from ksm_rmap.check.actions import Enabled
from ksm_rmap.check.canonical import encode
from ksm_rmap.check.restore import decode
from ksm_rmap.model import ops
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.state import PteKind, State
from ksm_rmap.model.validate import InvariantError
from tests.check.renamed import FULL, SCOPE, Renamed, wandered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ksm_rmap.model._sorted_map import SortedMap
    from tests.check.conftest import Form


@pytest.mark.parametrize("rules", Rules.presets(), ids=lambda rules: rules.name)
@pytest.mark.parametrize("seed", range(6))
def test_names_make_no_difference(canonical: Form, rules: Rules, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - no secrets
    for state, _ in wandered(seed, rules):
        renamed = Renamed(state, rng).state()
        assert canonical.encode(renamed) == canonical.encode(state)


@pytest.mark.parametrize("rules", Rules.presets(), ids=lambda rules: rules.name)
@pytest.mark.parametrize("seed", range(6))
def test_what_is_read_back_has_the_processes_and_contents_in_the_order_named(
    canonical: Form, rules: Rules, seed: int
) -> None:
    for state, _ in wandered(seed, rules):
        found = canonical.named(state)
        assert sorted(found.processes) == list(state.mms)
        again = decode(found.string, rules)
        for place, number in enumerate(found.processes):
            there, here = again.mms[place], state.mms[number]
            assert there.vmas.columns()[0] == here.vmas.columns()[0]
            for one, two in zip(there.ptes.pairs(), here.ptes.pairs(), strict=True):
                assert content(again, *one, found.contents) == content(state, *two, range(1, 9))
            for item, seen in zip(
                there.items.values_in_order(), here.items.values_in_order(), strict=True
            ):
                assert item.checksum == (
                    None if seen.checksum is None else found.contents.index(seen.checksum) + 1
                )


def test_of_orders_with_the_same_string_the_first_one_is_named(canonical: Form) -> None:
    state = ops.fork(ops.fork(State(), mm=0, child=7), mm=0, child=3)
    assert canonical.named(state).processes == (0, 3, 7)


def content(state: State, page: int, pte: Any, names: Sequence[int]) -> tuple[int, int | None]:  # noqa: ANN401
    """Return the page and what it reads, None: zeroes; contents by `names`, from 1."""
    if pte.kind is PteKind.ZERO:
        return page, None
    found = state.slots if pte.kind is PteKind.SWAP else state.folios
    return page, names[found[pte.target].content - 1]


@pytest.mark.parametrize("rules", Rules.presets(), ids=lambda rules: rules.name)
@pytest.mark.parametrize("seed", range(6))
def test_what_is_read_back_is_a_sound_state_with_the_same_string(
    canonical: Form, rules: Rules, seed: int
) -> None:
    for state, _ in wandered(seed, rules):
        string = canonical.encode(state)
        again = decode(string, rules)
        assert canonical.encode(again) == string
        try:
            again.check()
        except InvariantError as error:
            assert "not older" in str(error)  # noqa: PT017 - names tell no age there


@pytest.mark.parametrize("seed", range(6))
def test_the_maps_that_are_read_back_are_sound(seed: int) -> None:
    for state, _ in wandered(seed, Rules()):
        again = decode(encode(state), Rules())
        tables: list[SortedMap[Any]] = [again.mms, again.anon_vmas, again.folios, again.nodes]
        tables += again.slots, again.ksmd.stable, again.ksmd.unstable
        for mm in again.mms.values_in_order():
            tables += mm.vmas, mm.ptes, mm.items
        for table in tables:
            table.check()


@pytest.mark.parametrize("rules", Rules.presets(), ids=lambda rules: rules.name)
@pytest.mark.parametrize("seed", range(3))
def test_calls_lead_from_both_to_the_same_strings(rules: Rules, seed: int) -> None:
    for at, (state, born) in enumerate(wandered(seed, rules)):
        if at % 6 == 5:
            assert outcomes(decode(encode(state), rules), 0) == outcomes(state, born)


def outcomes(state: State, born: int) -> list[tuple[str, bytes]]:
    """Return where all calls of the random search lead, contents in any order."""
    here = Enabled(state, SCOPE, born)
    return sorted(
        (kind, encode(call.apply(state, FULL)))
        for kind in here.scope.chosen
        for call in here.calls(kind)
    )


@pytest.mark.parametrize("seed", range(4))
def test_different_futures_have_different_strings(seed: int) -> None:
    for (one, _), (two, _) in pairwise(wandered(seed, Rules(), 12)):
        if outcomes(one, 5) != outcomes(two, 5):
            assert encode(one) != encode(two)


def test_a_number_above_the_limit_is_refused(canonical: Form) -> None:
    state = ops.mmap(State(), mm=0, start=300, pages=1)
    with pytest.raises(ValueError, match="256"):
        canonical.encode(state)
