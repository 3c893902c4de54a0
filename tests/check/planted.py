"""Planted bugs: wrong models and wrong walks, and a hunt for each.

A bug is a change of one place in the source of one function, put in force by swapping the code
of the function while the hunt runs. The hunt is a machine that asks of every state: are the
structural invariants whole (`State.check()`), are the laws of `laws.py` obeyed, and do the walks
find what they must?
"""

from __future__ import annotations

import importlib
import inspect
import textwrap
from contextlib import contextmanager
from types import FunctionType
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import hypothesis
from hypothesis.stateful import run_state_machine_as_test

from ksm_rmap import walks
from ksm_rmap.check import oracle
from ksm_rmap.check.actions import KINDS, Scope
from ksm_rmap.check.machine import STEPS, WalkMachine, machine_for, search_settings
from ksm_rmap.model.state import State, Vma, linear_page_index
from tests.check.laws import broken_laws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ksm_rmap.check.question import Miss
    from ksm_rmap.model.calls import Call

Place = tuple[int, int]

_SWAP = {"hold", "swap_out", "swap_in", "reclaim", "migrate_begin", "migrate_end"}
NO_SWAP = tuple(kind for kind in KINDS if kind not in _SWAP)
"""Kinds of calls after which `index` must find all that `full` finds."""
ALONE = tuple(kind for kind in NO_SWAP if kind != "fork")
"""Kinds of calls after which `full` must find every entry."""


class Bug(NamedTuple):
    """One planted bug."""

    name: str
    where: str
    """`module:function` below `ksm_rmap`."""
    old: str
    new: str
    kinds: tuple[str, ...] = ()
    """Kinds of calls of the hunt; with `NO_SWAP` and `ALONE` the walks must find more."""


BUGS = (
    Bug(
        "fork links the child to none of its parent's anon_vmas",
        "model._rmap:anon_vma_fork",
        "anon_vma_clone(d, child._replace(anon_vma=None), parent, fork=True)",
        "child._replace(anon_vma=None, chain=())",
    ),
    Bug(
        "the key of a VMA changes inside the tree",
        "model._rmap:rekey",
        "for old, new in changes:\n        if not",
        "return\n    for old, new in changes:\n        if not",
    ),
    Bug(
        "a split does not adjust the offset of the upper piece",
        "model._vma:split_vma",
        "pgoff=vma.pgoff + shift, anon_pgoff=vma.anon_pgoff + shift",
        "pgoff=vma.pgoff, anon_pgoff=vma.anon_pgoff",
    ),
    Bug(
        "mremap does not un-merge the pages that it moves",
        "model._mremap:_move_vma",
        "if d.rules.mremap_unmerges:",
        "if False:",
    ),
    Bug(
        "an unfaulted VMA keeps its offset when it moves",
        "model._mremap:_copy_vma",
        "pgoff = anon_pgoff = to",
        "pass",
    ),
    Bug(
        "the second pass leaves out the youngest process",
        "walks.engine:Traversal._loop",
        "(vma.mm == own[0]) == own[1]:",
        "((vma.mm == own[0]) == own[1] or own[1] and vma.mm == max(self.state.mms)):",
    ),
    Bug(
        "the walk ends after the first item",
        "walks.engine:Traversal.search_items",
        "in searches:",
        "in searches[:1]:",
    ),
    Bug(
        "the walk of ordinary folios takes the index for the address",
        "walks.engine:vma_address",
        "return vma.start + index - vma.anon_pgoff",
        "return index",
    ),
    Bug(
        "unlinking a VMA forgets num_active_vmas",
        "model._rmap:unlink_anon_vmas",
        "d.change_anon_vma(vma.anon_vma, num_active_vmas=-1)",
        "pass",
    ),
    Bug(
        "fork gives the child its parent's own anon_vma (as before 2.6.34)",
        "model._rmap:_may_reuse",
        "return anon_vma.num_children < 2 and anon_vma.num_active_vmas == 0",
        "return True",
    ),
    Bug(
        "fork leaves the parent's pages exclusive",
        "model._fault:copy_ptes",
        "if folio.exclusive:",
        "if False:",
    ),
    Bug(
        "VMAs merge although their offsets do not meet",
        "model._vma:_merge_after",
        "and prev.pgoff + prev.pages == part.pgoff\n"
        "        and prev.anon_pgoff + prev.pages == part.anon_pgoff\n",
        "",
    ),
    Bug(
        "VMAs of different anon_vmas merge",
        "model._vma:_anon_vmas_agree",
        "if part.anon_vma == target.anon_vma:",
        "if True:",
    ),
    Bug(
        "an unfaulted VMA that swallows a faulted one is not linked",
        "model._vma:_dup_anon_vma",
        "if donor is None:",
        "if True:",
    ),
    Bug(
        "mremap leaves swap entries behind",
        "model._mremap:_move_vma",
        "in list(mm.ptes.pairs(start, end)):",
        "in [(p, e) for p, e in mm.ptes.pairs(start, end) if e.kind is not PteKind.SWAP]:",
    ),
    Bug(
        "an item records the address instead of the index",
        "model._ksm:_append",
        "index=linear_page_index(vma, item.address)",
        "index=item.address",
        NO_SWAP,
    ),
    Bug(
        "a merged page stays exclusive",
        "model._ksm:_merge_two",
        "exclusive=False",
        "exclusive=True",
    ),
    Bug(
        "a replaced entry still counts as a mapping",
        "model._draft:Draft.set_pte",
        "self._count(old, -1)",
        "pass",
    ),
    Bug(
        "ksmd keeps the items of pages that are gone",
        "model._ksm:_free_items",
        "for address, _ in",
        "return\n    for address, _ in",
    ),
    Bug(
        "a swapped folio comes back as it is wherever its entry was moved",
        "model._fault:_needs_copy",
        "if folio.mapping not in d.anon_vmas:",
        "return False\n    if folio.mapping not in d.anon_vmas:",
    ),
    Bug(
        "a KSM page is written in place by its last user",
        "model._fault:can_reuse",
        "if folio.ksm or",
        "if",
    ),
    Bug(
        "munmap leaves the links of the VMA",
        "model._vma:unmap",
        "unlink_anon_vmas(d, vma)",
        "pass",
    ),
    Bug(
        "ksmd takes a stable page of any content",
        "model._ksm:_stable_tree_search",
        "in d.ksmd.stable.get(content, ()):",
        "in [n for nodes in d.ksmd.stable.values_in_order() for n in nodes]:",
    ),
    Bug(
        "an item holds no reference on its anon_vma",
        "model._ksm:_append",
        "d.change_anon_vma(vma.anon_vma, refcount=1)",
        "pass",
    ),
    Bug(
        "the child of fork inherits what is to be wiped",
        "model.ops:fork",
        "if not vma.has(VmFlag.WIPEONFORK):",
        "if True:",
    ),
    Bug(
        "a new stable node gets one item for two pages",
        "model._ksm:_merge_two",
        "_append(d, other_mm, other_vma, other, node)",
        "pass",
        ALONE,
    ),
    Bug(
        "the unstable tree is kept over the end of a pass",
        "model._ksm:_end_pass",
        "unstable=Ksmd().unstable, ",
        "",
    ),
)


@contextmanager
def planted(bug: Bug) -> Iterator[None]:
    """Put `bug` in force."""
    module_name, _, path = bug.where.partition(":")
    module = importlib.import_module(f"ksm_rmap.{module_name}")
    function = _function(module, path)
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(bug.old) == 1, f"{bug.name}: {bug.old!r} must be in {bug.where} once"
    made: dict[str, FunctionType] = {}
    future = "from __future__ import annotations\n"
    exec(future + source.replace(bug.old, bug.new), vars(module), made)  # noqa: S102 - the bug
    sound = function.__code__
    function.__code__ = made[function.__name__].__code__
    try:
        yield
    finally:
        function.__code__ = sound


def _function(module: object, path: str) -> FunctionType:
    found = module
    for name in path.split("."):
        found = getattr(found, name)
    assert isinstance(found, FunctionType)
    return found


def expected_of_full(state: State, folio: int) -> frozenset[Place]:
    """Return what `full` must find, by the chains of all VMAs instead of the interval trees."""
    return _by_chains(state, folio, lambda vma, address, index: True)  # noqa: ARG005


def expected_of_index(state: State, folio: int) -> frozenset[Place]:
    """Return what `index` must find, by the chains of all VMAs."""
    return _by_chains(
        state, folio, lambda vma, address, index: linear_page_index(vma, address) == index
    )


def _by_chains(
    state: State, folio: int, wanted: Callable[[Vma, int, int], bool]
) -> frozenset[Place]:
    node = state.stable_node(folio)
    found = set()
    for key in node.items if node else ():
        item = state.item(key)
        for number in state.mms:
            vma = state.vma(number, item.address)
            if (
                vma is not None
                and item.anon_vma in vma.chain
                and wanted(vma, item.address, item.index)
            ):
                found.add((number, item.address))
    return oracle.truth(state, folio) & found


class Caught(BaseException):
    """The end of a hunt."""

    def __init__(self, by: str) -> None:
        super().__init__(by)
        self.by = by


class Hunt(WalkMachine):
    """Asks everything that can be asked of a state and of a step."""

    kinds: ClassVar[tuple[str, ...]] = ()

    def _advance(self, call: Call) -> Miss | None:
        before, refused = self.state, self.reach.refused
        try:
            miss = super()._advance(call)
        except Exception as error:
            clause = getattr(error, "clause", None)
            raise Caught(f"State.check: {clause}" if clause else type(error).__name__) from error
        if self.reach.refused == refused:
            for law in broken_laws(before, call, self.state):
                raise Caught(f"law: {law}")
        self._walk_all(self.state)
        return miss

    def _walk_all(self, state: State) -> None:
        full, index, anon = walks.get("full"), walks.get("index"), walks.get("anon")
        for folio in state.folios:
            if not state.folios[folio].ksm:
                if oracle.missed(state, folio, anon(state, folio)):
                    raise Caught("walk anon: misses an entry")
                continue
            found = set(full(state, folio).ptes)
            if found != expected_of_full(state, folio):
                raise Caught("walk full: finds something else than it must")
            if set(index(state, folio).ptes) != expected_of_index(state, folio):
                raise Caught("walk index: finds something else than it must")
            if self.kinds and found != set(index(state, folio).ptes):
                raise Caught("walk index: misses what full finds")
            if self.kinds == ALONE and found != oracle.truth(state, folio):
                raise Caught("walk full: misses an entry")

    def missed(self, miss: Miss) -> None:
        """Pass over what the full walk itself misses: that is no planted bug."""


class Result(NamedTuple):
    """The end of one hunt."""

    by: str
    """What found the bug; empty: nothing did."""
    examples: int
    calls: int


def hunt(
    bug: Bug | None, max_examples: int, *, seed: int = 0, kinds: tuple[str, ...] = ()
) -> Result:
    """Look for `bug` (None: for anything in the sound library)."""
    kinds = kinds if bug is None else bug.kinds
    machine = machine_for("full", scope=Scope(kinds=kinds))
    machine = type("HuntMachine", (Hunt, machine), {"kinds": kinds})
    try:
        if bug is None:
            _run(machine, max_examples, seed)
        else:
            with planted(bug):
                _run(machine, max_examples, seed)
    except BaseException as error:
        caught: BaseException | None = error
        while caught is not None and not isinstance(caught, Caught):
            caught = caught.__context__
        if caught is None:
            raise
        return Result(caught.by, machine.reach.examples, machine.reach.steps)
    return Result("", machine.reach.examples, machine.reach.steps)


def _run(machine: type[WalkMachine], max_examples: int, seed: int) -> None:
    for turn in range(0, max_examples, 50):
        turned = hypothesis.seed(1000 * seed + turn)(machine)
        settings = search_settings(STEPS, min(50, max_examples - turn))
        run_state_machine_as_test(turned, settings=settings)
