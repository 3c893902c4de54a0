"""What a walk did with each VMA that it met. No analogue in the kernel.

Rules of this module:

1. A walk is not made slower by being explained: it says which tree it searched for which range
   (`Loop.anon_vma`, `Loop.searched`), and what it did there is worked out afterwards.
2. What is worked out is compared with the counters of the loop. If they differ, as they may for
   a walk of the user's own, there is no explanation rather than a wrong one.
3. The tests are those of the engine in the same order: the address, then the process.

Left out: `invalid_vma` and walks that end early; explained is a walk without a control.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ksm_rmap.model._enum import NamedEnum
from ksm_rmap.walks.engine import maps, vma_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ksm_rmap.model.state import State, Vma, VmaKey
    from ksm_rmap.walks.design import Walk
    from ksm_rmap.walks.engine import AddressOf
    from ksm_rmap.walks.result import Loop, WalkResult

__all__ = ("Look", "LookKind", "LoopLooks", "explain")


class LookKind(NamedEnum):
    """What became of a VMA that a loop met."""

    ADDRESS = "address"
    """Skipped: it does not cover the address."""
    MM = "mm"
    """Skipped: the turn of its process is the other pass."""
    HIT = "hit"
    """Visited, and the entry maps the folio."""
    AGAIN = "again"
    """Visited, and the entry maps the folio, but was found before."""
    VAIN = "vain"
    """Visited, and the entry does not map the folio."""

    @property
    def skipped(self) -> bool:
        """Whether the VMA was passed over without a visit."""
        return self in (LookKind.ADDRESS, LookKind.MM)


class Look(NamedTuple):
    """One VMA that a loop met."""

    vma: VmaKey
    page: int
    """Where the walk looks, or would have looked, in the process of the VMA."""
    kind: LookKind


class LoopLooks(NamedTuple):
    """A loop and the VMAs that it met, in tree order."""

    loop: Loop
    looks: tuple[Look, ...] | None
    """None: the walk does not tell (it is not made of the engine's loops)."""


def explain(
    state: State, folio: int, walk: Walk, result: WalkResult | None = None
) -> Iterator[LoopLooks]:
    """Yield the loops of a walk of `folio`, each with the VMAs that it met.

    `result` is what `walk(state, folio)` returned, if that is known already. O(1) until a loop is
    asked for, then O(log n + VMAs in its range).
    """
    done = walk(state, folio) if result is None else result
    address_of: AddressOf | None = getattr(walk, "address_of", None)
    seen: set[tuple[int, int]] = set()
    for loop in done.loops:
        looks = _looks(state, folio, loop, address_of, seen)
        yield LoopLooks(loop, looks if looks is not None and _agree(loop, looks) else None)


def _looks(
    state: State,
    folio: int,
    loop: Loop,
    address_of: AddressOf | None,
    seen: set[tuple[int, int]],
) -> tuple[Look, ...] | None:
    if loop.anon_vma is None:
        return None
    if loop.searched is None:
        return ()
    found = state.anon_vmas[loop.anon_vma].tree.overlap(*loop.searched)
    vmas = (state.mms[mm].vmas[start] for mm, start in (entry.value for entry in found))
    return tuple(_look(state, folio, loop, vma, address_of, seen) for vma in vmas)


def _look(
    state: State,
    folio: int,
    loop: Loop,
    vma: Vma,
    address_of: AddressOf | None,
    seen: set[tuple[int, int]],
) -> Look:
    if loop.item is None:
        page = vma_address(vma, state.folios[folio].index)
        inside = vma.start <= page < vma.end
    else:
        page = address_of(state.item(loop.item), vma) if address_of else loop.item[1]
        inside = address_of is not None or vma.start <= page < vma.end
    if not inside:
        return Look(vma.key, page, LookKind.ADDRESS)
    if loop.item is not None and (vma.mm == loop.item[0]) == bool(loop.pass_):
        return Look(vma.key, page, LookKind.MM)
    place = (vma.mm, page)
    if not maps(state.pte(*place), folio):
        return Look(vma.key, page, LookKind.VAIN)
    kind = LookKind.AGAIN if place in seen else LookKind.HIT
    seen.add(place)
    return Look(vma.key, page, kind)


def _agree(loop: Loop, looks: tuple[Look, ...]) -> bool:
    """Whether `looks` give the counters of the loop."""
    kinds = [look.kind for look in looks]
    address, mm = kinds.count(LookKind.ADDRESS), kinds.count(LookKind.MM)
    worked_out = (len(kinds), address, mm, len(kinds) - address - mm)
    return worked_out == (loop.iterations, loop.skip_address, loop.skip_mm, loop.visits)
