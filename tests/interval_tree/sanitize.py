"""Drive a compiled interval tree through random operations and count references.

``sanitize.py LIBRARY``: loads the library as the C form, compares it with a list at each
step, then repeats one round of everything and demands that memory stays level.
"""

from __future__ import annotations

import gc
import importlib.machinery
import importlib.util
import random
import sys
import tracemalloc
from array import array
from bisect import bisect_right
from typing import Any

ROUNDS = 60
STEPS = 400
#: Bytes that Python itself may hold more at the end, less than one page a round.
SLACK = 20_000


def load(library: str) -> Any:  # noqa: ANN401 - a module
    """Load the library under the name that its init function expects."""
    loader = importlib.machinery.ExtensionFileLoader("ksm_rmap.interval_tree._core", library)
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    core = importlib.util.module_from_spec(spec)
    loader.exec_module(core)
    return core


def change(tree: Any, model: list[Any], rng: random.Random, span: int) -> None:  # noqa: ANN401
    """Make one random change to the tree and to the list."""
    if not model or rng.random() < (0.7 if len(model) < STEPS // 4 else 0.4):
        start = rng.randrange(span)
        made = tree.insert(start, start + rng.randrange(9), rng.choice([start, [start]]))
        model.insert(bisect_right([old.start for old in model], start), made)
        return
    at = rng.randrange(len(model))
    if rng.random() < 0.2:
        model[at] = tree.replace(model[at], None)
        return
    gone = model.pop(at)
    tree.remove(gone)
    assert not tree.discard(gone)


def search(tree: Any, model: list[Any], low: int) -> None:  # noqa: ANN401
    """Compare every kind of search around one point with the list."""
    high = low + 5
    wanted = [iv for iv in model if iv.start <= high and iv.last >= low]
    assert tree.overlap(low, high) == wanted == list(tree.iter_overlap(low, high))
    assert tree.count_overlap(low, high) == len(wanted)
    starts, lasts = array("q", [low] * 3), array("q", [high] * 3)
    assert tree.count_many(starts, lasts).tolist() == [len(wanted)] * 3
    assert len(tree.overlap_many(starts, lasts)[0]) == 3 * len(wanted)
    tree.nearest_before(low)
    tree.nearest_after(low)


def numbered(core: Any, rng: random.Random, span: int) -> None:  # noqa: ANN401
    """Build from arrays, and ask for some intervals before, between and after changes."""
    tree, count = core.Tree(), rng.choice([1, 40, 700])
    tree._set_page_size(rng.choice([4, 5, 32]))
    starts = array("Q", [300 + rng.randrange(span) for _ in range(count)])
    lasts = array("Q", [start + rng.randrange(9) for start in starts])
    tree._load_arrays(starts, lasts, None)
    for number, start in enumerate(starts):
        asked = rng.random()
        if asked < 0.3:
            gone = next(iv for iv in tree.at(start) if iv.value == number)
            tree.remove(gone)
            assert (gone.start, gone.last) == (start, lasts[number])
        elif asked < 0.4:
            tree.insert(start, start, [tree])
    tree.check()
    gc.get_referents(tree)
    core.Tree()._load_arrays(*tree.to_arrays())
    if rng.random() < 0.5:
        tree.update((at, at, at) for at in range(rng.choice([2, 900])))
        tree.check()
        tree.clear()


def one_round(core: Any, seed: int) -> None:  # noqa: ANN401
    """Grow a tree, shrink it, load it, drop it."""
    rng = random.Random(seed)  # noqa: S311 - a seeded run
    tree, model = core.Tree(), list[Any]()
    tree._set_page_size(rng.choice([4, 5, 8, 32]))
    span = rng.choice([1, 10, 1000])
    for _ in range(STEPS):
        change(tree, model, rng, span)
        search(tree, model, rng.randrange(span))
    tree.check()
    tree.update((at % span, 2**64 - 1, [tree]) for at in range(rng.choice([3, 500])))
    tree.check()
    half = iter(tree)
    next(half)
    for refused in ((2, 1), (-1, 1), (0, 2**64)):
        try:
            tree.insert(*refused, [])
        except ValueError:
            continue
        raise AssertionError(refused)
    core.Tree()._load_arrays(*tree.to_arrays())
    numbered(core, rng, span)


def main() -> None:
    """Run the rounds, the later half with its references counted."""
    core = load(sys.argv[1])
    tracemalloc.start()  # counts pages, intervals and lists alike
    level = 0
    for seed in range(ROUNDS):
        one_round(core, seed % 10)
        gc.collect()
        if seed == ROUNDS // 2:
            level = tracemalloc.get_traced_memory()[0]
    more = tracemalloc.get_traced_memory()[0] - level
    kinds = [type(thing).__module__ for thing in gc.get_objects()]
    left = kinds.count("ksm_rmap.interval_tree._core")
    if left or more > SLACK:
        sys.exit(f"sanitize: {left} objects left, {more} bytes more than at half time")
    print(f"sanitize: {ROUNDS * STEPS} steps, nothing wrong, nothing left behind")  # noqa: T201


if __name__ == "__main__":
    main()
