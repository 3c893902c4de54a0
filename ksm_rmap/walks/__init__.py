"""Walks of the reverse map: pure functions from a state and a folio to a `WalkResult`.

`get(name)` returns a walk; `names()` lists them. One of your own is a function `(state, folio)`;
`ksm_walk(state, folio, range_of=...)` is the kernel's loop around a search of your own.
"""

from ksm_rmap.walks.anon import rmap_walk_anon
from ksm_rmap.walks.control import (
    FOLIO_REFERENCED,
    REMOVE_MIGRATION_PTES,
    TRY_TO_MIGRATE,
    TRY_TO_UNMAP,
    Progress,
    RmapWalkControl,
    folio_not_mapped,
)
from ksm_rmap.walks.design import KsmDesign, NamedWalk, Walk
from ksm_rmap.walks.engine import (
    ULONG_MAX,
    AddressOf,
    RangeOf,
    Traversal,
    ksm_walk,
    maps,
    vma_address,
)
from ksm_rmap.walks.errors import WalkError, WalkTimeoutError
from ksm_rmap.walks.limit import LimitedWalk, call_within, limited
from ksm_rmap.walks.memory_failure import Kill, collect_procs_ksm
from ksm_rmap.walks.registry import describe, get, ksm_names, names
from ksm_rmap.walks.result import Loop, WalkResult
from ksm_rmap.walks.user import UserWalk

__all__ = (
    "FOLIO_REFERENCED",
    "REMOVE_MIGRATION_PTES",
    "TRY_TO_MIGRATE",
    "TRY_TO_UNMAP",
    "ULONG_MAX",
    "AddressOf",
    "Kill",
    "KsmDesign",
    "LimitedWalk",
    "Loop",
    "NamedWalk",
    "Progress",
    "RangeOf",
    "RmapWalkControl",
    "Traversal",
    "UserWalk",
    "Walk",
    "WalkError",
    "WalkResult",
    "WalkTimeoutError",
    "call_within",
    "collect_procs_ksm",
    "describe",
    "folio_not_mapped",
    "get",
    "ksm_names",
    "ksm_walk",
    "limited",
    "maps",
    "names",
    "rmap_walk_anon",
    "vma_address",
)
