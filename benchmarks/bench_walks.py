"""What a walk costs: small states, where the checker spends its time, and long trees.

`TimeLongTreeSuite` has the layout of the patch's benchmark: one-page VMAs on one anon_vma and a
stable node with 256 items. `tried` turns off the short cut for long queries, which is why it is
there; the counters are the same (tests/walks), only the time differs.
"""

from __future__ import annotations

from ksm_rmap import walks
from ksm_rmap.interval_tree import FrozenIntervalTree
from ksm_rmap.model import scenario
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
    StableNode,
    State,
    Vma,
)
from ksm_rmap.walks import engine

FOLIO = 1
ITEMS = 256


def one_page_vmas(vmas: int, items: int) -> State:
    """Return one-page VMAs on one anon_vma, the first of them mapping one KSM folio."""
    areas = [Vma(0, page, page + 1, page, 0, 0, (0,), page) for page in range(vmas)]
    stable = (ItemState.STABLE, None, FOLIO, 0)
    keys = tuple((0, page) for page in range(items))
    mm = Mm(
        SortedMap((vma.start, vma) for vma in areas),
        SortedMap((page, Pte(PteKind.PRESENT, FOLIO)) for page in range(items)),
        SortedMap((page, RmapItem(0, page, *stable, page, page)) for page in range(items)),
    )
    tree = FrozenIntervalTree((vma.start, vma.start, vma.key) for vma in areas)
    return State(
        mms=SortedMap([(0, mm)]),
        anon_vmas=SortedMap([(0, AnonVma(0, 0, tree=tree))]),
        folios=SortedMap(
            [(FOLIO, Folio(Mapping.KSM, FOLIO, 0, items, exclusive=False, content=7))]
        ),
        nodes=SortedMap([(FOLIO, StableNode(FOLIO, 7, keys))]),
    )


class TimeSmallStateSuite:
    params = (walks.ksm_names(), ("hugh", "fork-scanned"))
    param_names = ("walk", "scenario")

    def setup(self, walk: str, name: str) -> None:
        self.walk = walks.get(walk)
        self.state = scenario.load(name).run()
        self.folio = self.state.ksm_folios()[0]

    def time_walk(self, _walk: str, _name: str) -> None:
        self.walk(self.state, self.folio)


class TimeLongTreeSuite:
    params = (("full", "index"), ("looked up", "tried"), (2_000, 20_000))
    param_names = ("walk", "way", "vmas")

    def setup(self, walk: str, way: str, vmas: int) -> None:
        self.walk = walks.get(walk)
        self.state = one_page_vmas(vmas, ITEMS)
        self.many = engine._Hits.many  # noqa: SLF001 - the short cut is what is measured
        engine._Hits.many = self.many if way == "looked up" else 10**9  # noqa: SLF001 - same

    def teardown(self, _walk: str, _way: str, _vmas: int) -> None:
        engine._Hits.many = self.many  # noqa: SLF001 - same

    def time_walk(self, _walk: str, _way: str, _vmas: int) -> None:
        self.walk(self.state, FOLIO)

    def track_iterations(self, _walk: str, _way: str, _vmas: int) -> int:
        return self.walk(self.state, FOLIO).iterations
