"""Walks by name. No analogue in the kernel.

Rules of this module:

1. `get` takes the name of a design, `module:function` or `file.py:function`.
2. `named_walk` takes any walk and leaves alone what `get` returned.
3. Names are listed in the order of the discussion of 2026, what is in no kernel last.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, cast

from ksm_rmap.walks.address import ADDRESS
from ksm_rmap.walks.anon import ANON
from ksm_rmap.walks.avc import AVC, AVC_NOFALLBACK
from ksm_rmap.walks.counted import COUNTED
from ksm_rmap.walks.derive import DERIVE
from ksm_rmap.walks.errors import WalkError
from ksm_rmap.walks.full import FULL
from ksm_rmap.walks.index import INDEX
from ksm_rmap.walks.user import UserWalk, load
from ksm_rmap.walks.vm_pgoff import VM_PGOFF

if TYPE_CHECKING:
    from ksm_rmap.walks.design import NamedWalk, Walk

__all__ = ("describe", "get", "ksm_names", "named_walk", "names")

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

    A reverse-map design (`ksm_rmap.walks.designs`), or a class of the user's own that is one,
    becomes a `DesignWalk`, which works on states that record their history. `WalkError` says
    what is wrong if there is none of that name or it cannot be loaded.
    """
    design = _DESIGNS.get(name)
    if design is not None:
        return design
    from ksm_rmap.walks import designs  # noqa: PLC0415 - loaded only when a design is asked for

    if name in designs.names():
        return designs.DesignWalk(designs.get(name))
    if ":" in name or name.endswith(".py"):
        return _own(name)
    close = difflib.get_close_matches(name, (*_DESIGNS, *designs.names()))
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise WalkError(
        f"unknown walk {name!r}{hint}; known: {', '.join(_DESIGNS)}; "
        "or module:function, or file.py:function"
    )


def named_walk(walk: str | Walk) -> NamedWalk:
    """Return a walk that has a name; of a plain function, one that checks what it returns."""
    if isinstance(walk, str):
        return get(walk)
    if hasattr(walk, "name") and hasattr(walk, "summary"):
        return cast("NamedWalk", walk)
    return UserWalk(getattr(walk, "__name__", type(walk).__name__), walk)


def _own(name: str) -> NamedWalk:
    """Return a walk of the user's own; a class that is a `Design` becomes a walk."""
    from ksm_rmap.walks import designs  # noqa: PLC0415 - as above

    walk = load(name)
    if isinstance(walk.function, type) and issubclass(walk.function, designs.Design):
        try:
            return designs.DesignWalk(walk.function(), name)
        except Exception as error:
            raise WalkError(f"walk {name!r}: {type(error).__name__}: {error}") from error
    return walk


def describe(name: str) -> str:
    """Return one line about the walk named `name`; WalkError as `get`."""
    return get(name).summary
