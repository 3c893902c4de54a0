"""What a walk did with each VMA: for every registered walk over every bundled scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksm_rmap import walks
from ksm_rmap.check.judge import judged_folios
from ksm_rmap.model import scenario
from ksm_rmap.walks.explain import LookKind, explain

if TYPE_CHECKING:
    from ksm_rmap.model.state import State

SMALL = [name for name in scenario.bundled() if not name.startswith("zte")]


def _last(name: str) -> State:
    return scenario.load(name).run(walks.get("full"), walks=walks.get)


@pytest.mark.parametrize("name", SMALL)
def test_every_walk_is_explained_as_it_reports_itself(name: str) -> None:
    state = _last(name)
    for folio, _ in judged_folios(state, ordinary=True):
        for walk in map(walks.get, walks.names()):
            result = walk(state, folio)
            told = list(explain(state, folio, walk, result))
            assert tuple(loop for loop, _ in told) == result.loops
            looks = [look for _, looks in told for look in looks or ()]
            found = [(look.vma[0], look.page) for look in looks if look.kind is LookKind.HIT]
            assert found == list(result.ptes)
            assert all(looks is not None for _, looks in told)


def test_the_reason_why_the_address_walk_misses_hughs_page() -> None:
    state = _last("hugh")
    (folio,) = state.ksm_folios()
    told = [
        (loop.item, loop.searched, [(look.vma, look.kind) for look in looks or ()])
        for loop, looks in explain(state, folio, walks.get("address"))
        if loop.pass_ == 0
    ]
    # Page 2 is filed under index 1: nothing of the anon_vma is at 2.
    assert ((0, 2), (2, 2), []) in told
    assert ((0, 0), (0, 0), [((0, 0), LookKind.HIT)]) in told


def test_the_kinds_of_skipped_vmas() -> None:
    state = _last("fork-unscanned")
    folio = state.folio_at(0, 0)
    assert folio is not None
    kinds = {
        (loop.pass_, look.vma[0]): look.kind
        for loop, looks in explain(state, folio, walks.get("full"))
        for look in looks or ()
        if look.page == 0
    }
    assert kinds == {
        (0, 0): LookKind.HIT,
        (0, 1): LookKind.MM,
        (1, 0): LookKind.MM,
        (1, 1): LookKind.HIT,
    }
    assert [kind for kind in LookKind if kind.skipped] == [LookKind.ADDRESS, LookKind.MM]


def test_a_page_found_again_is_told_apart() -> None:
    state = _last("fork-scanned")
    kinds = [
        look.kind
        for folio in state.ksm_folios()
        for _, looks in explain(state, folio, walks.get("index"))
        for look in looks or ()
    ]
    assert (kinds.count(LookKind.HIT), kinds.count(LookKind.AGAIN)) == (4, 2)


def test_a_walk_of_ones_own_is_explained_if_it_is_made_of_the_engines_loops() -> None:
    state = _last("hugh")
    (folio,) = state.ksm_folios()
    own = walks.UserWalk(
        "own",
        lambda state, folio: walks.ksm_walk(
            state, folio, range_of=lambda item, _: (item.index, item.index)
        ),
    )
    told = [looks for _, looks in explain(state, folio, own)]
    assert told == [looks for _, looks in explain(state, folio, walks.get("index"))]
    pairs = walks.UserWalk("pairs", lambda *_: [(0, 0), (0, 2)])
    assert [looks for _, looks in explain(state, folio, pairs)] == [None]


def test_what_does_not_agree_with_the_counters_is_not_told() -> None:
    state = _last("hugh")
    (folio,) = state.ksm_folios()
    hidden = walks.UserWalk(
        "hidden",
        lambda state, folio: walks.ksm_walk(
            state,
            folio,
            range_of=lambda *_: (0, 9),
            address_of=lambda *_: 0,
        ),
    )
    assert None in [looks for _, looks in explain(state, folio, hidden)]
