r"""A scenario as one page that is opened without a server: steps, maps, walks to step through.

No analogue in the kernel. Rules of this module:

1. The page is one file. It loads nothing: no source, no style, no font, no address in it, and a
   content policy that forbids the rest.
2. Pictures are drawn here, by `ksm_rmap.report.svg`; the script of the page only lights them up.
3. Equal arguments give equal bytes.
4. Data cannot end the script element that holds it: `<` is written `\u003c`.
5. What nobody could see is left out, and the page says what: turns of a loop, VMAs, loops of a
   walk, folios.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ksm_rmap import walks as registry
from ksm_rmap.check.judge import FolioVerdict, judge, truths
from ksm_rmap.model.scenario import call_text
from ksm_rmap.report.journey import (
    PHRASES,
    Journey,
    Leg,
    Places,
    journey_of,
    range_text,
    why_missed,
)
from ksm_rmap.report.legend import legend_html
from ksm_rmap.report.scene import Scene, scene_of
from ksm_rmap.report.style import packaged, variables
from ksm_rmap.report.svg import LEFT, picture
from ksm_rmap.report.text import ptes_text
from ksm_rmap.walks.trial import first_state, on_trial

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ksm_rmap.model.scenario import Scenario, Step
    from ksm_rmap.model.state import State
    from ksm_rmap.report.export import Job
    from ksm_rmap.walks import NamedWalk

__all__ = ("explorer_page", "export")

_ANON: Final = "anon"
_MOST_STEPS: Final = 60
_TURNS: Final = 6
"""Calls of one line that are all shown; of more the first two and the last."""
_FOLIOS: Final = 6
"""Folios of a step that can be picked."""
_ENTRIES: Final = 64
"""Entries of a folio that are listed as found."""
_REASONS: Final = 3
"""Missed entries of which it is said why."""


class _Shown(NamedTuple):
    """A step that is shown."""

    number: int
    skipped: int
    """Steps before it that are not."""
    step: Step


class _Tables:
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
        return self.traces.setdefault(_json(trace), len(self.traces))


def export(job: Job) -> str:
    """Return the page of a scenario; ScenarioError and WalkError as `exported`.

    Without walks that were asked for, all that come with the package can be picked.
    """
    names = dict.fromkeys([*(job.walks or registry.names()), _ANON])
    chosen = {name: registry.get(name) for name in names}
    begin = first_state(job.used_rules, chosen.values())
    steps = job.scenario.states(registry.get("full"), walks=registry.get, begin=begin)
    return explorer_page(job.scenario, steps, chosen, rules=job.used_rules.name)


def explorer_page(
    scenario: Scenario,
    steps: Iterable[Step],
    walks: Mapping[str, NamedWalk],
    *,
    rules: str,
    title: str | None = None,
) -> str:
    """Return the page of `scenario`, which made `steps`, walked by `walks`.

    `walks` should hold `anon`, which walks ordinary folios; the others walk KSM folios. `rules`
    names the kernel.
    """
    tables = _Tables()
    shown = _shown(steps)
    parts = [_step_json(scenario, one, walks, tables) for one in shown]
    chosen = [name for name in walks if name != _ANON]
    data = {
        "name": scenario.name,
        "about": title or scenario.title or f"rules {rules}",
        "scenario": str(scenario),
        "processes": list(scenario.processes),
        "walks": {name: walk.summary for name, walk in walks.items()},
        "open": _opening(parts, chosen, list(tables.traces)),
        "phrases": {kind.value: words for kind, words in PHRASES.items()},
        "legend": legend_html(),
        "notes": [f"Rules of the kernel: {rules}.", *_notes(shown, tables.hidden)],
        "steps": parts,
        "pictures": list(tables.pictures),
    }
    body = f'{_json(data)[:-1]},"traces":[{",".join(tables.traces)}]}}'
    return _fill(
        packaged("page.html"),
        {
            "title": _escaped(f"{scenario.name}: a walk of the reverse map"),
            "style": _style(),
            "script": packaged("page.js"),
            "data": body.replace("<", "\\u003c"),
        },
    )


def _fill(template: str, slots: Mapping[str, str]) -> str:
    """Return the template with its slots filled; what is filled in is not looked at again."""
    head, *parts = template.split("{{")
    filled = [head]
    for part in parts:
        name, _, rest = part.partition("}}")
        filled += [slots[name], rest]
    return "".join(filled)


def _style() -> str:
    light, dark = variables(dark=False), variables(dark=True)
    return (
        f":root{{color-scheme:light dark;{light}}}"
        f"@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"
        f":root[data-theme=light]{{color-scheme:light;{light}}}"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}\n"
        f"{packaged('page.css')}{packaged('picture.css')}"
    )


def _json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _escaped(words: str) -> str:
    return words.replace("&", "&amp;").replace("<", "&lt;")


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
    scenario: Scenario, shown: _Shown, walks: Mapping[str, NamedWalk], tables: _Tables
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
    scene = scene_of(state, names, sorted(searches)[:40])
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
    tables: _Tables,
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


def _opening(
    steps: Sequence[dict[str, Any]], walks: Sequence[str], traces: Sequence[str]
) -> dict[str, Any]:
    """Return which walks are shown first: one that misses, and beside it one that does not."""
    last = steps[-1] if steps else {"misses": [], "folios": []}
    bad = [name for name in walks if name in last["misses"]]
    good = [name for name in walks if name not in last["misses"]]
    preferred = [name for name in ("index", "full") if name in good]
    left = bad[0] if bad else next(iter([*good, *walks]), "")
    right = next((name for name in [*preferred, *good, *bad] if name != left), left)
    return {"walks": [left, right], "two": left != right and bool(traces)}
