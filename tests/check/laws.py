"""What must be true from one state to the next; `State.check()` looks at one state only.

1. Memory keeps its content: a page reads what was written to it last, whatever KSM, swap, fork,
   moves and migrations do to it. The expectation is computed from the calls alone.
2. The index of a page stays while it stays mapped, and goes along with a move; an unfaulted
   anonymous VMA gets the index of its new address.
3. A moved range maps no KSM page.
4. A child is linked to every anon_vma of its parent and has one that the parent's VMA has not.
5. After a pass of ksmd there is no rmap item of a page that is not there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ksm_rmap.model.state import Pte, PteKind, State, Vma, VmFlag, linear_page_index

if TYPE_CHECKING:
    from ksm_rmap.model.calls import Call

Place = tuple[int, int]


def contents(state: State) -> dict[Place, int]:
    """Return what each page reads, pages that read zero left out."""
    return {
        (number, page): content
        for number, mm in state.mms.pairs()
        for page, pte in mm.ptes.pairs()
        if (content := _content(state, pte))
    }


def _content(state: State, pte: Pte) -> int:
    if pte.kind is PteKind.ZERO:
        return 0
    if pte.kind is PteKind.SWAP:
        slot = state.slots[pte.target]
        return slot.content if slot.folio is None else state.folios[slot.folio].content
    return state.folios[pte.target].content


def expected_contents(before: State, call: Call) -> dict[Place, int]:
    """Return what each page must read after `call`, which was not refused."""
    args: dict[str, Any] = dict(call.args)
    old = contents(before)
    mm, start = args.get("mm", -1), args.get("start", 0)
    end = start + args.get("pages", 0)
    if call.op == "write":
        return {**old, **{(mm, page): args["content"] for page in range(start, end)}}
    if call.op in {"mmap", "munmap"} or args.get("advice") == "dontneed":
        return _without(old, mm, start, end)
    if call.op == "exit_mm":
        return {place: content for place, content in old.items() if place[0] != mm}
    if call.op == "fork":
        copied = {
            (args["child"], page): content
            for (owner, page), content in old.items()
            if owner == mm and _inherited(before, mm, page)
        }
        return {**old, **copied}
    return _after_mremap(old, args) if call.op == "mremap" else old


def _without(old: dict[Place, int], mm: int, start: int, end: int) -> dict[Place, int]:
    return {p: c for p, c in old.items() if p[0] != mm or not start <= p[1] < end}


def _inherited(state: State, mm: int, page: int) -> bool:
    vma = state.vma(mm, page)
    return vma is not None and not vma.flags & (VmFlag.DONTCOPY | VmFlag.WIPEONFORK)


def _after_mremap(old: dict[Place, int], args: dict[str, Any]) -> dict[Place, int]:
    mm, start, pages, to = args["mm"], args["start"], args["pages"], args.get("to")
    new_pages = args.get("new_pages") or pages
    kept = _without(old, mm, start + min(pages, new_pages), start + pages)
    if to is None:
        return kept
    moved = {
        (mm, page - start + to): content
        for (owner, page), content in kept.items()
        if owner == mm and start <= page < start + pages
    }
    rest = _without(_without(kept, mm, to, to + new_pages), mm, start, start + pages)
    return {**rest, **moved}


def broken_laws(before: State, call: Call, after: State) -> list[str]:
    """Return a sentence for each law that the step from `before` to `after` broke."""
    broken = []
    if contents(after) != expected_contents(before, call):
        broken.append("a page reads something else than was written to it")
    broken += [] if _indexes_kept(before, call, after) else ["the index of a page changed"]
    if call.op == "mremap":
        broken += _broken_by_move(before, dict(call.args), after)
    at_rest = before.ksmd.mm is None  # else the pass begins in the middle
    if call.op == "ksmd" and at_rest and not _items_have_pages(after):
        broken.append("ksmd left the item of a page that is not there")
    if call.op == "fork":
        broken += _broken_by_fork(before, dict(call.args), after)
    return broken


def _indexes_kept(before: State, call: Call, after: State) -> bool:
    """Whether each page that no call mapped anew has the index that it had."""
    if call.op in {"mmap", "munmap", "mremap", "exit_mm"}:
        return True
    for number, mm in before.mms.pairs():
        for vma in mm.vmas.values_in_order():
            for page in range(vma.start, vma.end):
                now = after.vma(number, page)
                if now is None or linear_page_index(now, page) != linear_page_index(vma, page):
                    return False
    return True


def _broken_by_move(before: State, args: dict[str, Any], after: State) -> list[str]:
    mm, start, pages, to = args["mm"], args["start"], args["pages"], args.get("to")
    if to is None:
        return []
    broken = []
    for page in range(start, start + min(pages, args.get("new_pages") or pages)):
        was, now = before.vma(mm, page), after.vma(mm, page - start + to)
        if was is None or now is None:
            continue
        place = page - start + to
        if linear_page_index(now, place) != _index_after_move(was, page, place):
            broken.append("a moved page has the wrong index")
        folio = after.folio_at(mm, place)
        if was.has(VmFlag.MERGEABLE) and folio is not None and after.folios[folio].ksm:
            broken.append("a moved range maps a KSM page")
    return broken


def _index_after_move(was: Vma, page: int, place: int) -> int:
    unfaulted = was.anon_vma is None and was.file is None
    return place if unfaulted else linear_page_index(was, page)


def _items_have_pages(state: State) -> bool:
    return all(
        state.folio_at(number, page) is not None
        for number, mm in state.mms.pairs()
        if mm.alive
        for page in mm.items
    )


def _broken_by_fork(before: State, args: dict[str, Any], after: State) -> list[str]:
    for vma in before.mms[args["mm"]].vmas.values_in_order():
        child = after.vma(args["child"], vma.start)
        if vma.flags & (VmFlag.DONTCOPY | VmFlag.WIPEONFORK):
            continue
        if child is None or not set(vma.chain) <= set(child.chain):
            return ["a child is not linked to every anon_vma of its parent"]
        if child.anon_vma is not None and child.anon_vma == vma.anon_vma:
            return ["a child has no anon_vma of its own"]
    return []
