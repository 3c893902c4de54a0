"""The tree beside other people's indexes, over random operations."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ksm_rmap.interval_tree import IntervalTree

Form = type["IntervalTree[Any]"]
Entry = tuple[int, int, int]


def steps(seed: int, count: int) -> list[tuple[str, Entry]]:
    """Return random changes; a removal names an entry that is there."""
    rng = random.Random(seed)  # noqa: S311 - a seeded test
    live: list[Entry] = []
    made: list[tuple[str, Entry]] = []
    for at in range(count):
        if live and rng.random() < 0.4:
            made.append(("remove", live.pop(rng.randrange(len(live)))))
        else:
            start = rng.randrange(500)
            live.append((start, start + rng.randrange(60), at))
            made.append(("insert", live[-1]))
    return made


def queries(seed: int) -> list[tuple[int, int]]:
    rng = random.Random(seed)  # noqa: S311 - a seeded test
    starts = [rng.randrange(550) for _ in range(40)]
    return [(start, start + rng.choice([0, 0, 5, 80])) for start in starts]


def ours(tree: IntervalTree[Any], start: int, last: int) -> list[Entry]:
    return [(iv.start, iv.last, iv.value) for iv in tree.overlap(start, last)]


def change(tree: IntervalTree[Any], step: str, entry: Entry) -> None:
    if step == "insert":
        tree.insert(*entry)
    else:
        tree.remove_match(*entry)


@pytest.mark.parametrize("seed", range(3))
def test_beside_intervaltree(form: Form, seed: int) -> None:
    intervaltree = pytest.importorskip("intervaltree")
    tree, peer = form(), intervaltree.IntervalTree()
    for step, (start, last, value) in steps(seed, 300):
        change(tree, step, (start, last, value))
        # Half-open there: [start, last] is [start, last + 1).
        getattr(peer, {"insert": "addi", "remove": "removei"}[step])(start, last + 1, value)
    for start, last in queries(seed):
        wanted = {(iv.begin, iv.end - 1, iv.data) for iv in peer.overlap(start, last + 1)}
        assert set(ours(tree, start, last)) == wanted


@pytest.mark.parametrize("seed", range(3))
def test_beside_sortedcontainers(form: Form, seed: int) -> None:
    sortedcontainers = pytest.importorskip("sortedcontainers")
    tree = form()
    peer = sortedcontainers.SortedKeyList(key=lambda entry: entry[0])
    for step, entry in steps(seed, 300):
        change(tree, step, entry)
        getattr(peer, {"insert": "add", "remove": "remove"}[step])(entry)
    assert [(iv.start, iv.last, iv.value) for iv in tree] == list(peer)
    for start, last in queries(seed):
        wanted = [entry for entry in peer.irange_key(None, last) if entry[1] >= start]
        assert ours(tree, start, last) == wanted


@pytest.mark.parametrize("seed", range(3))
def test_beside_the_kernels_own_interval_tree(form: Form, seed: int) -> None:
    kerneltree = pytest.importorskip("kerneltree", reason="kerneltree has to be built by hand")
    tree, peer = form(), kerneltree.IntervalTree()
    for step, entry in steps(seed, 300):
        if step == "insert":  # it has no removal
            tree.insert(*entry)
            peer.add(*entry)
    for start, last in queries(seed):
        wanted = sorted((iv[0], iv[1], iv[2]) for iv in peer.search(start, last))
        assert sorted(ours(tree, start, last)) == wanted
