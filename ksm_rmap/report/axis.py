"""A ruler of page numbers on which empty stretches are cut out.

No analogue in the kernel. Rules of this module:

1. Addresses and indexes share one ruler, so what mremap moved stands beside its index.
2. A stretch that nobody asked to see becomes a gap of fixed width, wider if something is in it.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ("CELL", "Axis", "Piece", "axis_of")

CELL: Final = 30
"""Width of a page."""
_GAP: Final = 26
_WIDE_GAP: Final = 74
_HOLE: Final = 2
"""Pages that are shown rather than cut out."""


class Piece(NamedTuple):
    """Pages `[first, end)` that stand side by side from `x` on."""

    first: int
    end: int
    x: int

    @property
    def right(self) -> int:
        """Where the last page ends."""
        return self.x + (self.end - self.first) * CELL


class Axis(NamedTuple):
    """The ruler; distances from its left end."""

    pieces: tuple[Piece, ...]

    @property
    def width(self) -> int:
        """Where the last page ends."""
        return self.pieces[-1].right if self.pieces else 0

    def x(self, page: int) -> int:
        """Return where `page` begins; a page that is cut out is in the middle of its gap."""
        at = bisect_right(self.pieces, page, key=lambda piece: piece.first) - 1
        if at < 0:
            return 0
        piece = self.pieces[at]
        if page <= piece.end:
            return piece.x + (page - piece.first) * CELL
        if at + 1 == len(self.pieces):
            return piece.right
        return (piece.right + self.pieces[at + 1].x) // 2

    def middle(self, page: int) -> int:
        """Return the middle of `page`, or of the gap in which it is cut out."""
        for piece, after in zip(self.pieces, self.pieces[1:], strict=False):
            if piece.end <= page < after.first:
                return (piece.right + after.x) // 2
        return self.x(page) + CELL // 2

    def span(self, first: int, end: int) -> tuple[int, int]:
        """Return x and width of `[first, end)`; at least a few pixels wide."""
        x = self.x(first)
        return x, max(self.x(end) - x, 4)

    def shows(self, page: int) -> bool:
        """Whether `page` is not cut out."""
        return any(piece.first <= page < piece.end for piece in self.pieces)

    def pages(self) -> Iterator[int]:
        """Yield the pages that are shown."""
        for piece in self.pieces:
            yield from range(piece.first, piece.end)

    def gaps(self) -> Iterator[tuple[int, int]]:
        """Yield x and width of each gap."""
        for left, right in zip(self.pieces, self.pieces[1:], strict=False):
            yield left.right, right.x - left.right


def axis_of(pages: Iterable[int], hidden: Iterable[int] = ()) -> Axis:
    """Return a ruler that shows `pages`.

    A gap with one of the pages `hidden` in it is wide enough for a word about it.
    """
    runs: list[tuple[int, int]] = []
    for page in sorted(set(pages)):
        if runs and page <= runs[-1][1] + _HOLE:
            runs[-1] = (runs[-1][0], page + 1)
        else:
            runs.append((page, page + 1))
    secret = sorted(hidden)
    pieces: list[Piece] = []
    for first, end in runs:
        x = 0
        if pieces:
            before = pieces[-1]
            full = bisect_right(secret, first - 1) > bisect_right(secret, before.end - 1)
            x = before.right + (_WIDE_GAP if full else _GAP)
        pieces.append(Piece(first, end, x))
    return Axis(tuple(pieces))
