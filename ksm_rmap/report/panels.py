"""Pictures of a state as files: with a title, a walk's verdict, several below each other.

No analogue in the kernel. Rules of this module:

1. Without a folio, the first KSM folio of which the walk misses something is taken, then the
   first KSM folio, then the first one that is shared, then any.
2. Without a walk, of those of KSM folios the first one that misses something is taken, and `full`
   if none does; an ordinary folio is walked by `anon`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ksm_rmap import walks as registry
from ksm_rmap.check.judge import truths
from ksm_rmap.report._elements import element, text
from ksm_rmap.report.journey import Journey, journey_of, search_text, why_missed
from ksm_rmap.report.legend import legend_drawn
from ksm_rmap.report.scene import Scene, scene_of
from ksm_rmap.report.style import picture_style
from ksm_rmap.report.svg import picture, picture_size, verdict_overlay
from ksm_rmap.report.text import ptes_text
from ksm_rmap.walks.trial import on_trial

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ksm_rmap.model.state import State
    from ksm_rmap.walks import NamedWalk

__all__ = ("Panel", "panel_of", "sheet")

_TITLE: Final = 30
_LINE: Final = 18
_COLUMNS: Final = 88
"""Characters of a line of text."""
_LETTER: Final = 9
"""Width of a letter of the title, generously."""

Ptes = tuple[tuple[int, int], ...]


class Panel(NamedTuple):
    """A picture with its words."""

    scene: Scene
    journey: Journey | None
    lines: tuple[str, ...]
    """Above the picture: what was walked, what was found."""


def panel_of(
    state: State,
    names: Sequence[str] = (),
    *,
    walk: NamedWalk | None = None,
    folio: int | None = None,
    bare: bool = False,
) -> Panel:
    """Return the picture of `state`, in which `walk` walked `folio`; nothing did if `bare`.

    O(page-table entries) and the cost of the walk.
    """
    chosen = None if bare else _choice(state, walk, folio)
    if chosen is None:
        return Panel(scene_of(state, names), None, ())
    number, ptes, used = chosen
    result = used(state, number)
    searches = [loop.searched for loop in result.loops if loop.searched]
    scene = scene_of(state, names, searches)
    journey = journey_of(scene, number, used.name, used, result, ptes)
    return Panel(scene, journey, tuple(_words(scene, journey)))


def _choice(
    state: State, walk: NamedWalk | None, folio: int | None
) -> tuple[int, Ptes, NamedWalk] | None:
    """Return the folio, its entries and the walk to show; None if there is nothing to walk."""
    mapped = truths(state)
    ranked = sorted(mapped, key=lambda n: (not state.folios[n].ksm, len(mapped[n]) == 1, n))
    folios = [n for n in ranked if folio in (None, n)]
    if walk is not None:
        folios = [n for n in folios if folio == n or on_trial(walk, state.folios[n])]
    tried = [(n, used) for n in folios[:20] for used in _walks(state, n, walk)]
    if not tried:
        return None
    bad = (one for one in tried if not set(mapped[one[0]]) <= set(one[1](state, one[0]).ptes))
    number, used = next(bad, tried[0])
    return number, mapped[number], used


def _walks(state: State, folio: int, walk: NamedWalk | None) -> list[NamedWalk]:
    if walk is not None:
        return [walk]
    names = registry.ksm_names() if state.folios[folio].ksm else ("anon",)
    return [registry.get(name) for name in names]


def _words(scene: Scene, journey: Journey) -> Iterator[str]:
    names, found = scene.names, journey.result.ptes
    verdict = f"misses {ptes_text(names, journey.missed)}" if journey.missed else "finds all"
    yield f"walk {journey.walk} of folio {journey.folio}: {verdict}"
    cost = f"iterations: {journey.result.iterations:,}, visits: {journey.result.visits:,}"
    yield f"found {ptes_text(names, found) or 'nothing'}; {cost}"
    if journey.crux is not None:
        yield f"lit up below: {search_text(names, journey.crux.loop)}"
    yield from (why_missed(scene.state, names, journey, pte) for pte in journey.missed[:2])


def sheet(panels: Sequence[Panel], title: str = "", *, legend: bool = True) -> str:
    """Return the panels below each other as an SVG file."""
    parts: list[str] = []
    y = 8
    width = 690
    if title:
        parts.append(text(12, y + 16, title[:_COLUMNS], "title"))
        width = max(width, 24 + _LETTER * len(title[:_COLUMNS]))
        y += _TITLE
    for panel in panels:
        for number, line in enumerate(panel.lines):
            parts.append(text(12, y + 12, line[: _COLUMNS + 20], "dim" if number else "name"))
            y += _LINE
        wide, high = picture_size(panel.scene)
        overlay = verdict_overlay(panel.journey) if panel.journey else None
        parts.append(_placed(picture(panel.scene, overlay), y))
        y += high + 10
        width = max(width, wide)
    if legend:
        drawn, high = legend_drawn()
        parts.append(_placed(drawn, y))
        y += high
    size = {"width": width, "height": y}
    return (
        element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "class": "pic",
                "viewBox": f"0 0 {width} {y}",
                **size,
            },
            element("style", {}, picture_style()),
            element("rect", {"class": "paper", **size}),
            *parts,
        )
        + "\n"
    )


def _placed(svg: str, y: int) -> str:
    return svg.replace("<svg ", f'<svg y="{y}" ', 1)
