"""Walks by name. No analogue in the kernel.

Rules of this module:

1. `get` takes the name of a design, `module:function` or `file.py:function`.
2. Names are listed in the order of the discussion of 2026, what is in no kernel last.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from ksm_rmap.walks.address import ADDRESS
from ksm_rmap.walks.anon import ANON
from ksm_rmap.walks.avc import AVC, AVC_NOFALLBACK
from ksm_rmap.walks.counted import COUNTED
from ksm_rmap.walks.derive import DERIVE
from ksm_rmap.walks.errors import WalkError
from ksm_rmap.walks.full import FULL
from ksm_rmap.walks.index import INDEX
from ksm_rmap.walks.user import load
from ksm_rmap.walks.vm_pgoff import VM_PGOFF

if TYPE_CHECKING:
    from ksm_rmap.walks.design import NamedWalk

__all__ = ("describe", "get", "ksm_names", "names")

_DESIGNS: dict[str, NamedWalk] = {
    design.name: design
    for design in (FULL, ADDRESS, VM_PGOFF, COUNTED, AVC, AVC_NOFALLBACK, INDEX, DERIVE, ANON)
}


def names() -> tuple[str, ...]:
    """Return the names of all registered walks."""
    return tuple(_DESIGNS)


def ksm_names() -> tuple[str, ...]:
    """Return the names of the walks of KSM folios: all but `anon`."""
    return tuple(name for name in _DESIGNS if name != ANON.name)


def get(name: str) -> NamedWalk:
    """Return the walk named `name`: registered, `module:function` or `path/file.py:function`.

    `WalkError` says what is wrong if there is none of that name or it cannot be loaded.
    """
    design = _DESIGNS.get(name)
    if design is not None:
        return design
    if ":" in name or name.endswith(".py"):
        return load(name)
    close = difflib.get_close_matches(name, _DESIGNS)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise WalkError(
        f"unknown walk {name!r}{hint}; known: {', '.join(_DESIGNS)}; "
        "or module:function, or file.py:function"
    )


def describe(name: str) -> str:
    """Return one line about the walk named `name`; WalkError as `get`."""
    return get(name).summary
