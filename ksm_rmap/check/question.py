"""The question that a search asks of every state: whether the walk misses an entry there.

No analogue in the kernel. Rules of this module:

1. A walk is judged by the oracle, brute force over all page-table entries, unless `against`
   names another walk; then it is to find what that one finds.
2. The folios on trial are the KSM folios; those of `rmap_walk_anon` are the ordinary ones, those
   of a reverse-map design the ones it has an answer for.
3. A miss is persistent if it is still there after a whole pass of ksmd, which gives an rmap
   item to each KSM page that it meets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ksm_rmap.check import oracle
from ksm_rmap.model import ops
from ksm_rmap.model.errors import MmError
from ksm_rmap.walks.trial import on_trial

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ksm_rmap.model.state import State
    from ksm_rmap.walks import NamedWalk

__all__ = ("Miss", "Question")


class Miss(NamedTuple):
    """What a walk did not find of one folio."""

    folio: int
    ptes: tuple[tuple[int, int], ...]
    """`(mm, page)` of each missed entry, sorted."""


@dataclass(frozen=True, slots=True)
class Question:
    """A walk and what it is compared with."""

    walk: NamedWalk
    against: NamedWalk | None = None
    """None: the truth."""
    persistent: bool = False
    """Whether only a miss counts that a pass of ksmd does not heal."""

    def ask(self, state: State) -> Miss | None:
        """Return what the walk misses in `state`, of the first such folio; None: nothing."""
        for folio in self._folios(state):
            miss = self._miss(state, folio)
            if miss is not None and (not self.persistent or self.outlasts(state, miss)):
                return miss
        return None

    def outlasts(self, state: State, miss: Miss) -> bool:
        """Whether the walk misses part of the same entries after a whole pass of ksmd."""
        try:
            later = ops.ksmd(state)
        except MmError:  # ksmd waits for a migration that the miss keeps from ending
            return True
        if miss.folio not in later.folios:
            return False
        left = self._miss(later, miss.folio)
        return left is not None and not set(left.ptes).isdisjoint(miss.ptes)

    def _folios(self, state: State) -> Iterable[int]:
        return [n for n, folio in state.folios.pairs() if on_trial(self.walk, folio)]

    def _miss(self, state: State, folio: int) -> Miss | None:
        result = self.walk(state, folio)
        if self.against is None:
            lost = oracle.missed(state, folio, result)
        else:
            lost = oracle.missed_against(result, self.against(state, folio))
        return Miss(folio, tuple(sorted(lost))) if lost else None
