"""anon_vma_chain with lists. Rik van Riel, commit 5beb49305251, Linux 2.6.34 to 3.6.

Models the first form of the design: an anon_vma keeps a list of its avcs and a walk tries each
VMA on it. Three rules say when a fork makes do with an anon_vma of an ancestor:

- `anon_vma_chain-never`: never, as until 3.18; a chain of forks and exits grows without bound.
- `anon_vma_chain-degree`: one counter for children and VMAs (commit 7a3ef208e662), which may take
  an anon_vma twice; 2555283eb40d ended that. Harm comes of it only where merges believe that equal
  anon_vmas mean equal chains: with `Rules(reuse=AnonVmaReuse.DEGREE)`.
- `anon_vma_chain`: two counters, as today.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksm_rmap.model._sorted_map import SortedMap
from ksm_rmap.model.rules import AnonVmaReuse, MergeRule, Rules
from ksm_rmap.walks.designs._avc import AvcDesign, Links

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from ksm_rmap.model.state import Vma

__all__ = ("ANON_VMA_CHAIN", "ANON_VMA_CHAIN_DEGREE", "ANON_VMA_CHAIN_NEVER", "AnonVmaChain")

_SUFFIX = {AnonVmaReuse.SPLIT: "", AnonVmaReuse.NEVER: "-never", AnonVmaReuse.DEGREE: "-degree"}
_TEXT = {
    AnonVmaReuse.SPLIT: "spare anon_vmas are reused",
    AnonVmaReuse.NEVER: "none is reused (2.6.34)",
    AnonVmaReuse.DEGREE: "reuse by one combined counter (3.19 to 5.19)",
}


class AnonVmaChain(AvcDesign):
    """An anon_vma keeps a set of VMA numbers: a list whose order does not matter."""

    source = "commit 5beb49305251; Linux 6.12 mm/rmap.c for the counters"
    empty = SortedMap[None]()

    def __init__(self, reuse: AnonVmaReuse = AnonVmaReuse.SPLIT) -> None:
        super().__init__(reuse)
        self.name = f"anon_vma_chain{_SUFFIX[reuse]}"
        self.summary = f"an anon_vma per VMA, linked to all descendants; {_TEXT[reuse]}"
        rule = MergeRule.OLD
        self.rules = Rules(name="2.6.34", merge_rule=rule, reuse=reuse, multi_vma_move=False)

    def add_link(self, links: Links, number: int, vma: Vma) -> Links:
        """Put an avc on the list."""
        del vma
        assert isinstance(links, SortedMap)  # noqa: S101 - made here
        return links.with_item(number, None)

    def drop_link(self, links: Links, number: int, vma: Vma) -> Links:
        """Take an avc off the list."""
        del vma
        assert isinstance(links, SortedMap)  # noqa: S101 - made here
        return links.without(number)

    def change_link(self, links: Links, number: int, old: Vma, new: Vma) -> Links:
        """Return the same list: an avc points to its VMA and holds nothing of it."""
        del number, old, new
        return links

    def query(self, links: Links, page_index: int) -> Iterable[int]:
        """Return the whole list."""
        del page_index
        assert isinstance(links, SortedMap)  # noqa: S101 - made here
        return links

    def contents(self, links: Links) -> Iterable[tuple[int, Hashable]]:
        """Return each link; the avc holds pointers only."""
        assert isinstance(links, SortedMap)  # noqa: S101 - made here
        return links.pairs()


ANON_VMA_CHAIN = AnonVmaChain()
ANON_VMA_CHAIN_NEVER = AnonVmaChain(AnonVmaReuse.NEVER)
ANON_VMA_CHAIN_DEGREE = AnonVmaChain(AnonVmaReuse.DEGREE)
