"""Shards of a search at work: in this process, in several, or on several machines.

No analogue in the kernel. A crew is told the name of a method and the arguments for each shard,
and returns the answer of each. Whoever works, the answers are the same.
"""

from __future__ import annotations

import gc
import multiprocessing
import signal
from typing import TYPE_CHECKING, Any, Protocol

from ksm_rmap.check.search import Shard

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection

    from ksm_rmap.check.search import Problem

__all__ = ("Crew", "Forked", "Here")


class Crew(Protocol):
    """Some shards, numbered from 0, that together hold the whole search."""

    size: int

    def each(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call a method of each shard, with its own arguments, and return the answers."""

    def close(self) -> None:
        """Send the shards home."""


class Here:
    """One shard in this process."""

    size = 1

    def __init__(self, problem: Problem) -> None:
        self._shard = Shard(problem)

    def each(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call the method of the only shard."""
        return [getattr(self._shard, method)(*arguments[0])]

    def close(self) -> None:
        """Do nothing."""


class Forked:
    """A shard in each of several processes of this machine (`fork`)."""

    def __init__(self, problem: Problem, size: int) -> None:
        self.size = size
        context = multiprocessing.get_context("fork")
        self._pipes: list[Connection[Any, Any]] = []
        self._processes = []
        for index in range(size):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve, args=(theirs, Shard(problem, index, size)), daemon=True
            )
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def each(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call the method of every shard at the same time; what one raises is raised here."""
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


def _serve(pipe: Connection[Any, Any], shard: Shard) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process decides when to stop
    gc.disable()  # states have no cycles, and a collector reads all of them again and again
    while (order := pipe.recv()) is not None:
        method, args = order
        try:
            answer = (False, getattr(shard, method)(*args))
        except Exception as error:  # noqa: BLE001 - raised again by who asked
            answer = (True, error)
        pipe.send(answer)
