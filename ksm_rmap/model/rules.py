"""What differs between kernels, as data.

Each field of `Rules` names one decision of the kernel that changed in the course of time, with
the commit or the source that was read. `Rules.preset(name)` has the kernels that people ask
about; `replace` makes others: `Rules.preset("7.0").replace(mremap_unmerges=False)`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from ksm_rmap.model._enum import NamedEnum

__all__ = ("AnonVmaReuse", "MergeRule", "Rules")


class MergeRule(NamedEnum):
    """Which anon_vmas allow two neighbouring VMAs to become one."""

    OLD = "old"
    """Equal, or one of the two NULL and the VMA that is kept has exactly one avc
    (`is_mergeable_anon_vma` up to 6.15); a faulted range never joins an unfaulted VMA."""
    NEW = "new"
    """Equal, or one of the two NULL and the faulted one not a fork child
    (commit 879bca0a2c4f, "mm/vma: fix incorrectly disallowed anonymous VMA merges", 6.16)."""


class AnonVmaReuse(NamedEnum):
    """When fork gives an existing anon_vma to the child instead of a new one."""

    NEVER = "never"
    """Before 3.19: each forked VMA gets an anon_vma of its own (commit 5beb49305251)."""
    DEGREE = "degree"
    """3.19 to 5.19: one counter of children and VMAs (commit 7a3ef208e662); a count of one
    may mean either, so an anon_vma can be reused twice."""
    SPLIT = "split"
    """From 6.0: no active VMA and fewer than two children, counted apart
    (commit 2555283eb40d)."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The decisions of one kernel version. Immutable, hashable, compared by value."""

    name: str = "7.0"
    mremap_unmerges: bool = True
    """`move_vma` un-shares the KSM pages of the range first
    (commit 1ff829957316, "ksm: prevent mremap move poisoning", 2.6.38)."""
    merge_rule: MergeRule = MergeRule.NEW
    reuse: AnonVmaReuse = AnonVmaReuse.SPLIT
    lends_simple_only: bool = True
    """`anon_vma_prepare` shares the anon_vma of a neighbour only if that one is linked to nothing
    else, so that VMAs with the same anon_vma have the same chain (commit d0e9fe1758f2, 2.6.34)."""
    copies_moved: bool = False
    """`mremap` takes a private copy of each ordinary page that it moves and that other entries
    map too, and a swap-in copies a folio that is mapped at another address (anonmm,
    "rmap 11 mremap moves", 2004; in no kernel since)."""
    clone_oldest_first: bool = False
    """`anon_vma_clone` walks the chain from its tail, the oldest anon_vma (6.12, mm/rmap.c);
    the clean-up of January 2026 walks from the head, so each clone reverses the chain."""
    multi_vma_move: bool = True
    """`mremap(MREMAP_FIXED)` of equal lengths may span several VMAs
    (commit d23cb648e365, "mm/mremap: permit mremap() move of multiple VMAs", 6.17)."""
    dontunmap_resets_pgoff: bool = False
    """A VMA left behind by MREMAP_DONTUNMAP gets `vm_pgoff` of its own address again."""
    tree_update_in_place: bool = False
    """A VMA whose start key is unchanged keeps its place among equal keys of the
    interval tree (linux-mm 009857a22860); otherwise it is removed and inserted again."""
    anon_pgoff: bool = False
    """Anonymous folios of private file mappings are indexed by the anonymous page offset,
    not by the file offset ("mm/rmap: index MAP_PRIVATE file-backed folios by virt pgoff",
    2026)."""

    @classmethod
    def preset(cls, name: str) -> Rules:
        """Return the rules of kernel `name`; ValueError names the known ones."""
        try:
            return _PRESETS[name]
        except KeyError:
            known = ", ".join(_PRESETS)
            raise ValueError(f"no rules named {name!r}; known: {known}") from None

    @staticmethod
    def presets() -> tuple[Rules, ...]:
        """Return every preset, the oldest kernel first."""
        return tuple(_PRESETS.values())

    def replace(self, **changes: Any) -> Rules:  # noqa: ANN401 - as dataclasses.replace
        """Return a copy with some fields changed; the name tells that it is no preset."""
        named = {"name": f"{self.name}+{'+'.join(sorted(changes))}", **changes}
        return dataclasses.replace(self, **named)


_PRESETS: dict[str, Rules] = {
    rules.name: rules
    for rules in (
        Rules(
            name="2.6.37",
            mremap_unmerges=False,
            merge_rule=MergeRule.OLD,
            reuse=AnonVmaReuse.NEVER,
            clone_oldest_first=True,
            multi_vma_move=False,
        ),
        Rules(
            name="6.12",
            merge_rule=MergeRule.OLD,
            clone_oldest_first=True,
            multi_vma_move=False,
        ),
        Rules(name="6.18", clone_oldest_first=True),
        Rules(name="7.0"),
        Rules(
            name="mm-2026-08",
            dontunmap_resets_pgoff=True,
            tree_update_in_place=True,
            anon_pgoff=True,
        ),
    )
}
