"""What a walk is tried on: which folios, and which state it begins with.

No analogue in the kernel. A walk of KSM folios is tried on those, `anon` on the ordinary ones, a
reverse-map design on the ordinary ones and, if it has an answer for them, on KSM folios too. A
design needs a state that records its history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksm_rmap.model.events import recording
from ksm_rmap.model.state import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ksm_rmap.model.rules import Rules
    from ksm_rmap.model.state import Folio
    from ksm_rmap.walks.design import NamedWalk

__all__ = ("first_state", "is_design", "on_trial")

_ANON = "anon"


def _design(walk: object) -> object | None:
    """Return the design that a walk, or the walk inside a limited one, stands for."""
    while walk is not None:
        design: object | None = getattr(walk, "design", None)
        if design is not None:
            return design
        walk = getattr(walk, "walk", None)
    return None


def is_design(walk: object) -> bool:
    """Whether a walk is a reverse-map design with a memory of its own."""
    return _design(walk) is not None


def on_trial(walk: NamedWalk, folio: Folio) -> bool:
    """Whether `walk` is to be judged on `folio`."""
    design = _design(walk)
    if design is not None:
        return not folio.ksm or bool(getattr(design, "ksm", False))
    return folio.ksm is not (walk.name == _ANON)


def first_state(rules: Rules, walks: Iterable[NamedWalk] = ()) -> State:
    """Return `State(rules=rules)`; it records if one of `walks` is a design."""
    state = State(rules=rules)
    return recording(state) if any(map(is_design, walks)) else state
