"""Integer arithmetic of the scenario language: `2*i + 1` and the like.

No analogue in the kernel. Rules of this module:

1. An expression is numbers (decimal or 0x), names of loop variables, `+ - *` and parentheses;
   blanks only inside parentheses.
2. What was written is kept, without blanks: printing gives it back.
3. Reading recurses only on parentheses, of which `MAX_DEPTH` are allowed; evaluation is a
   loop over postfix code.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ksm_rmap.model._cursor import Cursor

__all__ = ("MAX_DEPTH", "MAX_LITERAL", "Expression", "number", "parse")

MAX_DEPTH: Final = 40
MAX_LITERAL: Final = 2**64 - 1
"""The greatest number that can be written: an unsigned long."""

_MOST_DIGITS: Final = 100
"""More are refused unread: `int()` has a limit of its own."""
_NUMBER = re.compile(r"(?:0x[0-9a-fA-F]+|[0-9]+)(?![0-9A-Za-z_])")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SUM = re.compile(r"[+-]")
_PRODUCT = re.compile(r"\*")
_OPEN = re.compile(r"\(")
_CLOSE = re.compile(r"\)")


class Expression(NamedTuple):
    """An expression as written, and its postfix code: integers, names, `+ - *`."""

    text: str
    code: tuple[int | str, ...]

    @property
    def constant(self) -> int | None:
        """The value if no variable occurs, else None."""
        names = any(isinstance(c, str) and c not in "+-*" for c in self.code)
        return None if names else self.value({})

    def value(self, variables: Mapping[str, int]) -> int:
        """Return the value with `variables`; O(length)."""
        first = self.code[0]
        if len(self.code) == 1 and isinstance(first, int):
            return first
        stack: list[int] = []
        for item in self.code:
            stack.append(_apply(item, stack, variables))
        return stack[0]


def number(value: int, *, base: int = 10) -> Expression:
    """Return the expression that writes `value` in base 10 or 16; ValueError if negative."""
    if value < 0:
        raise ValueError(f"{value} is negative")
    return Expression(hex(value) if base == 16 else str(value), (value,))  # noqa: PLR2004 - hex


def parse(cursor: Cursor, what: str, names: Collection[str]) -> Expression:
    """Read an expression over the variables `names`; errors say that `what` was expected."""
    start = cursor.at
    code: list[int | str] = []
    _sum(cursor, what, names, code, 0)
    return Expression(re.sub(r"\s", "", cursor.place.text[start : cursor.at]), tuple(code))


def _apply(item: int | str, stack: list[int], variables: Mapping[str, int]) -> int:
    if isinstance(item, int):
        return item
    if item not in "+-*":
        return variables[item]
    right, left = stack.pop(), stack.pop()
    return left + right if item == "+" else left - right if item == "-" else left * right


def _sum(
    cursor: Cursor, what: str, names: Collection[str], code: list[int | str], depth: int
) -> None:
    _product(cursor, what, names, code, depth)
    while sign := _operator(cursor, _SUM, depth):
        _product(cursor, what, names, code, depth)
        code.append(sign)


def _product(
    cursor: Cursor, what: str, names: Collection[str], code: list[int | str], depth: int
) -> None:
    _atom(cursor, what, names, code, depth)
    while _operator(cursor, _PRODUCT, depth):
        _atom(cursor, what, names, code, depth)
        code.append("*")


def _operator(cursor: Cursor, pattern: re.Pattern[str], depth: int) -> str | None:
    if depth:
        cursor.spaces()
    sign = cursor.take(pattern)
    if sign and depth:
        cursor.spaces()
    return sign


def _atom(
    cursor: Cursor, what: str, names: Collection[str], code: list[int | str], depth: int
) -> None:
    start = cursor.at
    if cursor.take(_OPEN):
        if depth == MAX_DEPTH:
            raise cursor.error(f"more than {MAX_DEPTH} parentheses in each other", start)
        cursor.spaces()
        _sum(cursor, what, names, code, depth + 1)
        cursor.spaces()
        if not cursor.take(_CLOSE):
            raise cursor.error("expected ) or one of + - *")
    elif digits := cursor.take(_NUMBER):
        code.append(_literal(cursor, digits, start))
    elif name := cursor.take(_NAME):
        if name not in names:
            known = f"; variables here: {', '.join(names)}" if names else ""
            raise cursor.error(f"expected {what}, not {name!r}{known}", start)
        code.append(name)
    else:
        raise cursor.error(f"expected {what}")


def _literal(cursor: Cursor, digits: str, start: int) -> int:
    value = int(digits, 0 if digits[:2] == "0x" else 10) if len(digits) < _MOST_DIGITS else None
    if value is None or value > MAX_LITERAL:
        raise cursor.error("number too large: the greatest is 2**64 - 1", start)
    return value
