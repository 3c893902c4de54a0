"""Copies of a state in which one field of one record has another value."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ksm_rmap.interval_tree import FrozenIntervalTree
from ksm_rmap.model._enum import NamedEnum
from ksm_rmap.model._sorted_map import SortedMap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ksm_rmap.model.state import State

TABLES = ("mms", "anon_vmas", "folios", "nodes", "slots")


class Altered(NamedTuple):
    """A state, and what in it is not what it was."""

    record: str
    """Name of the type of the record."""
    field: str
    state: State


def altered(state: State, numbers: Sequence[int]) -> Iterator[Altered]:
    """Yield copies of `state` with one field altered, every field of every record.

    A number becomes each of `numbers`, and None where that may be; a kind becomes each other
    kind; a tuple is shortened, turned round and doubled; a map loses its first entry.
    """
    for name, field, new in _records(state.ksmd, numbers):
        yield Altered(name, field, replace(state, ksmd=new))
    for table in TABLES:
        for name, field, new in _entries(getattr(state, table), numbers):
            yield Altered(name, field, replace(state, **{table: new}))


def _entries(table: SortedMap[Any], numbers: Sequence[int]) -> Iterator[tuple[str, str, Any]]:
    """Yield copies of a table in which one record is altered, and in what."""
    for key, record in table.pairs():
        for name, field, new in _records(record, numbers):
            yield name, field, table.with_item(key, new)


def _records(record: Any, numbers: Sequence[int]) -> Iterator[tuple[str, str, Any]]:  # noqa: ANN401
    """Yield altered copies of a record, those of the records in it too, and in what."""
    name = type(record).__name__
    for field, old in zip(record._fields, record, strict=True):
        for new in _others(old, numbers):
            yield name, field, record._replace(**{field: new})
        if isinstance(old, SortedMap) and name == "Mm":
            for inner, its_field, new in _entries(old, numbers):
                yield inner, its_field, record._replace(**{field: new})
    for field in _may_be_none(record):
        yield name, field, record._replace(**{field: None})


def _may_be_none(record: Any) -> list[str]:  # noqa: ANN401
    """Return the fields of a record that are not None and might be."""
    types = type(record).__annotations__
    return [
        field
        for field, old in zip(record._fields, record, strict=True)
        if old is not None and types[field].__forward_arg__.endswith("| None")
    ]


def _others(old: Any, numbers: Sequence[int]) -> list[Any]:  # noqa: ANN401
    """Return other values for a field that is `old`."""
    if isinstance(old, NamedEnum):
        return [kind for kind in type(old) if kind is not old]
    if isinstance(old, FrozenIntervalTree):
        return [FrozenIntervalTree(), FrozenIntervalTree([(0, 0, (0, 0))])]
    if isinstance(old, SortedMap):
        return [SortedMap(list(old.pairs())[1:])]
    if isinstance(old, tuple):
        return [old[:-1], old[::-1], old + old]
    return [new for new in numbers if new != old]
