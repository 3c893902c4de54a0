"""The pure form's pages: the algorithm of ``btree.h``, with lists for arrays.

The rules, the picture and the argument for the bound are in that file; the names here
are its names. A page is three parallel lists; in a branch ``slots`` are pages, in a leaf
intervals. Lists bring two C loops with them, ``bisect`` and slicing, so the searches here
say in a comprehension what the C form says with a loop.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any

from ksm_rmap.interval_tree._common import MAX_BOUND

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What a slot holds: a page in a branch, an interval of any value in a leaf.
Below = Any

#: Most slots in a page. Half of the C form's: an entry costs more to look at here.
PAGE = 16


class Page:
    """A leaf (height 0) or a branch, with the bounds of each slot."""

    __slots__ = ("height", "lasts", "parent", "slots", "starts")

    def __init__(
        self, height: int, starts: list[int], lasts: list[int], slots: list[Below]
    ) -> None:
        self.parent: Page | None = None
        self.height = height
        self.starts = starts
        self.lasts = lasts
        self.slots = slots

    def put(self, slot: int, start: int, last: int, below: object) -> None:
        self.starts.insert(slot, start)
        self.lasts.insert(slot, last)
        self.slots.insert(slot, below)

    def erase(self, slot: int) -> None:
        del self.starts[slot], self.lasts[slot], self.slots[slot]

    def refresh(self, slot: int) -> bool:
        """Make the bounds of a slot those of its child; tell whether they changed."""
        child = self.slots[slot]
        start, last = child.starts[0], max(child.lasts)
        if self.starts[slot] == start and self.lasts[slot] == last:
            return False
        self.starts[slot] = start
        self.lasts[slot] = last
        return True


def adopt(page: Page) -> None:
    """Tell what lies in a page which page it lies in now."""
    if page.height:
        for child in page.slots:
            child.parent = page
    else:
        for interval in page.slots:
            interval._leaf = page  # noqa: SLF001 - the tree arranges its intervals


def branch(height: int, children: list[Page]) -> Page:
    """Return a page over pages."""
    page = Page(
        height,
        [child.starts[0] for child in children],
        [max(child.lasts) for child in children],
        children,
    )
    adopt(page)
    return page


def slot_of(parent: Page, child: Page, near: int) -> int:
    """Return the slot of a child, some start of which is, or just was, ``near``."""
    slots = parent.slots
    slot = bisect_right(parent.starts, near) - 1
    while slots[slot] is not child:
        slot -= 1
    return slot


# ---- changes ----


def split(parent: Page, slot: int, start: int, minimum: int) -> Page:
    """Split the full child in a slot; return the right half.

    A start that goes to either end leaves the other part nearly full.
    """
    left = parent.slots[slot]
    size = len(left.starts)
    at = bisect_right(left.starts, start)
    cut = size - minimum if at == size else minimum if at == 0 else size // 2
    right = Page(left.height, left.starts[cut:], left.lasts[cut:], left.slots[cut:])
    del left.starts[cut:], left.lasts[cut:], left.slots[cut:]
    adopt(right)
    right.parent = parent
    parent.lasts[slot] = max(left.lasts)
    parent.put(slot + 1, right.starts[0], max(right.lasts), right)
    return right


def descend_to_insert(page: Page, start: int, last: int, limit: int, minimum: int) -> Page:
    """Return the leaf that an interval belongs in, with room in it and bounds widened."""
    while page.height:
        starts = page.starts
        slot = bisect_right(starts, start) - 1
        if slot < 0:
            slot = 0
            starts[0] = start
        child: Page = page.slots[slot]
        if len(child.starts) >= limit:
            right = split(page, slot, start, minimum)
            if right.starts[0] <= start:
                child = right
                slot += 1
        page.lasts[slot] = max(page.lasts[slot], last)
        page = child
    return page


def even_out(left: Page, right: Page, want: int) -> None:
    """Move slots between two neighbours until the left one has ``want``."""
    starts = left.starts + right.starts
    lasts = left.lasts + right.lasts
    slots = left.slots + right.slots
    left.starts, right.starts = starts[:want], starts[want:]
    left.lasts, right.lasts = lasts[:want], lasts[want:]
    left.slots, right.slots = slots[:want], slots[want:]
    adopt(left)
    adopt(right)


def mend(parent: Page, slot: int, limit: int) -> None:
    """Merge a page that got too short with a neighbour, or share evenly with it."""
    slot -= slot > 0
    left, right = parent.slots[slot], parent.slots[slot + 1]
    total = len(left.starts) + len(right.starts)
    if total <= limit * 3 // 4:
        even_out(left, right, total)
        parent.erase(slot + 1)
    else:
        even_out(left, right, total // 2)
        parent.refresh(slot + 1)
    parent.refresh(slot)


def take_out(page: Page, interval: Below, start: int, limit: int) -> Page:
    """Remove an interval from its leaf; return the page at which mending stopped."""
    slots = page.slots
    slot = bisect_left(page.starts, start)
    while slots[slot] is not interval:
        slot += 1
    page.erase(slot)
    minimum = max(limit // 4, 2)
    while (parent := page.parent) is not None:
        slot = slot_of(parent, page, start)
        if len(page.starts) < minimum:
            mend(parent, slot, limit)
        elif not parent.refresh(slot):
            return page
        page = parent
    return page


# ---- searches ----


def entered(page: Page, start: int, last: int) -> list[Below]:
    """Return what is in the slots that overlap ``[start, last]``."""
    starts = page.starts
    if starts[-1] <= last:
        return [slot for slot, top in zip(page.slots, page.lasts, strict=False) if top >= start]
    stop = bisect_right(starts, last)
    tops = page.lasts[:stop]
    return [slot for slot, top in zip(page.slots, tops, strict=False) if top >= start]


def collect(page: Page, start: int, last: int) -> list[Below]:
    """Return the intervals that overlap, level by level: each level stays in order."""
    level = entered(page, start, last)
    for _ in range(page.height):
        if len(level) == 1:
            level = entered(level[0], start, last)
        else:
            level = [item for child in level for item in entered(child, start, last)]
    return level


def visits(page: Page, start: int, last: int) -> tuple[int, int]:
    """Return the numbers of pages and of entries that :func:`collect` reads."""
    pages, entries, level = 0, 0, [page]
    while level:
        pages += len(level)
        entries += sum(bisect_right(below.starts, last) for below in level)
        level = [child for below in level if below.height for child in entered(below, start, last)]
    return pages, entries


def first(page: Page, start: int, last: int) -> Below:
    """Return the first interval that overlaps, or None.

    Only the last slot of a prefix can disappoint, and then nothing follows it.
    """
    slots: Below = page
    for _ in range(page.height + 1):
        page = slots
        slots = None
        for at, top in enumerate(page.lasts):
            if top >= start:
                slots = page.slots[at] if page.starts[at] <= last else None
                break
        if slots is None:
            return None
    return slots


def lazily(page: Page, start: int, last: int) -> Iterator[Below]:
    """Yield the intervals that overlap, a leaf at a time."""
    if not page.height:
        yield from entered(page, start, last)
        return
    for child in entered(page, start, last):
        yield from lazily(child, start, last)


def after(page: Page, point: int) -> Below:
    """Return the first interval that starts after the point, or None."""
    while page.height:
        page = page.slots[max(bisect_right(page.starts, point) - 1, 0)]
    at = bisect_right(page.starts, point)
    while at == len(page.starts):
        if page.parent is None:
            return None
        at = slot_of(page.parent, page, page.starts[0]) + 1
        page = page.parent
    below: Below = page.slots[at]
    for _ in range(page.height):
        below = below.slots[0]
    return below


def before(page: Page, point: int, best: tuple[int, Below]) -> tuple[int, Below]:
    """Return the greatest last before the point and its slot, looking from the right."""
    for at in range(bisect_left(page.starts, point) - 1, -1, -1):
        top = page.lasts[at]
        if top < point:
            if top > best[0]:
                best = top, page.slots[at]
        elif page.height:
            best = before(page.slots[at], point, best)
    return best


def last_with(below: Below, last: int) -> Below:
    """Return the last interval at or below a slot that ends at ``last``."""
    while isinstance(below, Page):
        at = len(below.lasts) - 1
        while below.lasts[at] != last:
            at -= 1
        below = below.slots[at]
    return below


# ---- whole trees ----


def build(intervals: list[Below], limit: int, minimum: int) -> Page | None:
    """Return the root of full pages over intervals in order, or None over nothing."""
    level: list[Page] = []
    for run in _runs(intervals, limit, minimum):
        leaf = Page(0, [iv._start for iv in run], [iv._last for iv in run], run)  # noqa: SLF001
        adopt(leaf)
        level.append(leaf)
    height = 0
    while len(level) > 1:
        height += 1
        level = [branch(height, run) for run in _runs(level, limit, minimum)]
    return level[0] if level else None


def _runs(items: list[Below], limit: int, minimum: int) -> Iterator[list[Below]]:
    """Cut into runs of ``limit``; the last two share what is left."""
    used = 0
    while used < len(items):
        left = len(items) - used
        take = left // 2 if limit < left < limit + minimum else limit
        yield items[used : used + take]
        used += take


def broken(page: Page, limit: int, intervals: list[Below]) -> str | None:
    """Return the first broken invariant of a page or those below, or None."""
    problem = _broken_shape(page, limit)
    if problem:
        return problem
    look = _broken_child if page.height else _broken_interval
    return next(
        filter(None, (look(page, at, limit, intervals) for at in range(len(page.slots)))), None
    )


def _broken_shape(page: Page, limit: int) -> str | None:
    least = max(limit // 4, 2)
    if page.parent is None:
        least = 2 if page.height else 1
    if len(page.starts) > limit:
        return "a page has at most `limit` slots"
    if not len(page.starts) == len(page.lasts) == len(page.slots):
        return "starts, lasts and slots are parallel"
    if len(page.starts) < least:
        return "a page has at least `minimum` slots"
    if page.starts != sorted(page.starts):
        return "starts ascend"
    return None


def _broken_child(page: Page, at: int, limit: int, intervals: list[Below]) -> str | None:
    child = page.slots[at]
    if child.parent is not page:
        return "a child knows its parent"
    return broken(child, limit, intervals) or _broken_bounds(page, at, child)


def _broken_bounds(page: Page, at: int, child: Page) -> str | None:
    if child.height + 1 != page.height:
        return "all leaves are equally deep"
    if page.starts[at] != child.starts[0]:
        return "a start is the first start below"
    if page.lasts[at] != max(child.lasts):
        return "a last is the greatest last below"
    if at + 1 < len(page.starts) and child.starts[-1] > page.starts[at + 1]:
        return "starts ascend"
    return None


def _broken_interval(page: Page, at: int, _limit: int, intervals: list[Below]) -> str | None:
    interval = page.slots[at]
    if interval._leaf is not page:  # noqa: SLF001 - the tree arranges its intervals
        return "an item knows its leaf"
    if (page.starts[at], page.lasts[at]) != (interval.start, interval.last):
        return "a leaf has the bounds of its items"
    if not 0 <= interval.start <= interval.last <= MAX_BOUND:
        return "start <= last"
    intervals.append(interval)
    return None
