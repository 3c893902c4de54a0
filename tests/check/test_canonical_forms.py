"""The string in C and in Python: the same for every state, and the same refusals."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest

from ksm_rmap.check import _canonical_pure as pure
from ksm_rmap.check.actions import Scope
from ksm_rmap.model import ops
from ksm_rmap.model._sorted_map import SortedMap
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.scenario import Scenario, bundled, load
from ksm_rmap.model.state import Mm, Pte, PteKind, State
from tests.check.altered import TABLES, altered
from tests.check.renamed import FULL, Renamed, alike, thrown, wandered
from tests.support import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.check.conftest import Form

WIDE = Scope(4, 5, 3)
NUMBERS = (0, 1, 2, 7, 255, 256, -1, 2**70, -(2**70), True)
SILENT = {
    ("AnonVma", "num_active_vmas"),
    ("AnonVma", "num_children"),
    ("AnonVma", "refcount"),
    ("Ksmd", "max_page_sharing"),
    ("Ksmd", "seqnr"),
    ("RmapItem", "mm"),
    ("StableNode", "items"),
    ("SwapSlot", "ptes"),
    ("Vma", "mm"),
}
"""Fields that the string leaves out: they follow from the rest, or only number things."""


def outcome(form: Callable[[State], object], state: State) -> object:
    """Return the result, or the type of the error."""
    try:
        return form(state)
    except (ValueError, KeyError) as error:
        return type(error), str(error)


def assert_same(compiled: Form, state: State) -> None:
    expected = outcome(pure.named, state)
    assert outcome(compiled.named, state) == expected
    if isinstance(expected, pure.Named):
        assert compiled.encode(state) == expected.string


@pytest.mark.parametrize("rules", Rules.presets(), ids=lambda rules: rules.name)
@pytest.mark.parametrize("seed", range(8))
def test_states_met_at_random(compiled: Form, rules: Rules, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - no secrets
    for state, _ in wandered(seed, rules, 40, WIDE):
        assert_same(compiled, state)
        assert_same(compiled, Renamed(state, rng).state())


OFTEN = (
    "mmap", "mmap_file", "write", "write", "fork", "move", "munmap",
    "swap_out", "swap_in", "migrate_begin", "hold",
)  # fmt: skip
KSM = (
    Scope(3, 4, 2, (*OFTEN, "mergeable", "ksmd", "ksmd")),
    Scope(2, 4, 2, (*OFTEN, "merge_any", "ksmd_step", "ksmd_step", "ksmd_step")),
)
"""Kinds of calls with which pages merge more than often."""


MERGED = (
    "P mmap 0 2\nP prctl merge-any on\nP write 0 2 1\nksmd 2\n",
    "max-page-sharing 2\nP mmap 0 9\nP prctl merge-any on\nP write 0 5 1\nP write 5 4 2\nksmd 2\n",
)
"""A stable node, and two chains of them: what walks at random come to rarely."""


def varied(seeds: int) -> Iterator[State]:
    """Yield two states of each of some random walks, and those after `MERGED`."""
    for text in MERGED:
        yield Scenario.parse(text).run(FULL)
    for seed in range(seeds):
        states = [state for state, _ in wandered(seed, Rules(), 40, KSM[seed % 2])]
        yield from random.Random(seed).sample(states, 2)  # noqa: S311 - no secrets


def test_states_that_no_call_leads_to(compiled: Form) -> None:
    for state in varied(12):
        for _, _, other in altered(state, NUMBERS):
            assert_same(compiled, other)


def test_every_field_matters_but_for_those_that_are_left_out(canonical: Form) -> None:
    fields, seen = set(), set()
    for state in varied(60):
        string = canonical.encode(state)
        for record, field, other in altered(state, (0, 1, 2, 3)):
            fields.add((record, field))
            if outcome(canonical.encode, other) != string:
                seen.add((record, field))
    assert fields - seen == SILENT


SMALL = [name for name in bundled() if not name.startswith("zte")]


@pytest.mark.parametrize("name", SMALL)
def test_states_of_the_bundled_scenarios(compiled: Form, name: str) -> None:
    for step in load(name).states(FULL):
        assert_same(compiled, step.state)


@pytest.mark.parametrize("count", range(6))
def test_orders_of_processes_that_look_alike(compiled: Form, count: int) -> None:
    for state in alike(count):
        assert_same(compiled, state)


def test_processes_that_look_almost_alike(compiled: Form) -> None:
    rng = random.Random(0)  # noqa: S311 - no secrets
    for _ in range(4000):
        assert_same(compiled, thrown(rng))


def test_several_groups_of_processes_that_look_alike(compiled: Form) -> None:
    for state in chain(alike(2), alike(3)):
        for kind in PteKind:
            more = [(n + 50, mm._replace(merge_any=True)) for n, mm in state.mms.pairs()]
            odd = (1, Mm(ptes=SortedMap([(3, Pte(kind, 2))])))
            mms = SortedMap([*state.mms.pairs(), odd, *more])
            assert_same(compiled, State(mms=mms, folios=state.folios))


@pytest.mark.parametrize("number", [2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**200])
def test_names_may_be_numbers_of_any_size(canonical: Form, number: int) -> None:
    state = ops.mmap(State(), mm=0, start=0, pages=3)
    for page, content in enumerate((number, number + 1, 1)):
        state = ops.write(state, mm=0, start=page, content=content)
    state = ops.write(state, mm=0, start=2, content=number)
    found = canonical.named(state)
    assert found.contents == (number, number + 1)
    assert found == pure.named(state)


@pytest.mark.parametrize("pages", [32, 33, 200, 255, 256])
def test_maps_of_several_pages_and_long_strings(canonical: Form, pages: int) -> None:
    state = ops.mmap(State(), mm=0, start=0, pages=pages)
    for page in range(pages):
        state = ops.write(state, mm=0, start=page, content=page)
    assert outcome(canonical.named, state) == outcome(pure.named, state)
    assert isinstance(outcome(canonical.named, state), tuple)


class Raises:
    """A map that cannot be read."""

    def columns(self) -> Any:  # noqa: ANN401 - never returns
        raise OSError("lost")


class Odd:
    """A map that is read as something else."""

    def __init__(self, columns: object) -> None:
        self._columns = columns

    def columns(self) -> Any:  # noqa: ANN401
        return self._columns


BROKEN = [(), ((0,), ()), ([0], [Mm()]), None, ((0,), (None,)), ((0,), (Mm()[:4],)), ((None,), ())]


@pytest.mark.parametrize("columns", BROKEN, ids=repr)
@pytest.mark.parametrize("field", TABLES)
def test_what_is_no_state_is_refused(compiled: Form, field: str, columns: object) -> None:
    for state in varied(4):
        broken = replace(state, **{field: Odd(columns)})  # type: ignore[arg-type]
        try:
            compiled.named(broken)
        except (TypeError, KeyError):
            continue
        assert compiled.named(broken) == compiled.named(state)  # nothing leads there


def test_an_error_of_a_map_is_passed_on(compiled: Form) -> None:
    odd: Any = Raises()
    state = next(state for state in varied(9) if state.folios)
    for broken in (replace(state, mms=odd), replace(state, folios=odd)):
        with pytest.raises(OSError, match="lost"):
            compiled.named(broken)
    nothing: Any = None
    with pytest.raises(AttributeError):
        compiled.encode(nothing)


def test_the_environment_chooses_the_form(compiled: Form) -> None:
    code = "from ksm_rmap.check import canonical as c; print(c.COMPILED, c.encode.__module__)"
    assert run(code, KSM_RMAP_PURE="1") == f"False {pure.__name__}"
    assert run(code, KSM_RMAP_PURE="0") == f"True {compiled.encode.__module__}"


def test_without_the_c_form_the_pure_form_runs() -> None:
    code = (
        "import sys; sys.modules['ksm_rmap.check._canonical'] = None\n"
        "from ksm_rmap.check import canonical as c; print(c.COMPILED, c.encode.__module__)"
    )
    assert run(code, KSM_RMAP_PURE="0") == f"False {pure.__name__}"
