"""States met at random, and copies of them in which every name is another one."""

from __future__ import annotations

import random
from itertools import product
from typing import TYPE_CHECKING, Any

from ksm_rmap import walks
from ksm_rmap.check.actions import KINDS, Enabled, Scope
from ksm_rmap.interval_tree import FrozenIntervalTree
from ksm_rmap.model._sorted_map import SortedMap
from ksm_rmap.model.state import (
    AnonVma,
    Folio,
    ItemState,
    Mapping,
    Mm,
    Pte,
    PteKind,
    RmapItem,
    State,
    SwapSlot,
    Vma,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ksm_rmap.model.rules import Rules

FULL = walks.get("full")
FLAGS = True, False
SCOPE = Scope(3, 4, 2, tuple(kind for kind in KINDS if kind != "hold"))
"""Without pins, which keep folios that the string leaves out."""


def wandered(
    seed: int, rules: Rules, steps: int = 25, scope: Scope = SCOPE
) -> Iterator[tuple[State, int]]:
    """Yield the states of a random walk, and the greatest process number given out."""
    rng = random.Random(seed)  # noqa: S311 - no secrets
    state, born = State(rules=rules), 0
    for _ in range(steps):
        here = Enabled(state, scope, born)
        kinds = [kind for kind in here.scope.chosen if here.any(kind)]
        call = rng.choice(here.calls(rng.choice(kinds)))
        state = call.apply(state, FULL)
        born = max(born, *state.mms)
        yield state, born


def alike(count: int) -> Iterator[State]:
    """Yield states of processes that look alike, one page each, linked in every way to two folios.

    Which order gives the least string is told by names only.
    """
    for targets in product((1, 2), repeat=count):
        mms = [
            (7 * at, Mm(ptes=SortedMap([(3, Pte(PteKind.PRESENT, target))])))
            for at, target in enumerate(targets)
        ]
        folios = [(n, Folio(Mapping.ANON, 0, 3, 1, exclusive=True, content=5 - n)) for n in (1, 2)]
        yield State(mms=SortedMap(mms), folios=SortedMap(folios))


def thrown(rng: random.Random) -> State:
    """Return a state of two or three processes of which every field was thrown.

    No call leads there: they differ in what real ones seldom differ in.
    """

    def process(number: int) -> tuple[int, Mm]:
        vmas = [
            (at, Vma(number, at, at + one(1, 2), one(0, 1), one(1, 3), one(1, 2), chain()))
            for at in range(2)
        ]
        ptes = [(at, Pte(one(*PteKind), one(1, 2), one(*FLAGS))) for at in range(one(1, 2))]
        items = [(at, RmapItem(number, at, ItemState.LOOSE, one(None, 1, 2))) for at in pages()]
        return number, Mm(SortedMap(vmas), SortedMap(ptes), SortedMap(items))

    def one(*values: Any) -> Any:  # noqa: ANN401
        return rng.choice(values)

    def chain() -> tuple[int, ...]:
        return one((1,), (1, 2), (2, 1))  # type: ignore[no-any-return]

    def pages() -> list[int]:
        return rng.sample(range(3), one(0, 1))

    folio = Folio(Mapping.ANON, 1, 0, 1, exclusive=True, content=1)
    return State(
        mms=SortedMap(map(process, rng.sample(range(9), one(2, 2, 3)))),
        anon_vmas=SortedMap([(1, AnonVma(1, 1)), (2, AnonVma(1, 1))]),
        folios=SortedMap([(1, folio), (2, folio._replace(content=2))]),
        slots=SortedMap([(1, SwapSlot(1, 1)), (2, SwapSlot(1, 2))]),
    )


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
