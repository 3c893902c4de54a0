"""Who does the work: objects in this process, in several, or on several machines.

No analogue in the kernel. A crew has members, for a search its shards. It is told the name of a
method and the arguments for each member, and returns the answer of each. Wherever they work, the
answers are the same.
"""

from __future__ import annotations

import gc
import multiprocessing
import signal
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection

__all__ = ("Crew", "Forked", "Here")


class Crew(Protocol):
    """Some members, numbered from 0."""

    size: int

    def each(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call a method of each member, with its own arguments, and return the answers."""

    def close(self) -> None:
        """Send the members home."""


class Here:
    """The members in this process, one after the other."""

    def __init__(self, members: Sequence[object]) -> None:
        self.size = len(members)
        self._members = members

    def each(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call the method of every member."""
        called = zip(self._members, arguments, strict=True)
        return [getattr(member, method)(*args) for member, args in called]

    def close(self) -> None:
        """Do nothing."""


class Forked:
    """Each member in a process of its own on this machine (`fork`)."""

    def __init__(self, members: Sequence[object]) -> None:
        self.size = len(members)
        context = multiprocessing.get_context("fork")
        self._pipes: list[Connection[Any, Any]] = []
        self._processes = []
        for member in members:
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, member), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def each(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call the method of every member at the same time; what one raises is raised here."""
        for pipe, args in zip(self._pipes, arguments, strict=True):
            pipe.send((method, args))
        answers = [pipe.recv() for pipe in self._pipes]
        for failed, answer in answers:
            if failed:
                raise answer
        return [answer for _, answer in answers]

    def close(self) -> None:
        """End the processes."""
        for pipe in self._pipes:
            pipe.send(None)
            pipe.close()
        for process in self._processes:
            process.join()


def _serve(pipe: Connection[Any, Any], member: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process decides when to stop
    gc.disable()  # states have no cycles, and a collector reads all of them again and again
    while (order := pipe.recv()) is not None:
        method, args = order
        try:
            answer = (False, getattr(member, method)(*args))
        except Exception as error:  # noqa: BLE001 - raised again by who asked
            answer = (True, error)
        pipe.send(answer)
