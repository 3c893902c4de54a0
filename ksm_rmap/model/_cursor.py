"""A place in a line of scenario text, and the error that points at it.

No analogue in the kernel. Rules of this module:

1. A `Cursor` reads one line from left to right and never goes back over a line end.
2. Whatever is wrong with a scenario is a `ScenarioError`; it knows file, line, column and
   what was expected, and prints the line with a caret.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ("Cursor", "Place", "ScenarioError")

_WIDTH = 90
"""Most columns of a line that an error quotes."""
_SPACES = re.compile(r"[ \t]*")


class Place(NamedTuple):
    """A line of a scenario: where an error happened."""

    file: str
    line: int
    """Counted from 1."""
    text: str


class ScenarioError(Exception):
    """A scenario that cannot be read, or a line of it that does not do what it says.

    Attributes:
        file: name of the file, of the bundled scenario, or `"-"`.
        line: number of the line, from 1; None when the file as a whole is meant.
        text: the line.
        column: number of the offending character in `text`, from 1.
        detail: what is wrong and what was expected, in one sentence.

    """

    def __init__(
        self, file: str, detail: str, line: int | None = None, text: str = "", column: int = 1
    ) -> None:
        super().__init__(file, detail, line, text, column)
        self.file = file
        self.detail = detail
        self.line = line
        self.text = text
        self.column = column

    def __str__(self) -> str:
        if self.line is None:
            return f"{self.file}: {self.detail}"
        quoted, caret = _clip(self.text, self.column - 1)
        head = f"{self.file}:{self.line}:{self.column}: {self.detail}"
        return f"{head}\n    {quoted}\n    {' ' * caret}^"


def _clip(text: str, at: int) -> tuple[str, int]:
    """Return a printable part of `text` around `at`, and where `at` is in it."""
    clean = "".join(c if c.isprintable() else " " for c in text)
    first = max(0, min(at - _WIDTH // 2, len(clean) - _WIDTH))
    return clean[first : first + _WIDTH], at - first


class Cursor:
    """Reads `place.text` up to a comment from left to right; `at` is the next character."""

    __slots__ = ("at", "end", "place")

    def __init__(self, place: Place) -> None:
        self.place = place
        self.at = 0
        comment = place.text.find("#")
        self.end = len(place.text.rstrip()) if comment < 0 else comment

    def spaces(self) -> None:
        """Go past blanks."""
        self.at = min(self._match_end(_SPACES), self.end)

    def _match_end(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self.place.text, self.at, self.end)
        return found.end() if found else self.at

    def take(self, pattern: re.Pattern[str]) -> str | None:
        """Return what `pattern` matches here and go past it; None if it does not match."""
        found = pattern.match(self.place.text, self.at, self.end)
        if found is None:
            return None
        self.at = found.end()
        return found.group()

    def done(self) -> bool:
        """Whether nothing but blanks is left before the end or a comment."""
        self.spaces()
        return self.at >= self.end

    def error(self, detail: str, at: int | None = None) -> ScenarioError:
        """Return the error that `detail` is wrong at `at`, by default here."""
        column = (self.at if at is None else at) + 1
        return ScenarioError(self.place.file, detail, self.place.line, self.place.text, column)
