from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest

from ksm_rmap.check.delta import shrink, size
from ksm_rmap.model.calls import Call

if TYPE_CHECKING:
    from collections.abc import Callable

Calls = tuple[Call, ...]


def arguments(call: Call) -> dict[str, Any]:
    return dict(call.args)


MMAP = Call.of("mmap", mm=0, start=3, pages=5, prot="rw", file="f", offset=4)
WRITE = Call.of("write", mm=0, start=4, content=7, pages=2)
MOVE = Call.of("mremap", mm=0, start=4, pages=2, new_pages=3, to=9, dontunmap=True)
FORK = Call.of("fork", mm=0, child=2)
KSMD = Call.of("ksmd", passes=3)
STEP = Call.of("ksmd_step")
LONG = (MMAP, STEP, WRITE, FORK, STEP, MOVE, KSMD, WRITE, Call.of("exit_mm", mm=2), STEP)


def ops(calls: Calls) -> list[str]:
    return [call.op for call in calls]


def holds_ops(*wanted: str) -> Callable[[Calls], bool]:
    return lambda calls: not Counter(wanted) - Counter(ops(calls))


def test_drops_what_the_predicate_does_not_need() -> None:
    assert ops(shrink(LONG, holds_ops("mmap", "mremap"))) == ["mmap", "mremap"]


def test_simplifies_numbers_and_leaves_out_options() -> None:
    assert shrink(LONG, holds_ops("mmap", "mremap")) == (
        Call.of("mmap", mm=0, start=0, pages=1),
        Call.of("mremap", mm=0, start=0, pages=1, to=0),
    )


def test_single_steps_of_ksmd_become_passes() -> None:
    def scans(calls: Calls) -> bool:
        passes: list[int] = [arguments(c).get("passes", 1) for c in calls if "ksmd" in c.op]
        return sum(passes) >= 3

    assert shrink([STEP, STEP, STEP], scans) == (Call.of("ksmd", passes=3),)


def test_two_calls_become_one_that_covers_both() -> None:
    def writes_two_pages(calls: Calls) -> bool:
        written = set()
        for call in calls:
            if call.op == "write":
                args = arguments(call)
                written |= set(range(args["start"], args["start"] + args["pages"]))
        return len(written) >= 2

    one = Call.of("write", mm=0, start=0, content=1, pages=1)
    two = Call.of("write", mm=0, start=3, content=1, pages=1)
    assert shrink([one, two], writes_two_pages) == (one.replace(pages=2),)


def test_the_parent_does_what_the_child_did() -> None:
    child = Call.of("write", mm=1, start=0, content=1, pages=1)
    assert shrink([Call.of("fork", mm=0, child=1), child], holds_ops("write")) == (
        child.replace(mm=0),
    )


def test_a_gap_in_the_numbers_of_processes_is_closed() -> None:
    fork = Call.of("fork", mm=0, child=3)
    assert shrink([fork], holds_ops("fork")) == (fork.replace(child=1),)


def test_two_calls_that_only_go_together_are_dropped_together() -> None:
    def even(calls: Calls) -> bool:
        return bool(calls) and ops(calls).count("fork") % 2 == 0 and "mmap" in ops(calls)

    assert ops(shrink([MMAP, FORK, FORK, FORK, FORK], even)) == ["mmap"]


def test_a_page_is_traded_for_a_call() -> None:
    def three_pages(calls: Calls) -> bool:
        sizes = [arguments(call).get("pages", 0) for call in calls]
        return sum(sizes) + 2 * ops(calls).count("ksmd_step") >= 3 and "mmap" in ops(calls)

    small = Call.of("mmap", mm=0, start=0, pages=1)
    hold = Call.of("read", mm=0, start=0, pages=1)
    assert len(shrink([small, hold, hold], three_pages)) < 3


def test_what_was_moved_can_be_there_at_once() -> None:
    def written_at_two(calls: Calls) -> bool:
        place, mapped = None, None
        for call in calls:
            args = arguments(call)
            if call.op == "mmap":
                mapped = args["start"]
            elif call.op == "mremap" and mapped == args["start"]:
                mapped = args["to"]
            elif call.op == "write" and args["start"] == mapped:
                place = mapped
        return place == 2

    calls = [
        Call.of("mmap", mm=0, start=0, pages=1),
        Call.of("mremap", mm=0, start=0, pages=1, to=2),
        Call.of("write", mm=0, start=2, content=1, pages=1),
    ]
    assert ops(shrink(calls, written_at_two)) == ["mmap", "write"]


@pytest.mark.parametrize(
    "wanted", list(combinations(("mmap", "write", "fork", "mremap", "ksmd"), 3))
)
def test_the_result_is_one_minimal_and_the_same_each_time(wanted: tuple[str, ...]) -> None:
    predicate = holds_ops(*wanted)
    smallest = shrink(LONG, predicate)
    assert predicate(smallest)
    assert not any(predicate(smallest[:i] + smallest[i + 1 :]) for i in range(len(smallest)))
    assert shrink(LONG, predicate) == smallest
    assert size(smallest) < size(LONG)


def test_no_list_is_tried_twice() -> None:
    tried: Counter[Calls] = Counter()

    def counted(calls: Calls) -> bool:
        tried[calls] += 1
        return holds_ops("fork", "ksmd")(calls)

    shrink(LONG, counted)
    assert max(tried.values()) == 1


def test_a_predicate_that_does_not_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="does not hold"):
        shrink(LONG, lambda _: False)
