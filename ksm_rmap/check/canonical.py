"""A state as a short string of bytes that is equal for states that differ only in names.

No analogue in the kernel. A search of all sequences meets the same situation over and over under
other names: `encode` gives all of them one string, and `ksm_rmap.check.restore.decode` turns the
string into a state again.

What the string leaves out, each proved by a test against a search that leaves nothing out:

1. Names. Folios, anon_vmas, stable nodes, swap slots and contents are numbered by first
   appearance in a fixed traversal; processes are put in the order that gives the least string.
   No operation compares names for anything but equality.
2. What follows from the rest: interval trees, counters, most of the stable tree.
3. What only numbers things: `next_id` and `ksmd.seqnr`; no operation reads them.
4. Orders that decide nothing: of links with equal start keys in an interval tree, and of the
   items of a stable node. A walk that visits everything finds the same whatever they are.
5. What nothing can reach any more: the index of a KSM folio, a folio that is only pinned, the
   parent of an anon_vma without VMAs.

The string has one byte a number, so a state must be small: see `LIMIT`.

`encode` and `named` have two forms, which return the same: one in C, used where it was compiled,
and one in Python (`_canonical_pure`). `COMPILED` tells which one this is; the environment
variable `KSM_RMAP_PURE=1` chooses the Python form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksm_rmap._forms import C_WANTED
from ksm_rmap.check._canonical_pure import (
    ANON_VMA,
    FILE,
    FLAG_BITS,
    FOLIO,
    LIMIT,
    MAPPED_KSM,
    NODE,
    PTE_KINDS,
    SLOT,
    Named,
)

if TYPE_CHECKING:
    from ksm_rmap.check._canonical_pure import encode, named

__all__ = (
    "ANON_VMA",
    "COMPILED",
    "FILE",
    "FLAG_BITS",
    "FOLIO",
    "LIMIT",
    "MAPPED_KSM",
    "NODE",
    "PTE_KINDS",
    "SLOT",
    "Named",
    "encode",
    "named",
)

COMPILED: bool = C_WANTED
"""Whether `encode` and `named` are the C form."""

if not TYPE_CHECKING:
    if COMPILED:
        try:
            from ksm_rmap.check._canonical import encode, named
        except ImportError:  # no compiler when it was installed
            COMPILED = False
    if not COMPILED:
        from ksm_rmap.check._canonical_pure import encode, named
