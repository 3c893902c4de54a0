"""The comparison: every field of every kind of record, and the renaming of objects."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ksm_rmap.check.compare import Difference, Renaming, compare
from ksm_rmap.check.trace import Snapshot, read_trace

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(__file__).parents[1] / "data" / "traces"
TRACES = [read_trace(str(path)) for path in sorted(DATA.iterdir())]


def renamed(value: Any, by: str = "9") -> Any:  # noqa: ANN401 - JSON
    """Return a snapshot under other names: a0 becomes a90."""
    if isinstance(value, dict):
        return {renamed(key, by): renamed(inner, by) for key, inner in value.items()}
    if isinstance(value, list):
        return [renamed(inner, by) for inner in value]
    is_name = isinstance(value, str) and value[0] in "afs" and value[1:].isdecimal()
    return f"{value[0]}{by}{value[1:]}" if is_name else value


def page(number: int, folio: str, **more: object) -> dict[str, Any]:
    return {
        "p": number,
        "k": "anon",
        "f": folio,
        "mc": 1,
        "tok": 5,
        "av": "a0",
        "ix": number,
        **more,
    }


def vma(start: int = 8, **more: object) -> dict[str, Any]:
    return {
        "s": start, "n": 8, "prot": "rw", "mg": 0, "pgoff": start, "flags": "0x100073", "av": "a0",
        "chain": ["a0"], **more,
    }  # fmt: skip


def anon_vma(name: str = "a0", **more: object) -> dict[str, Any]:
    return {"root": name, "parent": name, "refs": 1, "nchild": 1, "nactive": 1, **more}


def snapshot(*pages: dict[str, Any], vmas: tuple[dict[str, Any], ...] = (vma(),)) -> Any:  # noqa: ANN401 - JSON
    return {
        "procs": {"0": {"vmas": list(vmas), "pages": list(pages)}},
        "avs": {"a0": anon_vma()},
        "ksm": {},
    }


def differences(
    *steps: tuple[Snapshot, Snapshot], written: tuple[str, int] | None = None
) -> list[Difference]:
    """Return what the last step of a trace differs in; the steps before must not differ."""
    names = Renaming()
    for model, kernel in steps[:-1]:
        assert compare(model, kernel, names) == []
    return compare(*steps[-1], names, written)


# Every field


@pytest.mark.parametrize("trace", TRACES, ids=lambda trace: trace.name)
def test_a_trace_equals_itself_under_other_names(trace: Any) -> None:  # noqa: ANN401 - Trace
    names = Renaming()
    for step in trace.steps:
        assert compare(renamed(step.snapshot), step.snapshot, names) == []


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - JSON
    """Yield the path of each number, string and null below `value`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from leaves(inner, (*path, at))
    else:
        yield path


def is_name(value: object) -> bool:
    return isinstance(value, str) and value[0] in "af" and value[1:].isdecimal()


def flipped(old: Any, names: list[str]) -> Any:  # noqa: ANN401 - JSON
    """Return another value; for a name, the name of another object of the snapshot."""
    if is_name(old):
        return next(name for name in names if name[0] == old[0] and name != old)
    if old is None:
        return "a77"
    return old + "?" if isinstance(old, str) else old + 1


def rich(name: str) -> Any:  # noqa: ANN401 - JSON
    """Return the snapshot of a trace with most to compare."""
    trace = next(trace for trace in TRACES if trace.name == name)
    return max((step.snapshot for step in trace.steps), key=lambda found: len(str(found)))


RICH = ["hand-merge-fork-move-child", "hand-fork-chain-exit-middle", "random-0042", "random-0083"]


@pytest.mark.parametrize("name", RICH)
def test_each_field_of_a_snapshot_that_is_changed_is_found(name: str) -> None:
    kernel = rich(name)
    names = [name for table in ("avs", "ksm") for name in kernel[table]]
    for found in kernel["procs"].values():
        names.extend(page["f"] for page in found["pages"] if page["k"] == "anon")
    fields = set()
    for path in leaves(kernel):
        model = copy.deepcopy(kernel)
        place: Any = model
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = flipped(place[path[-1]], names)
        assert compare(model, kernel, Renaming()), path
        fields.add(path[-1])
    assert fields >= {"n", "prot", "mg", "pgoff", "flags", "av", "k", "f", "mc", "tok", "refs"}


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("name", RICH)
def test_each_record_that_only_one_side_has_is_found(name: str, side: int) -> None:
    whole = rich(name)
    for table in ("vmas", "pages"):
        for at in range(len(whole["procs"]["0"][table])):
            less = copy.deepcopy(whole)
            del less["procs"]["0"][table][at]
            pair = (less, whole) if side else (whole, less)
            assert compare(*pair, Renaming())
    for table in ("procs", "avs", "ksm"):
        for key in whole[table]:
            less = copy.deepcopy(whole)
            del less[table][key]
            pair = (less, whole) if side else (whole, less)
            assert compare(*pair, Renaming())


def test_a_field_that_only_one_side_knows_is_found() -> None:
    model, kernel = snapshot(), snapshot(vmas=(vma(uffd=1),))
    assert differences((model, kernel)) == [Difference("procs.0.vmas[8].uffd", None, 1)]
    assert differences((kernel, model)) == [Difference("procs.0.vmas[8].uffd", 1, None)]


def test_a_difference_names_field_and_both_values() -> None:
    assert differences((snapshot(vmas=(vma(pgoff=9),)), snapshot())) == [
        Difference("procs.0.vmas[8].pgoff", 9, 8)
    ]
    assert differences((snapshot(page(8, "f0", mc=2)), snapshot(page(8, "f0")))) == [
        Difference("procs.0.pages[8].mc", 2, 1)
    ]


def test_processes_are_compared_by_slot() -> None:
    kernel = snapshot()
    kernel["procs"]["1"] = {"vmas": [], "pages": []}
    assert differences((snapshot(), kernel)) == [Difference("procs.1", None, "alive")]


def test_a_chain_is_compared_in_order_and_shown_under_the_names_of_the_trace() -> None:
    def forked(*chain: str) -> Any:  # noqa: ANN401 - JSON
        made = snapshot(vmas=(vma(chain=list(chain)), vma(20, av="a1", chain=["a1"])))
        made["avs"]["a1"] = anon_vma("a1")
        return made

    model = renamed(forked("a1", "a0"))
    assert differences((renamed(forked("a0", "a1")), forked("a0", "a1"))) == []
    found = differences((model, forked("a0", "a1")))
    assert found[0] == Difference(
        "procs.0.vmas[8].chain", ["a91 (of the model)", "a0"], ["a0", "a1"]
    )


def test_items_are_compared_in_list_order() -> None:
    def with_items(*items: list[Any]) -> Any:  # noqa: ANN401 - JSON
        made = snapshot(page(8, "f0", k="ksm"))
        made["ksm"] = {"f0": list(items)}
        return made

    one, two = [0, 9, "a0"], [0, 8, "a0"]
    assert differences((renamed(with_items(one, two)), with_items(one, two))) == []
    assert differences((renamed(with_items(two, one)), with_items(one, two))) == [
        Difference("ksm.f0[0]", two, one),
        Difference("ksm.f0[1]", one, two),
    ]
    assert differences((renamed(with_items(one)), with_items(one, two))) == [
        Difference("ksm.f0", [one], [one, two])
    ]


# The renaming


def test_one_object_cannot_be_two_within_a_snapshot() -> None:
    same, other = snapshot(page(8, "f0"), page(9, "f0")), snapshot(page(8, "f0"), page(9, "f1"))
    assert [found.field for found in differences((same, other))] == ["procs.0.pages[9].f"]
    assert [found.field for found in differences((other, same))] == ["procs.0.pages[9].f"]


def test_objects_of_two_kinds_are_never_the_same() -> None:
    assert differences((snapshot(page(8, "s0")), snapshot(page(8, "f0"))))


def test_an_object_keeps_its_name_from_step_to_step() -> None:
    before = snapshot(page(8, "f0"), page(9, "f1"))
    after = snapshot(page(8, "f1"), page(9, "f0"))
    assert differences((before, before), (after, after)) == []
    found = differences((before, before), (before, after))
    assert [difference.field for difference in found] == [
        "procs.0.pages[8].f",
        "procs.0.pages[9].f",
    ]
    assert found[0].kernel == "f1, not the f1 of the step before"


def test_a_folio_that_was_missing_comes_back_under_a_new_name() -> None:
    mapped, swapped = snapshot(page(8, "f0")), snapshot({"p": 8, "k": "swap", "sw": "s0"})
    renewed = snapshot(page(8, "f4"))
    assert differences((mapped, mapped), (swapped, swapped), (mapped, renewed)) == []


def test_a_folio_that_was_never_missing_does_not() -> None:
    mapped, renewed = snapshot(page(8, "f0")), snapshot(page(8, "f4"))
    found = differences((mapped, mapped), (mapped, renewed))
    assert [difference.field for difference in found] == ["procs.0.pages[8].f"]


def test_a_name_that_was_missing_does_not_come_back_for_another_object() -> None:
    first, none, second = snapshot(page(8, "f0")), snapshot(), snapshot(page(8, "f1"))
    assert differences((first, first), (none, none), (second, first))


def test_a_page_frame_that_is_freed_and_used_again_in_one_step_keeps_its_name() -> None:
    before, after = snapshot(page(8, "f0")), snapshot(page(9, "f1"))
    kernel_after = snapshot(page(9, "f0"))
    assert differences((before, before), (after, kernel_after)) == []


def test_a_page_frame_in_use_is_not_used_again() -> None:
    before = snapshot(page(8, "f0"))
    model, kernel = snapshot(page(8, "f0"), page(9, "f1")), snapshot(page(8, "f4"), page(9, "f0"))
    assert differences((before, before), (model, kernel))


def test_an_old_object_does_not_take_the_name_of_a_freed_one() -> None:
    before = snapshot(page(8, "f0"), page(9, "f1"))
    model, kernel = snapshot(page(9, "f1")), snapshot(page(9, "f0"))
    assert differences((before, before), (model, kernel))


def test_a_write_by_the_last_mapper_may_re_use_or_copy() -> None:
    before = snapshot(page(8, "f0"), page(9, "f1"))
    copied = snapshot(page(8, "f4"), page(9, "f1"))
    steps = (before, before), (before, copied)
    assert differences(*steps, written=("0", 8)) == []
    assert differences(*steps, written=("0", 9))
    assert differences(*steps, written=("1", 8))
    assert differences(*steps)


def test_only_the_last_mapper_may() -> None:
    before, copied = snapshot(page(8, "f0", mc=2)), snapshot(page(8, "f4", mc=2))
    assert differences((before, before), (before, copied), written=("0", 8))


def test_a_ksm_page_may_not() -> None:
    before, copied = snapshot(page(8, "f0", k="ksm")), snapshot(page(8, "f4", k="ksm"))
    assert differences((before, before), (before, copied), written=("0", 8))


def test_the_page_that_was_copied_is_no_longer_mapped_anywhere() -> None:
    before = snapshot(page(8, "f0"), page(9, "f1"))
    elsewhere = snapshot(page(8, "f4"), page(9, "f0"))
    assert differences((before, before), (before, elsewhere), written=("0", 8))
