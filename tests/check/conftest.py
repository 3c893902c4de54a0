"""The two forms of the string of a state, as a fixture."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol, cast

import pytest

if TYPE_CHECKING:
    from ksm_rmap.check.canonical import Named
    from ksm_rmap.model.state import State


class Form(Protocol):
    """The module of one form."""

    def encode(self, state: State, /) -> bytes: ...
    def named(self, state: State, /) -> Named: ...


def load(name: str) -> Form:
    try:
        return cast("Form", importlib.import_module(f"ksm_rmap.check.{name}"))
    except ImportError:
        pytest.skip("the C form was not compiled")


@pytest.fixture(params=["_canonical", "_canonical_pure"])
def canonical(request: pytest.FixtureRequest) -> Form:
    return load(request.param)


@pytest.fixture
def compiled() -> Form:
    return load("_canonical")
