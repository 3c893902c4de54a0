"""The letters of VMAs and folios, the same in maps of text and in pictures.

No analogue in the kernel, whose VMA tests draw their maps with letters, too. Rules of this module:

1. The VMAs of a process are A B C in turn, small if they have moved; KSM folios are K L M, folios
   that are shared a b c; other folios have no letter.
2. A letter comes again when all have been used.
"""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from ksm_rmap.model.state import Folio, State, Vma

__all__ = ("KSM_LETTERS", "SHARED_LETTERS", "folio_letters", "vma_letter")

_VMA_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
KSM_LETTERS: Final = "KLMNOPQRSTUVWXYZABCDEFGHIJ"
"""In the order in which KSM folios get them."""
SHARED_LETTERS: Final = "abcdefghijklnpqrtuvwxy"
"""As above; m, o, s and z mark other entries."""


def vma_letter(position: int, vma: Vma) -> str:
    """Return the letter of a VMA, the number `position` of its process from 0 on."""
    letter = _VMA_LETTERS[position % len(_VMA_LETTERS)]
    return letter.lower() if vma.moved else letter


def folio_letters(state: State, shared: Callable[[int, Folio], bool]) -> dict[int, str]:
    """Return the letters of KSM folios and of those that are `shared`, by number."""
    capital, small = cycle(KSM_LETTERS), cycle(SHARED_LETTERS)
    letters: dict[int, str] = {}
    for number, folio in state.folios.pairs():
        if folio.ksm:
            letters[number] = next(capital)
        elif shared(number, folio):
            letters[number] = next(small)
    return letters
