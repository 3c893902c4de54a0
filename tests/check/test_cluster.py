"""The search on a Dask cluster of two local workers: the same results."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest

from ksm_rmap.check.explore import explore
from ksm_rmap.check.menu import Menu

if TYPE_CHECKING:
    from collections.abc import Iterator

distributed = pytest.importorskip("distributed", reason="the extra [distributed] is not installed")


@pytest.fixture
def client() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cluster = distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        )
        with cluster, distributed.Client(cluster) as connected:
            yield connected


def test_a_cluster_finds_the_same(client: Any) -> None:  # noqa: ANN401 - a distributed.Client
    here = explore(["index", "address"], menu=Menu(2, 3, 1), depth=4)
    there = explore(["index", "address"], menu=Menu(2, 3, 1), depth=4, client=client)
    assert there.workers == 2
    assert (there.states, there.fired, there.reached) == (here.states, here.fired, here.reached)
    assert str(there.walks) == str(here.walks)
    narrow = explore(["address"], menu=Menu(1, 3, 1), depth=5, client=client)
    assert narrow.missed
