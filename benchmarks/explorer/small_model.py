"""A small model of KSM in flat bytes: what the engine does when states cost next to nothing.

Not the model of `ksm_rmap.model`, and no judge of anything: a measure for the engine in
`ksm_rmap.check.search`. Two processes, four pages each, two contents; mmap of one or two pages
into holes, munmap of a VMA or a page, write, fork, exit, madvise of a VMA, mremap of one page,
merging of two equal pages, ksmd's visit of a page that has no item. No counters, no orders.

A state is 82 bytes: per page index + 1, flag, anon_vma, folio; alive; the parent of each anon_vma;
per folio content + 4 if KSM; per page the item: folio, anon_vma, index + 1, and index + 1 of the
start of its VMA. Adjacent pages are one VMA if flag and anon_vma agree and the indexes go on.

`benchmarks.explorer.compiled` makes machine code of this module. That is why it names integers
`i64`, holds a state that is being made in a `vec[u8]` (else a `bytearray`), loops where a slice
would do, and returns lists. `small.h` is the same relation in C, for Spin and for a search in C.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.explorer.native import i64, u8, vec

if TYPE_CHECKING:
    from collections.abc import Collection

    Steps = list[tuple[str, bytes, int]]
    """Kind of each step, where it leads, and what sleeps there: nothing."""

PAGES: Final = 4
PARENTS: Final = 8
ALIVE: Final = 32
PARENT: Final = 34  # of anon_vma n: PARENT + n - 1
CONTENT: Final = 42  # of folio n: CONTENT + n - 1
ITEM: Final = 50
SIZE: Final = 82
KSM: Final = 4
WALKS: Final = ("address", "vm_pgoff", "full")
BLANK: Final = bytes(SIZE)
NAMES: Final = bytes(32)
QUEUE: Final = 16  # behind the new names of 15 anon_vmas: the old ones, in the order of the new


def same_vma(s: vec[u8], at: i64) -> bool:
    """Whether the page at byte `at` belongs to the VMA of the page before it."""
    return (
        at & 15 != 0
        and s[at] != 0
        and s[at - 4] != 0
        and s[at] == s[at - 4] + 1
        and s[at + 1] == s[at - 3]
        and s[at + 2] == s[at - 2]
    )


def first_of(s: vec[u8], at: i64) -> i64:
    while same_vma(s, at):
        at -= 4
    return at


def end_of(s: vec[u8], at: i64) -> i64:
    """Return the byte behind the last page of the VMA of page `at`."""
    at += 4
    while at & 15 != 0 and same_vma(s, at):
        at += 4
    return at


def in_use(s: vec[u8], start: i64, end: i64, step: i64) -> i64:
    """Return the set of the names in some bytes."""
    used: i64 = 0
    for at in range(start, end, step):
        used |= 1 << i64(s[at])
    return used


def new_folio(s: vec[u8], content: u8) -> u8:
    """Return a folio that nothing maps, with a content."""
    used = in_use(s, 3, ALIVE, 4)
    name: i64 = 1
    while used >> name & 1 != 0 or s[CONTENT + name - 1] != 0:
        name += 1
    s[CONTENT + name - 1] = content
    return u8(name)


def new_anon_vma(s: vec[u8], parent: u8) -> u8:
    used = in_use(s, 2, ALIVE, 4) | in_use(s, PARENT, CONTENT, 1) | in_use(s, ITEM + 1, SIZE, 4)
    name: i64 = 1
    while used >> name & 1 != 0:
        name += 1
    if name > PARENTS:
        raise OverflowError("no room for so many anon_vmas")
    s[PARENT + name - 1] = parent
    return u8(name)


def unmap(s: vec[u8], at: i64) -> None:
    s[at] = s[at + 1] = s[at + 2] = s[at + 3] = 0


def near(s: vec[u8], edge: i64, step: i64) -> u8:
    """Return the anon_vma that the page at `edge` may share with its neighbour; 0: none."""
    other = edge + 4 * step
    if other < 0 or other >= ALIVE or other >> 4 != edge >> 4 or s[other] == 0:
        return 0
    if i64(s[other]) != i64(s[edge]) + step or s[other + 1] != s[edge + 1]:
        return 0
    return s[other + 2]


def prepare(s: vec[u8], at: i64) -> None:
    """Give the VMA of page `at` an anon_vma: that of a neighbour that goes on, or a new one."""
    if s[at + 2] != 0:
        return
    first, end = first_of(s, at), end_of(s, at)
    anon_vma = near(s, end - 4, 1) or near(s, first, -1) or new_anon_vma(s, 0)
    for page in range(first, end, 4):
        s[page + 2] = anon_vma


def copy_page(s: vec[u8], at: i64) -> None:
    """Break the KSM page at `at`."""
    folio = i64(s[at + 3])
    if folio != 0 and s[CONTENT + folio - 1] & KSM != 0:
        s[at + 3] = 0
        s[at + 3] = new_folio(s, s[CONTENT + folio - 1] & 3)


def rename(names: vec[u8], count: i64, name: i64) -> i64:
    """Give anon_vma `name` the next new name, unless it has one; return how many have one."""
    if names[name] == 0:
        names[QUEUE + count] = u8(name)
        count += 1
        names[name] = u8(count)
    return count


def rename_pages(s: vec[u8], out: vec[u8], folios: vec[u8], anon_vmas: vec[u8]) -> i64:
    """Copy the pages and what is in them; return how many anon_vmas have new names."""
    count: i64 = 0
    last: i64 = 0
    first: u8 = 0  # the content that appears first is 1, the other one 2
    for at in range(0, ALIVE, 4):
        if s[at] == 0:
            continue
        out[at] = s[at]
        out[at + 1] = s[at + 1]
        name = i64(s[at + 2])
        if name != 0:
            count = rename(anon_vmas, count, name)
            out[at + 2] = anon_vmas[name]
        name = i64(s[at + 3])
        if name != 0:
            if folios[name] == 0:
                last += 1
                folios[name] = u8(last)
                content = s[CONTENT + name - 1]
                if first == 0:
                    first = content & 3
                out[CONTENT + last - 1] = (content & KSM) | (1 if content & 3 == first else 2)
            out[at + 3] = folios[name]
    return count


def canonical(s: vec[u8]) -> bytes:
    """Return the state with folios, anon_vmas and contents renamed by first appearance."""
    folios, anon_vmas, out = vec[u8](NAMES), vec[u8](NAMES), vec[u8](BLANK)
    count = rename_pages(s, out, folios, anon_vmas)
    out[ALIVE] = s[ALIVE]
    out[ALIVE + 1] = s[ALIVE + 1]
    for at in range(ITEM, SIZE, 4):
        name = i64(s[at])
        if name != 0 and folios[name] != 0:
            out[at] = folios[name]
            name = i64(s[at + 1])
            count = rename(anon_vmas, count, name)
            out[at + 1] = anon_vmas[name]
            out[at + 2] = s[at + 2]
            out[at + 3] = s[at + 3]
    done: i64 = 0
    while done < count:
        parent = i64(s[PARENT + i64(anon_vmas[QUEUE + done]) - 1])
        if parent != 0:
            count = rename(anon_vmas, count, parent)
            out[PARENT + done] = anon_vmas[parent]
        done += 1
    return bytes(out)


def do_mmap(s: vec[u8], base: i64, steps: Steps) -> None:
    for at in range(base, base + 16, 4):
        if s[at] != 0:
            continue
        one = s[:]
        one[at] = u8((at - base) // 4 + 1)
        steps.append(("mmap", canonical(one), 0))
        if at + 4 < base + 16 and s[at + 4] == 0:
            one[at + 4] = one[at] + 1
            steps.append(("mmap", canonical(one), 0))


def do_munmap(s: vec[u8], base: i64, steps: Steps) -> None:
    for at in range(base, base + 16, 4):
        if s[at] == 0:
            continue
        one = s[:]
        unmap(one, at)
        steps.append(("munmap", canonical(one), 0))
        end = end_of(s, at)
        if end > at + 4 and not same_vma(s, at):
            for page in range(at + 4, end, 4):
                unmap(one, page)
            steps.append(("munmap", canonical(one), 0))


def sharers(s: vec[u8], folio: u8) -> i64:
    """Return how many pages map a folio."""
    count: i64 = 0
    for at in range(3, ALIVE, 4):
        count += 1 if s[at] == folio else 0
    return count


def do_write(s: vec[u8], base: i64, steps: Steps) -> None:
    for at in range(base, base + 16, 4):
        if s[at] == 0:
            continue
        folio = i64(s[at + 3])
        held: u8 = s[CONTENT + folio - 1] if folio != 0 else 0
        alone = folio != 0 and held & KSM == 0 and sharers(s, s[at + 3]) == 1
        for content in (1, 2):
            if alone and i64(held) == content:
                continue
            t = s[:]
            if alone:
                t[CONTENT + folio - 1] = u8(content)
            else:
                prepare(t, at)
                t[at + 3] = 0
                t[at + 3] = new_folio(t, u8(content))
            steps.append(("write", canonical(t), 0))


def do_fork(s: vec[u8], base: i64, steps: Steps) -> None:
    child = 16 - base
    if s[ALIVE + child // 16] != 0 or in_use(s, base, base + 16, 4) <= 1:
        return
    t = s[:]
    t[ALIVE + child // 16] = 1
    for at in range(16):
        t[child + at] = s[base + at]
    born = vec[u8](NAMES)
    for at in range(child, child + 16, 4):
        parent = i64(t[at + 2])
        if parent != 0:
            if born[parent] == 0:
                born[parent] = new_anon_vma(t, u8(parent))
            t[at + 2] = born[parent]
    steps.append(("fork", canonical(t), 0))


def do_exit(s: vec[u8], base: i64, steps: Steps) -> None:
    if in_use(s, base, base + 16, 4) <= 1:
        return
    t = s[:]
    for at in range(base, base + 16):
        t[at] = t[ITEM + at] = 0
    t[ALIVE + base // 16] = 0
    steps.append(("exit", canonical(t), 0))


def do_madvise(s: vec[u8], base: i64, steps: Steps) -> None:
    for at in range(base, base + 16, 4):
        if s[at] == 0 or same_vma(s, at):
            continue
        t = s[:]
        for page in range(at, end_of(s, at), 4):
            if s[at + 1] != 0:
                copy_page(t, page)
            t[page + 1] = 1 - s[at + 1]
        steps.append(("madvise", canonical(t), 0))


def do_mremap(s: vec[u8], base: i64, steps: Steps) -> None:
    for at in range(base, base + 16, 4):
        if s[at] == 0:
            continue
        for to in range(base, base + 16, 4):
            if to == at:
                continue
            t = s[:]
            unmap(t, to)
            if s[at + 1] != 0:
                copy_page(t, at)
            t[to] = t[at]
            t[to + 1] = t[at + 1]
            t[to + 2] = t[at + 2]
            t[to + 3] = t[at + 3]
            if s[at + 2] == 0:
                t[to] = u8((to - base) // 4 + 1)
            unmap(t, at)
            steps.append(("mremap", canonical(t), 0))


def make_item(t: vec[u8], at: i64, folio: u8) -> None:
    t[ITEM + at] = folio
    t[ITEM + at + 1] = t[at + 2]
    t[ITEM + at + 2] = t[at]
    t[ITEM + at + 3] = t[first_of(t, at)]


def do_merge(s: vec[u8], base: i64, steps: Steps) -> None:
    """Merge a page of a process, which is upgraded if it is not KSM, with another one."""
    for at in range(base, base + 16, 4):
        one = s[at + 3]
        if one == 0 or s[at + 1] == 0:
            continue
        held = s[CONTENT + i64(one) - 1]
        for other in range(0, ALIVE, 4):
            two = s[other + 3]
            if two == 0 or two == one or s[other + 1] == 0:  # noqa: PLR1714 - compiled, a set is slow
                continue
            if s[CONTENT + i64(two) - 1] != held & 3:
                continue
            t = s[:]
            t[CONTENT + i64(one) - 1] = held | KSM
            t[other + 3] = one
            if held & KSM == 0:
                make_item(t, at, one)
            make_item(t, other, one)
            steps.append(("merge", canonical(t), 0))


def do_visit(s: vec[u8], base: i64, steps: Steps) -> None:
    for at in range(base, base + 16, 4):
        folio = s[at + 3]
        if folio == 0 or s[at + 1] == 0 or s[ITEM + at] == folio:
            continue
        if s[CONTENT + i64(folio) - 1] & KSM != 0:
            t = s[:]
            make_item(t, at, folio)
            steps.append(("visit", canonical(t), 0))


def linked(s: bytes, at: int, anon_vma: int) -> bool:
    """Whether the VMA of page `at` is linked to `anon_vma`: its own or one above."""
    own = s[at + 2]
    while own and own != anon_vma:
        own = s[PARENT + own - 1]
    return own == anon_vma != 0


def finds(state: bytes, folio: int, walk: str) -> set[int]:
    """Return where a walk finds the folio."""
    s = vec[u8](state)
    found = set()
    for item in range(ITEM, SIZE, 4):
        if state[item] != folio:
            continue
        page = item - ITEM & 15
        key = {"address": (page >> 2) + 1, "vm_pgoff": state[item + 3], "full": 0}[walk]
        for at in (page, 16 + page):
            if state[at + 3] == folio and linked(state, at, state[item + 1]):
                start, end = first_of(s, at), end_of(s, at)
                if not key or state[start] <= key <= state[end - 4]:
                    found.add(at)
    return found


class SmallProblem:
    """The small model as a `ksm_rmap.check.search.Problem`."""

    sleepers = 0

    def initial(self) -> bytes:
        s = bytearray(SIZE)
        s[ALIVE] = 1
        return bytes(s)

    def successors(self, state: bytes, asleep: int = 0) -> Steps:
        del asleep  # no step of this model ever sleeps
        s = vec[u8](state)
        steps: Steps = []
        for p in (0, 1):
            if state[ALIVE + p]:
                base = 16 * p
                do_mmap(s, base, steps)
                do_munmap(s, base, steps)
                do_write(s, base, steps)
                do_fork(s, base, steps)
                do_exit(s, base, steps)
                do_madvise(s, base, steps)
                do_mremap(s, base, steps)
                do_merge(s, base, steps)
                do_visit(s, base, steps)
        return steps

    def look(self, state: bytes, goals: Collection[str]) -> tuple[list[str], list[str]]:
        reached: list[str] = []
        for folio in range(1, 9):
            if state[CONTENT + folio - 1] & KSM:
                mapped = {at for at in range(0, ALIVE, 4) if state[at + 3] == folio}
                full = finds(state, folio, "full") if goals else set()
                reached += [g for g in goals if mapped & full - finds(state, folio, g)]
        return reached, []
