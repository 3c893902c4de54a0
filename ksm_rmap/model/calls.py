"""A call as data: an operation and its arguments, to be applied, printed, shrunk or stored."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ksm_rmap.model import ops
from ksm_rmap.model._sorted_map import record

if TYPE_CHECKING:
    from collections.abc import Callable

    from ksm_rmap.model.state import State

__all__ = ("WALKING", "Argument", "Call")

Argument = int | str | bool | None
"""What an argument of an operation may be."""

WALKING = frozenset({"migrate_begin", "migrate_end", "reclaim", "swap_out"})
"""Operations that are given a walk."""


@record
class Call(NamedTuple):
    """One operation with its arguments; `apply` runs it.

    >>> Call.of("mmap", mm=0, start=0, pages=3)
    Call(op='mmap', args=(('mm', 0), ('start', 0), ('pages', 3)))
    """

    op: str
    """Name of a function of `ksm_rmap.model.ops`."""
    args: tuple[tuple[str, Argument], ...] = ()

    @classmethod
    def of(cls, op: str, **args: Argument) -> Call:
        """Return the call of `op` with keyword arguments, in the order given."""
        return cls(op, tuple(args.items()))

    def get(self, name: str, default: Argument = None) -> Argument:
        """Return one argument, or `default`."""
        return dict(self.args).get(name, default)

    def replace(self, **args: Argument) -> Call:
        """Return the call with some arguments changed or added."""
        return Call(self.op, tuple({**dict(self.args), **args}.items()))

    def apply(self, state: State, walk: ops.Walk | None = None) -> State:
        """Return the state after the call.

        `walk` is given to the operations in `WALKING`; their own argument `walk`, the name of
        a walk, is for whoever looks names up, and is left out here.

        Raises:
            MmError: The kernel would refuse the call.
            ValueError: An operation that needs a walk got none.

        """
        return self.bound(walk)(state)

    def bound(self, walk: ops.Walk | None = None) -> Callable[[State], State]:
        """Return the function that makes the call in a state, to be kept for many states.

        Arguments and errors as `apply`; a missing walk is told at once.
        """
        args: dict[str, Any] = dict(self.args)
        args.pop("walk", None)
        if self.op in WALKING:
            if walk is None:
                raise ValueError(f"{self.op} needs a walk")
            args["walk"] = walk
        return partial(getattr(ops, self.op), **args)
