"""Objects that come and go: cycles, references, memory that runs out, threads, forms."""

from __future__ import annotations

import gc
import inspect
import pickle
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from ksm_rmap import interval_tree
from ksm_rmap.interval_tree import _pure
from tests.support import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from ksm_rmap.interval_tree import IntervalTree

Form = type["IntervalTree[Any]"]


class Payload:
    """Something that a weak reference can watch."""

    held: object = None


def test_a_cycle_through_a_value_is_collected(form: Form) -> None:
    tree, payload = form(), Payload()
    payload.held = tree
    tree.insert(1, 2, payload)
    watched = weakref.ref(payload)
    del tree, payload
    gc.collect()
    assert watched() is None


def test_a_cycle_through_a_handle_is_collected(form: Form) -> None:
    tree, payload = form(), Payload()
    payload.held = tree.insert(1, 2, payload)
    tree.remove(payload.held)
    watched = weakref.ref(payload)
    del payload
    gc.collect()
    assert watched() is None
    assert not tree


def test_a_cycle_through_an_iterator_is_collected(form: Form) -> None:
    tree, payload = form(), Payload()
    tree.insert(1, 2, payload)
    payload.held = iter(tree)
    watched = weakref.ref(payload)
    del tree, payload
    gc.collect()
    assert watched() is None


def test_values_die_with_the_tree(form: Form) -> None:
    tree, payload = form(), Payload()
    handle = tree.insert(1, 2, payload)
    watched = weakref.ref(payload)
    del payload, tree
    gc.collect()
    assert watched() is handle.value
    del handle
    gc.collect()
    assert watched() is None


def test_a_finalizer_may_use_the_tree(form: Form) -> None:
    tree = form()

    class Meddler:
        def __del__(self) -> None:
            tree.insert(5, 5, "from a finalizer")

    for at in range(50):
        tree.insert(at, at, Meddler())
    tree.clear()
    gc.collect()  # the pages of the pure form know their parents
    tree.check()
    assert [interval.value for interval in tree] == ["from a finalizer"] * 50


def test_a_long_chain_of_trees_is_dropped(form: Form) -> None:
    tree = form()
    for _ in range(20_000 if form.__base__ is not _pure.Tree else 100):
        tree = form([(0, 0, tree)])
    del tree
    gc.collect()


def use_everything(form: Form, value: object) -> None:
    tree = form()
    tree._set_page_size(4)
    made = [tree.insert(at % 9, 20, value) for at in range(60)]
    tree.update((at, at, value) for at in range(60))
    made[3] = tree.replace(made[3], value)
    for interval in made[:30]:
        tree.remove(interval)
    tree.overlap(0, 9)
    tree.to_arrays()
    list(tree)
    next(iter(tree))
    with pytest.raises(ValueError, match="start=2"):
        tree.update([(1, 1, value), (2, 1, value)])


def test_nothing_is_left_behind(form: Form) -> None:
    value = object()
    before = sys.getrefcount(value)
    for _ in range(20):
        use_everything(form, value)
    gc.collect()
    assert sys.getrefcount(value) == before


#: Made beforehand: some CPython versions crash where a function cannot be allocated.
MANY = [(at, at, at) for at in range(300)]
STEPS: list[Callable[[Any], object]] = [
    lambda tree: tree.insert(3, 3, "new"),
    lambda tree: tree.update(MANY),
    lambda tree: tree.update([(5, 5, 5)]),
    lambda tree: tree.overlap(0, 2**64 - 1),
    lambda tree: tree.to_arrays(),
    lambda tree: tree.replace(next(iter(tree)), "v"),
    lambda tree: tree.copy(),
    lambda tree: tree.count_many(*tree.to_arrays()[:2]),
    lambda tree: tree.overlap_many(*tree.to_arrays()[:2]),
]


@pytest.mark.parametrize("number", range(len(STEPS)))
def test_memory_that_runs_out_changes_nothing(number: int) -> None:
    compiled = pytest.importorskip("ksm_rmap.interval_tree._compiled")
    testcapi = pytest.importorskip("_testcapi", reason="this Python has no _testcapi")
    for after in [*range(60), *range(60, 5000, 67)]:
        tree = compiled.IntervalTree((at, at + 3, at) for at in range(200))
        before = repr(tree)
        testcapi.set_nomemory(after, 0)
        try:
            STEPS[number](tree)
        except MemoryError:
            failed = True
        else:
            failed = False
        finally:
            testcapi.remove_mem_hooks()
        tree.check()
        if not failed:
            return
        assert repr(tree) == before
    pytest.fail("the step never had enough memory")


def test_threads_that_share_a_tree_leave_it_whole(form: Form) -> None:
    tree = form()

    def work(mine: int) -> None:
        made = [tree.insert(at % 50, 60, mine) for at in range(300)]
        for interval in made[::2]:
            tree.remove(interval)

    if form.__base__ is _pure.Tree:
        work(0)  # the pure form asks for one thread at a time
        work(1)
    else:
        threads = [threading.Thread(target=work, args=(mine,)) for mine in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    tree.check()
    assert len(tree) == 300


def test_a_million_intervals_are_pickled_and_copied() -> None:
    tree = interval_tree.IntervalTree[int]((at, at, at) for at in range(10**6))
    again = pickle.loads(pickle.dumps(tree))  # noqa: S301 - our own bytes
    again.check()
    assert len(again.copy()) == len(tree)


def test_the_environment_chooses_the_pure_form() -> None:
    code = "import ksm_rmap.interval_tree as it; print(it.COMPILED, it.IntervalTree.__base__)"
    assert run(code, KSM_RMAP_PURE="1") == f"False {_pure.Tree}"


def test_without_the_c_form_the_pure_form_runs() -> None:
    code = (
        "import sys; sys.modules['ksm_rmap.interval_tree._core'] = None\n"
        "import ksm_rmap.interval_tree as it; print(it.COMPILED, len(it.IntervalTree([(1, 2, 3)])))"
    )
    assert run(code, KSM_RMAP_PURE="0") == "False 1"


def test_a_pickle_goes_from_one_form_to_the_other() -> None:
    dump = (
        "import pickle, ksm_rmap.interval_tree as it\n"
        "print(pickle.dumps(it.IntervalTree([(1, 2, 'x')])).hex())"
    )
    for writer, reader in (("0", "1"), ("1", "0")):
        text = run(dump, KSM_RMAP_PURE=writer)
        load = f"import pickle; print(pickle.loads(bytes.fromhex({text!r})))"
        assert run(load, KSM_RMAP_PURE=reader) == "IntervalTree([(1, 2, 'x')])"


def test_importing_loads_nothing_else() -> None:
    code = (
        "import sys, ksm_rmap.interval_tree\n"
        "print([n for n in ('hypothesis', 'numpy', 'ksm_rmap.model') if n in sys.modules])"
    )
    assert run(code) == "[]"


def test_both_forms_have_the_same_names_and_docstrings() -> None:
    compiled = pytest.importorskip("ksm_rmap.interval_tree._compiled")
    for name, member in vars(_pure.Tree).items():
        if name.startswith("__"):
            continue
        if callable(member) and name not in {"_insert", "_load", "_holds", "_guarded", "_shrink"}:
            other = getattr(compiled.IntervalTree, name)
            assert inspect.getdoc(member) == inspect.getdoc(other)
    assert inspect.getdoc(compiled.IntervalTree) == inspect.getdoc(_pure.IntervalTree)


def test_every_public_name_is_documented() -> None:
    assert all(inspect.getdoc(getattr(interval_tree, name)) for name in interval_tree.__all__)
    public = [name for name in dir(interval_tree.IntervalTree) if not name.startswith("_")]
    assert all(inspect.getdoc(getattr(interval_tree.IntervalTree, name)) for name in public)
