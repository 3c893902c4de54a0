"""What the explorer found, as text.

No analogue in the kernel. Rules of this module:

1. A sequence that answers several questions about one walk is written once.
2. What was searched comes last, so that it stands right above the prompt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ksm_rmap.check.judged import AGAINST_FULL, PERSISTENT, TRUTH
from ksm_rmap.model.scenario import process_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ksm_rmap.check.exploration import Answers, Counterexample, Exploration, Wandering

__all__ = ("counterexample_lines", "exploration_lines", "wandering_lines")

_SENTENCES: Final = {
    TRUTH: "misses",
    AGAINST_FULL: "misses, though full finds it,",
    PERSISTENT: "misses, even after a pass of ksmd,",
}


def counterexample_lines(example: Counterexample) -> list[str]:
    """Return what is missed, and the sequence after which it is."""
    calls = [f"    {line}" for line in str(example.scenario).splitlines()]
    return [f"{_headline(example)}:", *calls]


def _headline(example: Counterexample) -> str:
    places = ", ".join(f"{process_name(mm)} page {page}" for mm, page in example.missed)
    return f"{example.walk} {_SENTENCES[example.question]} {places} after {example.steps} calls"


def exploration_lines(found: Exploration) -> list[str]:
    """Return the answers about all walks, and how much of the space was seen."""
    lines = [*_answer_lines(found.walks), _searched(found)]
    lines.append(f"new states by depth: {', '.join(str(level.states) for level in found.levels)}")
    reached = ", ".join(f"{name} {count}" for name, count in found.reached.items() if count)
    lines.append(f"reached: {reached or 'nothing'}")
    if found.never_fired:
        lines.append(f"never enabled: {', '.join(found.never_fired)}")
    return lines


def wandering_lines(found: Wandering) -> list[str]:
    """Return the answers about all walks, and how many random walks were made."""
    rate = found.steps / found.seconds if found.seconds else 0.0
    ending = (
        f"{found.number} random walks of {found.steps} calls in all, seed {found.seed} "
        f"({found.seconds:.1f} s, {rate:.0f} calls/s, {found.workers} workers)"
    )
    return [*_answer_lines(found.walks), ending]


def _answer_lines(walks: Mapping[str, Answers]) -> Iterator[str]:
    for name, answers in walks.items():
        shown: set[str] = set()
        for example in filter(None, answers.values()):
            text = str(example.scenario)
            if text in shown:
                yield f"{_headline(example)}: the same sequence"
            else:
                yield from counterexample_lines(example)
            shown.add(text)
        none = [question for question, answer in answers.items() if answer is None]
        if none:
            yield f"{name}: no miss found for: {', '.join(none)}"


def _searched(found: Exploration) -> str:
    size = "" if found.bytes_per_state is None else f", {found.bytes_per_state} bytes a state"
    return (
        f"{_ending(found)} ({found.states} states, {found.transitions} calls, "
        f"{found.seconds:.1f} s, {found.rate:.0f} states/s, {found.workers} workers{size})"
    )


def _ending(found: Exploration) -> str:
    if found.exhausted:
        return f"the whole space: {found.depth} calls reach every state"
    why = {"depth": "", "answered": ", every question answered"}.get(
        found.ended, f", stopped by {found.ended}, {found.frontier} states left to expand"
    )
    return f"every sequence of at most {found.depth} calls{why}"
