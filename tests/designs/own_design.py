"""A reverse map of my own: a set of places, changed whenever an entry changes."""

from ksm_rmap.model.events import Event, PteMoved, PteSet
from ksm_rmap.model.state import Pte, State
from ksm_rmap.walks.designs import Design

Side = frozenset[tuple[int | None, int, int]]


def folio_of(pte: Pte | None) -> int | None:
    return pte.target if pte and pte.kind.value in {"present", "migration"} else None


class Places(Design[Side]):
    name = "places"
    summary = "every (folio, process, page), in one set"

    def start(self) -> Side:
        return frozenset()

    def handle(self, side: Side, event: Event, _: State) -> Side:
        if isinstance(event, PteSet):
            side -= {(folio_of(event.old), event.mm, event.page)}
            side |= {(folio_of(event.new), event.mm, event.page)}
        elif isinstance(event, PteMoved):
            side -= {(folio_of(event.pte), event.mm, event.page)}
            side |= {(folio_of(event.pte), event.mm, event.to)}
        return side

    def walk(self, side: Side, _: State, folio: int) -> list[tuple[int, int]]:
        return sorted((mm, page) for mapped, mm, page in side if mapped == folio)
