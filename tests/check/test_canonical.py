"""The string of a state: independent of names, complete, and read back without a loss."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from ksm_rmap import walks
from ksm_rmap.check.actions import Enabled, Scope
from ksm_rmap.check.canonical import encode, named
from ksm_rmap.check.restore import decode
from ksm_rmap.interval_tree import FrozenIntervalTree
from ksm_rmap.model import ops
from ksm_rmap.model._sorted_map import SortedMap
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.state import Mapping, PteKind, State
from ksm_rmap.model.validate import InvariantError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FULL = walks.get("full")


def wandered(seed: int, rules: Rules, steps: int = 25) -> Iterator[tuple[State, int]]:
    """Yield the states of a random walk, and the greatest process number given out."""
    rng = random.Random(seed)  # noqa: S311 - no secrets
    state, born = State(rules=rules), 0
    for _ in range(steps):
        here = Enabled(state, Scope(3, 4, 2), born)
        kinds = [kind for kind in here.scope.chosen if kind != "hold" and here.any(kind)]
        call = rng.choice(here.calls(rng.choice(kinds)))
        state = call.apply(state, FULL)
        born = max(born, *state.mms)
        yield state, born


class Renamed:
    """A copy of a state in which every name is another one, and ties come in another order."""

    def __init__(self, state: State, rng: random.Random) -> None:
        self.old = state
        self.rng = rng
        numbers = {*state.anon_vmas, *state.folios, *state.slots, *state.nodes}
        self.ids: dict[int, int] = self.shuffled(numbers)
        self.mms = self.shuffled(set(state.mms))
        self.contents = self.shuffled(set(range(1, 9)))

    def shuffled(self, names: set[int]) -> dict[int, int]:
        others = self.rng.sample(range(3 * len(names) + 1), len(names))
        return dict(zip(sorted(names), others, strict=True))

    def id(self, number: Any) -> Any:  # noqa: ANN401 - a number or None
        return self.ids.get(number, number if number is None or number < 0 else 10**6)

    def key(self, key: tuple[int, int]) -> tuple[int, int]:
        return self.mms[key[0]], key[1]

    def state(self) -> State:
        old = self.old
        return State(
            old.rules,
            SortedMap([(self.mms[n], self.mm(mm)) for n, mm in old.mms.pairs()]),
            SortedMap([(self.id(n), self.anon_vma(av)) for n, av in old.anon_vmas.pairs()]),
            SortedMap([(self.id(n), self.folio(f)) for n, f in old.folios.pairs()]),
            SortedMap([(self.id(n), self.node(node)) for n, node in old.nodes.pairs()]),
            SortedMap([(self.id(n), self.slot(slot)) for n, slot in old.slots.pairs()]),
            self.ksmd(old.ksmd),
            10**7,
        )

    def mm(self, mm: Any) -> Any:  # noqa: ANN401 - as everywhere here
        ptes = [
            (page, pte if pte.kind is PteKind.ZERO else pte._replace(target=self.id(pte.target)))
            for page, pte in mm.ptes.pairs()
        ]
        return mm._replace(
            vmas=SortedMap([(at, self.vma(vma)) for at, vma in mm.vmas.pairs()]),
            ptes=SortedMap(ptes),
            items=SortedMap([(at, self.item(item)) for at, item in mm.items.pairs()]),
        )

    def vma(self, vma: Any) -> Any:  # noqa: ANN401
        chain = tuple(self.id(number) for number in vma.chain)
        return vma._replace(mm=self.mms[vma.mm], anon_vma=self.id(vma.anon_vma), chain=chain)

    def item(self, item: Any) -> Any:  # noqa: ANN401
        return item._replace(
            mm=self.mms[item.mm],
            checksum=self.contents.get(item.checksum),
            node=self.id(item.node),
            anon_vma=self.id(item.anon_vma),
        )

    def anon_vma(self, av: Any) -> Any:  # noqa: ANN401
        entries = [(e.start, e.last, self.key(e.value)) for e in av.tree]
        self.rng.shuffle(entries)
        return av._replace(
            root=self.id(av.root), parent=self.id(av.parent), tree=FrozenIntervalTree(entries)
        )

    def folio(self, folio: Any) -> Any:  # noqa: ANN401
        ksm = folio.kind is Mapping.KSM
        return folio._replace(
            mapping=self.id(folio.mapping),
            index=self.rng.randrange(9) if ksm else folio.index,
            content=self.contents[folio.content],
            swap=self.id(folio.swap),
        )

    def node(self, node: Any) -> Any:  # noqa: ANN401
        keys = [self.key(key) for key in node.items]
        self.rng.shuffle(keys)
        content = self.contents[node.content]
        return node._replace(folio=self.id(node.folio), content=content, items=tuple(keys))

    def slot(self, slot: Any) -> Any:  # noqa: ANN401
        return slot._replace(content=self.contents[slot.content], folio=self.id(slot.folio))

    def ksmd(self, ksmd: Any) -> Any:  # noqa: ANN401
        names = self.contents
        stable = {names[c]: tuple(map(self.id, nodes)) for c, nodes in ksmd.stable.pairs()}
        unstable = {names[c]: tuple(map(self.key, keys)) for c, keys in ksmd.unstable.pairs()}
        return ksmd._replace(
            slots=tuple(self.mms[n] for n in ksmd.slots),
            mm=self.mms.get(ksmd.mm),
            seqnr=ksmd.seqnr + 3,
            stable=SortedMap(stable.items()),
            unstable=SortedMap(unstable.items()),
        )


@pytest.mark.parametrize("rules", Rules.presets(), ids=lambda rules: rules.name)
@pytest.mark.parametrize("seed", range(6))
def test_names_make_no_difference(rules: Rules, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - no secrets
    for state, _ in wandered(seed, rules):
        renamed = Renamed(state, rng).state()
        assert encode(renamed) == encode(state)


@pytest.mark.parametrize("rules", Rules.presets(), ids=lambda rules: rules.name)
@pytest.mark.parametrize("seed", range(6))
def test_what_is_read_back_has_the_processes_and_contents_in_the_order_named(
    rules: Rules, seed: int
) -> None:
    for state, _ in wandered(seed, rules):
        found = named(state)
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


def test_of_orders_with_the_same_string_the_first_one_is_named() -> None:
    state = ops.fork(ops.fork(State(), mm=0, child=7), mm=0, child=3)
    assert named(state).processes == (0, 3, 7)


def content(state: State, page: int, pte: Any, names: Sequence[int]) -> tuple[int, int | None]:  # noqa: ANN401
    """Return the page and what it reads, None: zeroes; contents by `names`, from 1."""
    if pte.kind is PteKind.ZERO:
        return page, None
    found = state.slots if pte.kind is PteKind.SWAP else state.folios
    return page, names[found[pte.target].content - 1]


@pytest.mark.parametrize("rules", Rules.presets(), ids=lambda rules: rules.name)
@pytest.mark.parametrize("seed", range(6))
def test_what_is_read_back_is_a_sound_state_with_the_same_string(rules: Rules, seed: int) -> None:
    for state, _ in wandered(seed, rules):
        string = encode(state)
        again = decode(string, rules)
        assert encode(again) == string
        try:
            again.check()
        except InvariantError as error:
            assert "not older" in str(error)  # noqa: PT017 - names tell no age there


@pytest.mark.parametrize("rules", Rules.presets(), ids=lambda rules: rules.name)
@pytest.mark.parametrize("seed", range(3))
def test_calls_lead_from_both_to_the_same_strings(rules: Rules, seed: int) -> None:
    for at, (state, born) in enumerate(wandered(seed, rules)):
        if at % 6 == 5:
            assert outcomes(decode(encode(state), rules), 0) == outcomes(state, born)


def outcomes(state: State, born: int) -> list[tuple[str, bytes]]:
    """Return where all calls of the random search lead, contents in any order."""
    here = Enabled(state, Scope(3, 4, 2), born)
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


def test_a_number_above_the_limit_is_refused() -> None:
    state = ops.mmap(State(), mm=0, start=300, pages=1)
    with pytest.raises(ValueError, match="256"):
        encode(state)
