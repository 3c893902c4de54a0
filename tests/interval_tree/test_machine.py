"""A Hypothesis machine beside a list, and the bugs it must find in both forms."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from tests.interval_tree.machines import run_machine
from tests.interval_tree.mutants import NONE, assert_found, load_library, load_pure

if TYPE_CHECKING:
    from pathlib import Path

MAX = 2**64 - 1

#: Few points, so that intervals meet; and the ends of the range of bounds.
points = st.integers(0, 12) | st.sampled_from([0, 2**63 - 1, 2**63, MAX - 1, MAX])
spans = st.tuples(points, points).map(sorted)
#: Narrow ranges where ``insert_run`` puts intervals and leaves gaps.
gaps = st.integers(95, 140).map(lambda at: [at, at + 1])
#: Values that the collector tracks and values that it does not.
values = st.sampled_from(["a", 1, None]) | st.lists(st.integers(0, 1), max_size=1)


class Machine(RuleBasedStateMachine):
    """The tree and a list of its intervals in order."""

    form: Any = None

    @initialize(page=st.sampled_from([4, 5, 7, 32]), given=st.lists(st.tuples(spans, values)))
    def start(self, page: int, given: list[tuple[list[int], object]]) -> None:
        self.tree = self.form()
        self.tree._set_page_size(page)
        self.tree.update([(*span, value) for span, value in given])
        self.model = list(self.tree)
        wanted = sorted(given, key=lambda pair: pair[0][0])
        assert [[iv.start, iv.last] for iv in self.model] == [span for span, _ in wanted]
        assert [iv.value for iv in self.model] == [value for _, value in wanted]

    def place(self, made: Any) -> None:  # noqa: ANN401 - an interval of either form
        starts = [old.start for old in self.model]
        self.model.insert(bisect_right(starts, made.start), made)

    @rule(span=spans, value=values, times=st.integers(1, 12))
    def insert(self, span: list[int], value: object, times: int) -> None:
        for _ in range(times):
            self.place(self.tree.insert(*span, value))

    @rule(start=st.integers(0, 40), step=st.sampled_from([-1, 1]), times=st.integers(1, 12))
    def insert_run(self, start: int, step: int, times: int) -> None:
        for at in range(times):
            point = 100 + start + step * at
            self.place(self.tree.insert(point, point + at % 3, at))

    @rule(data=st.data(), times=st.integers(1, 12))
    def remove(self, data: st.DataObject, times: int) -> None:
        for _ in range(min(times, len(self.model))):
            gone = self.model.pop(data.draw(st.integers(0, len(self.model) - 1)))
            self.tree.remove(gone)
            assert not self.tree.discard(gone)
            assert gone not in self.tree

    @rule(data=st.data(), value=values)
    def replace(self, data: st.DataObject, value: object) -> None:
        if self.model:
            at = data.draw(st.integers(0, len(self.model) - 1))
            old, self.model[at] = self.model[at], self.tree.replace(self.model[at], value)
            assert old not in self.tree
            assert self.model[at].value is value

    @rule(given=st.lists(st.tuples(spans, values), max_size=3))
    def update(self, given: list[tuple[list[int], object]]) -> None:
        before = list(self.tree)
        self.tree.update([(*span, value) for span, value in given])
        known = {id(iv) for iv in before}
        made = [iv for iv in self.tree if id(iv) not in known]
        assert len(made) == len(given)
        for interval in made:
            self.place(interval)

    @rule(span=spans | gaps)
    def search(self, span: list[int]) -> None:
        low, high = span
        wanted = [iv for iv in self.model if iv.start <= high and iv.last >= low]
        assert self.tree.overlap(low, high) == wanted
        assert list(self.tree.iter_overlap(low, high)) == wanted
        assert self.tree.first_overlap(low, high) is (wanted[0] if wanted else None)
        assert self.tree.any_overlap(low, high) is bool(wanted)
        assert self.tree.count_overlap(low, high) == len(wanted)
        event("a search with an answer" if wanted else "a search without")

    @rule(point=points)
    def nearest(self, point: int) -> None:
        ended = [iv for iv in self.model if iv.last < point]
        later = [iv for iv in self.model if iv.start > point]
        best = max((iv.last for iv in ended), default=None)
        ended = [iv for iv in ended if iv.last == best]
        assert self.tree.nearest_before(point) is (ended[-1] if ended else None)
        assert self.tree.nearest_after(point) is (later[0] if later else None)

    @invariant()
    def holds(self) -> None:
        self.tree.check()
        assert list(self.tree) == self.model
        assert len(self.tree) == len(self.model)
        event(f"height {len(self.model).bit_length() // 2}")


def run(form: Any, examples: int) -> None:  # noqa: ANN401 - a class of either form
    run_machine(Machine, form, examples, steps=25)


def test_the_machine_finds_nothing(form: Any) -> None:  # noqa: ANN401
    run(form, 120)


#: name: (file of the C form, right text, wrong text).
C_BUGS = {
    "split loses the greatest last": (
        "btree.h",
        "bt_refresh(parent, slot);\n\tbt_put_child",
        "bt_put_child",
    ),
    "split forgets to tell the moved": ("btree.h", "bt_adopt(right, 0, right->count);", ";"),
    "merge forgets to tell the moved": ("btree.h", "bt_adopt(left, had, want);", ";"),
    "merge keeps old bounds": (
        "btree.h",
        "BT_FREE(right);\n\t} else",
        "BT_FREE(right);\n\t\treturn;\n\t} else",
    ),
    "borrow keeps old bounds": ("btree.h", "bt_refresh(parent, slot + 1);", ";"),
    "borrow moves one too few": (
        "btree.h",
        "bt_move(right, 0, left, want, give);",
        "bt_move(right, 0, left, want, give - 1);",
    ),
    "insertion widens no maximum": (
        "btree.h",
        "page->lasts[slot] = item->last;",
        ";",
    ),
    "removal leaves the maximum": (
        "btree.h",
        "else if (bt_is_inside(parent, slot, item) || !bt_refresh(parent, slot))",
        "else",
    ),
    "equal starts go left": (
        "btree.h",
        "uint32_t at = bt_upper(page, item->start);\n\tbt_put",
        "uint32_t at = bt_upper(page, item->start - !!item->start);\n\tbt_put",
    ),
    "bounds compare as signed": (
        "btree_page.h",
        "inclusive ? keys[group + i] <= key",
        "inclusive ? (int64_t)keys[group + i] <= (int64_t)key",
    ),
    "a search stops one slot early": (
        "btree_search.h",
        "bt_slots_to(page->starts, walk->last, 1, walk->vectors)",
        "bt_slots_to(page->starts, walk->last, 0, walk->vectors)",
    ),
    "one of several is the longest": (
        "btree.h",
        "if (item->last == page->lasts[slot])\n\t\t\tbranch->longest[slot] = NULL;",
        ";",
    ),
    "replacement leaves the longest": ("btree.h", "*longest = item;", ";"),
    "a lone answer may start too late": (
        "btree_search.h",
        "else if (inner || ((struct bt_item *)longest)->start <= walk->last)",
        "else",
    ),
}

#: name: (file of the pure form, right text, wrong text).
PURE_BUGS = {
    "split loses the greatest last": (
        "_pages.py",
        "    parent.refresh(slot)\n    parent.put_child",
        "    parent.put_child",
    ),
    "split forgets to tell the moved": (
        "_pages.py",
        "    adopt(right)\n    parent.refresh",
        "    parent.refresh",
    ),
    "merge forgets to tell the moved": ("_pages.py", "    adopt(left)\n", ""),
    "merge keeps old bounds": (
        "_pages.py",
        "        parent.erase(slot + 1)\n",
        "        parent.erase(slot + 1)\n        return\n",
    ),
    "borrow keeps old bounds": ("_pages.py", "        parent.refresh(slot + 1)\n", ""),
    "borrow moves one too few": (
        "_pages.py",
        "both[:want], both[want:]",
        "both[:want], both[want:][::-1]",
    ),
    "insertion widens no maximum": (
        "_pages.py",
        "            page.widen(slot, interval)\n",
        "            pass\n",
    ),
    "removal leaves the maximum": (
        "_pages.py",
        "elif not parent.refresh(slot):",
        "else:",
    ),
    "equal starts go left": (
        "_pure.py",
        "leaf.put(bisect_right(leaf.starts, made._start)",
        "leaf.put(bisect_left(leaf.starts, made._start)",
    ),
    "bounds compare as signed": (
        "_pages.py",
        "stop = bisect_right(page.starts, last)",
        "stop = bisect_right(page.starts, last if last < 2**63 else last - 2**64)",
    ),
    "a search stops one slot early": (
        "_pages.py",
        "stop = bisect_right(page.starts, last)",
        "stop = bisect_left(page.starts, last)",
    ),
    "one of several is the longest": (
        "_pages.py",
        "                self.longest[slot] = None\n",
        "                pass\n",
    ),
    "replacement leaves the longest": (
        "_pages.py",
        "        parent.longest[slot] = interval\n",
        "",
    ),
    "a lone answer may start too late": (
        "_pages.py",
        "elif page.longest[at]._start <= last:",
        "else:",
    ),
}


def run_library(library: str) -> None:
    """Run the machine over a compiled library; for a process that may crash."""
    run(load_library(library).Tree, 300)


@pytest.mark.parametrize("name", PURE_BUGS)
def test_a_bug_planted_in_the_pure_form_is_found(name: str) -> None:
    form = load_pure(PURE_BUGS[name])
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the bug does, it shows
        run(form, 1000)  # which examples come depends on the modules that are loaded


@pytest.mark.parametrize("name", ["no bug", *C_BUGS])
def test_a_bug_planted_in_the_c_form_is_found(name: str, tmp_path: Path) -> None:
    assert_found(__file__, name, C_BUGS.get(name, NONE), tmp_path)


def test_the_form_without_vectors_finds_nothing(tmp_path: Path) -> None:
    assert_found(__file__, "no bug", ("btree_search.h", "if (BT_HAS_AVX2)", "if (0)"), tmp_path)
