"""Every system call that a state enables: the choices of the random search.

No analogue in the kernel. `Enabled(state, scope)` computes, kind by kind and on demand, the
calls that the model accepts in `state`, so that a search never draws one that is refused.

Rules of this module:

1. A kind is what a tester would call one thing to do: to move and to resize are two kinds,
   though both are `mremap`. A machine has one rule a kind.
2. Calls of one kind come in a fixed order, the plainest first, so that equal seeds give equal
   searches.
3. What the kernel accepts without doing anything (unmapping a hole, `MADV_MERGEABLE` where it
   is set) is left out: it would only dilute the search.

Left out: calls that fail. Those that change something before they fail are for unit tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ksm_rmap.model.calls import Call
from ksm_rmap.model.state import Folio, Mm, Pte, PteKind, State, Vma, VmFlag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ("KINDS", "Enabled", "Scope", "enabled")


@dataclass(frozen=True, slots=True)
class Scope:
    """The bounds of a search. Immutable, hashable.

    Small bounds reach far: two addresses, one content and a fork are most of what a reverse
    map can get wrong.
    """

    processes: int = 3
    """Most processes at a time, those included that ksmd has still to forget."""
    pages: int = 5
    """Calls touch pages `[0, pages)` of each process."""
    contents: int = 2
    """Contents written are 1, 2, ... `contents`."""
    kinds: tuple[str, ...] = ()
    """Kinds of calls to choose from, out of `KINDS`; empty: all of them."""

    def __post_init__(self) -> None:
        for name in ("processes", "pages", "contents"):
            if getattr(self, name) < 1:
                raise ValueError(f"Scope: {name} must be at least 1, not {getattr(self, name)}")
        unknown = sorted(set(self.kinds) - set(KINDS))
        if unknown:
            known = ", ".join(KINDS)
            raise ValueError(f"Scope: no kind of call named {unknown[0]!r}; known: {known}")

    @property
    def chosen(self) -> tuple[str, ...]:
        """The kinds to choose from."""
        return self.kinds or tuple(KINDS)


class Enabled:
    """The calls that `state` enables within `scope`, computed when asked for.

    >>> Enabled(State(), Scope(pages=1)).calls("mmap")
    (Call(op='mmap', args=(('mm', 0), ('start', 0), ('pages', 1))),)
    >>> Enabled(State(), Scope()).any("munmap")
    False
    """

    __slots__ = ("_calls", "_cover", "child", "scope", "state")

    def __init__(self, state: State, scope: Scope, born: int = 0) -> None:
        self.state = state
        self.scope = scope
        self.child = max(born, *state.mms, 0) + 1
        """Number of the next child: above `born`, the highest number that was given out."""
        self._cover: dict[int, list[Vma | None]] = {}
        self._calls: dict[str, tuple[Call, ...]] = {}

    def any(self, kind: str) -> bool:
        """Whether some call of `kind` is enabled; cheaper than asking for all of them."""
        if kind in self._calls:
            return bool(self._calls[kind])
        return next(KINDS[kind](self), None) is not None

    def calls(self, kind: str) -> tuple[Call, ...]:
        """Return every enabled call of `kind`, the plainest first; KeyError: no such kind."""
        if kind not in self._calls:
            self._calls[kind] = tuple(KINDS[kind](self))
        return self._calls[kind]

    def living(self) -> Iterator[tuple[int, Mm]]:
        """Yield the processes that have not exited, by number."""
        for number, mm in self.state.mms.pairs():
            if mm.alive:
                yield number, mm

    def cover(self, mm: int) -> list[Vma | None]:
        """Return the VMA of each page of the region in process `mm`, None for holes."""
        if mm not in self._cover:
            pages: list[Vma | None] = [None] * self.scope.pages
            for vma in self.state.mms[mm].vmas.values_in_order():
                for page in range(vma.start, min(vma.end, self.scope.pages)):
                    pages[page] = vma
            self._cover[mm] = pages
        return self._cover[mm]

    def mapped(self) -> Iterator[tuple[int, int, int, list[Vma]]]:
        """Yield `(mm, start, pages, VMA of each page)` of each range that has no hole."""
        for mm, _ in self.living():
            cover = self.cover(mm)
            for start, pages in _ranges(self.scope.pages):
                vmas = [vma for vma in cover[start : start + pages] if vma is not None]
                if len(vmas) == pages:
                    yield mm, start, pages, vmas

    def entries(self, *kinds: PteKind) -> Iterator[tuple[int, int, Pte]]:
        """Yield `(mm, page, entry)` of the region for the entries of one of `kinds`."""
        for mm, owner in self.living():
            for page, pte in owner.ptes.pairs(0, self.scope.pages):
                if pte.kind in kinds:
                    yield mm, page, pte

    def folios(self, *, cached: bool = False) -> Iterator[tuple[int, int, Folio]]:
        """Yield `(mm, page, folio)` once for each mapped folio: where it is met first.

        With `cached` also those in the swap cache, by a swap entry.
        """
        seen: set[int] = set()
        kinds = (PteKind.PRESENT, PteKind.SWAP) if cached else (PteKind.PRESENT,)
        for mm, page, pte in self.entries(*kinds):
            swapped = pte.kind is PteKind.SWAP
            number = self.state.slots[pte.target].folio if swapped else pte.target
            if number is not None and number not in seen:
                seen.add(number)
                yield mm, page, self.state.folios[number]


def enabled(state: State, scope: Scope | None = None) -> tuple[Call, ...]:
    """Return every call that `state` enables within `scope`, kind by kind.

    >>> len(enabled(State(), Scope(pages=2, kinds=("mmap",))))
    3
    """
    scope = scope or Scope()
    here = Enabled(state, scope)
    return tuple(call for kind in scope.chosen for call in here.calls(kind))


@lru_cache
def _ranges(pages: int) -> tuple[tuple[int, int], ...]:
    """Return each `(start, length)` within `[0, pages)`."""
    return tuple((s, n) for s in range(pages) for n in range(1, pages - s + 1))


def _mmap(here: Enabled) -> Iterator[Call]:
    for mm, _ in here.living():
        for start, pages in _ranges(here.scope.pages):
            yield Call.of("mmap", mm=mm, start=start, pages=pages)


def _mmap_file(here: Enabled) -> Iterator[Call]:
    # Offset `start + 1`: neighbours may merge, and no index equals the address.
    for mm, _ in here.living():
        for start, pages in _ranges(here.scope.pages):
            yield Call.of("mmap", mm=mm, start=start, pages=pages, file="f", offset=start + 1)


def _munmap(here: Enabled) -> Iterator[Call]:
    for mm, _ in here.living():
        cover = here.cover(mm)
        for start, pages in _ranges(here.scope.pages):
            if cover[start] and cover[start + pages - 1]:
                yield Call.of("munmap", mm=mm, start=start, pages=pages)


def _mprotect(here: Enabled) -> Iterator[Call]:
    for mm, start, pages, vmas in here.mapped():
        writable = [vma.has(VmFlag.WRITE) for vma in vmas]
        if any(writable):
            yield Call.of("mprotect", mm=mm, start=start, pages=pages, prot="r")
        if not all(writable):
            yield Call.of("mprotect", mm=mm, start=start, pages=pages, prot="rw")


def _write(here: Enabled) -> Iterator[Call]:
    for mm, start, pages, vmas in here.mapped():
        if not all(vma.has(VmFlag.WRITE) for vma in vmas) or _migrating(here, mm, start, pages):
            continue
        for content in range(1, here.scope.contents + 1):
            yield Call.of("write", mm=mm, start=start, content=content, pages=pages)


def _migrating(here: Enabled, mm: int, start: int, pages: int) -> bool:
    """Whether a fault in the range would wait for the end of a migration."""
    entries = here.state.mms[mm].ptes.pairs(start, start + pages)
    return any(_waits(here.state, pte) for _, pte in entries)


def _waits(state: State, pte: Pte) -> bool:
    """Whether a fault on `pte` would sleep: it, or its folio in the swap cache, migrates."""
    if pte.kind is PteKind.SWAP:
        cached = state.slots[pte.target].folio
        return cached is not None and state.folios[cached].migrating > 0
    return pte.kind is PteKind.MIGRATION


def _read(here: Enabled) -> Iterator[Call]:
    for mm, start, pages, vmas in here.mapped():
        if pages == 1 and vmas[0].file is None and here.state.pte(mm, start) is None:
            yield Call.of("read", mm=mm, start=start, pages=1)


def _break_waits(here: Enabled, mm: int, start: int, pages: int) -> bool:
    """Whether to break the KSM pages of the range would wait for the end of a migration."""
    entries = here.state.mms[mm].ptes.pairs(start, start + pages)
    return any(pte.kind is PteKind.MIGRATION for _, pte in entries)


def _swap_in(here: Enabled) -> Iterator[Call]:
    for mm, page, pte in here.entries(PteKind.SWAP):
        if not _waits(here.state, pte):
            yield Call.of("read", mm=mm, start=page, pages=1)


def _fork(here: Enabled) -> Iterator[Call]:
    if len(here.state.mms) < here.scope.processes:
        for mm, _ in here.living():
            yield Call.of("fork", mm=mm, child=here.child)


def _exit(here: Enabled) -> Iterator[Call]:
    alive = [mm for mm, _ in here.living()]
    if len(alive) > 1:
        for mm in alive:
            yield Call.of("exit_mm", mm=mm)


def _advise(advice: str, flag: int, *, wanted: bool) -> Callable[[Enabled], Iterator[Call]]:
    """Return the generator of `madvise` calls that change `flag` somewhere in their range."""

    def calls(here: Enabled) -> Iterator[Call]:
        for mm, start, pages, vmas in here.mapped():
            if any(vma.has(flag) is not wanted for vma in vmas):
                yield Call.of("madvise", mm=mm, start=start, pages=pages, advice=advice)

    return calls


def _unmergeable(here: Enabled) -> Iterator[Call]:
    for call in _advise("unmergeable", VmFlag.MERGEABLE, wanted=False)(here):
        args: dict[str, Any] = dict(call.args)
        if not _break_waits(here, args["mm"], args["start"], args["pages"]):
            yield call


def _dontneed(here: Enabled) -> Iterator[Call]:
    for mm, start, pages, _ in here.mapped():
        if next(here.state.mms[mm].ptes.pairs(start, start + pages), None):
            yield Call.of("madvise", mm=mm, start=start, pages=pages, advice="dontneed")


def _wipeonfork(here: Enabled) -> Iterator[Call]:
    for call in _advise("wipeonfork", VmFlag.WIPEONFORK, wanted=True)(here):
        args: dict[str, Any] = dict(call.args)
        start, pages = args["start"], args["pages"]
        vmas = here.cover(args["mm"])[start : start + pages]
        if all(vma is not None and vma.file is None for vma in vmas):
            yield call


def _merge_any(here: Enabled) -> Iterator[Call]:
    for mm, owner in here.living():
        if owner.merge_any and _break_waits(here, mm, 0, here.scope.pages):
            continue
        yield Call.of("prctl_merge_any", mm=mm, enable=not owner.merge_any)


def _move(here: Enabled) -> Iterator[Call]:
    """Yield moves to a fixed place: whole, leaving the source mapped, longer, shorter."""
    for mm, start, pages, vmas in here.mapped():
        single = vmas[0] == vmas[-1]
        if _break_waits(here, mm, start, pages):
            continue
        if not single and not here.state.rules.multi_vma_move:
            continue
        whole: dict[str, int] = {"mm": mm, "start": start, "pages": pages}
        for to in _places(here.scope.pages, start, pages, pages):
            yield Call.of("mremap", **whole, to=to)
            if single and vmas[0].file is None:
                yield Call.of("mremap", **whole, to=to, dontunmap=True)
        for size in (pages - 1, pages + 1) if single else ():
            for to in _places(here.scope.pages, start, pages, size) if size else ():
                yield Call.of("mremap", **whole, new_pages=size, to=to)


@lru_cache
def _places(region: int, start: int, pages: int, size: int) -> tuple[int, ...]:
    """Return where `size` pages fit in `[0, region)` without meeting `[start, start + pages)`."""
    free = range(region - size + 1)
    return tuple(to for to in free if to + size <= start or start + pages <= to)


def _resize(here: Enabled) -> Iterator[Call]:
    """Yield resizes in place: any shorter length, a longer one into the hole behind the VMA."""
    for mm, start, pages, vmas in here.mapped():
        if vmas[0] != vmas[-1]:
            continue
        whole: dict[str, int] = {"mm": mm, "start": start, "pages": pages}
        for size in range(1, pages):
            yield Call.of("mremap", **whole, new_pages=size)
        end = start + pages
        cover = here.cover(mm)
        while vmas[0].end == start + pages and end < len(cover) and cover[end] is None:
            end += 1
            yield Call.of("mremap", **whole, new_pages=end - start)


def _ksmd(here: Enabled) -> Iterator[Call]:
    # A fresh page needs two visits before it merges, hence two passes.
    if here.state.ksmd.slots and not _ksmd_waits(here.state):
        yield Call.of("ksmd", passes=2)
        yield Call.of("ksmd", passes=1)


def _ksmd_step(here: Enabled) -> Iterator[Call]:
    if here.state.ksmd.slots and not _ksmd_waits(here.state):
        yield Call.of("ksmd_step")


def _unmerge_all(here: Enabled) -> Iterator[Call]:
    if here.state.ksm_folios() and not _ksmd_waits(here.state):
        yield Call.of("unmerge_all")


def _ksmd_waits(state: State) -> bool:
    """Whether ksmd may have to wait for the lock of a KSM folio under migration.

    `remove_rmap_item_from_tree`, mm/ksm.c: `ksm_get_folio(stable_node, KSM_GET_FOLIO_LOCK)`.
    """
    return any(state.folios[number].migrating for number in state.ksm_folios())


def _swap_out(here: Enabled) -> Iterator[Call]:
    for mm, page, folio in here.folios():
        if not folio.migrating:
            yield Call.of("swap_out", mm=mm, page=page)


def _reclaim(here: Enabled) -> Iterator[Call]:
    if any(not folio.pins and not folio.migrating for *_, folio in here.folios()):
        yield Call.of("reclaim")


def _drop_swap_cache(here: Enabled) -> Iterator[Call]:
    for mm, page, folio in here.folios(cached=True):
        if folio.swap is None or folio.pins:
            continue
        if not (folio.mapcount and here.state.slots[folio.swap].ptes):
            yield Call.of("drop_swap_cache", mm=mm, page=page)


def _hold(here: Enabled) -> Iterator[Call]:
    for mm, page, folio in here.folios():
        if not folio.pins:
            yield Call.of("hold", mm=mm, page=page)


def _release(here: Enabled) -> Iterator[Call]:
    for mm, page, folio in here.folios(cached=True):
        if folio.pins:
            yield Call.of("release", mm=mm, page=page)


def _migrate_begin(here: Enabled) -> Iterator[Call]:
    for mm, page, folio in here.folios():
        if not folio.pins and not folio.migrating:
            yield Call.of("migrate_begin", mm=mm, page=page)


def _migrate_end(here: Enabled) -> Iterator[Call]:
    seen: set[int] = set()
    for mm, page, pte in here.entries(PteKind.MIGRATION):
        if pte.target not in seen:
            seen.add(pte.target)
            yield Call.of("migrate_end", mm=mm, page=page)


KINDS: dict[str, Callable[[Enabled], Iterator[Call]]] = {
    "mmap": _mmap,
    "mmap_file": _mmap_file,
    "munmap": _munmap,
    "mprotect": _mprotect,
    "write": _write,
    "read": _read,
    "fork": _fork,
    "exit": _exit,
    "mergeable": _advise("mergeable", VmFlag.MERGEABLE, wanted=True),
    "unmergeable": _unmergeable,
    "dontneed": _dontneed,
    "dontfork": _advise("dontfork", VmFlag.DONTCOPY, wanted=True),
    "dofork": _advise("dofork", VmFlag.DONTCOPY, wanted=False),
    "wipeonfork": _wipeonfork,
    "keeponfork": _advise("keeponfork", VmFlag.WIPEONFORK, wanted=False),
    "merge_any": _merge_any,
    "move": _move,
    "resize": _resize,
    "ksmd": _ksmd,
    "ksmd_step": _ksmd_step,
    "unmerge_all": _unmerge_all,
    "swap_out": _swap_out,
    "swap_in": _swap_in,
    "drop_swap_cache": _drop_swap_cache,
    "reclaim": _reclaim,
    "hold": _hold,
    "release": _release,
    "migrate_begin": _migrate_begin,
    "migrate_end": _migrate_end,
}
"""The kinds of calls, each with the generator of its enabled calls."""
