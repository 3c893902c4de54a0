"""A state is a value: equal, hashable, picklable, small, and its repr makes it again."""

from __future__ import annotations

import dataclasses
import gc
import pickle
import subprocess
import sys
from typing import Any

import pytest

from ksm_rmap.interval_tree import FrozenIntervalTree
from ksm_rmap.model import _enum, ops, rules, state
from ksm_rmap.model._sorted_map import SortedMap
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.state import (
    Folio,
    Ksmd,
    Mapping,
    Mm,
    Pte,
    PteKind,
    RmapItem,
    State,
    Vma,
    VmFlag,
    linear_page_index,
)

NAMES: dict[str, Any] = {**vars(rules), **vars(state), "FrozenIntervalTree": FrozenIntervalTree}


def hugh(kernel: str = "7.0") -> State:
    now = State(rules=Rules.preset(kernel))
    now = ops.mmap(now, mm=0, start=0, pages=3)
    now = ops.write(now, mm=0, start=0, pages=2, content=0x77)
    now = ops.madvise(now, mm=0, start=0, pages=3, advice="mergeable")
    now = ops.mremap(now, mm=0, start=1, pages=1, to=2)
    return ops.fork(ops.ksmd(now, passes=2), mm=0, child=1)


KERNELS = [preset.name for preset in Rules.presets()]


@pytest.mark.parametrize("kernel", KERNELS)
def test_repr_is_a_constructor_call(kernel: str) -> None:
    now = hugh(kernel)
    again = eval(repr(now), NAMES)  # noqa: S307 - our own repr
    assert again == now
    assert repr(again) == repr(now)
    assert hash(again) == hash(now)


@pytest.mark.parametrize("kernel", KERNELS)
def test_pickle_makes_an_equal_state(kernel: str) -> None:
    now = hugh(kernel)
    again = pickle.loads(pickle.dumps(now))  # noqa: S301 - our own bytes
    assert again == now
    assert hash(again) == hash(now)
    again.check()


def test_two_ways_to_one_state_are_equal() -> None:
    assert hugh() == hugh()
    assert hash(hugh()) == hash(hugh())
    assert len({hugh(), hugh(), State()}) == 2
    assert hugh("6.12") != hugh("6.18")


def test_equal_states_have_equal_reprs_whoever_computed_the_flags() -> None:
    vma = Vma(0, 0, 1, 0, VmFlag.READ | VmFlag.WRITE)
    assert vma == vma._replace(flags=3)
    assert repr(vma) == repr(vma._replace(flags=3))


def test_a_repr_names_enumeration_members() -> None:
    assert repr(PteKind.SWAP) == "PteKind.SWAP"
    assert repr(Mapping.KSM) == "Mapping.KSM"
    assert issubclass(PteKind, _enum.NamedEnum)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(State)])
def test_nothing_can_be_assigned(field: str) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(State(), field, None)


def test_the_first_state_has_one_process_with_nothing_mapped() -> None:
    assert list(State().mms) == [0]
    assert State().mms[0] == Mm()
    assert State().rules == Rules.preset("7.0")
    State().check()


def deep_size(root: object, seen: set[int]) -> int:
    """Return the bytes of all objects that `root` leads to and `seen` does not have."""
    size, pending = 0, [root]
    while pending:
        thing = pending.pop()
        if id(thing) in seen or isinstance(thing, type):
            continue
        seen.add(id(thing))
        size += sys.getsizeof(thing)
        pending += gc.get_referents(thing)
    return size


def test_a_state_is_small_and_its_successor_much_smaller() -> None:
    seen: set[int] = set()
    deep_size(State(), seen)  # what all states share
    now = hugh()
    assert deep_size(now, seen) < 10_000
    after = ops.read(now, mm=0, start=2)
    assert deep_size(after, seen) < 500
    assert len(pickle.dumps(now)) < 3_000


def test_a_state_of_many_vmas_shares_all_but_a_path_with_its_successor() -> None:
    now = ops.mmap(State(), mm=0, start=0, pages=4000)
    now = ops.write(now, mm=0, start=0, pages=4000, content=1)
    for page in range(0, 4000, 2):
        now = ops.mprotect(now, mm=0, start=page, pages=1, prot="r")
    assert len(now.mms[0].vmas) == 4000
    seen: set[int] = set()
    whole = deep_size(now, seen)
    after = ops.write(now, mm=0, start=2001, content=2)
    assert deep_size(after, seen) < whole / 100


def test_a_state_hashes_alike_in_another_process() -> None:
    code = (
        "import pickle, sys; now = pickle.load(sys.stdin.buffer); print(now == eval(sys.argv[1]))"
    )
    names = "from ksm_rmap.model.state import *; from ksm_rmap.model.rules import *; "
    more = "from ksm_rmap.model._sorted_map import SortedMap; "
    tree = "from ksm_rmap.interval_tree import FrozenIntervalTree; "
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", names + more + tree + code, repr(hugh())],
        input=pickle.dumps(hugh()),
        capture_output=True,
        check=True,
    )
    assert done.stdout.strip() == b"True"


# Questions


def test_what_a_page_holds() -> None:
    now = hugh()
    shared = now.folio_at(0, 0)
    assert shared is not None
    assert shared == now.folio_at(0, 2) == now.folio_at(1, 0)
    assert now.ksm_folios() == [shared]
    node = now.stable_node(shared)
    assert node is not None
    assert node.folio == shared
    assert [now.item(key).key for key in node.items] == list(node.items)
    moved = now.vma(0, 2)
    assert moved is not None
    assert moved.moved
    assert moved.key == (0, 2)
    assert moved.pages == 1
    assert moved.has(VmFlag.MERGEABLE)
    assert not moved.has(VmFlag.MERGEABLE | VmFlag.EXEC)
    assert linear_page_index(moved, 2) == moved.last_index == 1


@pytest.mark.parametrize(("mm", "page"), [(0, 1), (0, 3), (0, -1), (7, 0)])
def test_where_nothing_is_mapped(mm: int, page: int) -> None:
    now = hugh()
    assert now.vma(mm, page) is None
    assert now.pte(mm, page) is None
    assert now.folio_at(mm, page) is None


def test_what_is_no_ksm_folio_has_no_stable_node() -> None:
    now = ops.write(hugh(), mm=0, start=0, content=1)
    own = now.folio_at(0, 0)
    assert own is not None
    assert now.stable_node(own) is None
    assert now.stable_node(12345) is None
    with pytest.raises(KeyError):
        now.item((0, 77))


def test_only_present_entries_map_a_folio() -> None:
    assert Pte(PteKind.PRESENT, 3).folio == 3
    for kind in (PteKind.SWAP, PteKind.MIGRATION, PteKind.ZERO):
        assert Pte(kind, 3).folio is None


def test_a_file_mapping_does_not_count_as_moved() -> None:
    vma = Vma(0, 8, 9, 5, 0, anon_pgoff=5)
    assert vma.moved
    assert not vma._replace(file="f").moved
    assert not Vma(0, 5, 6, 5, 0, anon_pgoff=5).moved


def test_names() -> None:
    assert RmapItem(1, 2).key == (1, 2)
    assert not Folio(Mapping.ANON, 0, 0, 0, exclusive=False, content=0).ksm
    assert Ksmd().max_page_sharing == 256
    assert isinstance(State().ksmd.stable, SortedMap)
