"""Bits that stand for calls: one each, in the order of labels, moved as names change."""

from __future__ import annotations

from itertools import permutations, product

import pytest

from ksm_rmap.check.alphabet import Alphabet, Label
from ksm_rmap.check.menu import Menu

KINDS = ("exit", "move", "write")
MENU = Menu(2, 3, 2)
LABELS = [
    Label("exit"),
    *(
        Label("move", start, pages, to)
        for start, pages, to in product(range(3), (1, 2), range(3))
        if {*range(start, start + pages), *range(to, to + pages)} <= {0, 1, 2}
        and (to >= start + pages or start >= to + pages)
    ),
    *(
        Label("write", start, pages)
        for start, pages in product(range(3), (1, 2))
        if start + pages <= 3
    ),
]
CALLS = [
    (label, process, content)
    for label in LABELS
    for process in range(2)
    for content in ((1, 2) if label.kind == "write" else (0,))
]


@pytest.fixture
def alphabet() -> Alphabet:
    return Alphabet(MENU, KINDS)


def test_each_call_has_a_bit_and_each_bit_a_call(alphabet: Alphabet) -> None:
    bits = [alphabet.bit(*call) for call in CALLS]
    assert sorted(bits) == [1 << place for place in range(alphabet.size)]
    assert alphabet.bit(Label("munmap", 0, 1), 0) == 0


def test_bits_come_in_the_order_of_labels(alphabet: Alphabet) -> None:
    for label in LABELS:
        earlier = LABELS[: LABELS.index(label)]
        less = sum(alphabet.bit(*call) for call in CALLS if call[0] in earlier)
        assert alphabet.before(label) == less


@pytest.mark.parametrize("processes", [*permutations(range(2)), (0,), (1,)])
@pytest.mark.parametrize("contents", [(), (1,), (2,), (1, 2), (2, 1)])
def test_a_set_is_renamed_call_by_call(
    alphabet: Alphabet, processes: tuple[int, ...], contents: tuple[int, ...]
) -> None:
    expected = 0
    for label, process, content in CALLS:
        before = alphabet.bit(label, process, content)
        name = content
        if content:
            name = contents.index(content) + 1 if content in contents else len(contents) + 1
        after = alphabet.bit(label, processes.index(process), name) if process in processes else 0
        assert alphabet.renamed(before, processes, contents) == after
        expected |= after
    everything = (1 << alphabet.size) - 1
    assert alphabet.renamed(everything, processes, contents) == expected
