"""Drive the compiled data structures of the model at random and count references.

``sanitize.py LIBRARY``: loads the library as the C form, compares maps and records with the
Python form at each step, then repeats it and demands that memory stays level.
"""

from __future__ import annotations

import gc
import importlib.machinery
import importlib.util
import random
import sys
import tracemalloc
from typing import Any, NamedTuple

from ksm_rmap.model import _pure
from ksm_rmap.model._paged_map import PagedMap

ROUNDS = 30
STEPS = 250
#: Bytes that Python itself may hold more at the end.
SLACK = 20_000
KEYS: list[Any] = [*range(-4, 40), 2**63 - 1, -(2**63), 2**63, 2**70, True, "3", None]


def load(library: str) -> Any:  # noqa: ANN401 - a module
    """Load the library under the name that its init function expects."""
    loader = importlib.machinery.ExtensionFileLoader("ksm_rmap.model._tables", library)
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    tables = importlib.util.module_from_spec(spec)
    loader.exec_module(tables)
    return tables


def said(target: Any, name: str, *args: Any) -> Any:  # noqa: ANN401
    """Return what the method returns, read to its end; of an error the type."""
    try:
        result = getattr(target, name)(*args)
        return list(result) if hasattr(result, "__next__") else result
    except (KeyError, TypeError, AttributeError) as error:
        return type(error)


def maps(tables: Any, rng: random.Random) -> None:  # noqa: ANN401
    """Change and ask two maps at random, one of each form."""
    tables.fall_back_on(PagedMap)
    limit: dict[str, Any] = {"__slots__": (), "_limit": rng.choice([4, 5, 32])}
    bases: Any = (tables.Table, PagedMap)
    ours: Any = type("Ours", bases, dict(limit))()
    model: Any = type("Model", (_pure.SortedMap,), dict(limit))()
    for _ in range(STEPS):
        key, more = rng.choice(KEYS[: rng.choice([10, 44, 51])]), rng.choice(KEYS)
        for name in ("get", "floor", "ceiling", "__getitem__", "__contains__", "pairs", "without"):
            assert said(ours, name, key) == said(model, name, key), (name, key)
        for name in ("get", "pairs"):
            assert said(ours, name, key, more) == said(model, name, key, more), (name, key, more)
        for name in ("columns", "values_in_order", "__iter__", "__len__", "__hash__", "pairs"):
            assert said(ours, name) == said(model, name), name
        args = ("without", key) if rng.random() < 0.4 else ("with_item", key, [model])
        changed = said(model, *args)
        if isinstance(changed, PagedMap):
            ours, model = said(ours, *args), changed
        assert ours == model
        assert ours != 3
        ours.check()
    assert said(ours._of, "__call__", 1) is TypeError
    kind: Any = type(ours)
    assert said(kind.__new__(kind), "get", 1) is AttributeError


def records(tables: Any, rng: random.Random) -> None:  # noqa: ANN401
    """Make and change records at random, right and wrong."""

    class Plain(NamedTuple):
        one: Any
        two: Any = 2
        three: Any = ()

    class Quick(NamedTuple):
        one: Any
        two: Any = 2
        three: Any = ()

    quick = tables.record(Quick)
    names = ["one", "two", "three", "four"]
    for _ in range(STEPS // 4):
        args = [[at] for at in range(rng.choice([0, 1, 1, 1, 2, 3, 4]))]
        words = {name: [name] for name in rng.sample(names, rng.choice([0, 0, 1, 2]))}
        wanted = said(Plain, "__call__", *args)
        assert said(quick, "__call__", *args) == wanted
        for made, model in ((quick([1]), Plain([1])), (quick([1], three=[3]), Plain([1], 2, [3]))):
            try:
                new = made._replace(**words)
            except (TypeError, ValueError):
                assert "four" in words
            else:
                assert new == model._replace(**words)
            assert said(made, "_replace", 3) is TypeError


def main() -> None:
    """Run the rounds, the later half with its references counted."""
    tables = load(sys.argv[1])
    tracemalloc.start()
    level = 0
    for seed in range(ROUNDS):
        rng = random.Random(seed % 10)  # noqa: S311 - a seeded run
        maps(tables, rng)
        records(tables, rng)
        gc.collect()
        if seed == ROUNDS // 2:
            level = tracemalloc.get_traced_memory()[0]
    more = tracemalloc.get_traced_memory()[0] - level
    left = [thing for thing in gc.get_objects() if type(thing).__name__ in {"Ours", "Shortcut"}]
    if left or more > SLACK:
        sys.exit(f"sanitize: {len(left)} objects left, {more} bytes more than at half time")
    print(f"sanitize: {ROUNDS * STEPS} steps over maps and records, nothing left behind")  # noqa: T201


if __name__ == "__main__":
    main()
