"""anon_vmas and their chains: mm/rmap.c.

Rules of this module:

1. One avc is one link between a VMA and an anon_vma: an entry of `Vma.chain` and an interval of
   `AnonVma.tree`, made by `_link` and removed by `unlink_anon_vmas`.
2. The key of an interval never changes while it is in a tree: `rekey` takes the links out,
   puts the changed VMAs in (mm/vma.c: `vma_prepare`, `vma_complete`).
3. These functions return the changed `Vma`; the caller stores it in the VMA map of its mm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksm_rmap.interval_tree import FrozenIntervalTree
from ksm_rmap.model.events import VmaFaulted
from ksm_rmap.model.rules import AnonVmaReuse
from ksm_rmap.model.state import AnonVma, Vma, VmFlag

if TYPE_CHECKING:
    from ksm_rmap.model._draft import Draft, MmDraft
    from ksm_rmap.model.state import VmaKey

_EMPTY_TREE: FrozenIntervalTree[tuple[int, int]] = FrozenIntervalTree()

# Bits in which neighbours may differ and still share an anon_vma (anon_vma_compatible).
_SHARED_ANYWAY = int(VmFlag.ACCESS)


def anon_vma_prepare(d: Draft, mm: MmDraft, vma: Vma) -> Vma:
    """Return `vma` with an anon_vma: a neighbour's if they could merge, else a new one.

    `__anon_vma_prepare`, mm/rmap.c; `find_mergeable_anon_vma`, mm/vma.c: the next VMA first.
    """
    if vma.anon_vma is not None:
        return vma
    lender = _lender(d, mm, vma)
    anon_vma = None if lender is None else lender.anon_vma
    if anon_vma is None:
        anon_vma = d.new_id()
        d.anon_vmas = d.anon_vmas.with_item(anon_vma, AnonVma(anon_vma, anon_vma, 1, 1, 0))
    linked = _link(d, vma, anon_vma)._replace(anon_vma=anon_vma)
    d.change_anon_vma(anon_vma, num_active_vmas=1)
    mm.vmas = mm.vmas.with_item(vma.start, linked)
    if d.events is not None:
        d.events.append(VmaFaulted(vma, linked, lender))
    return linked


def _lender(d: Draft, mm: MmDraft, vma: Vma) -> Vma | None:
    following: Vma | None = mm.vmas.get(vma.end)
    if following is not None and _can_lend(d, following) and _compatible(vma, following):
        return following
    preceding = mm.prev_vma(vma.start)
    if preceding is not None and _can_lend(d, preceding) and _compatible(preceding, vma):
        return preceding
    return None


def _can_lend(d: Draft, vma: Vma) -> bool:
    return vma.anon_vma is not None and (len(vma.chain) == 1 or not d.rules.lends_simple_only)


def _compatible(lower: Vma, upper: Vma) -> bool:
    return (
        lower.end == upper.start
        and lower.file == upper.file
        and not (lower.flags ^ upper.flags) & ~_SHARED_ANYWAY
        and upper.pgoff == lower.pgoff + lower.pages
        and upper.anon_pgoff == lower.anon_pgoff + lower.pages
    )


def anon_vma_clone(d: Draft, dst: Vma, src: Vma, *, fork: bool = False) -> Vma:
    """Return `dst` linked to every anon_vma of `src`; with `fork` it may reuse one of them.

    `dst` comes with the `anon_vma` it shall have (None for fork) and no chain of its own.
    """
    dst = dst._replace(chain=())
    chain = reversed(src.chain) if d.rules.clone_oldest_first else iter(src.chain)
    for anon_vma in chain:
        dst = _link(d, dst, anon_vma)
        if fork and dst.anon_vma is None and _may_reuse(d, anon_vma, src):
            dst = dst._replace(anon_vma=anon_vma)
    if dst.anon_vma is not None:
        d.change_anon_vma(dst.anon_vma, num_active_vmas=1)
    return dst


def _may_reuse(d: Draft, number: int, src: Vma) -> bool:
    anon_vma = d.anon_vmas[number]
    if d.rules.reuse is AnonVmaReuse.SPLIT:
        return anon_vma.num_children < 2 and anon_vma.num_active_vmas == 0  # noqa: PLR2004
    if d.rules.reuse is AnonVmaReuse.DEGREE:  # one counter for children and VMAs
        degree = anon_vma.num_children + anon_vma.num_active_vmas
        return number != src.anon_vma and degree < 2  # noqa: PLR2004
    return False


def anon_vma_fork(d: Draft, child: Vma, parent: Vma) -> Vma:
    """Return the child's VMA linked to all anon_vmas of the parent's and to one of its own."""
    if parent.anon_vma is None:
        return child._replace(anon_vma=None, chain=())
    child = anon_vma_clone(d, child._replace(anon_vma=None), parent, fork=True)
    if child.anon_vma is not None:
        return child
    number, root = d.new_id(), d.anon_vmas[parent.anon_vma].root
    d.anon_vmas = d.anon_vmas.with_item(number, AnonVma(root, parent.anon_vma, 1, 0, 1))
    d.change_anon_vma(root, refcount=1)
    d.change_anon_vma(parent.anon_vma, num_children=1)
    return _link(d, child, number)._replace(anon_vma=number)


def unlink_anon_vmas(d: Draft, vma: Vma) -> Vma:
    """Return `vma` without anon_vma and chain; anon_vmas that nobody needs are freed."""
    emptied = []
    for number in vma.chain:
        tree = _remove(d, number, vma)
        if not tree:
            d.change_anon_vma(d.anon_vmas[number].parent, num_children=-1)
            emptied.append(number)
    if vma.anon_vma is not None:
        d.change_anon_vma(vma.anon_vma, num_active_vmas=-1)
    for number in emptied:
        put_anon_vma(d, number)
    return vma._replace(anon_vma=None, chain=())


def put_anon_vma(d: Draft, number: int) -> None:
    """Drop a reference; the last one frees the anon_vma and drops one of its root's."""
    anon_vma = d.anon_vmas[number]
    if anon_vma.refcount > 1:
        d.change_anon_vma(number, refcount=-1)
        return
    d.anon_vmas = d.anon_vmas.without(number)
    if anon_vma.root != number:
        put_anon_vma(d, anon_vma.root)


def rekey(d: Draft, changes: list[tuple[Vma, Vma]]) -> None:
    """Give the links of each `(old, new)` the key and name of `new`.

    The links are taken out of their trees and put in again behind their equals, as all kernels
    did until one learned to leave a link whose start key stays in its place.
    """
    for old, new in changes:
        if not _in_place(d, old, new):
            for number in old.chain:
                _remove(d, number, old)
    for old, new in changes:
        for number in new.chain:
            if _in_place(d, old, new):
                _change_last(d, number, old, new)
            else:
                _insert(d, number, new)


def _in_place(d: Draft, old: Vma, new: Vma) -> bool:
    same_start = old.anon_pgoff == new.anon_pgoff and old.start == new.start
    return d.rules.tree_update_in_place and same_start and old.chain == new.chain


def _link(d: Draft, vma: Vma, number: int) -> Vma:
    """Return `vma` with `number` at the head of its chain (`anon_vma_chain_link`)."""
    vma = vma._replace(chain=(number, *vma.chain))
    _insert(d, number, vma)
    return vma


def _insert(d: Draft, number: int, vma: Vma) -> None:
    anon_vma = d.anon_vmas[number]
    tree = anon_vma.tree.insert(*_interval(vma))
    d.anon_vmas = d.anon_vmas.with_item(number, anon_vma._replace(tree=tree))


def _remove(d: Draft, number: int, vma: Vma) -> FrozenIntervalTree[tuple[int, int]]:
    anon_vma = d.anon_vmas[number]
    tree = anon_vma.tree.remove(*_interval(vma))
    d.anon_vmas = d.anon_vmas.with_item(number, anon_vma._replace(tree=tree))
    return tree


def _change_last(d: Draft, number: int, old: Vma, new: Vma) -> None:
    anon_vma = d.anon_vmas[number]
    tree = anon_vma.tree.replace_last(*_interval(old), new.last_index)
    d.anon_vmas = d.anon_vmas.with_item(number, anon_vma._replace(tree=tree))


def _interval(vma: Vma) -> tuple[int, int, VmaKey]:
    """Return what a tree holds of `vma`: first and last index, both inclusive, and its name."""
    mm, start, end, _, _, _, _, first, _ = vma
    return first, first + end - start - 1, (mm, start)
