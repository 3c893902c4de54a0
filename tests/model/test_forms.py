"""The C and the Python form of the model's data structures: one answer, whatever is asked."""

from __future__ import annotations

import dataclasses
import gc
import inspect
import pickle
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ksm_rmap.model import _pure, _sorted_map, state
from ksm_rmap.model._paged_map import PagedMap
from ksm_rmap.model.calls import Call
from tests.support import run

if TYPE_CHECKING:
    from collections.abc import Callable

# Maps: the same operations over both forms


class Paged(_pure.SortedMap[Any]):
    """The Python form, with pages of five."""

    __slots__ = ()
    _limit = 5


@pytest.fixture(scope="module")
def compiled() -> Any:  # noqa: ANN401 - a module
    return pytest.importorskip("ksm_rmap.model._compiled")


@pytest.fixture(scope="module")
def twin(compiled: Any) -> type[PagedMap[Any]]:  # noqa: ANN401 - a module
    """Return the C form, with pages of five."""
    made: type[PagedMap[Any]] = type("Paged", (compiled.SortedMap,), {"__slots__": (), "_limit": 5})
    return made


class Less(int):
    """An int, but not a plain one."""


odd_keys = st.sampled_from(
    [True, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**70, Less(3), 1.0, 2.5, "3", None]
)
any_key: st.SearchStrategy[Any] = st.integers(-4, 8) | odd_keys
steps = st.lists(
    st.tuples(st.just("with_item"), any_key, st.integers(0, 2) | st.just([0]))
    | st.tuples(st.just("without"), any_key)
    | st.tuples(
        st.sampled_from(["get", "floor", "ceiling", "__getitem__", "__contains__"]), any_key
    )
    | st.tuples(st.just("get"), any_key, st.just("default"))
    | st.tuples(st.just("pairs"), any_key, any_key)
    | st.tuples(st.sampled_from(["pairs", "columns", "values_in_order", "__iter__", "__len__"]))
    | st.tuples(st.sampled_from(["__hash__", "__repr__", "__bool__"])),
    max_size=30,
)


def answer(target: PagedMap[Any], step: tuple[Any, ...]) -> Any:  # noqa: ANN401
    """Return what the call returns; of an error type and text."""
    try:
        if step[0] == "__bool__":
            return bool(target)
        result = getattr(target, step[0])(*step[1:])
        is_list = step[0] in {"pairs", "values_in_order", "__iter__"}
        return list(result) if is_list else result
    except (KeyError, TypeError) as error:
        return type(error), str(error)


def look(target: Any) -> tuple[object, ...]:  # noqa: ANN401
    """Return all that a map is made of."""
    if not isinstance(target, PagedMap):
        return type(target), target
    return target._root, target._depth, target._len, target._hash


@given(steps)
@example([("with_item", key, key) for key in range(8)] + [("without", 2), ("without", 5)])
@example([("with_item", 0, 0), ("get",), ("get", 1, 2, 3), ("pairs", 1, 2, 3), ("with_item", 1)])
@example([("with_item", 2**63, 0), ("with_item", 1, 1), ("floor", 2**64), ("pairs", None, 2)])
@settings(max_examples=600, deadline=None)
def test_both_maps_give_one_answer(twin: type[PagedMap[Any]], steps: list[Any]) -> None:
    ours: PagedMap[Any] = twin()
    model: PagedMap[Any] = Paged()
    for step in steps:
        given, wanted = answer(ours, step), answer(model, step)
        assert look(given) == look(wanted)
        if isinstance(given, PagedMap):
            assert type(given) is twin
            assert given == wanted
            assert wanted == given
            given.check()
            ours, model = given, wanted


def test_every_call_may_name_its_arguments(form: Any) -> None:  # noqa: ANN401 - a module
    target = form.SortedMap([(1, "a"), (3, "b")])
    assert target.get(key=3, default="c") == "b"
    assert target.get(2, default="c") == "c"
    assert target.floor(key=2) == (1, "a")
    assert target.ceiling(key=2) == (3, "b")
    assert list(target.pairs(end=3)) == [(1, "a")]
    assert list(target.with_item(key=2, value="c").pairs(low=2)) == [(2, "c"), (3, "b")]
    assert len(target.without(key=3)) == 1
    with pytest.raises(TypeError, match="unexpected keyword argument 'kee'"):
        target.get(kee=1)


def test_maps_of_one_page_and_of_several_are_compared(form: Any) -> None:  # noqa: ANN401
    many = form.SortedMap(enumerate("x" * 40))
    few = many
    for key in range(39, 2, -1):
        few = few.without(key)
    built = form.SortedMap(enumerate("xxx"))
    assert few == built
    assert not few != built  # noqa: SIM202 - both operators are asked
    assert hash(few) == hash(built)
    assert many != few
    assert few != form.SortedMap(enumerate("xxy"))
    assert (few == {0: "x"}, few != {0: "x"}) == (False, True)
    with pytest.raises(TypeError, match="not supported between"):
        few < built  # noqa: B015 - the comparison is the test


def test_a_value_whose_comparison_fails_is_heard(form: Any) -> None:  # noqa: ANN401
    class Loud:
        def __eq__(self, other: object) -> bool:
            raise ZeroDivisionError

        __hash__ = None  # type: ignore[assignment]

    with pytest.raises(ZeroDivisionError):
        assert form.SortedMap([(1, Loud())]) == form.SortedMap([(1, 2)])
    with pytest.raises(TypeError, match="unhashable"):
        hash(form.SortedMap([(1, Loud())]))


def test_a_map_that_is_not_made_yet_is_an_error(form: Any) -> None:  # noqa: ANN401
    empty = form.SortedMap.__new__(form.SortedMap)
    with pytest.raises(AttributeError):
        empty.get(1)
    with pytest.raises(AttributeError):
        list(empty)


def test_a_map_in_a_cycle_is_collected(form: Any) -> None:  # noqa: ANN401
    class Owner:
        pass

    owner: Any = Owner()
    owner.table = form.SortedMap([(1, owner)]).with_item(2, owner)
    there = weakref.ref(owner)
    del owner
    gc.collect()
    assert there() is None


def test_methods_have_the_docstrings_of_the_python_form(compiled: Any) -> None:  # noqa: ANN401
    for name, member in vars(compiled.Table).items():
        if not name.startswith("__") and callable(member):
            ours, other = getattr(compiled.Table, name), getattr(PagedMap, name)
            assert inspect.getdoc(ours) == inspect.getdoc(other), name
    assert inspect.getdoc(compiled.SortedMap) == inspect.getdoc(_pure.SortedMap)


# Records


def plain() -> type[Any]:
    """Return a new class of records as Python makes it."""

    class Plain(NamedTuple):
        one: int
        two: int = 2
        three: Any = ()

    return Plain


NOT_INTERNED = {"-three"[1:]: 9}

CALLS: list[Callable[[Any], Any]] = [
    lambda cls: cls(1),
    lambda cls: cls(1, 5),
    lambda cls: cls(1, 5, 6),
    lambda cls: cls(one=1),
    lambda cls: cls(1, three=7),
    lambda cls: cls(three=7, one=8),
    lambda cls: cls(*[1, 2], **NOT_INTERNED),
    lambda cls: cls(),
    lambda cls: cls(two=3),
    lambda cls: cls(1, one=3),
    lambda cls: cls(1, four=3),
    lambda cls: cls(1, 2, 3, 4),
    lambda cls: cls.__new__(int, 1, 2, 3),
    lambda cls: cls.__new__(),
    lambda cls: cls._make([1, 2, 3]),
    lambda cls: cls(1)._replace(),
    lambda cls: cls(1)._replace(two=5),
    lambda cls: cls(1)._replace(**NOT_INTERNED, one=0),
    lambda cls: cls(1)._replace(four=5, two=3, five=1),
    lambda cls: cls(1)._replace(5),
    lambda cls: cls._replace(cls(1), two=5),
    lambda cls: cls._replace(),
    lambda cls: type("Sub", (cls,), {"more": 1})(1)._replace(two=6),
    lambda cls: type("Sub", (cls,), {"__slots__": ()})(1, three=4),
    lambda cls: cls.__new__(type("Sub", (cls,), {}), 1),
    lambda cls: repr(cls(1)),
    lambda cls: hash(cls(1)) == hash((1, 2, ())),
    inspect.signature,
    lambda cls: inspect.signature(cls._replace),
    lambda cls: (cls._replace.__doc__, cls._replace.__name__, cls.__new__.__doc__),
]


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_a_record_answers_as_a_named_tuple_does(form: Any, number: int) -> None:  # noqa: ANN401
    def say(cls: type[Any]) -> object:
        try:
            made = CALLS[number](cls)
        except (TypeError, ValueError) as error:
            return type(error), str(error)
        return (tuple(made), type(made).__name__) if isinstance(made, tuple) else made

    assert say(form.record(plain())) == say(plain())


RECORDS = [
    cls
    for cls in (*vars(state).values(), Call)
    if isinstance(cls, type) and issubclass(cls, tuple) and hasattr(cls, "_fields")
]


@pytest.mark.parametrize("cls", RECORDS)
def test_each_record_of_the_model_is_a_quick_one(cls: Any) -> None:  # noqa: ANN401
    quick = type(cls.__dict__["_replace"]).__name__ == "Shortcut"
    assert quick == _sorted_map.COMPILED
    record = cls(*range(len(cls._fields)))
    assert record == tuple(range(len(cls._fields)))
    assert pickle.loads(pickle.dumps(record)) == record  # noqa: S301 - our own bytes
    for at, name in enumerate(cls._fields):
        assert record._replace(**{name: "new"}) == (*record[:at], "new", *record[at + 1 :])


def test_a_state_stays_a_frozen_dataclass() -> None:
    now = state.State(next_id=3)
    fields = [field.name for field in dataclasses.fields(state.State)]
    parts = [getattr(now, name) for name in fields]
    assert now == state.State(*parts) == dataclasses.replace(now)
    assert dataclasses.replace(now, next_id=4).next_id == 4
    assert hash(now) == hash(state.State(*parts))
    assert pickle.loads(pickle.dumps(now)) == now  # noqa: S301 - our own bytes
    with pytest.raises(dataclasses.FrozenInstanceError):
        now.next_id = 4  # type: ignore[misc]
    with pytest.raises(TypeError, match="positional arguments"):
        state.State(*parts, *parts)
    with pytest.raises(TypeError, match="unexpected keyword argument 'more'"):
        state.State(more=1)  # type: ignore[call-arg]


def test_a_dataclass_that_inherits_keeps_its_own_start(form: Any) -> None:  # noqa: ANN401
    @form.frozen_record
    @dataclasses.dataclass(frozen=True, slots=True)
    class Two:
        one: int
        two: int = 2

    @dataclasses.dataclass(frozen=True)
    class Three(Two):
        three: int = 3

    assert dataclasses.astuple(Two(1, 5)) == (1, 5)
    assert dataclasses.astuple(Two(1)) == (1, 2)
    assert dataclasses.astuple(Three(1, 2)) == (1, 2, 3)
    assert inspect.signature(Two).parameters.keys() == {"one", "two"}


def test_what_is_no_record_is_refused(compiled: Any) -> None:  # noqa: ANN401
    def wide(count: int) -> type[Any]:
        fields = tuple(f"f{at}" for at in range(count))
        return type("Wide", (tuple,), {"_fields": fields, "_replace": lambda self: self})

    for refused in (int, 3, wide(17), type("Odd", (tuple,), {"_fields": (1,)})):
        with pytest.raises(TypeError, match=r"a class of records|fields that can be read"):
            compiled.record(refused)
    with pytest.raises(AttributeError):
        compiled.record(tuple)
    with pytest.raises(TypeError, match="not a class of records"):
        compiled.frozen_record(3)


# Memory that runs out

STEPS: list[Callable[[Any, Any], Any]] = [
    lambda table, _: table.with_item(3, "c"),
    lambda table, _: table.with_item(4, "c"),
    lambda table, _: table.without(4),
    lambda table, _: table.floor(9),
    lambda table, _: list(table.pairs(0, 90)),
    lambda table, _: list(table),
    lambda table, _: table == table.without(4),
    lambda _, record: record._replace(two=7),
    lambda _, record: type(record)(1, three=2),
]


@pytest.mark.parametrize("number", range(len(STEPS)))
def test_memory_that_runs_out_is_an_error_and_no_more(compiled: Any, number: int) -> None:  # noqa: ANN401
    testcapi = pytest.importorskip("_testcapi", reason="this Python has no _testcapi")
    # One page, so that no Python code runs without memory, which crashes Python 3.12; and more
    # than the twenty entries up to which Python keeps a stock of tuples.
    entries = [(at, str(at)) for at in range(0, 48, 2)]
    table = compiled.SortedMap(entries)
    assert not table._depth
    record = compiled.record(plain())(1, 2, 3)
    for after in range(200):
        testcapi.set_nomemory(after, 0)
        try:
            STEPS[number](table, record)
        except MemoryError:
            failed = True
        else:
            failed = False
        finally:
            testcapi.remove_mem_hooks()
        table.check()
        assert list(table.pairs()) == entries
        if not failed:
            return
    pytest.fail("the step never had enough memory")


# The choice


WHICH = "import ksm_rmap.model._sorted_map as m; print(m.COMPILED, m.SortedMap.__bases__[0])"


def test_the_environment_chooses_the_python_form() -> None:
    assert run(WHICH, KSM_RMAP_PURE="1") == f"False {PagedMap}"


def test_without_the_c_form_the_python_form_runs() -> None:
    code = "import sys; sys.modules['ksm_rmap.model._tables'] = None; " + WHICH
    assert run(code, KSM_RMAP_PURE="0") == f"False {PagedMap}"


def test_a_pickle_goes_from_one_form_to_the_other() -> None:
    dump = (
        "import pickle; from ksm_rmap import State, ops\n"
        "now = ops.write(ops.mmap(State(), mm=0, start=0, pages=40), mm=0, start=0, pages=40,"
        " content=7)\n"
        "print(pickle.dumps(now).hex()); print(repr(now))"
    )
    for writer, reader in (("0", "1"), ("1", "0")):
        dumped, text = run(dump, KSM_RMAP_PURE=writer).splitlines()
        load = f"import pickle; now = pickle.loads(bytes.fromhex({dumped!r})); now.check()"
        assert run(f"{load}; print(now)", KSM_RMAP_PURE=reader)
        assert run(f"{load}; print(repr(now))", KSM_RMAP_PURE=reader) == text
