"""Hypothesis state machines: random system calls, and after each of them the question.

No analogue in the kernel. `machine_for(walk)` returns a `RuleBasedStateMachine` class:

    TestMyWalk = machine_for("mywalk.py:walk").TestCase    # pytest runs it as it stands

Rules of this module:

1. A machine has one rule, `call`. It draws a kind by weight and then one of the calls of that
   kind that the state enables, so none is refused. One rule a kind would leave the choice to
   Hypothesis, which switches some rules off for a whole example: a merged page needs five kinds
   at once, and was met six times more rarely (2026, Hypothesis 6.170).
2. Each call goes through `take`, which checks the state's own invariants first and then asks
   whether the walk misses an entry. A rule of a subclass does the same:
   `self.take(Call.of("mmap", mm=0, start=0, pages=1))`.
3. An example keeps to one of `FOCUSES`, and most begin with a merged region: what goes wrong late
   is found ten times sooner, what needs the swap cache twenty times.
4. The steps print as a scenario. What fails is shrunk by `ksm_rmap.check.delta` and not by
   Hypothesis, which takes a hundred times longer to a longer result.

Left out: bundles; they made the search slower by an order of magnitude.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ksm_rmap.check.actions import Enabled, Scope
from ksm_rmap.check.question import Miss, Question
from ksm_rmap.check.reach import Reach
from ksm_rmap.check.reduce import Replay, reduce_error, reduce_miss, scenario_of
from ksm_rmap.model.calls import Call
from ksm_rmap.model.errors import MmError
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.scenario import process_name
from ksm_rmap.walks.registry import named_walk
from ksm_rmap.walks.trial import first_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from ksm_rmap.walks import Walk

__all__ = ("MissedPteError", "WalkMachine", "machine_for", "search_settings")

STEPS = 30
"""Calls in one example."""


WEIGHTS = {
    "migrate_end": 3,
    "migrate_begin": 1,
    "swap_in": 5,
    "drop_swap_cache": 1,
    "release": 1,
    "hold": 3,
    "swap_out": 4,
    "reclaim": 1,
    "write": 14,
    "mmap": 1,
    "mmap_file": 1,
    "read": 1,
    "ksmd": 14,
    "ksmd_step": 1,
    "unmerge_all": 1,
    "mergeable": 4,
    "merge_any": 3,
    "fork": 3,
    "exit": 1,
    "dofork": 1,
    "dontfork": 1,
    "wipeonfork": 1,
    "keeponfork": 1,
    "move": 6,
    "resize": 1,
    "mprotect": 3,
    "unmergeable": 1,
    "dontneed": 1,
    "munmap": 1,
}
"""How often a kind is chosen, in ring order: what is not enabled gives way to what follows, so
that what leads up to it follows it. Tuned on the calls per miss of `address` and `vm_pgoff`; equal
weights need ten times as many."""

_MERGING = {"mmap", "mergeable", "write", "ksmd"}

FOCUSES = {
    "everything": WEIGHTS,
    "swap": {
        "swap_in": 6,
        "release": 1,
        "hold": 4,
        "swap_out": 4,
        "write": 3,
        "mmap": 1,
        "ksmd": 4,
        "mergeable": 3,
        "fork": 1,
        "move": 6,
    },
    "family": {
        "fork": 4,
        "exit": 1,
        "write": 4,
        "mmap": 1,
        "ksmd": 6,
        "merge_any": 3,
        "mergeable": 3,
        "unmergeable": 1,
        "wipeonfork": 1,
        "move": 2,
        "munmap": 1,
    },
    "migration": {
        "migrate_end": 6,
        "migrate_begin": 4,
        "write": 3,
        "mmap": 1,
        "ksmd": 4,
        "mergeable": 3,
        "fork": 3,
        "move": 4,
        "mprotect": 4,
        "munmap": 1,
    },
}
"""Weights for a whole example. Fewer kinds go deeper."""


class MissedPteError(AssertionError):
    """A walk misses an entry; the message has the shrunk scenario."""


class WalkMachine(RuleBasedStateMachine):
    """What all machines share; `machine_for` adds the question and the rules."""

    question: ClassVar[Question]
    kernel: ClassVar[Rules]
    scope: ClassVar[Scope]
    reach: ClassVar[Reach]
    """What the examples of this class have reached so far."""

    def __init__(self) -> None:
        super().__init__()
        self.state = first_state(self.kernel, [self.question.walk])
        self.trail: list[Call] = []
        """The calls of this example, refused ones included."""
        self.enabled = Enabled(self.state, self.scope)
        self.focus = ""
        """Name of the weights of this example."""
        self._printed = 0

    @initialize(focus=st.sampled_from(tuple(FOCUSES)), merged=st.integers(0, 7))
    def begin(self, focus: str, merged: int) -> None:
        """Choose a focus; begin with a merged region of `merged` pages if that fits.

        Away from "everything" it is made to fit.
        """
        self.focus = focus
        if focus != "everything" and self.scope.pages > 1:
            merged = 2 + merged % (self.scope.pages - 1)
        if 2 <= merged <= self.scope.pages and _MERGING.issubset(self.scope.chosen):  # noqa: PLR2004
            whole = {"mm": 0, "start": 0, "pages": merged}
            self.take(Call.of("mmap", **whole))
            self.take(Call.of("write", **whole, content=1))
            if focus != "family":  # which is about what is merged after a fork
                self.take(Call.of("madvise", **whole, advice="mergeable"))
                self.take(Call.of("ksmd", passes=2))

    def take(self, call: Call) -> None:
        """Make one call, then check the state and the walk."""
        self.trail.append(call)
        try:
            miss = self._advance(call)
        except Exception as error:
            self.failed(error)
            raise
        if miss is not None:
            self.missed(miss)

    def _advance(self, call: Call) -> Miss | None:
        before = self.state
        try:
            self.state = call.apply(before, self.question.walk)
        except MmError as error:
            self.reach.refused += 1
            self.state = error.state or before
        self.enabled = Enabled(self.state, self.scope, self.enabled.child - 1)
        self.reach.step(before, call, self.state)
        self.state.check()
        return self.question.ask(self.state)

    def missed(self, miss: Miss) -> None:
        """Raise the exception that says what is missed, after which calls."""
        scenario = reduce_miss(self.trail, self.kernel, self.question)
        state = Replay(self.kernel, self.question.walk).run(scenario.calls)
        miss = self.question.ask(state) or miss
        places = ", ".join(f"{process_name(mm)} page {page}" for mm, page in miss.ptes)
        raise MissedPteError(
            f"walk {self.question.walk.name!r} misses {places} of folio {miss.folio} after\n"
            f"{scenario}\n{state}"
        )

    def failed(self, error: Exception) -> None:
        """Note in a failure of the model or of the walk after which calls it came."""
        scenario = reduce_error(self.trail, self.kernel, self.question)
        error.add_note(f"after\n{scenario}")

    def teardown(self) -> None:
        """Count the example."""
        self.reach.end_example()

    def _repr_step(self, rule: Any, data: Any, result: Any) -> str:  # noqa: ANN401 - overrides
        """Print the calls of a step as lines of a scenario."""
        del rule, data, result
        lines = str(scenario_of(self.trail, Rules())).splitlines()
        new = lines[self._printed :] or [f"# {self.focus}"]
        self._printed = len(lines)
        return "\n".join(new)


def machine_for(
    walk: str | Walk,
    *,
    rules: Rules | str | None = None,
    against: str | Walk | None = None,
    persistent: bool = False,
    scope: Scope | None = None,
    steps: int = STEPS,
    max_examples: int = 100,
) -> type[WalkMachine]:
    """Return a state machine class that looks for an entry that `walk` misses.

    Args:
        walk: a walk or what `ksm_rmap.walks.get` takes: a name, `module:function`,
            `file.py:function`.
        rules: the kernel, or the name of a preset; None: the newest stable one.
        against: another walk to compare with; None: the truth.
        persistent: count only what is still missed after a whole pass of ksmd.
        scope: bounds on processes, pages, contents and kinds of calls.
        steps: calls in one example.
        max_examples: examples; `machine.TestCase.settings` has more to choose.

    Errors: WalkError for a walk that cannot be had, ValueError for unknown rules. A test made
    from the class fails with `MissedPteError`, or with the `WalkError` of a walk that fails.

    """
    subject = named_walk(walk)
    question = Question(subject, None if against is None else named_walk(against), persistent)
    scope = scope or Scope()
    body: dict[str, object] = {
        "__doc__": f"Looks for an entry that the walk {subject.name!r} misses.",
        "question": question,
        "kernel": Rules.preset(rules) if isinstance(rules, str) else rules or Rules(),
        "scope": scope,
        "reach": Reach(),
        "call": _rule({name: _ring(scope, weights) for name, weights in FOCUSES.items()}),
    }
    name = "".join(part.capitalize() for part in subject.name.split("_") if part.isidentifier())
    machine: type[WalkMachine] = type(f"{name}Machine", (WalkMachine,), body)
    machine.TestCase.settings = search_settings(steps, max_examples)
    return machine


def search_settings(steps: int, max_examples: int) -> settings:
    """Return the settings of all machines."""
    return settings(
        stateful_step_count=steps,
        max_examples=max_examples,
        deadline=None,  # an example is as long as it is
        database=None,  # nothing is written where the user works
        phases=(Phase.explicit, Phase.generate),  # shrinking is done here
        report_multiple_bugs=False,  # one is enough
        print_blob=False,
        suppress_health_check=[
            HealthCheck.too_slow,  # 50 system calls and 50 questions take their time
            HealthCheck.data_too_large,  # 50 choices of a rule and a call, and nothing else
            HealthCheck.large_base_example,
            HealthCheck.filter_too_much,  # rules whose kind is not enabled
        ],
    )


def _ring(scope: Scope, weights: dict[str, int]) -> tuple[str, ...]:
    """Return the kinds to choose from, each as often as it weighs."""
    kinds = [kind for kind in weights if kind in scope.chosen] or scope.chosen
    return tuple(kind for kind in kinds for _ in range(weights.get(kind, 1)))


def _rule(rings: dict[str, tuple[str, ...]]) -> Callable[..., None]:
    """Return the rule that makes an enabled call."""

    def call(machine: WalkMachine, call: Call) -> None:
        machine.take(call)

    made: Callable[..., None] = rule(call=_enabled_calls(rings))(call)
    return precondition(lambda machine: any(map(machine.enabled.any, rings[machine.focus])))(made)


@st.composite
def _enabled_calls(draw: st.DrawFn, rings: dict[str, tuple[str, ...]]) -> Call:
    """Draw a kind, and one of the calls of it that the state of the machine enables.

    A kind of which none is enabled gives way to the next one in the ring.
    """
    machine: WalkMachine = draw(st.runner())
    ring = rings[machine.focus]
    at = draw(st.integers(0, len(ring) - 1))
    kind = next(kind for kind in ring[at:] + ring[:at] if machine.enabled.any(kind))
    calls = machine.enabled.calls(kind)
    # An index, not sampled_from(calls): that would hash every call to name its strategy.
    return calls[draw(st.integers(0, len(calls) - 1))]
