"""The pictures of the manual, made when it is built. No analogue in the kernel.

`write_pictures(folder)` writes each of `PICTURES` as an SVG file, the legend, and the pages of
`PAGES`; the build of the manual calls it, so no picture is older than the library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ksm_rmap import walks
from ksm_rmap.model.scenario import Scenario, load
from ksm_rmap.report import html
from ksm_rmap.report.export import Job
from ksm_rmap.report.panels import panel_of, sheet

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("PAGES", "PICTURES", "Picture", "picture_text", "write_pictures")


class Picture(NamedTuple):
    """A picture of the manual."""

    title: str
    source: str
    """A scenario as text, or the name of a bundled one."""
    walks: tuple[str, ...] = ()
    """Walks to show below each other; none: the state alone."""


PICTURES: Final = {
    "mmap": Picture("mmap: a VMA, and nothing else", "P mmap 0 4"),
    "write": Picture(
        "The first write gives the VMA an anon_vma; each folio is filed under its index",
        "P mmap 0 4\nP write 0 2 0x77",
    ),
    "split": Picture(
        "A split: two VMAs in one anon_vma, no index changes",
        "P mmap 0 4\nP write 0 4 0x77\nP mprotect 2 2 r",
    ),
    "fork": Picture(
        "fork: the child's VMA is linked to its own anon_vma and to its parent's",
        "P mmap 0 2\nP write 0 2 0x77\nP fork C",
    ),
    "copy-on-write": Picture(
        "The child writes: its new folio is filed in its own anon_vma",
        "P mmap 0 2\nP write 0 2 0x77\nP fork C\nC write 0 1 0x88",
    ),
    "rmap-walk-anon": Picture(
        "rmap_walk_anon finds a shared folio through the anon_vma of the parent",
        "P mmap 0 2\nP write 0 2 0x77\nP fork C",
        ("anon",),
    ),
    "mremap": Picture(
        "mremap: the VMA goes elsewhere, the index stays",
        "P mmap 0 3\nP write 0 2 0x77\nP mremap 1 1 to 2",
    ),
    "mremap-anon": Picture(
        "rmap_walk_anon computes the address from each VMA, so moving is no trouble",
        "P mmap 0 3\nP write 1 1 0x77\nP mremap 1 1 to 2",
        ("anon",),
    ),
    "merge": Picture(
        "ksmd merged two pages: the items say where it found them",
        "P mmap 0 2\nP madvise 0 2 mergeable\nP write 0 2 0x77\nksmd 2",
        ("full",),
    ),
    "hugh": Picture(
        "Moved before it was merged: the address is not the index", "hugh", ("address", "index")
    ),
    "split-after-merge": Picture(
        "Split after it was merged: the vm_pgoff of then is not that of the piece",
        "split-after-merge",
        ("vm_pgoff", "index"),
    ),
    "fork-unscanned": Picture(
        "A child that ksmd has not seen is found in the second pass", "fork-unscanned", ("index",)
    ),
    "child-mergeable": Picture(
        "Upgraded in place for the child alone: no walk finds the parent",
        "child-mergeable",
        ("full",),
    ),
    "zte-table": Picture(
        "22,169 VMAs of one anon_vma: the table of January 2026", "zte-table", ("full", "address")
    ),
}
"""By name of the file, without `.svg`."""
PAGES: Final = ("hugh", "split-after-merge", "fork-scanned", "child-mergeable", "zte-table")
"""Bundled scenarios that get a page to step through."""


def picture_text(name: str) -> str:
    """Return the picture `name` of `PICTURES` as an SVG file."""
    picture = PICTURES[name]
    lone = " " not in picture.source
    scenario = load(picture.source) if lone else Scenario.parse(picture.source, name=name)
    state = scenario.run(walks.get("full"), walks=walks.get)
    names = scenario.processes
    chosen = [walks.get(walk) for walk in picture.walks]
    panels = [panel_of(state, names, walk=walk) for walk in chosen]
    return sheet(panels or [panel_of(state, names, bare=True)], picture.title, legend=False)


def write_pictures(folder: Path) -> list[Path]:
    """Write the pictures into `folder`, the pages into `folder/pages`; return their paths.

    Both folders are made.
    """
    (folder / "pages").mkdir(parents=True, exist_ok=True)
    texts = {f"{name}.svg": picture_text(name) for name in PICTURES}
    texts["legend.svg"] = sheet([])
    texts |= {f"pages/{name}.html": html.export(Job(load(name))) for name in PAGES}
    paths = []
    for name, text in texts.items():
        paths.append(folder / name)
        paths[-1].write_text(text, "utf-8")
    return paths
