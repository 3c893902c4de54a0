"""Replay of recorded traces: the model must agree with the kernel on every field.

Rules of this module:

1. Each operation of a trace is made on the model, under the rules of the kernel that was
   recorded. Its result and every field of the snapshot after it are compared
   (`ksm_rmap.check.compare`); no trace, operation or field is treated specially.
2. A walk is judged on the structures that were recorded, not on the model's; the judge is the
   oracle, over the recorded page tables. On trial are the KSM folios, for `rmap_walk_anon` the
   ordinary ones. A reverse-map design, whose structures no kernel recorded, is judged on the
   model's page tables, which agree.
3. The first step that differs ends a trace, because the model's state is another one from there
   on; with `keep_going` the rest is compared as well, and a difference is told once while it
   lasts.
4. A damaged file is skipped and told in one line; the others go on.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ksm_rmap.check import oracle
from ksm_rmap.check.compare import Difference, Renaming, compare
from ksm_rmap.check.recorded import Recorded, recorded_state, snapshot_of
from ksm_rmap.check.trace import Step, Trace, TraceError, read_trace, trace_files, trace_name
from ksm_rmap.check.trace_calls import Outcome, Player, rules_of
from ksm_rmap.walks import get
from ksm_rmap.walks.trial import is_design, on_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ksm_rmap.model.state import State
    from ksm_rmap.walks import NamedWalk

__all__ = (
    "Diverged",
    "Missed",
    "Pair",
    "ReplayReport",
    "Tally",
    "TraceReport",
    "replay_paths",
    "replay_trace",
)


class Diverged(NamedTuple):
    """A field on which the model and the kernel disagree."""

    trace: str
    step: int
    op: str
    """The operation, in one line."""
    difference: Difference

    def to_json(self) -> dict[str, Any]:
        """Return the entry of `diverged` in the JSON of `replay`."""
        found, model, kernel = self.difference
        return {
            "trace": self.trace, "step": self.step, "op": self.op, "field": found,
            "model": model, "kernel": kernel,
        }  # fmt: skip


class Pair(NamedTuple):
    """Both states after the first step that differs."""

    model: State
    kernel: State


class Missed(NamedTuple):
    """A recorded state in which a walk did not find a page-table entry."""

    trace: str
    step: int
    op: str
    folio: int
    name: str
    """The folio's name in the trace."""
    ptes: tuple[tuple[int, int], ...]
    """`(process slot, page)` of what was missed, sorted."""
    state: State


@dataclass
class Tally:
    """What one walk did on recorded states."""

    states: int = 0
    """States with a folio to walk."""
    iterations: int = 0
    missed_states: int = 0
    """States in which something was missed."""
    missed: list[Missed] = field(default_factory=list)
    """One for each folio and state with something missed."""

    def add(self, other: Tally) -> None:
        """Add the figures of `other`."""
        self.states += other.states
        self.iterations += other.iterations
        self.missed_states += other.missed_states
        self.missed.extend(other.missed)

    def to_json(self) -> dict[str, int]:
        """Return the entry of `walks` in the JSON of `replay`."""
        return {
            "states": self.states,
            "missed_states": self.missed_states,
            "iterations": self.iterations,
        }


@dataclass
class TraceReport:
    """What the replay of one trace found."""

    name: str
    kernel: str
    """The kernel that was recorded, as the header has it."""
    steps: int = 0
    """Steps that were made and compared."""
    diverged: list[Diverged] = field(default_factory=list)
    maps: Pair | None = None
    """Both states at the first difference."""
    walks: dict[str, Tally] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Whether nothing differed."""
        return not self.diverged


@dataclass
class ReplayReport:
    """What the replay of many traces found."""

    traces: list[TraceReport] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    """One line for each file that could not be used."""
    walks: dict[str, Tally] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Steps that were compared."""
        return sum(trace.steps for trace in self.traces)

    @property
    def diverged(self) -> list[Diverged]:
        """Every difference, trace by trace."""
        return [diverged for trace in self.traces for diverged in trace.diverged]

    def to_json(self) -> dict[str, Any]:
        """Return what `ksm-rmap replay --json` prints."""
        return {
            "traces": len(self.traces),
            "steps": self.steps,
            "diverged": [diverged.to_json() for diverged in self.diverged],
            "skipped": list(self.skipped),
            "walks": {name: tally.to_json() for name, tally in self.walks.items()},
        }


def replay_paths(
    paths: Sequence[str],
    *,
    walks: Sequence[str] = (),
    keep_going: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> ReplayReport:
    """Replay every trace in `paths`, files or folders.

    Args:
        paths: files, and folders that stand for all traces in and below them.
        walks: names of the walks to judge on the recorded states.
        keep_going: compare the steps after the first difference of a trace as well.
        progress: called before each file with its place from 0, the number of files, its name.

    Raises:
        WalkError: there is no such walk, or one of the user's own failed.

    """
    judges = {name: get(name) for name in walks}
    report = ReplayReport(walks={name: Tally() for name in walks})
    files = trace_files(paths)
    names = Counter(trace_name(path) for path in files)
    for place, path in enumerate(files):
        if progress is not None:
            progress(place, len(files), path)
        try:
            trace = read_trace(path)
        except TraceError as error:
            report.skipped.append(str(error))
            continue
        if names[trace.name] > 1:  # long/random-0001 beside random-0001
            trace = trace._replace(name=f"{Path(path).parent.name}/{trace.name}")
        found = replay_trace(trace, walks=judges, keep_going=keep_going)
        report.traces.append(found)
        for name, tally in found.walks.items():
            report.walks[name].add(tally)
    return report


def replay_trace(
    trace: Trace, *, walks: dict[str, NamedWalk] | None = None, keep_going: bool = False
) -> TraceReport:
    """Replay one trace; arguments as of `replay_paths`, the walks by name."""
    return _Replay(trace, walks or {}, keep_going=keep_going).run()


class _Replay:
    """The replay of one trace while it runs."""

    def __init__(self, trace: Trace, walks: dict[str, NamedWalk], *, keep_going: bool) -> None:
        self.trace = trace
        self.player = Player(rules_of(trace), walks.values())
        self.names = Renaming()
        self.keep_going = keep_going
        self.walks = walks
        self.report = TraceReport(trace.name, str(trace.header.get("kernel", "unknown")))
        self.report.walks = {name: Tally() for name in walks}
        self._last: frozenset[str] = frozenset()

    def run(self) -> TraceReport:
        """Make and compare every step."""
        for step in self.trace.steps:
            outcome = self.player.play(step.op)
            found = [*_results(outcome, step), *self._compare(step)]
            self.report.steps += 1
            recorded = self._recorded(step) if found or self.walks else None
            if found:
                self._diverged(step, found, recorded)
                if not self.keep_going:
                    break
            self._last = frozenset(difference.field for difference in found)
            if recorded is not None:
                self._judge(step, recorded)
        return self.report

    def _compare(self, step: Step) -> list[Difference]:
        model = snapshot_of(self.player.state, self.player.slots)
        written = (str(step.op["p"]), step.op["s"]) if step.op["op"] == "write" else None
        return compare(model, step.snapshot, self.names, written)

    def _recorded(self, step: Step) -> Recorded:
        numbers = {kernel: int(model[1:]) for kernel, model in self.names.numbers.items()}
        return recorded_state(
            step.snapshot, like=self.player.state, numbers=numbers, mms=self.player.mms
        )

    def _diverged(self, step: Step, found: list[Difference], recorded: Recorded | None) -> None:
        if self.report.maps is None and recorded is not None:
            self.report.maps = Pair(self.player.state, recorded.state)
        told = found if self.keep_going else found[:1]
        self.report.diverged.extend(
            Diverged(self.trace.name, step.number, str(step), difference)
            for difference in told
            if difference.field not in self._last
        )

    def _judge(self, step: Step, recorded: Recorded) -> None:
        """Let every walk look for every folio on trial."""
        theirs = recorded.state
        ksm = [number for number, folio in theirs.folios.pairs() if folio.ksm]
        plain = [number for number, folio in theirs.folios.pairs() if not folio.ksm]
        for name, walk in self.walks.items():
            if is_design(walk):  # knows the history of the model's folios only
                ours = self.player.state
                mine = [n for n, f in ours.folios.pairs() if f.mapcount and on_trial(walk, f)]
                self._try(step, recorded, name, ours, mine)
            else:
                self._try(step, recorded, name, theirs, plain if name == "anon" else ksm)

    def _try(
        self, step: Step, recorded: Recorded, name: str, state: State, folios: list[int]
    ) -> None:
        """Let one walk look for `folios` in `state`, and count what it does."""
        tally = self.report.walks[name]
        found = []
        for number in folios:
            result = self.walks[name](state, number)
            tally.iterations += result.iterations
            if missed := oracle.missed(state, number, result):
                found.append(self._missed(step, recorded, number, missed))
        tally.states += bool(folios)
        tally.missed_states += bool(found)
        tally.missed.extend(found)

    def _missed(
        self, step: Step, recorded: Recorded, number: int, missed: frozenset[tuple[int, int]]
    ) -> Missed:
        slots = self.player.slots
        ptes = tuple(sorted((slots.get(mm, mm), page) for mm, page in missed))
        name = next(k for k, n in recorded.numbers.items() if n == number)
        return Missed(self.trace.name, step.number, str(step), number, name, ptes, recorded.state)


def _results(outcome: Outcome, step: Step) -> list[Difference]:
    found = []
    if outcome.result != step.result:
        found.append(Difference("res", outcome.result, step.result))
    if outcome.ret != step.ret:
        found.append(Difference("ret", outcome.ret, step.ret))
    return found
