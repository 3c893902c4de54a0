r"""A scenario as one page that is opened without a server: steps, maps, walks to step through.

No analogue in the kernel. Rules of this module:

1. The page is one file. It loads nothing: no source, no style, no font, no address in it, and a
   content policy that forbids the rest.
2. Pictures are drawn here, by `ksm_rmap.report.svg`; the script of the page only lights them up.
3. Equal arguments give equal bytes.
4. Data cannot end the script element that holds it: `<` is written `\\u003c`.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ksm_rmap import walks as registry
from ksm_rmap.model.rules import Rules
from ksm_rmap.report.chapters import ANON, Chapter, Tables, chapter_json, compact
from ksm_rmap.report.journey import PHRASES
from ksm_rmap.report.legend import legend_html
from ksm_rmap.report.style import packaged, variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ksm_rmap.model.scenario import Scenario
    from ksm_rmap.report.export import Job
    from ksm_rmap.walks import NamedWalk

__all__ = ("counterexamples_page", "explorer_page", "export")


def export(job: Job) -> str:
    """Return the page of a scenario; ScenarioError and WalkError as `exported`.

    Without walks that were asked for, all that come with the package can be picked.
    """
    walks = _with_anon(job.walks or registry.names())
    return explorer_page([Chapter(job.scenario, walks, job.used_rules)])


def counterexamples_page(found: Iterable[tuple[str, Scenario]], rules: Rules | None = None) -> str:
    """Return the page of what a search found: `(walk, scenario)` of each counterexample.

    There is at least one. Beside the walk any registered one can be picked. `rules` are for
    scenarios that name none.
    """
    chapters = []
    for walk, scenario in found:
        used = scenario.rules or rules or Rules()
        about = f"{walk} misses an entry after {len(scenario.calls)} calls"
        chapters.append(Chapter(scenario, _with_anon([walk, *registry.names()]), used, walk, about))
    return explorer_page(chapters)


def _with_anon(names: Iterable[str]) -> dict[str, NamedWalk]:
    return {name: registry.get(name) for name in dict.fromkeys([*names, ANON])}


def explorer_page(chapters: Sequence[Chapter]) -> str:
    """Return the page of `chapters`, of which there is at least one."""
    tables = Tables()
    parts = [chapter_json(chapter, tables) for chapter in chapters]
    walks = {name: walk.summary for one in chapters for name, walk in one.walks.items()}
    data = {
        "chapters": parts,
        "walks": walks,
        "phrases": {kind.value: words for kind, words in PHRASES.items()},
        "legend": legend_html(),
        "pictures": list(tables.pictures),
    }
    body = f'{compact(data)[:-1]},"traces":[{",".join(tables.traces)}]}}'
    name = chapters[0].scenario.name
    return _filled(
        packaged("page.html"),
        {
            "title": escape(f"{name}: a walk of the reverse map"),
            "style": _style(),
            "script": packaged("page.js"),
            "data": body.replace("<", "\\u003c"),
        },
    )


def _filled(template: str, slots: Mapping[str, str]) -> str:
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
