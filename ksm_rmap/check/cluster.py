"""A crew on several machines, by way of Dask (extra `distributed`).

No analogue in the kernel. Each member is an actor on one worker of a Dask cluster; batches travel
through the client. Every worker must have the same version of this package.

    from distributed import Client
    explore(["index"], depth=8, client=Client("tcp://scheduler:8786"))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ("Client", "Cluster")


class Client(Protocol):
    """What is asked of a `distributed.Client`."""

    def submit(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:  # noqa: ANN401 - a future
        """Run a function, or make an actor, on a worker."""

    def scheduler_info(self, n_workers: int = ...) -> dict[str, Any]:
        """Describe the cluster."""


class Cluster:
    """Each member is an actor, one on each worker of a Dask cluster."""

    def __init__(
        self, client: Client, make: Callable[..., object], arguments: Sequence[Any]
    ) -> None:
        """Make `make(*arguments, index, size)` on each worker."""
        addresses = sorted(client.scheduler_info(n_workers=-1)["workers"])
        self.size = len(addresses)
        futures = [
            client.submit(make, *arguments, index, self.size, actor=True, workers=[address])
            for index, address in enumerate(addresses)
        ]
        self._actors = [future.result() for future in futures]

    def each(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call the method of every member at the same time."""
        called = zip(self._actors, arguments, strict=True)
        futures = [getattr(actor, method)(*args) for actor, args in called]
        return [future.result() for future in futures]

    def close(self) -> None:
        """Let go of the actors, which ends them."""
        self._actors = []
