"""What `ksm-rmap --version` says."""

from __future__ import annotations

import ksm_rmap

__all__ = ("version", "version_line")


def version() -> str:
    """Return the name and the version of the program."""
    return f"ksm_rmap {ksm_rmap.__version__}"


def version_line() -> str:
    """Return the version and which form of the interval tree runs."""
    from ksm_rmap import interval_tree  # noqa: PLC0415 - only for this line

    form = "C" if interval_tree.COMPILED else "Python"
    return f"{version()} (interval tree: {form})"
