"""Drive the C form of the string under sanitizers: what `.ci/sanitize` runs.

    python tests/check/sanitize.py LIBRARY

Every state goes to both forms, as do copies of which one field is wrong. Then memory is refused
at each allocation in turn, where the interpreter can do that. Ends with an error if the forms
differ, or if something that was taken was not given back.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.machinery
import importlib.util
import random
import sys
import tracemalloc
from typing import TYPE_CHECKING, Any

from ksm_rmap.check import _canonical_pure as pure
from ksm_rmap.check.actions import Scope
from ksm_rmap.model import ops
from ksm_rmap.model._sorted_map import SortedMap
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.scenario import Scenario
from ksm_rmap.model.state import State
from tests.check.altered import altered
from tests.check.renamed import FULL, Renamed, alike, wandered

if TYPE_CHECKING:
    from collections.abc import Iterator

hooks: Any = None
with contextlib.suppress(ImportError):  # some interpreters come without their test module
    hooks = importlib.import_module("_testcapi")

ROUNDS = 10
NUMBERS = (0, 1, 3, 256, -1, 2**70)
CHAINS = "max-page-sharing 2\nP mmap 0 9\nP prctl merge-any on\nP write 0 9 1\nksmd 2\nP fork C\n"
#: Bytes that Python itself may hold more at the end: less than one tuple a state.
SLACK = 20_000
ALLOCATIONS = 150


def load(library: str) -> Any:  # noqa: ANN401 - a module
    """Load the library under the name that its init function expects."""
    loader = importlib.machinery.ExtensionFileLoader("ksm_rmap.check._canonical", library)
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    core = importlib.util.module_from_spec(spec)
    loader.exec_module(core)
    return core


def outcome(form: Any, state: State) -> object:  # noqa: ANN401
    try:
        return form.named(state)
    except (ValueError, KeyError) as error:
        return type(error), str(error)


def states(seed: int) -> Iterator[State]:
    """Yield states of several processes, also alike, with chains, and one that is too large."""
    rng = random.Random(seed)  # noqa: S311 - a seeded run
    for state, _ in wandered(seed, Rules(), 15, Scope(4, 5, 3)):
        yield Renamed(state, rng).state()
    yield from alike(4)
    yield Scenario.parse(CHAINS).run(FULL)
    state = ops.mmap(State(), mm=0, start=0, pages=256 - seed % 2)
    for page in range(256 - seed % 2):
        state = ops.write(state, mm=0, start=page, content=2**64 - page)
    yield state


def one_page_each() -> Iterator[State]:
    """Yield states whose maps are read without memory, the last one with a long string.

    Where memory is refused, no Python code may need any: interpreters crash on that.
    """
    yield from alike(3)
    yield Scenario.parse(CHAINS).run(FULL)
    state = State()
    for start in range(0, 64, 2):
        state = ops.read(ops.mmap(state, mm=0, start=start, pages=1), mm=0, start=start)
    yield State(mms=SortedMap([(number, state.mms[0]) for number in range(3)]))


def one_round(core: Any, seed: int) -> int:  # noqa: ANN401
    """Give the states of one seed to both forms; return how many they were."""
    count = 0
    for at, state in enumerate(states(seed)):
        everything = [state]
        if at % 5 == seed % 5 and len(state.folios) < 99:
            everything += [other for _, _, other in altered(state, NUMBERS)]
        for each in everything:
            count += 1
            if outcome(core, each) != outcome(pure, each):
                sys.exit(f"sanitize: the forms differ: {each!r}")
    return count


def refused(core: Any) -> int:  # noqa: ANN401
    """Return how often a call ended with MemoryError when one allocation of it was refused."""
    ended = 0
    for state in one_page_each() if hooks else ():
        for at in range(ALLOCATIONS):
            hooks.set_nomemory(at, at + 1)
            try:
                core.named(state)
            except MemoryError:
                ended += 1
            finally:
                hooks.remove_mem_hooks()
    return ended


def main() -> None:
    """Run the rounds, the later half with memory counted."""
    core = load(sys.argv[1])
    tracemalloc.start()
    level = count = 0
    for seed in range(ROUNDS):
        count += one_round(core, seed % 2)
        gc.collect()
        if seed == ROUNDS // 2:
            level = tracemalloc.get_traced_memory()[0]
    more = tracemalloc.get_traced_memory()[0] - level
    if more > SLACK:
        sys.exit(f"sanitize: {more} bytes more than at half time")
    tracemalloc.stop()
    print(f"sanitize: {count} states, {refused(core)} refused allocations, nothing wrong")  # noqa: T201


if __name__ == "__main__":
    main()
