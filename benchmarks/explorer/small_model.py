"""A small model of KSM in flat bytes: what the engine does when states cost next to nothing.

Not the model of `ksm_rmap.model`, and no judge of anything: a measure for the engine in
`ksm_rmap.check.search`. Two processes, four pages each, two contents; mmap of one or two pages
into holes, munmap of a VMA or a page, write, fork, exit, madvise of a VMA, mremap of one page,
merging of two equal pages, ksmd's visit of a page that has no item. No counters, no orders.

A state is 82 bytes: per page index + 1, flag, anon_vma, folio; alive; the parent of each anon_vma;
per folio content + 4 if KSM; per page the item: folio, anon_vma, index + 1, and index + 1 of the
start of its VMA. Adjacent pages are one VMA if flag and anon_vma agree and the indexes go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

PAGES = 4
ALIVE = 32
PARENT = 34  # of anon_vma n: PARENT + n - 1
CONTENT = 42  # of folio n: CONTENT + n - 1
ITEM = 50
SIZE = 82
KSM = 4
WALKS = ("address", "vm_pgoff", "full")


def same_vma(s: bytearray | bytes, at: int) -> bool:
    """Whether the page at byte `at` belongs to the VMA of the page before it."""
    return (
        at & 15 != 0
        and s[at] != 0
        and s[at] == s[at - 4] + 1
        and s[at - 4] != 0
        and s[at + 1] == s[at - 3]
        and s[at + 2] == s[at - 2]
    )


def first_of(s: bytearray | bytes, at: int) -> int:
    while same_vma(s, at):
        at -= 4
    return at


def vma_of(s: bytearray | bytes, at: int) -> range:
    """Return the bytes at which the pages of the VMA of page `at` begin."""
    first, last = first_of(s, at), at
    while last & 15 != 12 and same_vma(s, last + 4):
        last += 4
    return range(first, last + 1, 4)


def new_folio(s: bytearray, content: int) -> int:
    """Return a folio that nothing maps, with a content."""
    used = s[3:ALIVE:4]
    name = 1
    while name in used or s[CONTENT + name - 1]:
        name += 1
    s[CONTENT + name - 1] = content
    return name


def new_anon_vma(s: bytearray, parent: int) -> int:
    used = {*s[2:ALIVE:4], *s[PARENT:CONTENT], *s[ITEM + 1 : SIZE : 4]}
    name = 1
    while name in used:
        name += 1
    s[PARENT + name - 1] = parent
    return name


def unmap(s: bytearray, at: int) -> None:
    s[at : at + 4] = b"\0\0\0\0"


def prepare(s: bytearray, at: int) -> None:
    """Give the VMA of page `at` an anon_vma: that of a neighbour that goes on, or a new one."""
    if s[at + 2]:
        return
    pages = vma_of(s, at)
    anon_vma = 0
    for other, step in ((pages[-1] + 4, 1), (pages[0] - 4, -1)):
        edge = pages[-1] if step > 0 else pages[0]
        inside = 0 <= other < ALIVE and other >> 4 == at >> 4
        if inside and s[other] and s[other] == s[edge] + step and s[other + 1] == s[at + 1]:
            anon_vma = anon_vma or s[other + 2]
    anon_vma = anon_vma or new_anon_vma(s, 0)
    for page in pages:
        s[page + 2] = anon_vma


def copy_page(s: bytearray, at: int) -> None:
    """Break the KSM page at `at`."""
    folio = s[at + 3]
    if folio and s[CONTENT + folio - 1] & KSM:
        s[at + 3] = 0
        s[at + 3] = new_folio(s, s[CONTENT + folio - 1] & 3)


def canonical(s: bytearray) -> bytes:  # noqa: C901 - one pass, the inner loop
    """Return the state with folios, anon_vmas and contents renamed by first appearance."""
    folios, anon_vmas, contents = bytearray(256), bytearray(256), bytearray(4)
    f = a = c = 0
    out = bytearray(SIZE)
    out[:PARENT] = s[:PARENT]
    queue = bytearray()
    for at in range(0, ALIVE, 4):
        name = s[at + 3]
        if name:
            if not folios[name]:
                f += 1
                folios[name] = f
                content = s[CONTENT + name - 1]
                if not contents[content & 3]:
                    c += 1
                    contents[content & 3] = c
                out[CONTENT + f - 1] = contents[content & 3] | (content & KSM)
            out[at + 3] = folios[name]
        name = s[at + 2]
        if name:
            if not anon_vmas[name]:
                a += 1
                anon_vmas[name] = a
                queue.append(name)
            out[at + 2] = anon_vmas[name]
    for at in range(ITEM, SIZE, 4):
        name = s[at]
        if name and folios[name]:
            out[at] = folios[name]
            out[at + 2 : at + 4] = s[at + 2 : at + 4]
            name = s[at + 1]
            if not anon_vmas[name]:
                a += 1
                anon_vmas[name] = a
                queue.append(name)
            out[at + 1] = anon_vmas[name]
    done = 0
    while done < len(queue):
        name = queue[done]
        done += 1
        parent = s[PARENT + name - 1]
        if parent:
            if not anon_vmas[parent]:
                a += 1
                anon_vmas[parent] = a
                queue.append(parent)
            out[PARENT + anon_vmas[name] - 1] = anon_vmas[parent]
    return bytes(out)


def do_mmap(s: bytes, p: int) -> Iterator[bytearray]:
    base = 16 * p
    for page in range(PAGES):
        at = base + 4 * page
        if s[at]:
            continue
        one = bytearray(s)
        one[at] = page + 1
        yield one
        if page + 1 < PAGES and not s[at + 4]:
            two = bytearray(one)
            two[at + 4] = page + 2
            yield two


def do_munmap(s: bytes, p: int) -> Iterator[bytearray]:
    for at in range(16 * p, 16 * p + 16, 4):
        if s[at]:
            one = bytearray(s)
            unmap(one, at)
            yield one
            vma = vma_of(s, at)
            if vma[0] == at and len(vma) > 1:
                whole = bytearray(s)
                for page in vma:
                    unmap(whole, page)
                yield whole


def do_write(s: bytes, p: int) -> Iterator[bytearray]:
    for at in range(16 * p, 16 * p + 16, 4):
        if not s[at]:
            continue
        folio = s[at + 3]
        for content in (1, 2):
            t = bytearray(s)
            held = s[CONTENT + folio - 1] if folio else 0
            if folio and not held & KSM and s[3:ALIVE:4].count(folio) == 1:
                if held == content:
                    continue
                t[CONTENT + folio - 1] = content
            else:
                prepare(t, at)
                t[at + 3] = 0
                t[at + 3] = new_folio(t, content)
            yield t


def do_fork(s: bytes, p: int) -> Iterator[bytearray]:
    if s[ALIVE + 1 - p] or not any(s[16 * p : 16 * p + 16]):
        return
    t = bytearray(s)
    child, parent = 16 - 16 * p, 16 * p
    t[ALIVE + 1 - p] = 1
    t[child : child + 16] = s[parent : parent + 16]
    born: dict[int, int] = {}
    for at in range(child, child + 16, 4):
        anon_vma = t[at + 2]
        if anon_vma:
            t[at + 2] = 0
            if anon_vma not in born:
                born[anon_vma] = new_anon_vma(t, anon_vma)
            t[at + 2] = born[anon_vma]
    yield t


def do_exit(s: bytes, p: int) -> Iterator[bytearray]:
    if any(s[16 * p : 16 * p + 16]):
        t = bytearray(s)
        t[16 * p : 16 * p + 16] = bytes(16)
        t[ITEM + 16 * p : ITEM + 16 * p + 16] = bytes(16)
        t[ALIVE + p] = 0
        yield t


def do_madvise(s: bytes, p: int) -> Iterator[bytearray]:
    for at in range(16 * p, 16 * p + 16, 4):
        if s[at] and not same_vma(s, at):
            t = bytearray(s)
            for page in vma_of(s, at):
                if s[at + 1]:
                    copy_page(t, page)
                t[page + 1] = 1 - s[at + 1]
            yield t


def do_mremap(s: bytes, p: int) -> Iterator[bytearray]:
    for at in range(16 * p, 16 * p + 16, 4):
        if not s[at]:
            continue
        for to in range(16 * p, 16 * p + 16, 4):
            if to != at:
                t = bytearray(s)
                unmap(t, to)
                if s[at + 1]:
                    copy_page(t, at)
                t[to : to + 4] = t[at : at + 4]
                if not s[at + 2]:
                    t[to] = ((to & 15) >> 2) + 1
                unmap(t, at)
                yield t


def make_item(t: bytearray, at: int, folio: int) -> None:
    item = ITEM + at
    t[item : item + 4] = bytes((folio, t[at + 2], t[at], t[first_of(t, at)]))


def do_merge(s: bytes, p: int) -> Iterator[bytearray]:
    """Merge a page of process `p`, which is upgraded if it is not KSM, with another one."""
    for at in range(16 * p, 16 * p + 16, 4):
        one = s[at + 3]
        if not one or not s[at + 1]:
            continue
        held = s[CONTENT + one - 1]
        for other in range(0, ALIVE, 4):
            two = s[other + 3]
            if not two or two == one or not s[other + 1]:
                continue
            if s[CONTENT + two - 1] != held & 3:
                continue
            t = bytearray(s)
            t[CONTENT + one - 1] = held | KSM
            t[other + 3] = one
            if not held & KSM:
                make_item(t, at, one)
            make_item(t, other, one)
            yield t


def do_visit(s: bytes, p: int) -> Iterator[bytearray]:
    for at in range(16 * p, 16 * p + 16, 4):
        folio = s[at + 3]
        if folio and s[at + 1] and s[CONTENT + folio - 1] & KSM and s[ITEM + at] != folio:
            t = bytearray(s)
            make_item(t, at, folio)
            yield t


KINDS = (
    ("mmap", do_mmap),
    ("munmap", do_munmap),
    ("write", do_write),
    ("fork", do_fork),
    ("exit", do_exit),
    ("madvise", do_madvise),
    ("mremap", do_mremap),
    ("merge", do_merge),
    ("visit", do_visit),
)


def linked(s: bytes, at: int, anon_vma: int) -> bool:
    """Whether the VMA of page `at` is linked to `anon_vma`: its own or one above."""
    own = s[at + 2]
    while own and own != anon_vma:
        own = s[PARENT + own - 1]
    return own == anon_vma != 0


def finds(s: bytes, folio: int, walk: str) -> set[int]:
    """Return where a walk finds the folio."""
    found = set()
    for item in range(ITEM, SIZE, 4):
        if s[item] != folio:
            continue
        page = item - ITEM & 15
        key = {"address": (page >> 2) + 1, "vm_pgoff": s[item + 3], "full": 0}[walk]
        for at in (page, 16 + page):
            if s[at + 3] == folio and linked(s, at, s[item + 1]):
                vma = vma_of(s, at)
                if not key or s[vma[0]] <= key <= s[vma[-1]]:
                    found.add(at)
    return found


class SmallProblem:
    """The small model as a `ksm_rmap.check.search.Problem`."""

    def initial(self) -> bytes:
        s = bytearray(SIZE)
        s[ALIVE] = 1
        return bytes(s)

    sleepers = 0

    def successors(self, state: bytes, asleep: int = 0) -> Iterator[tuple[str, bytes, int]]:
        del asleep  # no step of this model ever sleeps
        for p in (0, 1):
            if state[ALIVE + p]:
                for kind, steps in KINDS:
                    for t in steps(state, p):
                        yield kind, canonical(t), 0

    def look(self, state: bytes, goals: Collection[str]) -> tuple[list[str], list[str]]:
        reached = []
        for folio in range(1, 9):
            if state[CONTENT + folio - 1] & KSM:
                mapped = {at for at in range(0, ALIVE, 4) if state[at + 3] == folio}
                full = finds(state, folio, "full") if goals else set()
                reached += [g for g in goals if mapped & full - finds(state, folio, g)]
        return reached, []
