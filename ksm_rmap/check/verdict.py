"""What a search found: the verdict on one walk.

No analogue in the kernel. A `Verdict` is data: `str` is what a reviewer pastes in a mail
(`ksm_rmap.report.verdict` writes it), `to_json` the inner object of `ksm-rmap check --json`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ksm_rmap.check.reach import VITAL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ksm_rmap.model.scenario import Scenario

__all__ = ("MISSED", "NONE_FOUND", "Verdict")

MISSED = "missed"
NONE_FOUND = "none found"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of `check_walk`. Immutable."""

    walk: str
    """Name of the walk."""
    verdict: str
    """`"missed"` or `"none found"`; the latter proves nothing, see `reached`."""
    rules: str
    """Name of the rules of the model."""
    seed: int
    """With this seed the same search is made again."""
    against: str | None = None
    """The walk that it was compared with; None: the truth."""
    scenario: Scenario | None = None
    """The shrunk sequence of calls after which the walk misses something."""
    found: int = 0
    """Calls of the sequence before it was shrunk."""
    folio: int | None = None
    """The folio after `scenario` of which an entry is missed."""
    missed: tuple[tuple[int, int], ...] = ()
    """`(mm, page)` of each missed entry of `folio`, sorted."""
    persistent: bool | None = None
    """Whether the miss is still there after one whole pass of ksmd; None: no miss."""
    shared: bool | None = None
    """Whether `full` misses it as well, so that the walk is not to blame; None: not asked."""
    reached: dict[str, int] = field(default_factory=dict)
    """Examples in which each situation of `SITUATIONS` occurred."""
    examples: int = 0
    """Examples tried, the one that missed included."""
    tried: int = 0
    """Calls made in all examples."""
    refused: int = 0
    """Calls drawn that the model refused."""
    seconds: float = 0.0
    """Time of the search, without shrinking."""
    shrink_seconds: float = 0.0
    """Time of the shrinking."""
    interrupted: bool = False
    """Whether Ctrl-C ended the search (or the shrinking) early."""

    @property
    def steps(self) -> int:
        """Calls of the shrunk sequence."""
        return len(self.scenario.calls) if self.scenario else 0

    @property
    def vacuous(self) -> bool:
        """Whether nothing was found in a search that could not have found anything.

        True if no example had a merged folio, or one that moved, or one that was forked.
        """
        return self.verdict == NONE_FOUND and bool(self.never(VITAL))

    def never(self, names: Iterable[str]) -> list[str]:
        """Return those of `names`, situations, that occurred in no example."""
        return [name for name in names if not self.reached.get(name)]

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as JSON values; fields that do not apply are left out."""
        result: dict[str, Any] = {"verdict": self.verdict, "rules": self.rules}
        if self.against is not None:
            result["against"] = self.against
        if self.scenario is not None:
            result.update(
                scenario=str(self.scenario),
                steps=self.steps,
                folio=self.folio,
                missed=[list(pte) for pte in self.missed],
                persistent=self.persistent,
            )
        if self.shared is not None:
            result["shared"] = self.shared
        result.update(
            reached=dict(self.reached),
            vacuous=self.vacuous,
            examples=self.examples,
            tried=self.tried,
            seed=self.seed,
            seconds=round(self.seconds, 3),
        )
        if self.interrupted:
            result["interrupted"] = True
        return result

    def __str__(self) -> str:
        from ksm_rmap.report.verdict import verdict_lines  # noqa: PLC0415 - floor order

        return "\n".join(verdict_lines(self))
