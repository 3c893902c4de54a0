"""What `ksm-rmap --version` says."""

from __future__ import annotations

import ksm_rmap

__all__ = ("version", "version_line")


def version() -> str:
    """Return the name and the version of the program."""
    return f"ksm_rmap {ksm_rmap.__version__}"


def version_line() -> str:
    """Return the version and which form of each compiled part runs."""
    # Only for this line.
    from ksm_rmap import interval_tree  # noqa: PLC0415
    from ksm_rmap.check import canonical  # noqa: PLC0415
    from ksm_rmap.model import _sorted_map  # noqa: PLC0415

    parts = {"interval tree": interval_tree, "model": _sorted_map, "explorer": canonical}
    forms = [f"{name}: {'C' if part.COMPILED else 'Python'}" for name, part in parts.items()]
    return f"{version()} ({', '.join(forms)})"
