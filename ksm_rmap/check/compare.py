"""Two snapshots, field by field, with the names of objects equal up to a renaming.

Rules of this module:

1. Every field that either side has is compared, known or not; a VMA is identified by its start,
   a page by its number, a process by its slot, an item by its place in the list.
2. Names of anon_vmas, folios and swap slots are compared through a bijection between the
   trace's names and the model's that grows step by step and holds for the whole trace. It may
   change for an object only where the recorder's own rules make the name change:
   a. an object that was missing from a snapshot comes back under a new name (a folio that was
      only in the swap cache, a slot that only the cache referred to);
   b. a page frame or an address that is freed and used again within one step keeps its name;
   c. a write by the last mapper of a page, which may re-use the page or copy it: the kernel may
      have done either.

Rule 2 c is the only freedom, and it asks for the write, the page and the single mapping.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ksm_rmap.check.trace import AnonVmaLine, Snapshot

__all__ = ("Difference", "Renaming", "compare")


class Difference(NamedTuple):
    """One field on which the model and the kernel disagree."""

    field: str
    """Path into the snapshot, for example `procs.0.vmas[8].chain`."""
    model: object
    """The model's value; None if it has no such thing. Names are the trace's where it has one."""
    kernel: object
    """The kernel's value; None if it has no such thing."""


class Renaming:
    """The bijection between the names of a trace and the model's, as far as it is known.

    `numbers` has the model's name of each object in the last snapshot, by the trace's name.
    """

    def __init__(self) -> None:
        self._model_of: dict[str, str] = {}
        self._kernel_of: dict[str, str] = {}
        self.numbers: dict[str, str] = {}
        """Names in the last snapshot: the trace's to the model's."""
        self._before: frozenset[str] = frozenset()
        self._now: dict[str, str] = {}
        self._back: dict[str, str] = {}
        self._paths: dict[str, str] = {}

    def begin(self) -> None:
        """Start a snapshot."""
        self._now, self._back, self._paths = {}, {}, {}

    def same(self, path: str, model: object, kernel: object) -> bool:
        """Whether two names mean the same object within this snapshot; remembers the pair."""
        if not isinstance(model, str) or not isinstance(kernel, str):
            return model == kernel
        if kernel not in self._now and model not in self._back:
            self._now[kernel], self._back[model], self._paths[kernel] = model, kernel, path
            return model[0] == kernel[0]
        return self._now.get(kernel) == model

    def known(self, kernel: str) -> str | None:
        """Return the model's name of an object that occurred in this snapshot."""
        return self._now.get(kernel)

    def kernel_name(self, model: object) -> object:
        """Return the trace's name for an object of the model, for messages."""
        if not isinstance(model, str):
            return model
        name = self._back.get(model) or self._kernel_of.get(model)
        return name or f"{model} (of the model)"

    def end(self, written: str | None) -> list[Difference]:
        """Finish the snapshot: return what contradicts earlier ones, and remember this one.

        `written` is the model's name of a folio that the operation may have re-used or copied.
        """
        found = []
        for kernel, model in self._now.items():
            if not self._agrees(kernel, model, written):
                known = self._model_of.get(kernel)
                text = f"{self._kernel_of.get(model, 'new')}"
                was = f"{kernel}, not the {known} of the step before" if known else kernel
                found.append(Difference(self._paths[kernel], text, was))
        self._model_of.update(self._now)
        self._kernel_of.update(self._back)
        self._before = frozenset(self._back)
        self.numbers = self._now
        return found

    def _agrees(self, kernel: str, model: str, written: str | None) -> bool:
        known = self._model_of.get(kernel)
        if known == model:
            return True
        if known is not None:  # rule 2 b
            reused = kernel in self.numbers
            return reused and known not in self._back and model not in self._before
        if model not in self._before:  # new, or rule 2 a
            return True
        return model == written and self._kernel_of[model] not in self._now  # rule 2 c


def compare(
    model: Snapshot,
    kernel: Snapshot,
    names: Renaming,
    written: tuple[str, int] | None = None,
) -> list[Difference]:
    """Return the fields on which two snapshots differ, in the order of the snapshot; O(size).

    Args:
        model: the model's snapshot, under names of its own.
        kernel: the recorded one.
        names: the renaming of the trace so far; it learns the names of this snapshot.
        written: process slot and page of a write, for rule 2 c.

    """
    names.begin()
    found = [
        *_processes(model, kernel, names),
        *_anon_vmas(model, kernel, names),
        *_items(model, kernel, names),
    ]
    found.extend(names.end(_reusable(model, written)))
    return found


def _reusable(model: Snapshot, written: tuple[str, int] | None) -> str | None:
    """Return the folio of the written page if this page alone maps it."""
    if written is None or written[0] not in model["procs"]:
        return None
    for page in model["procs"][written[0]]["pages"]:
        if page["p"] == written[1] and page["k"] == "anon" and page["mc"] == 1:
            return page["f"]
    return None


def _processes(model: Snapshot, kernel: Snapshot, names: Renaming) -> Iterator[Difference]:
    ours, theirs = model["procs"], kernel["procs"]
    for slot in _union(ours, theirs):
        path = f"procs.{slot}"
        if slot not in ours or slot not in theirs:
            yield Difference(path, _there(ours, slot), _there(theirs, slot))
            continue
        yield from _records(path + ".vmas", "s", ours[slot]["vmas"], theirs[slot]["vmas"], names)
        yield from _records(path + ".pages", "p", ours[slot]["pages"], theirs[slot]["pages"], names)
        rest = {"vmas", "pages"}
        yield from _record(path, _without(ours[slot], rest), _without(theirs[slot], rest), names)


def _records(
    path: str, key: str, model: Sequence[Any], kernel: Sequence[Any], names: Renaming
) -> Iterator[Difference]:
    """Compare two lists of objects that `key` identifies."""
    ours = {record[key]: record for record in model}
    theirs = {record[key]: record for record in kernel}
    for at in ours if ours.keys() == theirs.keys() else sorted(ours.keys() | theirs.keys()):
        here = f"{path}[{at}]"
        if at not in ours:
            yield Difference(here, None, theirs[at])
        elif at not in theirs:
            yield Difference(here, _renamed(ours[at], names), None)
        else:
            yield from _record(here, ours[at], theirs[at], names)


_NAMES = frozenset({"av", "f", "sw", "root", "parent"})
"""Fields that hold one name; `chain` holds a list of them."""


def _record(
    path: str, model: Mapping[str, Any], kernel: Mapping[str, Any], names: Renaming
) -> Iterator[Difference]:
    """Compare two objects field by field."""
    for field in model if model.keys() == kernel.keys() else _union(model, kernel):
        ours, theirs = model.get(field), kernel.get(field)
        if field == "chain":
            yield from _chain(f"{path}.chain", ours, theirs, names)
        elif field in _NAMES:
            if not names.same(f"{path}.{field}", ours, theirs):
                yield Difference(f"{path}.{field}", names.kernel_name(ours), theirs)
        elif ours != theirs:
            yield Difference(f"{path}.{field}", ours, theirs)


def _chain(path: str, model: Any, kernel: Any, names: Renaming) -> Iterator[Difference]:  # noqa: ANN401 - JSON
    ours, theirs = model or [], kernel or []
    pairs = enumerate(zip(ours, theirs, strict=False))
    differ = [at for at, pair in pairs if not names.same(f"{path}[{at}]", *pair)]
    if differ or len(ours) != len(theirs):
        yield Difference(path, [names.kernel_name(name) for name in ours], kernel)


def _anon_vmas(model: Snapshot, kernel: Snapshot, names: Renaming) -> Iterator[Difference]:
    ours = dict(model["avs"])
    for name, theirs in kernel["avs"].items():
        known = names.known(name)
        mine: AnonVmaLine | None = ours.pop(known, None) if known else None
        if mine is None:
            yield Difference(f"avs.{name}", None, theirs)
        else:
            yield from _record(f"avs.{name}", mine, theirs, names)
    for left, line in ours.items():
        yield Difference(f"avs.{names.kernel_name(left)}", _renamed(line, names), None)


def _items(model: Snapshot, kernel: Snapshot, names: Renaming) -> Iterator[Difference]:
    ours = dict(model["ksm"])
    for name, theirs in kernel["ksm"].items():
        known = names.known(name)
        mine = ours.pop(known, None) if known else None
        path = f"ksm.{name}"
        if mine is None or len(mine) != len(theirs):
            yield Difference(path, mine and [_item(item, names) for item in mine], theirs)
            continue
        for at, (item, other) in enumerate(zip(mine, theirs, strict=True)):
            place = f"{path}[{at}]"
            if item[:2] != other[:2] or not names.same(place, item[2], other[2]):
                yield Difference(place, _item(item, names), other)
    for left, items in ours.items():
        shown = [_item(item, names) for item in items]
        yield Difference(f"ksm.{names.kernel_name(left)}", shown, None)


def _item(item: list[Any], names: Renaming) -> list[Any]:
    return [*item[:2], names.kernel_name(item[2])]


def _renamed(record: Mapping[str, Any], names: Renaming) -> dict[str, object]:
    """Return a record of the model under the trace's names, for a message."""
    shown: dict[str, object] = {}
    for field, value in record.items():
        if field == "chain":
            shown[field] = [names.kernel_name(name) for name in value]
        else:
            shown[field] = names.kernel_name(value) if field in _NAMES else value
    return shown


def _union(ours: Iterable[str], theirs: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([*ours, *theirs]))


def _there(processes: Mapping[str, object], slot: str) -> str | None:
    return "alive" if slot in processes else None


def _without(record: Mapping[str, Any], fields: set[str]) -> dict[str, Any]:
    return {field: value for field, value in record.items() if field not in fields}
