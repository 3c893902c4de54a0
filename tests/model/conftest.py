"""The two forms of the model's data structures, as fixtures: their tests run over both."""

from __future__ import annotations

import importlib
from typing import Any

import pytest


def load(form: str) -> Any:  # noqa: ANN401 - a module
    try:
        return importlib.import_module(f"ksm_rmap.model.{form}")
    except ImportError:
        pytest.skip("the C form was not compiled")


@pytest.fixture(params=["_compiled", "_pure"])
def form(request: pytest.FixtureRequest) -> Any:  # noqa: ANN401 - a module
    return load(request.param)
