"""What must hold of tables, VMAs and anon_vmas: mm/vma.c and mm/rmap.c.

Rules of this module: see `ksm_rmap.model.validate`, which has the table of all clauses.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ksm_rmap.model._census import vma_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ksm_rmap.model._census import Census
    from ksm_rmap.model._sorted_map import SortedMap


def tables_sorted(c: Census) -> Iterator[str]:
    """Every table obeys the rules of `SortedMap`."""
    state, ksmd = c.state, c.state.ksmd
    tables: dict[str, SortedMap[Any]] = {
        "the processes": state.mms,
        "the anon_vmas": state.anon_vmas,
        "the folios": state.folios,
        "the stable nodes": state.nodes,
        "the swap slots": state.slots,
        "the stable tree": ksmd.stable,
        "the unstable tree": ksmd.unstable,
    }
    for number, mm in state.mms.pairs():
        tables[f"the VMAs of process {number}"] = mm.vmas
        tables[f"the PTEs of process {number}"] = mm.ptes
        tables[f"the rmap items of process {number}"] = mm.items
    for name, table in tables.items():
        try:
            table.check()
        except AssertionError as error:
            yield f"{name} are filed wrongly: {error}"


def ids_issued(c: Census) -> Iterator[str]:
    """Every number was given out by the counter: `0 <= number < next_id`."""
    state = c.state
    for kind, table in (
        ("anon_vma", state.anon_vmas),
        ("folio", state.folios),
        ("stable node", state.nodes),
        ("swap slot", state.slots),
    ):
        for number in table:
            if not 0 <= number < state.next_id:
                yield f"{kind} {number} has a number that next_id {state.next_id} has not given out"


def ids_unique(c: Census) -> Iterator[str]:
    """No two objects share a number, but for a stable node and its folio."""
    state = c.state
    tables: tuple[tuple[str, SortedMap[Any]], ...] = (
        ("anon_vma", state.anon_vmas),
        ("swap slot", state.slots),
        ("folio", state.folios),
        ("stable node", state.nodes),
    )
    for at, (kind, table) in enumerate(tables[:2]):
        for number in table:
            for other, others in tables[at + 1 :]:
                if number in others:
                    yield f"the {kind} and a {other} have the same number {number}"


def vma_keys(c: Census) -> Iterator[str]:
    """A VMA is filed under its own process and start."""
    for mm, start, vma in c.vmas:
        if vma.key != (mm, start):
            yield f"{vma_name(vma.mm, vma)} is filed as the VMA at {start} of process {mm}"


def vma_ranges(c: Census) -> Iterator[str]:
    """A VMA has pages, and neither its address nor its offset is negative."""
    for mm, _, vma in c.vmas:
        if not 0 <= vma.start < vma.end:
            yield f"{vma_name(mm, vma)} is no range of pages"
        if vma.pgoff < 0:
            yield f"{vma_name(mm, vma)} has the negative offset {vma.pgoff}"


def vma_disjoint(c: Census) -> Iterator[str]:
    """The VMAs of a process do not overlap."""
    for (mm, _, vma), (other_mm, _, other) in pairwise(c.vmas):
        if mm == other_mm and vma.end > other.start:
            yield f"{vma_name(mm, vma)} overlaps {vma_name(mm, other)}"


def vma_offsets(c: Census) -> Iterator[str]:
    """`anon_pgoff` equals `pgoff`, but for files where `Rules.anon_pgoff` tells them apart.

    mm/vma.c of 2026: for anonymous memory both are equal at all times.
    """
    for mm, _, vma in c.vmas:
        apart = vma.file is not None and c.state.rules.anon_pgoff
        if vma.anon_pgoff != vma.pgoff and not apart:
            yield (
                f"{vma_name(mm, vma)} has anon_pgoff {vma.anon_pgoff} apart from pgoff {vma.pgoff}"
            )


def chain_own(c: Census) -> Iterator[str]:
    """A VMA's anon_vma is in its chain; an unfaulted VMA has an empty chain (mm/rmap.c)."""
    for mm, _, vma in c.vmas:
        if vma.anon_vma is None:
            if vma.chain:
                yield f"{vma_name(mm, vma)} has the chain {vma.chain} and no anon_vma"
        elif vma.anon_vma not in vma.chain:
            yield f"{vma_name(mm, vma)} has anon_vma {vma.anon_vma}, not in its chain {vma.chain}"


def chain_distinct(c: Census) -> Iterator[str]:
    """A chain links a VMA to an anon_vma once."""
    for mm, _, vma in c.vmas:
        if len(set(vma.chain)) < len(vma.chain):
            yield f"{vma_name(mm, vma)} has an anon_vma twice in its chain {vma.chain}"


def chain_exists(c: Census) -> Iterator[str]:
    """A chain links to anon_vmas that exist."""
    for mm, _, vma in c.vmas:
        for number in vma.chain:
            if number not in c.state.anon_vmas:
                yield f"{vma_name(mm, vma)} is linked to anon_vma {number}, which does not exist"


def chain_one_root(c: Census) -> Iterator[str]:
    """The anon_vmas of a chain have one root: its rwsem locks them all (`lock_anon_vma_root`)."""
    for mm, _, vma in c.vmas:
        roots = {anon_vma.root for _, anon_vma in c.chain(vma)}
        if len(roots) > 1:
            yield f"{vma_name(mm, vma)} has a chain with several roots: {sorted(roots)}"


def chain_ancestors(c: Census) -> Iterator[str]:
    """A chain holds the parent of each of its anon_vmas.

    Deduced from `anon_vma_fork` (a new anon_vma joins the whole chain of the parent's VMA) and
    `anon_vma_clone`; so no anon_vma outlives its parent while VMAs are linked to it. Kernels
    without `Rules.lends_simple_only` break it.
    """
    if not c.state.rules.lends_simple_only:
        return
    for mm, _, vma in c.vmas:
        for number, anon_vma in c.chain(vma):
            if anon_vma.parent not in vma.chain:
                yield (
                    f"{vma_name(mm, vma)} is linked to anon_vma {number} "
                    f"and not to its parent {anon_vma.parent}"
                )


def chain_equal(c: Census) -> Iterator[str]:
    """Two VMAs of one process with one anon_vma have equal chain sets.

    Commit d0e9fe1758f2; `reusable_anon_vma` and the merge tests of mm/vma.c rely on it.
    Kernels without `Rules.lends_simple_only` break it.
    """
    if not c.state.rules.lends_simple_only:
        return
    seen: dict[tuple[int, int], tuple[int, ...]] = {}
    for mm, _, vma in c.vmas:
        if vma.anon_vma is None:
            continue
        chain = seen.setdefault((mm, vma.anon_vma), vma.chain)
        if chain != vma.chain and set(chain) != set(vma.chain):
            yield (
                f"{vma_name(mm, vma)} has anon_vma {vma.anon_vma} and the chain {vma.chain}, "
                f"another VMA of process {mm} has it with the chain {chain}"
            )


def anon_vma_roots(c: Census) -> Iterator[str]:
    """A root exists while an anon_vma has it, is its own root and its own parent."""
    for number, anon_vma in c.state.anon_vmas.pairs():
        root = c.state.anon_vmas.get(anon_vma.root)
        if root is None:
            yield f"anon_vma {number} has the root {anon_vma.root}, which does not exist"
        elif root.root != anon_vma.root:
            yield f"anon_vma {number} has the root {anon_vma.root}, whose root is {root.root}"
        elif root.parent != anon_vma.root:
            yield f"anon_vma {anon_vma.root} is a root and has the parent {root.parent}"


def anon_vma_parents(c: Census) -> Iterator[str]:
    """A parent is older than its child and has the same root.

    It exists while VMAs are linked to the child; a child that only rmap items keep alive may
    have lost it (the kernel's pointer dangles there: nobody follows it).
    """
    for number, anon_vma in c.state.anon_vmas.pairs():
        if anon_vma.root == number:
            continue
        parent = c.state.anon_vmas.get(anon_vma.parent)
        if anon_vma.parent >= number:
            yield f"anon_vma {number} has the parent {anon_vma.parent}, which is not older"
        elif parent is None:
            if anon_vma.tree:
                yield f"anon_vma {number} has the parent {anon_vma.parent}, which does not exist"
        elif parent.root != anon_vma.root:
            yield (
                f"anon_vma {number} has the root {anon_vma.root}, "
                f"its parent {anon_vma.parent} the root {parent.root}"
            )


def tree_sound(c: Census) -> Iterator[str]:
    """An interval tree obeys the rules of `FrozenIntervalTree`: (start, insertion) order."""
    for number, anon_vma in c.state.anon_vmas.pairs():
        try:
            anon_vma.tree.check()
        except AssertionError as error:
            yield f"the interval tree of anon_vma {number} is filed wrongly: {error}"


def tree_links(c: Census) -> Iterator[str]:
    """An interval tree holds exactly the links of the chains under their current keys.

    `anon_vma_interval_tree_verify`, mm/interval_tree.c.
    """
    for number, anon_vma in c.state.anon_vmas.pairs():
        held = [(start, last, key) for start, last, key in anon_vma.tree]
        linked = c.links.get(number, [])
        for start, last, (mm, at) in sorted({*held} ^ {*linked}):
            where = "in no chain" if (start, last, (mm, at)) in held else "missing there"
            yield (
                f"the interval tree of anon_vma {number} and the chains differ: "
                f"[{start},{last}] of the VMA at {mm}:{at} is {where}"
            )
        if len(held) > len(linked) and {*held} == {*linked}:
            yield f"the interval tree of anon_vma {number} holds a link twice"


def _miscounted(c: Census, counter: str, counted: Mapping[int, int]) -> Iterator[str]:
    """Yield each anon_vma of which the field `counter` differs from what was counted."""
    for number, anon_vma in c.state.anon_vmas.pairs():
        kept, true = getattr(anon_vma, counter), counted.get(number, 0)
        if kept != true:
            yield f"anon_vma {number} has {counter} {kept}, not {true}"


def num_children(c: Census) -> Iterator[str]:
    """`num_children` counts the linked anon_vmas with this parent, a root itself included.

    mm/rmap.c; `unlink_anon_vmas` takes an emptied anon_vma from the count.
    """
    yield from _miscounted(c, "num_children", c.children)


def num_active_vmas(c: Census) -> Iterator[str]:
    """`num_active_vmas` counts the VMAs whose `anon_vma` this is (mm/rmap.c)."""
    yield from _miscounted(c, "num_active_vmas", c.active)


def refcount(c: Census) -> Iterator[str]:
    """`refcount`: one while VMAs are linked, one for each anon_vma with this root, each item.

    include/linux/rmap.h: created with one, which `unlink_anon_vmas` drops with the last link;
    an anon_vma that is no root holds its root, a STABLE rmap item its anon_vma.
    """
    yield from _miscounted(c, "refcount", c.references)


def anon_vma_needed(c: Census) -> Iterator[str]:
    """An anon_vma to which nothing refers is freed (`__put_anon_vma`)."""
    for number in c.state.anon_vmas:
        if not c.references.get(number):
            yield f"anon_vma {number} exists although nothing refers to it"
