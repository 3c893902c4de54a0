"""Histories that grow: what the designs of the reverse map are priced on.

No analogue in the kernel. A `Layout` makes, for a size n, the calls that lead to a state, the calls
whose upkeep is measured there, and the pages whose walks are counted.

Rules of this module:

1. One page of each VMA at most is written: a page more costs every design the same again.
2. `private` is a page that one process alone maps, a copy in a child if there are children;
   `shared` one that was never written after the forks.
3. The argued cases have the numbers that people argue with, and smaller ones to see the growth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ksm_rmap.model.calls import Call

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("LAYOUTS", "Layout", "Plan")

FAR = 1 << 20
"""Where moved pages go: nothing else is there."""


class Plan(NamedTuple):
    """What a layout does for one size."""

    setup: tuple[Call, ...]
    fork: Call | None = None
    move: Call | None = None
    split: Call | None = None
    private: tuple[int, int] | None = None
    """`(mm, page)` of the page to walk."""
    shared: tuple[int, int] | None = None
    ksm: tuple[int, int] | None = None
    """A KSM page, for the walks of KSM folios."""


class Layout(NamedTuple):
    """A family of histories."""

    name: str
    summary: str
    unit: str
    """What n counts."""
    sizes: tuple[int, ...]
    plan: Callable[[int], Plan]


def _mmap(mm: int, start: int, pages: int, prot: str = "rw") -> Call:
    return Call.of("mmap", mm=mm, start=start, pages=pages, prot=prot)


def _write(mm: int, start: int, content: int, pages: int = 1) -> Call:
    return Call.of("write", mm=mm, start=start, content=content, pages=pages)


def _mprotect(mm: int, start: int, prot: str, pages: int = 1) -> Call:
    return Call.of("mprotect", mm=mm, start=start, pages=pages, prot=prot)


def _fork(mm: int, child: int) -> Call:
    return Call.of("fork", mm=mm, child=child)


def _move(mm: int, start: int, to: int, pages: int = 1) -> Call:
    return Call.of("mremap", mm=mm, start=start, pages=pages, to=to)


def _cut(mm: int, pages: int) -> list[Call]:
    """Return the calls that cut `[0, pages)` into VMAs of one page."""
    return [_mprotect(mm, page, "r") for page in range(0, pages, 2)]


def _vmas(n: int) -> Plan:
    setup = [_mmap(0, 0, n + 2), _write(0, 0, 1, n + 2), *_cut(0, n), _fork(0, 1), _write(1, 1, 2)]
    return Plan(
        tuple(setup), _fork(0, 2), _move(1, 0, FAR), _mprotect(0, n + 1, "r"), (1, 1), (1, 0)
    )


def _levels(n: int) -> Plan:
    setup = [_mmap(0, 0, 4), _write(0, 0, 1, 4)]
    setup += [_fork(level, level + 1) for level in range(n)]
    setup.append(_write(n, 0, 2))
    return Plan(
        tuple(setup), _fork(n, n + 1), _move(n, 1, FAR), _mprotect(n, 0, "r"), (n, 0), (n, 2)
    )


def _children(n: int) -> Plan:
    setup = [_mmap(0, 0, 4), _write(0, 0, 1, 4)]
    for child in range(1, n + 1):
        setup += [_fork(0, child), _write(child, 0, 2)]
    return Plan(
        tuple(setup), _fork(0, n + 1), _move(n, 1, FAR), _mprotect(n, 0, "r"), (n, 0), (n, 2)
    )


def _moves(n: int) -> Plan:
    setup = [_mmap(0, 0, n + 2), _write(0, 0, 1, n + 2)]
    setup += [_move(0, page, FAR + 3 * page) for page in range(n)]
    setup += [_fork(0, 1), _write(1, FAR, 2)]
    again = _move(0, FAR, 2 * FAR)
    return Plan(
        tuple(setup), _fork(0, 2), again, _mprotect(0, n, "r"), (1, FAR), (1, FAR + 3 * (n - 1))
    )


def _tree_of_forks(n: int) -> Plan:
    """Return wangtao's case: n VMAs, two levels of two children each."""
    setup = [_mmap(0, 2 * page, 1) for page in range(n)]
    setup += [_write(0, 2 * page, 1) for page in range(n)]
    family = [0]
    for mm in family:
        if len(family) < 1 + 2 + 4:
            for _ in range(2):
                setup.append(_fork(mm, len(family)))
                family.append(len(family))
    last = family[-1]
    setup.append(_write(last, 0, 2))
    return Plan(
        tuple(setup), _fork(last, last + 1), _move(last, 2, FAR), None, (last, 0), (last, 2)
    )


def _pieces(n: int) -> Plan:
    setup = [
        _mmap(0, 0, n),
        _write(0, 0, 1, 2),
        _write(0, 2, 3),
        Call.of("madvise", mm=0, start=0, pages=n, advice="mergeable"),
        *_cut(0, n),
        Call.of("ksmd", passes=3),
    ]
    return Plan(tuple(setup), None, _move(0, 5, FAR), None, (0, 2), None, (0, 0))


def _ksm(n: int) -> Plan:
    """Return a merged pair of pages, n children, and a ksmd that has seen them all."""
    setup = [
        _mmap(0, 0, 4),
        _write(0, 0, 1, 2),
        _write(0, 2, 2),
        Call.of("madvise", mm=0, start=0, pages=4, advice="mergeable"),
        Call.of("ksmd", passes=2),
        *(_fork(0, child) for child in range(1, n + 1)),
        Call.of("ksmd", passes=1),
    ]
    return Plan(tuple(setup), _fork(0, n + 1), _move(0, 0, FAR), ksm=(0, 1))


def _java(n: int) -> Plan:
    """Return a heap that is reserved, committed in regions, evacuated, and forked for a child."""
    setup = [_mmap(0, 0, 8 * n, "-")]
    for region in range(n):
        setup += [_mprotect(0, 4 * region, "rw", 2), _write(0, 4 * region, 1, 2)]
    for region in range(0, n, 4):
        setup.append(Call.of("madvise", mm=0, start=4 * region, pages=2, advice="dontneed"))
        setup.append(_mprotect(0, 4 * region, "-", 2))
    for region in range(2, n, 4):
        setup.append(_move(0, 4 * region, 4 * (n + region), 2))
    setup += [_fork(0, 1), _write(1, 4, 2)]
    return Plan(
        tuple(setup), _fork(0, 2), _move(0, 4, 8 * n - 8, 2), _mprotect(0, 4, "r"), (1, 4), (1, 5)
    )


def _zygote(n: int) -> Plan:
    """Return a process with 40 VMAs and n children that each copy some pages and map their own."""
    setup = [_mmap(0, 2 * area, 1) for area in range(40)]
    setup += [_write(0, 2 * area, 1) for area in range(40)]
    for app in range(1, n + 1):
        setup.append(_fork(0, app))
        setup += [_write(app, 2 * area, 2) for area in range(0, 40, 8)]
        setup += [_mmap(app, 100, 2), _write(app, 100, 3)]
    return Plan(
        tuple(setup), _fork(0, n + 1), _move(n, 2, FAR), _mprotect(n, 100, "r"), (n, 0), (n, 2)
    )


LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout("vmas", "one area cut in n VMAs, one child", "VMAs", (16, 64, 256), _vmas),
        Layout("levels", "a chain of n forks", "levels", (2, 4, 8, 16), _levels),
        Layout("children", "one process, n children", "children", (8, 32, 128), _children),
        Layout("moves", "n pages moved one by one, one child", "moves", (8, 32, 128), _moves),
        Layout(
            "1000-children",
            "1,000 children that copy their pages (one of the 1,000 is shown)",
            "children",
            (10, 100, 1000),
            _children,
        ),
        Layout(
            "1000-vmas",
            "1,000 VMAs, two levels of two children each",
            "VMAs",
            (10, 100, 1000),
            _tree_of_forks,
        ),
        Layout("pieces", "22,169 pieces of one VMA", "VMAs", (200, 2000, 22169), _pieces),
        Layout(
            "ksm", "a merged page, n children that ksmd has seen", "children", (4, 16, 64), _ksm
        ),
        Layout("java", "a heap in n regions, evacuated, forked", "regions", (16, 64, 256), _java),
        Layout("zygote", "n children of a zygote with 40 VMAs", "children", (4, 16, 64), _zygote),
    )
}
"""By name; the first four grow in one direction each, the others are what people argue about."""
