"""How the manual is built: python3 -m sphinx docs site (extra `docs`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ksm_rmap.report.pictures import write_pictures

project = "ksm_rmap"
author = "The ksm_rmap authors"
copyright = "2026, the ksm_rmap authors"  # noqa: A001 - Sphinx's name

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.doctest"]
source_suffix = {".md": "markdown"}
exclude_patterns: list[str] = []
html_theme = "furo"
html_title = "ksm_rmap"
html_copy_source = False
autodoc_typehints = "description"
autodoc_member_order = "bysource"
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
html_extra_path = ["drawn/pages"]


def setup(app: Any) -> None:  # noqa: ANN401 - the application of Sphinx, imported nowhere else
    """Draw every picture of the manual with the library that it describes."""
    write_pictures(Path(app.srcdir) / "drawn")
