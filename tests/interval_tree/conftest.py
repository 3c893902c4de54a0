"""The two forms of the tree, as fixtures: every test of the tree runs over both."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from ksm_rmap.interval_tree import IntervalTree


class New(Protocol):
    """Make an empty tree, with pages of four unless told otherwise."""

    def __call__(self, page: int = 4) -> IntervalTree[Any]: ...


def load(form: str) -> Any:  # noqa: ANN401 - a module
    try:
        return importlib.import_module(f"ksm_rmap.interval_tree.{form}")
    except ImportError:
        pytest.skip("the C form was not compiled")


@pytest.fixture(params=["_compiled", "_pure"])
def module(request: pytest.FixtureRequest) -> Any:  # noqa: ANN401 - a module
    return load(request.param)


@pytest.fixture
def form(module: Any) -> type[IntervalTree[Any]]:  # noqa: ANN401
    kind: type[IntervalTree[Any]] = module.IntervalTree
    return kind


@pytest.fixture
def new(form: type[IntervalTree[Any]]) -> New:
    def made(page: int = 4) -> IntervalTree[Any]:
        tree = form()
        tree._set_page_size(page)
        return tree

    return made
