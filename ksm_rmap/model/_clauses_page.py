"""What must hold of page tables, folios and swap: mm/memory.c, mm/rmap.c, mm/swapfile.c.

Rules of this module: see `ksm_rmap.model.validate`, which has the table of all clauses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ksm_rmap.model._census import Site, vma_name
from ksm_rmap.model.state import Folio, PteKind, Vma, linear_page_index

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ksm_rmap.model._census import Census
    from ksm_rmap.model._sorted_map import SortedMap

_TO_FOLIO = PteKind.PRESENT, PteKind.MIGRATION
_ENTRY = PteKind.SWAP, PteKind.MIGRATION


def _sites_of_folios(c: Census) -> Iterator[tuple[Site, Folio]]:
    """Yield the entries that map a folio, now or after its migration, with the folio."""
    for site in c.sites:
        if site.pte.kind in _TO_FOLIO:
            folio = c.state.folios.get(site.pte.target)
            if folio is not None:
                yield site, folio


def _anon_sites(c: Census) -> Iterator[tuple[Site, Vma, Folio]]:
    """Yield the entries of ordinary anonymous folios that stand in a faulted VMA."""
    for site, folio in _sites_of_folios(c):
        if not folio.ksm and site.vma is not None and site.vma.anon_vma is not None:
            yield site, site.vma, folio


def _miscounted(
    c: Census, kind: PteKind, named: str, table: SortedMap[Any], counter: str, entries: str
) -> Iterator[str]:
    """Yield each object whose field `counter` differs from its number of entries of a kind."""
    for number, counted in table.pairs():
        kept, ptes = getattr(counted, counter), c.targets[kind].get(number, 0)
        if kept != ptes:
            yield f"{named} {number} has {counter} {kept} and {ptes} {entries}"


def pte_in_vma(c: Census) -> Iterator[str]:
    """A page-table entry lies in a VMA of a process."""
    for site in c.sites:
        if site.vma is None:
            yield f"{site} lies in no VMA"


def pte_in_faulted_vma(c: Census) -> Iterator[str]:
    """A VMA with entries other than the zero page has an anon_vma.

    `anon_vma_prepare` comes before the first folio; fork, split and move keep the link.
    """
    for site in c.sites:
        if site.pte.kind is PteKind.ZERO or site.vma is None:
            continue
        if site.vma.anon_vma is None:
            yield f"{site} lies in {vma_name(site.mm, site.vma)}, which has no anon_vma"


def pte_targets(c: Census) -> Iterator[str]:
    """An entry leads to a folio or a swap slot that exists; the zero page has no target."""
    for site in c.sites:
        kind, target = site.pte.kind, site.pte.target
        if kind in _TO_FOLIO and target not in c.state.folios:
            yield f"{site} leads to folio {target}, which does not exist"
        if kind is PteKind.SWAP and target not in c.state.slots:
            yield f"{site} leads to swap slot {target}, which does not exist"
        if kind is PteKind.ZERO and target:
            yield f"{site} has the target {target}"


def pte_exclusive(c: Census) -> Iterator[str]:
    """The exclusive bit is of swap and migration entries that nobody shares, never of KSM's.

    `copy_nonpresent_pte`, mm/memory.c: fork clears it in both entries.
    """
    for site in c.sites:
        kind, target = site.pte.kind, site.pte.target
        if not site.pte.exclusive:
            continue
        if kind not in _ENTRY:
            yield f"{site} has the exclusive bit of a swap or migration entry"
            continue
        if c.targets[kind][target] > 1:
            yield f"{site} is exclusive and not the only one to {target}"
        slot = c.state.slots.get(target) if kind is PteKind.SWAP else None
        number = slot.folio if slot else target
        folio = c.state.folios.get(number) if number is not None else None
        if folio is not None and (folio.ksm or folio.mapcount):
            yield f"{site} is exclusive and folio {number} is KSM or mapped"


def anon_index(c: Census) -> Iterator[str]:
    """An ordinary anonymous folio is mapped where the VMA has the folio's index.

    mm/rmap.c: the invariant on which `rmap_walk_anon` stands.
    """
    for site, vma, folio in _anon_sites(c):
        index = linear_page_index(vma, site.page)
        if index != folio.index:
            yield (
                f"{site} has index {index} in {vma_name(site.mm, vma)}, "
                f"folio {site.pte.target} has index {folio.index}"
            )


def anon_linked(c: Census) -> Iterator[str]:
    """A VMA that maps an ordinary anonymous folio is linked to the folio's anon_vma.

    mm/rmap.c.
    """
    for site, vma, folio in _anon_sites(c):
        if folio.mapping not in vma.chain:
            yield (
                f"{site} leads to folio {site.pte.target} of anon_vma {folio.mapping}, "
                f"to which {vma_name(site.mm, vma)} is not linked"
            )


def mapcount(c: Census) -> Iterator[str]:
    """`mapcount` counts the present entries, and those only."""
    folios = c.state.folios
    yield from _miscounted(c, PteKind.PRESENT, "folio", folios, "mapcount", "present PTEs")


def migrating(c: Census) -> Iterator[str]:
    """`migrating` counts the migration entries."""
    folios = c.state.folios
    yield from _miscounted(c, PteKind.MIGRATION, "folio", folios, "migrating", "migration entries")


def pins(c: Census) -> Iterator[str]:
    """References are not negative."""
    for number, folio in c.state.folios.pairs():
        if folio.pins < 0:
            yield f"folio {number} has {folio.pins} pins"


def folio_needed(c: Census) -> Iterator[str]:
    """A folio is freed with its last mapping, migration entry, pin and place in the swap cache."""
    for number, folio in c.state.folios.pairs():
        mapped = any(c.targets[kind].get(number) for kind in _TO_FOLIO)
        if not mapped and not folio.pins and folio.swap is None:
            yield f"folio {number} exists although nothing refers to it"


def exclusive_alone(c: Census) -> Iterator[str]:
    """An exclusive folio has at most one PTE, and no swap or migration entry beside it.

    `PageAnonExclusive` is cleared before such an entry is written
    (`folio_try_share_anon_rmap_pte`) and never set while another process may come back.
    """
    for number, folio in c.state.folios.pairs():
        if not folio.exclusive:
            continue
        entries = sum(c.targets[kind].get(number, 0) for kind in _TO_FOLIO)
        if entries > 1:
            yield f"folio {number} is exclusive and has {entries} PTEs"
        if folio.swap is not None and c.targets[PteKind.SWAP].get(folio.swap):
            yield f"folio {number} is exclusive and swap slot {folio.swap} has PTEs"


def exclusive_not_ksm(c: Census) -> Iterator[str]:
    """A KSM folio is never exclusive (mm/ksm.c)."""
    for number, folio in c.state.folios.pairs():
        if folio.exclusive and folio.ksm:
            yield f"folio {number} is exclusive and KSM"


def slot_ptes(c: Census) -> Iterator[str]:
    """`ptes` of a swap slot counts the swap entries (the swap count of the kernel)."""
    yield from _miscounted(c, PteKind.SWAP, "swap slot", c.state.slots, "ptes", "swap entries")


def slot_needed(c: Census) -> Iterator[str]:
    """A swap slot is freed with its last swap entry and its folio in the swap cache."""
    for number, slot in c.state.slots.pairs():
        if slot.folio is None and not c.targets[PteKind.SWAP].get(number):
            yield f"swap slot {number} exists although nothing refers to it"


def swap_cache(c: Census) -> Iterator[str]:
    """The swap cache leads from slot to folio and back."""
    folios, slots = c.state.folios, c.state.slots
    for number, slot in slots.pairs():
        if slot.folio is None:
            continue
        folio = folios.get(slot.folio)
        if folio is None or folio.swap != number:
            yield f"swap slot {number} has folio {slot.folio}, which is not cached for it"
    for number, folio in folios.pairs():
        if folio.swap is None:
            continue
        slot = slots.get(folio.swap)
        if slot is None or slot.folio != number:
            yield f"folio {number} is cached for swap slot {folio.swap}, which has another folio"


def swap_content(c: Census) -> Iterator[str]:
    """A cached folio has the content that the swap entries of its slot stand for.

    Deduced: while there is a swap entry the folio is not exclusive, so nobody writes to it.
    """
    for number, slot in c.state.slots.pairs():
        folio = c.state.folios.get(slot.folio) if slot.folio is not None else None
        if folio is not None and slot.ptes and folio.content != slot.content:
            yield (
                f"swap slot {number} has content {slot.content:#x}, "
                f"its folio {slot.folio} content {folio.content:#x}"
            )
