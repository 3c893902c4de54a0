"""Scenarios: sequences of system calls and KSM steps as plain text, one a line.

No analogue in the kernel. An example is the sequence that Hugh Dickins gave in April 2026:

    # three pages, the first two alike; the second one is moved over the third
    P mmap 0 3
    P madvise 0 3 mergeable
    P write 0 2 0x77
    P mremap 1 1 to 2
    ksmd 2

Rules of this module:

1. `FORMS` of `_syntax` is the grammar; `#` starts a comment. `rules 6.12` first chooses a
   kernel, `for i in 0..9 step 2:` repeats an operation (9 is exclusive), `expect EFAULT:` says
   that it must fail so.
2. Processes are named and get the numbers 0, 1, 2 ... by first appearance. The first is there
   from the start, the others are made by fork.
3. `Scenario.parse(str(scenario)) == scenario`; comments and blank lines are kept, but for blank
   lines at the end.
4. Loops are unrolled when the calls are asked for, never when a line is read.

Left out: variables other than those of loops, conditions, names for addresses.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from ksm_rmap.model._cursor import Cursor, Place, ScenarioError
from ksm_rmap.model._lines import Line, Processes, operation_column, read_line
from ksm_rmap.model._rules_text import rules_from_text, rules_text
from ksm_rmap.model._syntax import operation_of_call
from ksm_rmap.model.errors import MmError
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ksm_rmap.model.calls import Call
    from ksm_rmap.model.ops import Walk

__all__ = (
    "Scenario",
    "ScenarioError",
    "Step",
    "bundled",
    "call_text",
    "load",
    "process_name",
    "rules_from_text",
    "rules_text",
)

MAX_CALLS: Final = 2**20
"""Most calls, and most turns of loops, of one scenario."""
MAX_BYTES: Final = 2**24
"""The largest file that is read."""


class Step(NamedTuple):
    """One call of a scenario after it was made."""

    line: int
    """Number of the line, from 1."""
    call: Call
    state: State
    """The state afterwards."""


class _Planned(NamedTuple):
    """One call of a scenario before it is made."""

    line: int
    call: Call
    errno: str | None


@dataclass(frozen=True, repr=False)
class Scenario:
    r"""A sequence of operations. Immutable; equality disregards the name.

    >>> scenario = Scenario.parse("P mmap 0 2\nfor i in 0..2: P write i 1 i+7")
    >>> [call.op for call in scenario.calls]
    ['mmap', 'write', 'write']
    >>> print(scenario)
    P mmap 0 2
    for i in 0..2: P write i 1 i+7
    """

    lines: tuple[Line, ...]
    name: str = field(default="scenario", compare=False)
    """Where it comes from: a file, a bundled name, `"-"`; used in messages."""
    source: tuple[str, ...] = field(default=(), compare=False)
    """The lines as they were written, for messages; empty: as they are printed."""

    @classmethod
    def parse(cls, text: str, *, name: str = "scenario") -> Scenario:
        """Read a scenario; ScenarioError points at what is wrong. O(length of text)."""
        source = tuple(text.split("\n"))
        lines: list[Line] = []
        processes = Processes()
        for number, row in enumerate(source, 1):
            place = Place(name, number, row.rstrip("\r"))
            line = read_line(place)
            if line.rules and any(earlier.operation or earlier.rules for earlier in lines):
                raise Cursor(place).error("rules come once, before the first operation")
            processes.add(Cursor(place), line)
            lines.append(line)
        while lines and lines[-1] == Line():
            lines.pop()
        return cls(tuple(lines), name, source)

    @classmethod
    def from_calls(
        cls,
        calls: Iterable[Call],
        *,
        rules: Rules | str | None = None,
        name: str = "scenario",
        comment: str | None = None,
        expect: Mapping[int, str] | None = None,
    ) -> Scenario:
        """Return the scenario that makes `calls`.

        `expect` maps the place of a call that must fail to the name of its errno, `comment`
        becomes the first line. Processes are numbered anew by first appearance. A call that
        the language cannot write, such as one of a process that no fork made, raises
        ValueError.
        """
        lines = [Line(comment=f" {row}") for row in (comment or "").splitlines()]
        if rules is not None:
            words = rules_text(rules) if isinstance(rules, Rules) else rules
            lines.append(Line(rules=words))
        names: dict[int, str] = {}
        for at, call in enumerate(calls):
            for key in ("mm", "child"):
                number = call.get(key)
                if isinstance(number, int):
                    names.setdefault(number, process_name(len(names)))
            lines.append(Line(operation_of_call(call, names), errno=(expect or {}).get(at)))
        try:
            return cls.parse("\n".join(str(line) for line in lines), name=name)
        except ScenarioError as error:
            raise ValueError(f"these calls are no scenario: {error.detail}") from error

    @property
    def rules(self) -> Rules | None:
        """The rules that the text asks for, or None."""
        words = next((line.rules for line in self.lines if line.rules), None)
        return rules_from_text(words) if words else None

    @property
    def processes(self) -> tuple[str, ...]:
        """The names of the processes; a name's place is the process's number."""
        return tuple(self._numbers())

    @property
    def title(self) -> str:
        """The first comment, or an empty string."""
        comments = (line.comment.strip() for line in self.lines if line.comment)
        return next(comments, "")

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call, loops unrolled; computed at each use."""
        return tuple(planned.call for planned in self._plan())

    def operations(self) -> str:
        """Return the text without comments and blank lines."""
        kept = (line._replace(comment=None) for line in self.lines)
        return "\n".join(str(line) for line in kept if line.operation or line.rules)

    def states(
        self,
        walk: Walk | None = None,
        *,
        rules: Rules | None = None,
        walks: Callable[[str], Walk] | None = None,
        begin: State | None = None,
    ) -> Iterator[Step]:
        """Make the calls one after the other; yield each with the state after it.

        `walk` is what swap-out and migration use, unless a line says `via NAME` and `walks`
        finds walks by name. `rules` take precedence over those of the text; `begin`, an empty
        state, over both. A call that fails unexpectedly, or does not fail as expected, raises
        ScenarioError.
        """
        state = begin or State(rules=rules or self.rules or Rules())
        for planned in self._plan():
            state = self._made(planned, state, walk, walks)
            yield Step(planned.line, planned.call, state)

    def run(
        self,
        walk: Walk | None = None,
        *,
        rules: Rules | None = None,
        walks: Callable[[str], Walk] | None = None,
    ) -> State:
        """Make all calls and return the last state; arguments and errors as of `states`."""
        state = State(rules=rules or self.rules or Rules())
        for step in self.states(walk, rules=rules, walks=walks):
            state = step.state
        return state

    def _numbers(self) -> dict[str, int]:
        processes = Processes()
        for number, line in enumerate(self.lines, 1):
            processes.add(Cursor(Place(self.name, number, str(line))), line)
        return processes.numbers

    def _plan(self) -> Iterator[_Planned]:
        numbers = self._numbers()
        turns = 0
        for number, line in enumerate(self.lines, 1):
            if line.operation is None:
                continue
            for variables in self._turns(number, line, 0, {}):
                turns += 1
                if turns > MAX_CALLS:
                    raise self._error(number, f"more than {MAX_CALLS} calls")
                if variables is not None:
                    call = line.operation.call(numbers, variables, partial(self._error, number))
                    yield _Planned(number, call, line.errno)

    def _turns(
        self, number: int, line: Line, depth: int, outer: dict[str, int]
    ) -> Iterator[dict[str, int] | None]:
        """Yield the variables of each turn, and None for each turn of an outer loop."""
        if depth == len(line.loops):
            yield outer
            return
        loop = line.loops[depth]
        for value in loop.values(outer, partial(self._error, number)):
            if depth + 1 < len(line.loops):
                yield None
            yield from self._turns(number, line, depth + 1, {**outer, loop.name: value})

    def _made(
        self,
        planned: _Planned,
        state: State,
        walk: Walk | None,
        walks: Callable[[str], Walk] | None,
    ) -> State:
        via = planned.call.get("walk")
        if via is not None and walks is not None:
            walk = self._walk(planned, str(via), walks)
        try:
            after = planned.call.apply(state, walk)
        except MmError as error:
            if error.name != planned.errno:
                expected = f", not {planned.errno}" if planned.errno else ""
                raise self._error(planned.line, f"{error}{expected}") from error
            return error.state or state
        if planned.errno:
            raise self._error(planned.line, f"did not fail; {planned.errno} was expected")
        return after

    def _walk(self, planned: _Planned, name: str, walks: Callable[[str], Walk]) -> Walk:
        try:
            return walks(name)
        except Exception as error:  # whatever the finder raises, it is this line that is wrong
            raise self._error(planned.line, str(error)) from error

    def _error(self, number: int, detail: str) -> ScenarioError:
        line = self.lines[number - 1]
        text = self.source[number - 1] if self.source else str(line)
        column = operation_column(line, text) + 1
        return ScenarioError(self.name, detail, number, text, column)

    def __repr__(self) -> str:
        return f"Scenario.parse({str(self)!r}, name={self.name!r})"

    def __str__(self) -> str:
        return "\n".join(str(line) for line in self.lines)


def process_name(number: int) -> str:
    """Return the usual name of process `number`: P, its children C, D, E ..., then P26 ..."""
    letters = "PCDEFGHIJKLMNOQRSTUVWXYZ"
    return letters[number] if number < len(letters) else f"P{number}"


def call_text(call: Call, processes: Sequence[str]) -> str:
    """Return `call` as a line of a scenario; `processes` are the names by number.

    >>> from ksm_rmap.model.calls import Call
    >>> call_text(Call.of("mremap", mm=1, start=1, pages=1, to=2), ["P", "C"])
    'C mremap 1 1 to 2'
    """
    return str(operation_of_call(call, dict(enumerate(processes))))


def bundled() -> tuple[str, ...]:
    """Return the names of the scenarios that come with the package, sorted."""
    files = (entry.name for entry in _folder().iterdir())
    return tuple(sorted(name.removesuffix(".ksm") for name in files if name.endswith(".ksm")))


def load(source: str) -> Scenario:
    """Return a bundled scenario, or the one in file `source`; `"-"` is standard input.

    A bundled name goes before a file of that name; write `./hugh` for the file. What cannot be
    read raises ScenarioError.
    """
    if source == "-":
        data = sys.stdin.buffer.read(MAX_BYTES + 1)
    elif source in bundled():
        data = (_folder() / f"{source}.ksm").read_bytes()
    else:
        data = _read_file(source)
    if len(data) > MAX_BYTES:
        raise ScenarioError(source, f"larger than {MAX_BYTES} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ScenarioError(source, f"not UTF-8 text (byte {error.start})") from error
    return Scenario.parse(text, name=source)


def _folder() -> resources.abc.Traversable:
    return resources.files("ksm_rmap.model") / "scenarios"


def _read_file(source: str) -> bytes:
    try:
        with Path(source).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        known = ", ".join(bundled())
        detail = f"no such file, and no bundled scenario of that name ({known})"
        raise ScenarioError(source, detail) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ScenarioError(source, f"cannot be read: {reason}") from error
