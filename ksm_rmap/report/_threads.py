"""The folios of a picture, and where the search for their page-table entries begins.

No analogue in the kernel. From a KSM folio it goes to the stable node and its rmap items, in the
order of the list; from an ordinary folio to `mapping` and `index`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ksm_rmap.report._elements import box, element, group, text
from ksm_rmap.report.text import process_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ksm_rmap.report.scene import Scene, Thread

__all__ = ("threads_height", "threads_svg")

_HEAD: Final = 20
_ROW: Final = 50
_LEFT: Final = 184
_BOX: Final = (152, 42)
_STEP: Final = 168


def _columns(width: int) -> int:
    return max(1, (width - _LEFT - 4) // _STEP)


def _lines(thread: Thread, width: int) -> int:
    """Return how many rows of boxes a folio takes."""
    return max(1, -(-(len(thread.items) + bool(thread.more)) // _columns(width)))


def threads_height(scene: Scene, width: int) -> int:
    """Return the height of the folios of `scene` in a picture of `width`."""
    if not scene.threads:
        return 0
    rows = sum(_lines(thread, width) for thread in scene.threads)
    return _HEAD + _ROW * rows + 16 * bool(scene.more_folios) + 4


def threads_svg(scene: Scene, lit: Mapping[str, str], width: int, y: int) -> Iterator[str]:
    """Yield the folios of `scene`, from `y` downwards."""
    if not scene.threads:
        return
    yield text(12, y + 12, "folios", "head")
    yield text(_LEFT, y + 12, "where a search for their entries begins", "dim small")
    y += _HEAD
    for thread in scene.threads:
        yield _folio(thread, y, lit)
        yield from _begin(scene, thread, (width, y), lit)
        y += _ROW * _lines(thread, width)
    if scene.more_folios:
        yield text(12, y + 10, f"… {scene.more_folios:,} more folios", "dim")


def _folio(thread: Thread, y: int, lit: Mapping[str, str]) -> str:
    folio = thread.folio
    kind = "ksm" if folio.ksm else "shared" if folio.mapcount > 1 else ""
    entries = f"{folio.mapcount} entr{'y' if folio.mapcount == 1 else 'ies'}"
    entries += f", {folio.migrating} migrating" * bool(folio.migrating)
    return group(
        f"f{thread.number}",
        f"pte {kind}".rstrip(),
        lit,
        box(12, y + 6, 26, 26),
        text(25, y + 23, thread.letter, "mid name"),
        text(46, y + 16, f"{'KSM ' * folio.ksm}folio {thread.number}", "name"),
        text(46, y + 30, f"{folio.content:#x}"[:12] + f", {entries}", "dim small"),
        element("title", {}, f"mapcount {folio.mapcount}, pins {folio.pins}, slot {folio.swap}"),
    )


def _begin(
    scene: Scene, thread: Thread, place: tuple[int, int], lit: Mapping[str, str]
) -> Iterator[str]:
    width, y = place
    if not thread.folio.ksm:
        words = (f"anon_vma {thread.folio.mapping}", f"index {thread.folio.index}")
        yield from _station(f"i{thread.number}", ("mapping", *words), (_LEFT, y), lit)
        return
    for at, key in enumerate(thread.items):
        item = scene.state.item(key)
        row, column = divmod(at, _columns(width))
        name = f"item {process_of(scene.names, key[0])}:{key[1]}"
        words = (f"anon_vma {item.anon_vma}", f"index {item.index}, vm_pgoff {item.vm_pgoff}")
        corner = (_LEFT + _STEP * column, y + _ROW * row)
        yield from _station(f"i{key[0]}:{key[1]}", (name, *words), corner, lit)
    if thread.more:
        row, column = divmod(len(thread.items), _columns(width))
        more = f"… {thread.more:,} more items"
        yield text(_LEFT + _STEP * column, y + _ROW * row + 24, more, "dim")


def _station(
    key: str, words: tuple[str, ...], corner: tuple[int, int], lit: Mapping[str, str]
) -> Iterator[str]:
    x, y = corner
    arrow = f"M{x - 14} {y + 21}h11m-4 -4l4 4l-4 4"
    yield element("path", {"class": "arrow", "d": arrow})
    lines = (
        text(x + 7, y + 13 + 12 * n, line, "dim small" if n else "name")
        for n, line in enumerate(words)
    )
    yield group(key, "item", lit, box(x, y, *_BOX), *lines)
