"""Reverse-map designs of 2002 to 2026: data beside the model, upkeep, and a walk.

`get(name)` returns a `Design`; `names()` lists them. `DesignWalk(design)` is a walk like any other,
for states that record: `recording(State())`. One of your own is a subclass of `Design`.
"""

from __future__ import annotations

import difflib
from typing import Any

from ksm_rmap.walks.designs.anon_vma_chain import (
    ANON_VMA_CHAIN,
    ANON_VMA_CHAIN_DEGREE,
    ANON_VMA_CHAIN_NEVER,
)
from ksm_rmap.walks.designs.anon_vma_lazy import ANON_VMA_LAZY, ANON_VMA_LAZY_ALL
from ksm_rmap.walks.designs.anon_vma_list import ANON_VMA_LIST
from ksm_rmap.walks.designs.anon_vma_tree import ANON_VMA_TREE, ANON_VMA_TREE_ANON
from ksm_rmap.walks.designs.anonmm import ANONMM, ANONMM_CHAINS, ANONMM_VMAS
from ksm_rmap.walks.designs.base import Cost, Design, Search, work
from ksm_rmap.walks.designs.candidates import KSM_ANCHOR, KSM_CHAIN
from ksm_rmap.walks.designs.cow_context import COW_CONTEXT, COW_CONTEXT_REPAIRED
from ksm_rmap.walks.designs.pte_chain import PTE_CHAIN
from ksm_rmap.walks.designs.run import DesignMiss, DesignRun, DesignWalk, side_of
from ksm_rmap.walks.errors import WalkError

__all__ = (
    "Cost",
    "Design",
    "DesignMiss",
    "DesignRun",
    "DesignWalk",
    "Search",
    "get",
    "names",
    "side_of",
    "work",
)

_DESIGNS: dict[str, Design[Any]] = {
    design.name: design
    for design in (
        PTE_CHAIN,
        ANONMM,
        ANONMM_CHAINS,
        ANONMM_VMAS,
        ANON_VMA_LIST,
        ANON_VMA_CHAIN_NEVER,
        ANON_VMA_CHAIN_DEGREE,
        ANON_VMA_CHAIN,
        ANON_VMA_TREE,
        ANON_VMA_TREE_ANON,
        COW_CONTEXT,
        COW_CONTEXT_REPAIRED,
        ANON_VMA_LAZY,
        ANON_VMA_LAZY_ALL,
        KSM_ANCHOR,
        KSM_CHAIN,
    )
}


def names() -> tuple[str, ...]:
    """Return the names of all designs, the oldest first."""
    return tuple(_DESIGNS)


def get(name: str) -> Design[Any]:
    """Return the design named `name`; `WalkError` if there is none."""
    found = _DESIGNS.get(name)
    if found is None:
        close = difflib.get_close_matches(name, _DESIGNS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise WalkError(f"unknown design {name!r}{hint}; known: {', '.join(_DESIGNS)}")
    return found
