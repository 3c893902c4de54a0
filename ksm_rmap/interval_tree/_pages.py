"""The pure form's pages: the algorithm of ``btree.h``, with lists for arrays.

The rules, the picture and the argument for the bound are in that file; the names here
are its names. A page is three parallel lists; in a branch ``slots`` are pages, in a leaf
intervals. Lists bring two C loops with them, ``bisect`` and slicing; where those do not
serve, a plain loop over the few entries of a page is the quickest that Python has.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any

from ksm_rmap.interval_tree._common import MAX_BOUND

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What a slot holds: a page in a branch, an interval of any value in a leaf.
Below = Any

#: Most slots in a page, as in the C form. With half as many, searches cost the same and
#: changes a sixth more, for there is one level more to go through and to mend.
PAGE = 32


class Page:
    """A leaf (height 0) or a branch, with the bounds of each slot."""

    __slots__ = ("height", "lasts", "parent", "slots", "starts")

    def __init__(
        self, height: int, starts: list[int], lasts: list[int], slots: list[Below]
    ) -> None:
        self.parent: Branch | None = None
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

    def arrays(self) -> tuple[list[Below], ...]:
        """Return the parallel lists."""
        return self.starts, self.lasts, self.slots


class Branch(Page):
    """A page over pages; it knows of each slot what a search needs not to enter for one answer.

    ``seconds`` has the second greatest last below, 0 if there is one interval; ``longest``
    the interval that has the greatest last, None if several have it.
    """

    __slots__ = ("longest", "seconds")

    def __init__(self, height: int, *arrays: list[Below]) -> None:
        super().__init__(height, *arrays[:3])
        self.seconds, self.longest = arrays[3:]

    def arrays(self) -> tuple[list[Below], ...]:
        return *super().arrays(), self.seconds, self.longest

    def erase(self, slot: int) -> None:
        super().erase(slot)
        del self.seconds[slot], self.longest[slot]

    def put_child(self, slot: int, child: Page) -> None:
        for array, item in zip(self.arrays(), (0, 0, child, 0, None), strict=True):
            array.insert(slot, item)
        self.refresh(slot)
        child.parent = self

    def refresh(self, slot: int) -> bool:
        """Make the bounds of a slot those of its child; tell whether they changed."""
        old = self.starts[slot], self.lasts[slot], self.seconds[slot], self.longest[slot]
        now = bounds(self.slots[slot])
        self.starts[slot], self.lasts[slot], self.seconds[slot], self.longest[slot] = now
        return now != old

    def widen(self, slot: int, interval: Below) -> None:
        """Count an interval, which ends after the second of a slot, among those below it."""
        last, top = interval._last, self.lasts[slot]  # noqa: SLF001 - an interval of the tree
        if last > top:
            self.seconds[slot], self.lasts[slot], self.longest[slot] = top, last, interval
        else:
            self.seconds[slot] = last
            if last == top:
                self.longest[slot] = None


def bounds(page: Page) -> tuple[int, int, int, Below]:
    """Return what a slot says of the page below it: start, last, second and longest."""
    lasts = page.lasts
    last = max(lasts)
    at = lasts.index(last)
    second = max(lasts[:at] + lasts[at + 1 :], default=0)
    longest = page.slots[at]
    if isinstance(page, Branch):
        second = max(second, page.seconds[at])
        longest = page.longest[at]
    return page.starts[0], last, second, longest if second < last else None


def adopt(page: Page) -> None:
    """Tell what lies in a page which page it lies in now."""
    if page.height:
        for child in page.slots:
            child.parent = page
    else:
        for interval in page.slots:
            interval._leaf = page  # noqa: SLF001 - the tree arranges its intervals


def branch(height: int, children: list[Page]) -> Branch:
    """Return a page over pages."""
    starts, lasts, seconds, longest = map(list, zip(*map(bounds, children), strict=True))
    page = Branch(height, starts, lasts, children, seconds, longest)
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


def split(parent: Branch, slot: int, start: int, minimum: int) -> Page:
    """Split the full child in a slot; return the right half.

    A start that goes to either end leaves the other part nearly full.
    """
    left = parent.slots[slot]
    size = len(left.starts)
    at = bisect_right(left.starts, start)
    cut = size - minimum if at == size else minimum if at == 0 else size // 2
    right: Page = type(left)(left.height, *(array[cut:] for array in left.arrays()))
    for array in left.arrays():
        del array[cut:]
    adopt(right)
    parent.refresh(slot)
    parent.put_child(slot + 1, right)
    return right


def descend_to_insert(page: Page, interval: Below, limit: int, minimum: int) -> Page:
    """Return the leaf that an interval belongs in, with room in it and bounds widened."""
    start, last = interval._start, interval._last  # noqa: SLF001 - an interval of the tree
    while isinstance(page, Branch):
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
            starts[slot] = min(starts[slot], start)
        if last > page.seconds[slot]:
            page.widen(slot, interval)
        page = child
    return page


def even_out(left: Page, right: Page, want: int) -> None:
    """Move slots between two neighbours until the left one has ``want``."""
    for mine, theirs in zip(left.arrays(), right.arrays(), strict=True):
        both = mine + theirs
        mine[:], theirs[:] = both[:want], both[want:]
    adopt(left)
    adopt(right)


def mend(parent: Branch, slot: int, limit: int) -> None:
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


def take_out(page: Page, interval: Below, limit: int) -> Page:
    """Remove an interval from its leaf; return the page at which mending stopped."""
    start, last = interval._start, interval._last  # noqa: SLF001 - an interval of the tree
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
        elif start > parent.starts[slot] and last < parent.seconds[slot]:
            return page  # strictly inside the bounds, which therefore stay
        elif not parent.refresh(slot):
            return page
        page = parent
    return page


def put_in_place(page: Page, old: Below, interval: Below) -> None:
    """Put an interval in the place of one in a leaf that has the same bounds."""
    slot = bisect_left(page.starts, old._start)  # noqa: SLF001 - an interval of the tree
    while page.slots[slot] is not old:
        slot += 1
    page.slots[slot] = interval
    while (parent := page.parent) is not None:
        slot = parent.slots.index(page)
        if parent.longest[slot] is not old:
            return
        parent.longest[slot] = interval
        page = parent


# ---- searches ----


def enter(page: Page, start: int, last: int, found: list[Below]) -> None:
    """Add what overlaps ``[start, last]`` below the slots of a page, as far as it shows.

    In a leaf that is intervals. In a branch it is pages; and of a slot of which only the
    longest interval reaches the start, that interval.
    """
    stop = bisect_right(page.starts, last)
    lasts, slots = page.lasts, page.slots
    # Plain loops: most pages have one slot to enter, and a slice and a comprehension, which
    # before Python 3.12 is a function, cost more than the five entries they look at.
    if not isinstance(page, Branch):
        for at in range(stop):
            if lasts[at] >= start:
                found.append(slots[at])  # noqa: PERF401 - see above
        return
    for at in range(stop):
        if lasts[at] >= start:
            if page.seconds[at] >= start:
                found.append(slots[at])
            elif page.longest[at]._start <= last:  # noqa: SLF001 - an interval of the tree
                found.append(page.longest[at])


def collect(page: Page, start: int, last: int) -> list[Below]:
    """Return the intervals that overlap, level by level: each level stays in order."""
    level: list[Below] = [page]
    for _ in range(page.height + 1):
        above, level = level, []
        for below in above:
            if isinstance(below, Page):
                enter(below, start, last, level)
            else:
                level.append(below)
    return level


def visits(page: Page, start: int, last: int) -> tuple[int, int]:
    """Return the numbers of pages and of entries that :func:`collect` reads."""
    pages, entries, level = 0, 0, [page]
    while level:
        pages += len(level)
        entries += sum(bisect_right(below.starts, last) for below in level)
        found: list[Below] = []
        for below in level:
            enter(below, start, last, found)
        level = [below for below in found if isinstance(below, Page)]
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
    found: list[Below] = []
    enter(page, start, last, found)
    for below in found:
        if isinstance(below, Page):
            yield from lazily(below, start, last)
        else:
            yield below


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
    slots = range(len(page.slots))
    if isinstance(page, Branch):
        problems = (_broken_child(page, at, limit, intervals) for at in slots)
    else:
        problems = (_broken_interval(page, at, intervals) for at in slots)
    return next(filter(None, problems), None)


def _broken_shape(page: Page, limit: int) -> str | None:
    least = max(limit // 4, 2)
    if page.parent is None:
        least = 2 if page.height else 1
    if len(page.starts) > limit:
        return "a page has at most `limit` slots"
    if len(set(map(len, page.arrays()))) > 1:
        return "starts, lasts and slots are parallel"
    if len(page.starts) < least:
        return "a page has at least `minimum` slots"
    if page.starts != sorted(page.starts):
        return "starts ascend"
    return None


def _broken_child(page: Branch, at: int, limit: int, intervals: list[Below]) -> str | None:
    child = page.slots[at]
    if child.parent is not page:
        return "a child knows its parent"
    if child.height + 1 != page.height:
        return "all leaves are equally deep"
    return broken(child, limit, intervals) or _broken_bounds(page, at, child)


def _broken_bounds(page: Branch, at: int, child: Page) -> str | None:
    start, last, second, longest = bounds(child)
    if page.starts[at] != start:
        return "a start is the first start below"
    if page.lasts[at] != last:
        return "a last is the greatest last below"
    if page.seconds[at] != second:
        return "a second is the second greatest last below"
    if page.longest[at] is not longest:
        return "`longest` is the only item with the greatest last below"
    if at + 1 < len(page.starts) and child.starts[-1] > page.starts[at + 1]:
        return "starts ascend"
    return None


def _broken_interval(page: Page, at: int, intervals: list[Below]) -> str | None:
    interval = page.slots[at]
    if interval._leaf is not page:  # noqa: SLF001 - the tree arranges its intervals
        return "an item knows its leaf"
    if (page.starts[at], page.lasts[at]) != (interval.start, interval.last):
        return "a leaf has the bounds of its items"
    if not 0 <= interval.start <= interval.last <= MAX_BOUND:
        return "start <= last"
    intervals.append(interval)
    return None
