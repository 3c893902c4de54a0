"""The scenarios of a page as JSON values: steps, pictures, folios, and walks to step through.

No analogue in the kernel. Rules of this module:

1. What nobody could see is left out, and the page says what: turns of a loop, VMAs, loops of a
   walk, folios.
2. A picture or a walk that occurs several times is kept once.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ksm_rmap import walks as registry
from ksm_rmap.check.judge import FolioVerdict, judge, truths
from ksm_rmap.model.scenario import call_text
from ksm_rmap.report.journey import Journey, Leg, Places, journey_of, range_text, why_missed
from ksm_rmap.report.scene import Scene, scene_of
from ksm_rmap.report.svg import LEFT, picture
from ksm_rmap.report.text import ptes_text
from ksm_rmap.walks.trial import first_state, on_trial

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ksm_rmap.model.rules import Rules
    from ksm_rmap.model.scenario import Scenario, Step
    from ksm_rmap.model.state import State
    from ksm_rmap.walks import NamedWalk

__all__ = ("ANON", "Chapter", "Tables", "chapter_json", "compact")

ANON: Final = "anon"
_MOST_STEPS: Final = 60
_TURNS: Final = 6
"""Calls of one line that are all shown; of more the first two and the last."""
_FOLIOS: Final = 6
"""Folios of a step that can be picked."""
_ENTRIES: Final = 64
"""Entries of a folio that are listed as found."""
_REASONS: Final = 3
"""Missed entries of which it is said why."""
_SEARCHES: Final = 40
"""Searches whose index gets a place on the ruler."""


class Chapter(NamedTuple):
    """A scenario of a page."""

    scenario: Scenario
    walks: Mapping[str, NamedWalk]
    """What can be picked; `anon` should be among them, it walks the ordinary folios."""
    rules: Rules
    first: str | None = None
    """The walk that is shown first; None: one that misses something at the end."""
    about: str = ""
    """What it is about; empty: the scenario's first comment."""


class _Shown(NamedTuple):
    """A step that is shown."""

    number: int
    skipped: int
    """Steps before it that are not."""
    step: Step


class Tables:
    """Pictures and walks of all steps, each kept once."""

    def __init__(self) -> None:
        self.hidden = 0
        """Most VMAs of a picture that are not drawn."""
        self.pictures: dict[str, int] = {}
        self.traces: dict[str, int] = {}

    def picture(self, svg: str) -> int:
        """Return the number of a picture."""
        return self.pictures.setdefault(svg, len(self.pictures))

    def trace(self, trace: dict[str, Any]) -> int:
        """Return the number of a walk."""
        return self.traces.setdefault(compact(trace), len(self.traces))


def compact(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return JSON without blanks."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def chapter_json(chapter: Chapter, tables: Tables) -> dict[str, Any]:
    """Make the calls of `chapter` and return what the page needs; ScenarioError as `states`."""
    scenario, walks = chapter.scenario, chapter.walks
    begin = first_state(chapter.rules, walks.values())
    shown = _shown(scenario.states(registry.get("full"), walks=registry.get, begin=begin))
    tables.hidden = 0
    parts = [_step_json(scenario, one, walks, tables) for one in shown]
    befores = [begin, *(one.step.state for one in shown)]
    for part, before, one in zip(parts, befores, shown, strict=False):
        part["fresh"] = _fresh(before, one.step.state)
    return {
        "name": scenario.name,
        "about": chapter.about or scenario.title,
        "scenario": str(scenario),
        "processes": list(scenario.processes),
        "names": [name for name in walks if name != ANON],
        "open": _opening(parts, chapter),
        "notes": [f"Rules of the kernel: {chapter.rules.name}.", *_notes(shown, tables.hidden)],
        "steps": parts or [_nothing(begin, tables)],
    }


def _nothing(begin: State, tables: Tables) -> dict[str, Any]:
    """Return the step that stands for no call at all."""
    svg = tables.picture(picture(scene_of(begin)))
    words = {"n": 0, "skipped": 0, "call": "(no calls)", "picture": svg}
    return {**words, "misses": [], "folios": [], "fresh": []}


def _fresh(before: State, after: State) -> list[str]:
    """Return the keys of the VMAs and entries that differ, if they are few."""
    keys = []
    for number, mm in after.mms.pairs():
        old = before.mms.get(number)
        if old is mm:
            continue
        vmas, ptes = (old.vmas, old.ptes) if old else ({}, {})
        keys += [f"v{number}:{at}" for at, vma in mm.vmas.pairs() if vmas.get(at) != vma]
        keys += [f"p{number}:{at}" for at, pte in mm.ptes.pairs() if ptes.get(at) != pte]
        if len(keys) > _ENTRIES:
            return []
    return keys


# Steps


def _shown(steps: Iterable[Step]) -> list[_Shown]:
    """Choose the steps to show: of a long loop the ends, of very many the first and the last."""
    numbered = list(enumerate(steps, 1))
    turns = Counter(step.line for _, step in numbered)
    place: Counter[int] = Counter()
    kept: list[tuple[int, Step]] = []
    for number, step in numbered:
        place[step.line] += 1
        if turns[step.line] <= _TURNS or place[step.line] in (1, 2, turns[step.line]):
            kept.append((number, step))
    if len(kept) > _MOST_STEPS:
        kept = [*kept[:10], *kept[10 - _MOST_STEPS :]]
    before = [0, *(number for number, _ in kept)]
    return [
        _Shown(number, number - last - 1, step)
        for (number, step), last in zip(kept, before, strict=False)
    ]


def _notes(shown: Sequence[_Shown], hidden: int) -> Iterator[str]:
    skipped = sum(one.skipped for one in shown)
    if skipped:
        yield (
            f"{skipped:,} calls were made but are not shown: of a long loop the first two and the "
            "last are, of a very long scenario the first and the last calls."
        )
    if hidden:
        yield (
            f"Up to {hidden:,} VMAs are counted, not drawn: shown are those that KSM, fork or swap "
            "has to do with, their neighbours and the ends. A walk passes them in one step; all "
            "numbers are those of the whole walk."
        )
    yield (
        "The interval trees have the keys and maxima of the kernel's and an ideal shape; that of "
        "a red-black tree depends on its history."
    )


def _step_json(
    scenario: Scenario, shown: _Shown, walks: Mapping[str, NamedWalk], tables: Tables
) -> dict[str, Any]:
    state, names = shown.step.state, scenario.processes
    verdicts = list(_verdicts(state, walks))
    searches = {
        loop.searched
        for verdict in verdicts
        for walk in verdict.walks.values()
        for loop in walk.result.loops
        if loop.searched and loop.item
    }
    scene = scene_of(state, names, sorted(searches)[:_SEARCHES])
    tables.hidden = max(tables.hidden, scene.hidden_vmas)
    places: Places = {}
    folios = [_folio_json(scene, verdict, walks, tables, places) for verdict in verdicts]
    misses = [
        name for name in walks if any(name in v.walks and v.walks[name].missed for v in verdicts)
    ]
    return {
        "n": shown.number,
        "skipped": shown.skipped,
        "call": call_text(shown.step.call, names),
        "picture": tables.picture(picture(scene)),
        "misses": misses,
        "folios": folios,
    }


# Folios and walks


def _verdicts(state: State, walks: Mapping[str, NamedWalk]) -> Iterator[FolioVerdict]:
    """Yield the verdicts on the folios that can be picked: KSM folios, then shared ones."""
    ptes = truths(state)
    ranked = sorted((not state.folios[n].ksm, len(ptes[n]) == 1, n) for n in ptes)
    if len(ranked) > _FOLIOS and not all(own for _, own, _ in ranked):
        ranked = [entry for entry in ranked if not (entry[0] and entry[1])]
    for _, _, folio in ranked[:_FOLIOS]:
        found = state.folios[folio]
        tried = {name: walk for name, walk in walks.items() if on_trial(walk, found)}
        yield from judge(state, tried, [(folio, ptes[folio])])


def _folio_json(
    scene: Scene,
    verdict: FolioVerdict,
    walks: Mapping[str, NamedWalk],
    tables: Tables,
    places: Places,
) -> dict[str, Any]:
    number, ptes = verdict.folio, verdict.ptes
    ksm = scene.state.folios[number].ksm
    entries = ptes_text(scene.names, ptes, 6)
    letter = scene.letters.get(number, "o")
    return {
        "id": number,
        "ksm": ksm,
        "label": f"{letter}: {'KSM ' * ksm}folio {number} at {ptes_text(scene.names, ptes, 3)}",
        "entries": entries,
        "missed": any(walk.missed for walk in verdict.walks.values()),
        "walks": {
            name: tables.trace(
                _trace_json(
                    scene,
                    journey_of(scene, number, name, walks[name], walk.result, ptes, places),
                )
            )
            for name, walk in verdict.walks.items()
        },
    }


def _trace_json(scene: Scene, journey: Journey) -> dict[str, Any]:
    result = journey.result
    return {
        "iterations": result.iterations,
        "visits": result.visits,
        "loops": len(result.loops),
        "found": [list(pte) for pte in result.ptes[:_ENTRIES]],
        "missed": [list(pte) for pte in journey.missed[:_ENTRIES]],
        "why": [
            why_missed(scene.state, scene.names, journey, pte) for pte in journey.missed[:_REASONS]
        ],
        "more": journey.more,
        "crux": next((n for n, leg in enumerate(journey.legs) if leg is journey.crux), None),
        "legs": [_leg_json(scene, leg) for leg in journey.legs],
    }


def _leg_json(scene: Scene, leg: Leg) -> dict[str, Any]:
    loop = leg.loop
    beam = None
    if loop.searched is not None:
        first, last = loop.searched
        x, width = scene.axis.span(first, last + 1)
        beam = [LEFT + x, width]
    told = leg.glances
    return {
        "pass": loop.pass_,
        "item": loop.item and list(loop.item),
        "fallback": loop.fallback,
        "av": loop.anon_vma,
        "range": range_text(loop.searched) if loop.anon_vma is not None else "?",
        "beam": beam,
        "n": [loop.iterations, loop.skip_address, loop.skip_mm, loop.visits],
        "ways": {str(at): way.value for at, way in leg.ways.items()},
        "looks": told and [[g.slot, g.kind.value, *g.vma, g.page, g.times] for g in told],
    }


def _opening(steps: Sequence[dict[str, Any]], chapter: Chapter) -> dict[str, Any]:
    """Return which walks are shown first: one that misses, and beside it one that does not."""
    misses = steps[-1]["misses"] if steps else []
    names = [name for name in chapter.walks if name != ANON]
    bad = [name for name in names if name in misses]
    good = [name for name in names if name not in misses]
    left = chapter.first or next(iter([*bad, *good]), ANON)
    beside = [name for name in ("index", "full") if name in good]
    right = next((name for name in [*beside, *good, *bad] if name != left), left)
    return {"walks": [left, right], "two": left != right}
