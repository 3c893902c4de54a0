"""A line of a scenario: rules, loops, the errno that is expected, an operation, a comment.

No analogue in the kernel. Rules of this module:

1. A line is read on its own, but for the processes that lines before it made (`Processes`).
2. A blank line is a line: the number of a line is its place in the scenario.
"""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from ksm_rmap.model import _expression
from ksm_rmap.model._cursor import Cursor, Place
from ksm_rmap.model._rules_text import rules_from_text, rules_text
from ksm_rmap.model._syntax import WORD, Operation, read_operation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ksm_rmap.model._expression import Expression

__all__ = ("Line", "Loop", "Processes", "operation_column", "read_line")

MAX_LOOPS: Final = 8
_FOR = re.compile(r"for(?![\w-])")
_EXPECT = re.compile(r"expect(?![\w-])")
_RULES = re.compile(r"rules(?![\w-])")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOOP_USAGE: Final = "for NAME in FIRST..END [step STEP]: OPERATION"


class Loop(NamedTuple):
    """`for name in first..end step step:`; `end` is exclusive."""

    name: str
    first: Expression
    end: Expression
    step: Expression

    def values(
        self, variables: Mapping[str, int], error: Callable[[str], Exception]
    ) -> Iterator[int]:
        """Yield the values of the variable; the step must be positive."""
        step = self.step.value(variables)
        if step <= 0:
            raise error(f"the step of the loop over {self.name} is {step}; it must be positive")
        yield from range(self.first.value(variables), self.end.value(variables), step)

    def __str__(self) -> str:
        step = "" if self.step.text == "1" else f" step {self.step.text}"
        return f"for {self.name} in {self.first.text}..{self.end.text}{step}: "


class Line(NamedTuple):
    """One line; every part may be missing."""

    operation: Operation | None = None
    loops: tuple[Loop, ...] = ()
    errno: str | None = None
    """Name of the error that the operation must fail with."""
    rules: str | None = None
    """Words of the rules, as `rules_text` writes them."""
    comment: str | None = None
    """What follows `#`, without blanks at its end."""

    @property
    def head(self) -> str:
        """What stands before the operation."""
        expect = f"expect {self.errno}: " if self.errno else ""
        return "".join(str(loop) for loop in self.loops) + expect

    def __str__(self) -> str:
        text = f"rules {self.rules}" if self.rules else self.head
        text += str(self.operation) if self.operation else ""
        comment = "" if self.comment is None else f"#{self.comment}"
        return f"{text}  {comment}" if text and comment else text + comment


def operation_column(line: Line, text: str) -> int:
    """Return where in `text`, from which `line` was read, the operation starts; from 0."""
    at = 0
    for _ in range(len(line.loops) + bool(line.errno)):
        at = text.index(":", at) + 1
    return len(text) - len(text[at:].lstrip())


class Processes:
    """The processes of a scenario, numbered by first appearance; the first is there at once."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self._born: set[str] = set()

    def add(self, cursor: Cursor, line: Line) -> None:
        """Take note of the processes of `line`; raise if one is not there, or there twice."""
        if line.operation is None:
            return
        process = line.operation.field("PROC")
        if process is not None:
            if not self.numbers:
                self._born.add(process)
                self.numbers[process] = 0
            if process not in self._born:
                known = ", ".join(sorted(self._born, key=self.numbers.__getitem__))
                at = operation_column(line, cursor.place.text)
                raise cursor.error(f"no process {process!r}; there are: {known}", at)
        child = line.operation.field("CHILD")
        if child is not None:
            self._add_child(cursor, line, child)

    def _add_child(self, cursor: Cursor, line: Line, child: str) -> None:
        at = operation_column(line, cursor.place.text)
        if child in self._born:
            raise cursor.error(f"process {child!r} is there already", at)
        if line.loops:
            raise cursor.error(f"a loop would make process {child!r} twice", at)
        self.numbers.setdefault(child, len(self.numbers))
        if not line.errno:
            self._born.add(child)


def read_line(place: Place) -> Line:
    """Read one line; ScenarioError points at the first thing that is wrong."""
    cursor = Cursor(place)
    _, sign, rest = place.text.partition("#")
    comment = rest.rstrip() if sign else None
    if cursor.done():
        return Line(comment=comment)
    if cursor.take(_RULES):
        return Line(rules=_read_rules(cursor), comment=comment)
    loops: list[Loop] = []
    while cursor.take(_FOR):
        loops.append(_read_loop(cursor, loops))
        cursor.spaces()
    expected = _read_expect(cursor) if cursor.take(_EXPECT) else None
    cursor.spaces()
    operation = read_operation(cursor, [loop.name for loop in loops])
    return Line(operation, tuple(loops), expected, None, comment)


def _read_rules(cursor: Cursor) -> str:
    cursor.spaces()
    try:
        return rules_text(rules_from_text(cursor.place.text[cursor.at : cursor.end]))
    except ValueError as error:
        raise cursor.error(str(error)) from None


def _read_loop(cursor: Cursor, outer: list[Loop]) -> Loop:
    if len(outer) == MAX_LOOPS:
        raise cursor.error(f"more than {MAX_LOOPS} loops in one line")
    cursor.spaces()
    at = cursor.at
    name = cursor.take(_VARIABLE)
    if name is None:
        raise cursor.error(f"expected NAME: {_LOOP_USAGE}")
    names = [loop.name for loop in outer]
    if name in names:
        raise cursor.error(f"{name!r} is the variable of an outer loop", at)
    _word(cursor, "in")
    first = _bound(cursor, "FIRST", names)
    _word(cursor, "..")
    end = _bound(cursor, "END", names)
    step = _expression.number(1)
    cursor.spaces()
    if not cursor.take(re.compile(":")):
        _word(cursor, "step")
        step = _bound(cursor, "STEP", names)
        _word(cursor, ":")
    return Loop(name, first, end, step)


def _bound(cursor: Cursor, name: str, names: list[str]) -> Expression:
    cursor.spaces()
    return _expression.parse(cursor, f"{name}, a number: {_LOOP_USAGE}", names)


def _word(cursor: Cursor, word: str) -> None:
    cursor.spaces()
    if not cursor.take(re.compile(re.escape(word))):
        raise cursor.error(f"expected {word!r}: {_LOOP_USAGE}")


def _read_expect(cursor: Cursor) -> str:
    cursor.spaces()
    at = cursor.at
    name = cursor.take(WORD)
    if name is None or name not in errno.errorcode.values():
        raise cursor.error("expected the name of an error, such as EFAULT or ENOMEM", at)
    cursor.spaces()
    if not cursor.take(re.compile(":")):
        raise cursor.error("expected ':' and an operation")
    return name
