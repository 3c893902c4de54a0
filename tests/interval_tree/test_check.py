"""Each clause of check() is broken by one test: in place in Python, by address in C."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import pytest

from ksm_rmap.interval_tree import FrozenInterval, FrozenIntervalTree, _pure

if TYPE_CHECKING:
    from collections.abc import Callable

    from ksm_rmap.interval_tree import IntervalTree

PAGE = 32


class CPage(ctypes.Structure):
    """``struct bt_page`` of btree_page.h."""

    _fields_ = (
        ("parent", ctypes.c_void_p),
        ("count", ctypes.c_uint32),
        ("height", ctypes.c_uint32),
        ("rank", ctypes.c_uint64),
        ("starts", ctypes.c_uint64 * PAGE),
        ("lasts", ctypes.c_uint64 * PAGE),
        ("slots", ctypes.c_void_p * (PAGE + 3)),
    )


class CBranch(CPage):
    """``struct bt_branch`` of btree_page.h."""

    _fields_ = (  # type: ignore[assignment] # added to those of a page
        ("seconds", ctypes.c_uint64 * PAGE),
        ("longest", ctypes.c_void_p * PAGE),
    )


class CTree(ctypes.Structure):
    """The beginning of ``Tree`` of tree_object.h."""

    _fields_ = (
        ("head", ctypes.c_byte * object.__basicsize__),
        ("root", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("limit", ctypes.c_uint32),
        ("minimum", ctypes.c_uint32),
        ("version", ctypes.c_uint64),
        ("tracked", ctypes.c_size_t),
        ("state", ctypes.c_void_p),
        ("unmade", ctypes.c_size_t),
    )


def address(value: int | None) -> int:
    assert value is not None
    return value


class CView:
    """One layout for the tests: a root with leaves, whichever the form."""

    def __init__(self, tree: Any) -> None:  # noqa: ANN401
        self.tree = CTree.from_address(id(tree))
        self.root = CBranch.from_address(address(self.tree.root))
        self.leaf = CPage.from_address(address(self.root.slots[1]))
        self.saved: list[tuple[Any, bytes]] = []
        for page in (self.tree, self.root, self.leaf):
            self.saved.append((page, bytes(page)))
        item = address(self.leaf.slots[0])
        self.item = (ctypes.c_uint64 * 3).from_address(item)  # start, last, leaf
        self.saved.append((self.item, bytes(self.item)))

    def mend(self) -> None:
        for place, old in self.saved:
            ctypes.memmove(ctypes.addressof(place), old, len(old))


def c_move_leaf_bound(view: CView) -> None:
    view.leaf.lasts[0] += 1


def c_wrong_item(view: CView) -> None:
    view.item[0] = view.leaf.starts[0] = 99
    view.item[1] = view.leaf.lasts[0] = 98


C_CLAUSES: dict[str, Callable[[Any], object]] = {
    "a page has at most": lambda view: setattr(view.tree, "limit", 2),
    "a page has at least": lambda view: setattr(view.tree, "minimum", 5),
    "starts ascend": lambda view: view.leaf.starts.__setitem__(1, 0),
    "a child knows its parent": lambda view: setattr(view.leaf, "parent", None),
    "all leaves are equally deep": lambda view: setattr(view.root, "height", 2),
    "a start is the first start": lambda view: view.root.starts.__setitem__(1, 35),
    "a last is the greatest last": lambda view: view.root.lasts.__setitem__(1, 10**6),
    "a second is the second": lambda view: view.root.seconds.__setitem__(1, 0),
    "`longest` is the only": lambda view: view.root.longest.__setitem__(1, None),
    "an item knows its leaf": lambda view: view.item.__setitem__(2, 0),
    "a leaf has the bounds": c_move_leaf_bound,
    "start <= last": c_wrong_item,
    "size is the number": lambda view: setattr(view.tree, "size", 5),
    "the root has no parent": lambda view: setattr(view.root, "parent", 8),
    "`tracked` is the number": lambda view: setattr(view.tree, "tracked", 1),
    "`unmade` is the number": lambda view: setattr(view.tree, "unmade", 1),
}


def full(tree: Any) -> Any:  # noqa: ANN401 - a tree of either form, as it is given
    tree._set_page_size(4)
    tree.update((10 * at, 10 * at + 5, at) for at in range(10))
    tree.check()
    return tree


@pytest.mark.parametrize("clause", C_CLAUSES)
def test_a_broken_clause_of_the_c_form_is_named(clause: str) -> None:
    compiled = pytest.importorskip("ksm_rmap.interval_tree._compiled")
    tree = full(compiled.IntervalTree())
    view = CView(tree)
    C_CLAUSES[clause](view)
    try:
        with pytest.raises(AssertionError, match=f"broken invariant: {clause}"):
            tree.check()
    finally:
        view.mend()
    tree.check()


def leaf(tree: Any) -> Any:  # noqa: ANN401
    return tree._root.slots[1]


def pure_wrong_item(tree: Any) -> None:  # noqa: ANN401
    page = leaf(tree)
    page.slots[0]._last = page.lasts[0] = page.starts[0] - 1


PURE_CLAUSES: dict[str, Callable[[Any], object]] = {
    "a page has at most": lambda tree: setattr(tree, "_limit", 2),
    "a page has at least": lambda tree: setattr(tree, "_limit", 20),
    "starts, lasts and slots": lambda tree: leaf(tree).lasts.append(3),
    "starts ascend": lambda tree: leaf(tree).starts.__setitem__(0, 10**6),
    "a child knows its parent": lambda tree: setattr(leaf(tree), "parent", None),
    "all leaves are equally deep": lambda tree: setattr(tree._root, "height", 2),
    "a start is the first start": lambda tree: tree._root.starts.__setitem__(1, 35),
    "a last is the greatest last": lambda tree: tree._root.lasts.__setitem__(1, 10**6),
    "a second is the second": lambda tree: tree._root.seconds.__setitem__(1, 0),
    "`longest` is the only": lambda tree: tree._root.longest.__setitem__(1, None),
    "an item knows its leaf": lambda tree: setattr(leaf(tree).slots[0], "_leaf", None),
    "a leaf has the bounds": lambda tree: leaf(tree).lasts.__setitem__(0, 10**6),
    "start <= last": pure_wrong_item,
    "size is the number": lambda tree: setattr(tree, "_size", 5),
    "the root has no parent": lambda tree: setattr(tree._root, "parent", leaf(tree)),
}


@pytest.mark.parametrize("clause", PURE_CLAUSES)
def test_a_broken_clause_of_the_pure_form_is_named(clause: str) -> None:
    tree = full(_pure.IntervalTree[int]())
    PURE_CLAUSES[clause](tree)
    with pytest.raises(AssertionError, match=f"broken invariant: {clause}"):
        tree.check()


def test_starts_ascend_over_leaves_too() -> None:
    tree: Any = full(_pure.IntervalTree[int]())
    first: Any = tree._root.slots[0]
    first.starts[-1] = first.slots[-1]._start = 45
    first.lasts[-1] = first.slots[-1]._last = tree._root.lasts[0] = 45
    with pytest.raises(AssertionError, match="starts ascend"):
        tree.check()


class Four(FrozenIntervalTree[int]):
    _limit = 4


class Two(FrozenIntervalTree[int]):
    _limit = 2


class Twenty(FrozenIntervalTree[int]):
    _limit = 20


def frozen_entry(tree: Any, start: int, last: int) -> None:  # noqa: ANN401
    tree._root, tree._size = (FrozenInterval(start, last, 0),), 1


FROZEN_CLAUSES: dict[str, Callable[[Any], object]] = {
    "a page has at most": lambda tree: setattr(tree, "__class__", Two),
    "a page is at least half": lambda tree: setattr(tree, "__class__", Twenty),
    "all leaves are equally deep": lambda tree: setattr(
        tree._root, "children", (_deeper(tree), *tree._root.children[1:])
    ),
    "starts are the first": lambda tree: setattr(tree._root, "starts", (1, 2, 3)),
    "lasts are the greatest": lambda tree: setattr(tree._root, "lasts", (1, 2, 3)),
    "starts ascend": lambda tree: setattr(tree, "_root", tuple(tree)[3::-1]),
    "size is the number": lambda tree: setattr(tree, "_size", 5),
    "0 <= start <= last": lambda tree: frozen_entry(tree, 3, 2),
    "hash is current": lambda tree: setattr(tree, "_hash", 5),
}


def _deeper(tree: Any) -> Any:  # noqa: ANN401
    kind = type(tree._root)
    child = tree._root.children[0]
    return kind((child, child), (child[0][0],) * 2, (child[-1][1],) * 2)


@pytest.mark.parametrize("clause", FROZEN_CLAUSES)
def test_a_broken_clause_of_the_frozen_tree_is_named(clause: str) -> None:
    tree = Four((10 * at, 10 * at + 5, at) for at in range(10))
    tree.check()
    FROZEN_CLAUSES[clause](tree)
    with pytest.raises(AssertionError, match=f"broken invariant: {clause}"):
        tree.check()


def test_check_says_nothing_of_a_good_tree(form: type[IntervalTree[Any]]) -> None:
    for tree in (form(), form([(1, 1, 1)]), form((at, at, at) for at in range(1000))):
        tree.check()
