"""What the marks of a picture mean. No analogue in the kernel."""

from __future__ import annotations

from typing import Final

from ksm_rmap.report._elements import box, drawing, element, text

__all__ = ("legend_drawn", "legend_html")

_MARKS: Final = (
    ("vma", "A", "VMA whose indexes are its addresses"),
    ("vma moved", "b+1", "VMA that mremap moved, by so many pages"),
    ("pte ksm", "K", "entry that maps a KSM folio"),
    ("pte shared", "a", "entry that maps a folio shared by fork"),
    ("pte", "o", "entry that maps a folio of its own"),
    ("pte swap", "s", "swap, m: migration entry, z: zero page"),
    ("bar hit", "P:A", "hit: visited, maps the folio"),
    ("bar vain", "P:A", "visited in vain"),
    ("bar address", "P:A", "skipped: does not cover the address"),
    ("bar mm", "P:A", "skipped: process has its turn in the other pass"),
    ("pte missed", "K", "MISSED: maps the folio, was never visited"),
    ("node match", "max 3", "node of the tree that meets the range"),
    ("node entered", "max 3", "node that was entered"),
    ("node pruned", "max 3", "subtree left alone: its maximum is below the range"),
)
_WORDS: Final = """
<p>From above: the folios, and where a search for their page-table entries begins: the rmap items
of a stable node, or <code>mapping</code> and <code>index</code> of an ordinary folio. Then each
address space with its VMAs, its entries, and a small triangle under each page that has an rmap
item. Then each anon_vma: its VMAs at their index, and the same as an augmented tree.</p>
<p>Lines from a VMA down to its places in anon_vmas are its <code>anon_vma_chain</code>s; broken
ones lead to the anon_vmas of ancestors, inherited through fork. Addresses and indexes share one
ruler. A line that is not straight is an <code>mremap</code>: the VMA went, the index stayed. A
search sees only indexes: the yellow band is what it asks for. A thick outline: the call of this
step made or changed it.</p>"""


def legend_html() -> str:
    """Return the legend as a part of a page."""
    return legend_drawn()[0] + _WORDS


def legend_drawn() -> tuple[str, int]:
    """Return the legend as an SVG element without a style sheet, and its height."""
    rows = -(-len(_MARKS) // 2)
    width, height = 690, 30 * rows + 8
    marks = [
        _mark(at // rows * 336 + 8, at % rows * 30 + 6, *mark) for at, mark in enumerate(_MARKS)
    ]
    return drawing(width, height, "what the marks mean", *marks), height


def _mark(x: int, y: int, classes: str, letters: str, words: str) -> str:
    wide = 26 if classes.startswith("pte") else 44
    left = x + (44 - wide) // 2
    cross = element("path", {"class": "cross", "d": f"M{left + 1} {y + 1}l24 20m0 -20l-24 20"})
    letter = text(x + 22, y + 15, letters, "mid")
    mark = element("g", {"class": classes}, box(left, y, wide, 22), cross, letter)
    return mark + text(x + 54, y + 15, words)
