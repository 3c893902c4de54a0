"""Which calls of a state commute: of two orders that lead to one state, a search needs one.

No analogue in the kernel. Let calls a and b be enabled in a state u, and let neither touch what
the other reads or changes. Then u a b and u b a are one state. If b has the lesser label, the
search makes b in u and then a, but not b after a: in the state s = u a, b is *asleep*.

Why no state is lost: b is asleep in s only because of a step a that leads to s from a state u of
the level before; u b is known by the time s is expanded, and a leads from it to s b. If a is
asleep there, then because of a step with a label greater still; labels are finitely many, so some
step to s b is made. This holds for each step to s alone: what several of them put to sleep may be
put together. `tests/check/test_commute.py` tries all pairs in all states of small scopes.

Rules of this module:

1. A label is what a call does at which pages. It has no process and no content in it, because
   those change their names from state to state. Calls with one label never put each other to
   sleep.
2. What a call touches within its process follows from the VMAs there, and is computed once for
   each arrangement of VMAs.
3. Calls of two processes share ksmd's list of processes, where they enter one behind the other.
   They also share folios, but that does not matter: a write that finds a folio alone reuses it,
   and the copy that it would get otherwise differs in its name only.
4. Calls that are not known here touch everything. So does every call while anything is in swap or
   under migration, or while a process merges all it has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ksm_rmap.check.actions import Enabled
from ksm_rmap.check.alphabet import Alphabet, Label
from ksm_rmap.check.menu import known_contents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ksm_rmap.check.menu import Menu
    from ksm_rmap.model.calls import Call
    from ksm_rmap.model.ops import Walk
    from ksm_rmap.model.state import Mm, State, Vma

__all__ = ("Choice", "Choices")

LAYOUT = ("move", "unmergeable", "mergeable", "munmap", "mmap", "write")
"""Kinds of calls that follow from the VMAs of one process. Of two calls that commute the one whose
kind comes first is put to sleep: so the dearest come first."""
EXIT = "exit"
"""The other kind of which it is known what it touches: all that its process has."""
SIGNS = frozenset({"mm", "start", "pages", "to", "content", "advice"})
"""Arguments of the calls of which it is known what they touch: one with others is not known."""
LOUD = frozenset({"merge_any", "migrate_begin", "reclaim", "swap_out"})
"""Kinds of calls after which every call may touch everything."""


_VMA, _ENTRY = 1, 2
_BOTH = 3
"""Parts of a page: extent and flags of its VMA; its entry, and that there is a VMA."""


class Choice(NamedTuple):
    """A call that a state enables."""

    kind: str
    call: Call
    run: Callable[[State], State]
    """Makes the call."""
    bit: int = 0
    """The bit that stands for the call; 0: it never sleeps."""
    sleepers: int = 0
    """The bits of the calls that it puts to sleep where they are enabled."""


class _Touched(NamedTuple):
    """What a call touches within its process, as bits (`_span`)."""

    reads: int
    changes: int

    def clashes(self, other: _Touched) -> bool:
        """Whether one changes what the other reads or changes."""
        return bool(self.changes & (other.reads | other.changes) or other.changes & self.reads)


class _Known(NamedTuple):
    """A call that follows from the VMAs of one process; without a label it touches everything."""

    kind: str
    call: Call
    run: Callable[[State], State]
    label: Label | None = None
    content: int = 0
    """What a write writes."""
    bit: int = 0
    touched: _Touched = _Touched(0, 0)

    def choice(self, known: Iterable[_Known], alphabet: Alphabet, others: int) -> Choice:
        """Return this one of the `known` calls of a process; it may put `others` to sleep."""
        if self.label is None:
            return Choice(self.kind, self.call, self.run)
        for other in known:
            if other.touched.clashes(self.touched) and not self.writes_as(other):
                others &= ~other.bit
        less = alphabet.before(self.label)
        return Choice(self.kind, self.call, self.run, self.bit, others & less)

    def writes_as(self, other: _Known) -> bool:
        """Whether both write, and the same: where they meet, the second one changes nothing."""
        return self.kind == other.kind == "write" and self.content == other.content


class _Layout(NamedTuple):
    """What follows from the VMAs of one process."""

    choices: tuple[Choice, ...]
    enter: int
    """The bits of the calls that make the process known to ksmd."""


class Choices:
    """The calls that states enable in the scope of `menu`, with what each puts to sleep.

    Calls that need a walk, as swap-out does, are given `walk`.
    """

    def __init__(self, menu: Menu, walk: Walk) -> None:
        self.menu = menu
        self._walk = walk
        self._layout_kinds = tuple(kind for kind in LAYOUT if kind in menu.kinds)
        self._other_kinds = tuple(kind for kind in menu.kinds if kind not in LAYOUT)
        self._always_quiet = LOUD.isdisjoint(menu.kinds)
        self._layouts: dict[tuple[Any, ...], _Layout] = {}
        self.alphabet = Alphabet(menu, (EXIT, *self._layout_kinds))

    def of(self, state: State) -> tuple[list[Choice], int]:
        """Return what `state` enables, and the bits of all of it; O(calls).

        `state` was made by `ksm_rmap.check.restore`: its names are 0, 1, ...
        """
        if not (self._always_quiet or _quiet(state)):
            return [self._unknown(kind, call) for kind, call in self.menu.calls(state)], 0
        contents = known_contents(state)
        choices: list[Choice] = []
        in_order = 0  # calls that change ksmd's list of processes
        for number, mm in state.mms.pairs():
            if mm.alive:
                layout = self._layout(number, mm, state, contents)
                choices += layout.choices
                in_order |= self._exit(number) if number in state.ksmd.slots else layout.enter
        choices += [self._other(*entry) for entry in self.menu.calls(state, 0, self._other_kinds)]
        if in_order & (in_order - 1):  # two bits at least
            choices = [
                choice._replace(sleepers=choice.sleepers & ~in_order)
                if choice.bit & in_order
                else choice
                for choice in choices
            ]
        return choices, _union(choices)

    def _other(self, kind: str, call: Call) -> Choice:
        """Return a call that does not follow from the VMAs of one process."""
        if kind != EXIT:
            return self._unknown(kind, call)
        leave = self._exit(call.get("mm"))
        return Choice(kind, call, call.bound(), leave)  # no label is less

    def _unknown(self, kind: str, call: Call) -> Choice:
        """Return a call that may touch everything."""
        return Choice(kind, call, call.bound(self._walk))

    def _exit(self, process: Any) -> int:  # noqa: ANN401 - the argument of a call
        return self.alphabet.bit(Label(EXIT), process)

    def _layout(self, number: int, mm: Mm, state: State, contents: int) -> _Layout:
        """Return what follows from the VMAs of one process, computed when first seen."""
        key = (number, contents, tuple([_outside(vma) for vma in mm.vmas.columns()[1]]))
        layout = self._layouts.get(key)
        if layout is None:
            layout = self._layouts[key] = self._new_layout(number, state)
        return layout

    def _new_layout(self, number: int, state: State) -> _Layout:
        cover = Enabled(state, self.menu.scope).cover(number)
        known = [
            self._known(kind, call, args, cover)
            for kind, call in self.menu.calls(state, 0, self._layout_kinds)
            if (args := dict(call.args))["mm"] == number
        ]
        others = ~self._exit(number)
        choices = tuple(k.choice(known, self.alphabet, others) for k in known)
        return _Layout(choices, _union(c for c in choices if c.kind == "mergeable"))

    def _known(
        self, kind: str, call: Call, args: dict[str, Any], cover: Sequence[Vma | None]
    ) -> _Known:
        """Return a call with its label and what it touches; without, if it has another form."""
        if not args.keys() <= SIGNS:
            return _Known(kind, call, call.bound())
        label = Label(kind, args["start"], args["pages"], args.get("to", 0))
        content = args.get("content", 0)
        bit = self.alphabet.bit(label, args["mm"], content)
        return _Known(kind, call, call.bound(), label, content, bit, _touched(label, cover))


def _quiet(state: State) -> bool:
    """Whether calls touch only what they touch as a rule."""
    return not (
        state.slots
        or any(mm.merge_any for mm in state.mms.values_in_order())
        or any(folio.migrating for folio in state.folios.values_in_order())
    )


def _outside(vma: Vma) -> tuple[int, int, int, bool, int, bool]:
    """Return what of a VMA decides which calls there are and what they touch."""
    _, start, end, _, flags, anon_vma, chain, _, file = vma
    return start, end, flags, anon_vma is None, len(chain), file is None


def _touched(label: Label, cover: Sequence[Vma | None]) -> _Touched:
    """Return what a call touches; O(pages)."""
    start, end = label.start, label.end
    if label.kind == "munmap":
        return _Touched(0, _cut(start, end, cover))
    if label.kind == "write":
        return _Touched(_lenders(cover[start:end]), _span(start, end, _ENTRY))
    if label.kind == "move":
        joined = _joined(label.to, label.to_end, cover)
        entries = _span(label.to, label.to_end, _ENTRY)
        return joined._replace(changes=joined.changes | entries | _cut(start, end, cover))
    joined = _joined(start, end, cover)
    if label.kind == "mergeable":
        return joined
    return joined._replace(changes=joined.changes | _span(start, end, _ENTRY))


def _lenders(vmas: Sequence[Vma | None]) -> int:
    """Return the bits of the VMAs that a fault in `vmas` looks at.

    A VMA without anon_vma gets one as a whole, and from a neighbour if one has one to lend.
    """
    bits = 0
    for vma in vmas:
        if vma is not None and vma.anon_vma is None:
            bits |= _span(vma.start - 1, vma.end + 1, _VMA)
    return bits


def _cut(start: int, end: int, cover: Sequence[Vma | None]) -> int:
    """Return the bits of `[start, end)`, which is cut out of its VMAs.

    Of two pieces the new one has its links in the opposite order, so the rest is changed, too.
    """
    changes = _span(start, end, _BOTH)
    for vma in cover[start:end]:
        if vma is not None and len(vma.chain) > 1 and (vma.start < start or end < vma.end):
            changes |= _span(vma.start, vma.end, _VMA)
    return changes


def _joined(start: int, end: int, cover: Sequence[Vma | None]) -> _Touched:
    """Return what is touched where the VMAs of `[start, end)` may merge with their neighbours."""
    changes = _span(start, end, _VMA)
    for vma in cover[max(start - 1, 0) : end + 1]:
        if vma is not None:
            changes |= _span(vma.start, vma.end, _VMA)
    return _Touched(_span(start - 1, end + 1, _VMA), changes)


def _span(start: int, end: int, parts: int) -> int:
    """Return the bits of `parts` of the pages of `[start, end)`; page -1 comes first."""
    return sum(parts << 2 * (page + 1) for page in range(start, end))


def _union(choices: Iterable[Choice]) -> int:
    """Return the bits of all `choices`."""
    bits = 0
    for choice in choices:
        bits |= choice.bit
    return bits
