"""Operations of a trace as calls of the model, and calls as operations of a trace.

Rules of this module:

1. One line of a trace is one call, in both directions; what a process slot or a held page means
   is remembered by a `Player`, which also makes the calls.
2. `scan` of a recorder is "six or more full passes": six here, after which nothing changes any
   more. A trace that a model wrote says how many passes it did (`passes`).
3. A slot that is used again after exit is another process, and gets another mm number.
4. What a recorder has no word for (prctl, migration, file mappings, single steps of ksmd) is
   written as the model's own call, marked `"model": 1`, by `trace_of` only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ksm_rmap.check.recorded import snapshot_of
from ksm_rmap.check.trace import Snapshot, Step, Trace
from ksm_rmap.model._draft import Draft
from ksm_rmap.model._rules_text import rules_from_text, rules_text
from ksm_rmap.model.calls import Argument, Call
from ksm_rmap.model.errors import MmError
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.scenario import Scenario
from ksm_rmap.model.state import PteKind
from ksm_rmap.walks import get
from ksm_rmap.walks.trial import first_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ksm_rmap.model.state import State
    from ksm_rmap.walks import NamedWalk

__all__ = ("SCAN_PASSES", "Outcome", "Player", "rules_of", "scenario_of", "trace_of")

SCAN_PASSES = 6
"""Passes of ksmd that a recorder's `scan` stands for."""
KERNEL_RULES = "6.18"
"""Rules of a trace whose header names none: the kernel that was recorded."""
_PROT = {"none": "-"}
_CALLS = {"exit": "exit_mm", "scan": "ksmd"}
"""What an operation of a trace is called in the model, where the names differ."""
_ARGUMENTS = {
    "n": "pages", "prot": "prot", "adv": "advice", "tok": "content", "m": "new_pages",
    "to": "to", "walk": "walk",
}  # fmt: skip
"""What an argument of an operation is called in the model."""


def rules_of(trace: Trace) -> Rules:
    """Return the rules under which a trace is to be replayed."""
    return rules_from_text(str(trace.header.get("rules", KERNEL_RULES)))


class Outcome(NamedTuple):
    """What an operation returned."""

    result: str
    """"ok" or the name of an errno."""
    ret: int | None = None
    """Start page of what mremap returned; None for other operations and failures."""


class _Held(NamedTuple):
    """A reference that an operation `hold` took."""

    slot: int
    page: int
    folio: int | None
    """None: the hold failed."""


class Player:
    """Makes the operations of one trace on the model, one after the other.

    Attributes:
        state: the model's state after the last operation.
        mms: the mm of each living process slot.

    """

    def __init__(self, rules: Rules, walks: Iterable[NamedWalk] = ()) -> None:
        self.state = first_state(rules, walks)
        self.mms = {0: 0}
        self._used = {0}
        self._held: list[_Held] = []

    @property
    def slots(self) -> dict[int, int]:
        """The process slot of each living mm."""
        return {mm: slot for slot, mm in self.mms.items()}

    def play(self, op: dict[str, Any]) -> Outcome:
        """Make one operation; the state changes as the kernel's does, also if it fails."""
        name = op["op"]
        if name == "drop":
            return self._drop(op)
        slot = op.get("p")
        if slot is not None and slot not in self.mms:
            return Outcome("ESRCH")
        if name == "hold":
            folio = self.state.folio_at(self.mms[op["p"]], op["s"])
            self._held.append(_Held(op["p"], op["s"], folio))
        return self._make(op, self.call(op))

    def _make(self, op: dict[str, Any], call: Call) -> Outcome:
        try:
            self.state = call.apply(self.state, get(str(call.get("walk") or "full")))
        except MmError as error:
            self.state = error.state or self.state
            return Outcome(error.name)
        if op["op"] == "fork":
            self.mms[op["c"]] = int(str(call.get("child")))
            self._used.add(self.mms[op["c"]])
        elif op["op"] == "exit":
            del self.mms[op["p"]]
        elif op["op"] == "mremap":
            return Outcome("ok", op.get("to", op["s"]))
        return Outcome("ok")

    def call(self, op: dict[str, Any]) -> Call:
        """Return the call that an operation other than `drop` stands for."""
        who: dict[str, Argument] = {"mm": self.mms[op["p"]]} if "p" in op else {}
        if op.get("model"):
            own = {key: value for key, value in op.items() if key not in {"op", "model", "p"}}
            return Call.of(op["op"], **who, **own)
        args = dict(_arguments(op))
        if op["op"] == "fork":
            args["child"] = self._free_mm(op["c"])
        return Call.of(_CALLS.get(op["op"], op["op"]), **who, **args)

    def _free_mm(self, slot: int) -> int:
        return slot if slot not in self._used else max(self._used) + 1

    def releases(self, op: dict[str, Any]) -> list[Call]:
        """Return the calls that a `drop` stands for, as far as a page leads to the folio."""
        found = (self._where(held.folio) for held in self._meant(op) if held.folio is not None)
        return [Call.of("release", mm=mm, page=page) for mm, page in found if mm is not None]

    def closes(self, op: dict[str, Any]) -> bool:
        """Whether the `drop` of a page releases the folio that is at that page now."""
        there = {call.get("page") for call in self.releases(op)}
        return there == {op["s"]}

    def _drop(self, op: dict[str, Any]) -> Outcome:
        """Close the pipe: give back what `hold` took, wherever the folio is now."""
        meant = self._meant(op)
        for held in meant:
            self._held.remove(held)
            if held.folio is not None:
                self.state = _release(self.state, held.folio)
        return Outcome("ok")

    def _meant(self, op: dict[str, Any]) -> list[_Held]:
        """Return the holds that a `drop` ends.

        The last one of its page, under the address at which the page was held or the one that
        it has now; without a page all of its process, without a process all there are.
        """
        mine = [held for held in self._held if held.slot == op.get("p", held.slot)]
        if "s" not in op:
            return mine
        now = self._folio_behind(self.mms.get(op["p"]), op["s"])
        same = [held for held in mine if held.page == op["s"]]
        return (same or [held for held in mine if held.folio == now])[-1:]

    def _folio_behind(self, mm: int | None, page: int) -> int | None:
        """Return the folio that an entry maps, or would bring back from the swap cache."""
        pte = None if mm is None else self.state.pte(mm, page)
        if pte is None or pte.kind is PteKind.ZERO:
            return None
        return self.state.slots[pte.target].folio if pte.kind is PteKind.SWAP else pte.target

    def _where(self, folio: int | None) -> tuple[int | None, int]:
        """Return an entry that leads to `folio`: present, migration, or of its swap slot."""
        for number, mm in self.state.mms.pairs():
            for page in mm.ptes:
                if self._folio_behind(number, page) == folio:
                    return number, page
        return None, 0


def _release(state: State, number: int) -> State:
    """Drop an extra reference of a folio that perhaps no entry leads to."""
    draft = Draft(state, "release")
    folio = draft.folios.get(number)
    if folio is not None and folio.pins:
        draft.put_folio(number, folio._replace(pins=folio.pins - 1))
    return draft.freeze()


def _arguments(op: dict[str, Any]) -> Iterator[tuple[str, Argument]]:
    """Yield the arguments of an operation, but for the process and the child."""
    if "s" in op:
        yield ("page" if op["op"] == "hold" else "start"), op["s"]
    for key, argument in _ARGUMENTS.items():
        if key in op:
            yield argument, _PROT.get(op[key], op[key]) if key == "prot" else op[key]
    if op["op"] == "scan":
        yield "passes", op.get("passes", SCAN_PASSES)
    if op.get("dontunmap"):
        yield "dontunmap", True


# A trace as a scenario


def scenario_of(trace: Trace) -> Scenario:
    """Return the operations of a trace as a scenario; failures become `expect` lines.

    Raises:
        ValueError: an operation has no form in the scenario language.

    """
    player = Player(rules_of(trace))
    calls: list[Call] = []
    expect: dict[int, str] = {}
    for step in trace.steps:
        if step.op["op"] == "drop":
            calls.extend(player.releases(step.op))
            player.play(step.op)
            continue
        if "p" in step.op and step.op["p"] not in player.mms:
            continue  # nobody is there to make the call
        calls.append(player.call(step.op))
        outcome = player.play(step.op)
        if outcome.result != "ok":
            expect[len(calls) - 1] = outcome.result
    return Scenario.from_calls(
        [_short(call) for call in calls],
        rules=rules_text(rules_of(trace)),
        name=trace.name,
        comment=f"trace {trace.name}: {trace.header.get('kernel', 'unknown kernel')}",
        expect=expect,
    )


def _short(call: Call) -> Call:
    """Return a call without arguments that say what is said anyway."""
    if call.op != "mremap":
        return call
    same_size = call.get("new_pages") == call.get("pages")
    return Call(call.op, tuple(a for a in call.args if not (a[0] == "new_pages" and same_size)))


# A scenario as a trace


def trace_of(scenario: Scenario, *, rules: Rules | None = None) -> Trace:
    """Return the trace that a recorder would have made of a run of `scenario`.

    A read or write of several pages becomes one operation a page, as recorders write it.
    `rules` take precedence over the scenario's.
    """
    used = rules or scenario.rules or Rules()
    player = Player(used)
    namer = _Namer()
    steps = []
    for number, (call, op) in enumerate(_operations(scenario.calls)):
        if op["op"] == "drop" and not player.closes(op):
            op = _own(call)  # noqa: PLW2901 - the page was not held under this address
        outcome = player.play(op)
        snapshot = namer.snapshot(player.state, player.slots)
        steps.append(Step(number, op, outcome.result, outcome.ret, snapshot))
    header = {
        "format": 1,
        "kernel": f"model of {used.name}",
        "rules": rules_text(used),
        "page_size": 4096,
        "name": scenario.name,
    }
    return Trace(scenario.name, header, tuple(steps))


def _operations(calls: Iterable[Call]) -> Iterator[tuple[Call, dict[str, Any]]]:
    """Yield each call and its line; one per page where pages are touched."""
    for call in calls:
        if call.op in {"read", "write"}:
            start, pages = int(str(call.get("start"))), int(str(call.get("pages", 1)))
            for page in range(start, start + pages):
                touch = call.replace(start=page)
                yield touch, _operation(touch)
        else:
            yield call, _operation(call)


_KEYS = {
    "mmap": {"mm": "p", "start": "s", "pages": "n", "prot": "prot"},
    "munmap": {"mm": "p", "start": "s", "pages": "n"},
    "mprotect": {"mm": "p", "start": "s", "pages": "n", "prot": "prot"},
    "madvise": {"mm": "p", "start": "s", "pages": "n", "advice": "adv"},
    "mremap": {
        "mm": "p", "start": "s", "pages": "n", "new_pages": "m", "to": "to",
        "dontunmap": "dontunmap",
    },
    "write": {"mm": "p", "start": "s", "content": "tok"},
    "read": {"mm": "p", "start": "s"},
    "fork": {"mm": "p", "child": "c"},
    "exit_mm": {"mm": "p"},
    "hold": {"mm": "p", "page": "s"},
    "release": {"mm": "p", "page": "s"},
    "ksmd": {"passes": "passes"},
    "reclaim": {"walk": "walk"},
}  # fmt: skip
"""What an argument of a call is called in a trace; calls that are not here are the model's own."""
_WORDS = {"exit_mm": "exit", "ksmd": "scan", "release": "drop"}


def _operation(call: Call) -> dict[str, Any]:
    keys = _KEYS.get(call.op)
    args = {name: value for name, value in call.args if value is not None and value is not False}
    if keys is None or "file" in args:
        return _own(call)
    op: dict[str, Any] = {"op": _WORDS.get(call.op, call.op)}
    op.update((keys[name], value) for name, value in args.items() if name in keys)
    if call.op == "mmap":
        op.setdefault("prot", "rw")
    elif call.op == "mremap":
        op.setdefault("m", op["n"])
        op.update({"dontunmap": 1} if args.get("dontunmap") else {})
    elif call.op == "ksmd":
        op.setdefault("passes", 1)
    if op.get("prot") == "-":
        op["prot"] = "none"
    return op


def _own(call: Call) -> dict[str, Any]:
    """Return the line of a call for which a recorder has no word."""
    args = {"p" if name == "mm" else name: value for name, value in call.args}
    return {"op": call.op, "model": 1, **args}


class _Namer:
    """Names objects as a recorder does: by first appearance, and anew after an absence."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, int], str] = {}
        self._next = {"a": 0, "f": 0, "s": 0}

    def snapshot(self, state: State, slots: dict[int, int]) -> Snapshot:
        seen: dict[tuple[str, int], str] = {}

        def name(kind: str, number: int) -> str:
            key = kind, number
            if key not in seen:
                seen[key] = self._names.get(key) or self._new(kind)
            return seen[key]

        snapshot = snapshot_of(state, slots, name)
        self._names = seen
        return snapshot

    def _new(self, kind: str) -> str:
        self._next[kind] += 1
        return f"{kind}{self._next[kind] - 1}"
