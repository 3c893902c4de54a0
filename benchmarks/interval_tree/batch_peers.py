"""Indexes that answer a whole array of queries at once; a peer that is not there is left out."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def batch_peers(numpy: Any, bounds: Any, asked: Any) -> dict[str, Callable[[], object]]:  # noqa: ANN401
    """Return the batch calls of the peers that are installed; ends are exclusive in most."""
    (starts, lasts), (low, high) = bounds, asked
    work: dict[str, Callable[[], object]] = {}
    ordered = numpy.sort(lasts)
    work["numpy searchsorted, counts"] = lambda: (
        numpy.searchsorted(starts, high, "right") - numpy.searchsorted(ordered, low, "left")
    )
    try:
        peer: Any = importlib.import_module("superintervals").IntervalMap.from_arrays(
            starts.astype(numpy.int32), lasts.astype(numpy.int32)
        )
        narrow = low.astype(numpy.int32), high.astype(numpy.int32)
        work["superintervals count_batch"] = lambda: peer.count_batch(*narrow)
        work["superintervals search_idxs_batch"] = lambda: peer.search_idxs_batch(*narrow)
    except ImportError:
        pass
    try:
        rust: Any = importlib.import_module("ruranges.numpy")
        ends = lasts + 1, high + 1
        work["ruranges count_overlaps"] = lambda: rust.count_overlaps(low, ends[1], starts, ends[0])
        work["ruranges overlaps (pairs)"] = lambda: rust.overlaps(
            starts=low, ends=ends[1], starts2=starts, ends2=ends[0]
        )
    except ImportError:
        pass
    try:
        contained: Any = importlib.import_module("ncls")
        nest = contained.NCLS64(starts, lasts + 1, numpy.arange(len(starts)))
        ids = numpy.arange(len(low))
        work["ncls all_overlaps_both (pairs)"] = lambda: nest.all_overlaps_both(low, high + 1, ids)
    except ImportError:
        pass
    return work | frame_peers(bounds, asked)


def frame_peers(bounds: Any, asked: Any) -> dict[str, Callable[[], object]]:  # noqa: ANN401
    """Return the joins of the peers that work on tables; one chromosome for all."""
    (starts, lasts), (low, high) = bounds, asked
    work: dict[str, Callable[[], object]] = {}
    try:
        frames: Any = importlib.import_module("bioframe")
        pandas: Any = importlib.import_module("pandas")
    except ImportError:
        pass
    else:
        tables = [
            pandas.DataFrame({"chrom": "c", "start": first, "end": last + 1})
            for first, last in ((low, high), (starts, lasts))
        ]
        work["bioframe count_overlaps"] = lambda: frames.count_overlaps(*tables)
        work["bioframe overlap (pairs)"] = lambda: frames.overlap(
            *tables, return_index=True, return_input=False
        )
    try:
        ranges: Any = importlib.import_module("pyranges")
    except ImportError:
        pass
    else:
        objects = [
            ranges.from_dict({"Chromosome": ["c"] * len(first), "Start": first, "End": last + 1})
            for first, last in ((low, high), (starts, lasts))
        ]
        work["pyranges count_overlaps"] = lambda: objects[0].count_overlaps(objects[1])
        work["pyranges join (pairs)"] = lambda: objects[0].join(objects[1])
    return work
