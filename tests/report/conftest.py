"""One headless browser for all tests of pages."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


def _driver() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "ksm_rmap_browser", Path(__file__).with_name("browser.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Start a browser; skip with the reason where there is none."""
    driver = _driver()
    if driver.MISSING:
        pytest.skip(f"not installed: {', '.join(driver.MISSING)} (chromium, chromium-driver)")
    with driver.browser(tmp_path_factory.mktemp("chromium")) as window:
        yield window
