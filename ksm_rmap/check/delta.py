"""Reduce a list of system calls to one from which nothing more can go.

No analogue in the kernel. A delta debugger that knows what the arguments of a call mean: it
drops calls in blocks, one by one and in pairs, joins two calls into one, takes a page or a
process out of the whole list, and makes numbers smaller.

Rules of this module:

1. A candidate is accepted only if it is smaller (`size`) and the predicate still holds, so
   the search ends; candidates come in a fixed order, so equal lists give equal results.
2. The result is 1-minimal: without any one of its calls (and, up to `PAIRS` calls, without
   any two) the predicate no longer holds, and no single simplification is left.
3. Minimal is not shortest: only a breadth-first search proves that a list is the shortest.

Left out: changing the order of calls, and replacing a call by an unrelated one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any

from ksm_rmap.model.calls import Call

__all__ = ("Predicate", "shrink", "size")

Calls = tuple[Call, ...]
Predicate = Callable[[Calls], bool]
"""Whether a list of calls still shows what is looked for. A call that is refused is the
predicate's business: `ksm_rmap.check` passes over it, and shrinking then drops it."""

PAIRS = 24
"""Lists up to this length are tried without each pair of calls; n * n / 2 attempts."""

TRADES = 12
"""Up to this length each call is tried in exchange for a page of another; n * n * 6 attempts."""

_PLACES = ("start", "to", "page")
_LENGTHS = ("pages", "new_pages")
_PROCESSES = ("mm", "child")
_LEAST = {"pages": 1, "new_pages": 1, "passes": 1, "content": 1, "child": 1}
_DROPPABLE = {"mmap": (("file", "offset"), ("prot",)), "mremap": (("dontunmap",), ("new_pages",))}
"""Arguments that a call can do without, those in groups that go together."""
_OP_WEIGHT = {"ksmd_step": 16}
"""Whole passes are easier to read than single steps of ksmd."""


def size(calls: Sequence[Call]) -> tuple[int, int]:
    """Return what shrinking makes smaller: the number of calls, then the sum of their numbers."""
    return len(calls), sum(_weight(call) for call in calls)


def shrink(calls: Sequence[Call], predicate: Predicate) -> Calls:
    """Return a minimal list made from `calls` for which `predicate` is still true.

    Raises ValueError if it is not true of `calls` itself. The predicate is asked O(n^2)
    times, never twice about the same list.
    """
    best = tuple(calls)
    if not predicate(best):
        raise ValueError("shrink: the predicate does not hold for the calls to be reduced")
    tried: set[Calls] = {best}
    while (smaller := _smaller(best, predicate, tried)) is not None:
        best = smaller
    return best


def _smaller(calls: Calls, predicate: Predicate, tried: set[Calls]) -> Calls | None:
    """Return the first acceptable candidate, or None if `calls` is minimal."""
    limit = size(calls)
    for propose in _PASSES:
        for candidate in propose(calls):
            if size(candidate) < limit and candidate not in tried:
                tried.add(candidate)
                if predicate(candidate):
                    return candidate
    return None


def _weight(call: Call) -> int:
    """Return the sum of the numbers of a call; what is optional counts one more."""
    weight = _OP_WEIGHT.get(call.op, 0)
    for _, value in call.args:
        weight += value if isinstance(value, int) and value is not True else 1
    groups = _DROPPABLE.get(call.op, ())
    return weight + sum(any(key == group[0] for key, _ in call.args) for group in groups)


def _args(call: Call) -> dict[str, Any]:
    return dict(call.args)


def _changed(call: Call, **changes: Any) -> Call:  # noqa: ANN401 - values of any argument
    """Return `call` with some arguments replaced, those set to None left out."""
    args = {**_args(call), **changes}
    return Call.of(call.op, **{key: value for key, value in args.items() if value is not None})


def _blocks(calls: Calls) -> Iterator[Calls]:
    """Drop blocks of calls, from halves down to single calls, the last block first."""
    width = len(calls)
    while width > 1:
        width = (width + 1) // 2
        for end in range(len(calls), 0, -width):
            yield calls[: max(end - width, 0)] + calls[end:]


def _pairs(calls: Calls) -> Iterator[Calls]:
    if len(calls) <= PAIRS:
        for i, j in combinations(range(len(calls)), 2):
            yield calls[:i] + calls[i + 1 : j] + calls[j + 1 :]


def _traded(calls: Calls) -> Iterator[Calls]:
    """Drop one call, and let another touch a page more or be a page further."""
    if len(calls) > TRADES:
        return
    for i in range(len(calls)):
        rest = calls[:i] + calls[i + 1 :]
        for j, call in enumerate(rest):
            for other in _neighbours(call):
                yield (*rest[:j], other, *rest[j + 1 :])


def _neighbours(call: Call) -> Iterator[Call]:
    for key, value in _args(call).items():
        if key in _LENGTHS or key in _PLACES:
            yield _changed(call, **{key: value + 1})
            if value > _LEAST.get(key, 0):
                yield _changed(call, **{key: value - 1})


def _unmoved(calls: Calls) -> Iterator[Calls]:
    """Drop a move, and let what came before happen there, or what comes after here."""
    for i, move in enumerate(calls):
        here, there = _args(move).get("start"), _args(move).get("to")
        if there is not None:
            before = tuple(_placed(call, move, here, there) for call in calls[:i])
            yield before + calls[i + 1 :]
            after = tuple(_placed(call, move, there, here) for call in calls[i + 1 :])
            yield calls[:i] + after


def _placed(call: Call, move: Call, old: int | None, new: int | None) -> Call:
    """Return `call` at `new` if it is one of the moving process at `old`."""
    args = _args(call)
    if args.get("mm") != _args(move)["mm"]:
        return call
    return _changed(call, **{key: new for key in _PLACES if key in args and args[key] == old})


def _joined(calls: Calls) -> Iterator[Calls]:
    """Put one call in the place of two of the same kind, where the first or the second was."""
    for i, j in combinations(range(len(calls)), 2):
        both = _join(calls[i], calls[j])
        if both is not None:
            yield (*calls[:i], both, *calls[i + 1 : j], *calls[j + 1 :])
            yield (*calls[:i], *calls[i + 1 : j], both, *calls[j + 1 :])


def _join(one: Call, two: Call) -> Call | None:
    """Return one call that does what two calls of a kind do, or None."""
    a, b = _args(one), _args(two)
    if {one.op, two.op} <= {"ksmd", "ksmd_step"}:
        return Call.of("ksmd", passes=a.get("passes", 1) + b.get("passes", 1))
    if one.op != two.op or "to" in a or "new_pages" in a or "start" not in a:
        return None
    low = min(a["start"], b["start"])
    end = max(a["start"] + a["pages"], b["start"] + b["pages"])
    joined = {"start": low, "pages": end - low}
    return _changed(one, **joined) if {**a, **joined} == {**b, **joined} else None


def _without_process(calls: Calls) -> Iterator[Calls]:
    """Drop a fork and let the parent do what the child did; close gaps in the numbering."""
    for i, fork in enumerate(calls):
        if fork.op == "fork":
            parent, child = _args(fork)["mm"], _args(fork)["child"]
            yield _processes(calls[:i] + calls[i + 1 :], child, parent)
            if not any(child - 1 in _numbers(call, _PROCESSES) for call in calls):
                yield _processes(calls, child, child - 1)


def _numbers(call: Call, keys: tuple[str, ...]) -> set[int]:
    return {value for key, value in call.args if key in keys and isinstance(value, int)}


def _processes(calls: Calls, old: int, new: int) -> Calls:
    """Return the calls with process `new` in the place of `old`."""
    changes = [{k: new for k, v in call.args if k in _PROCESSES and v == old} for call in calls]
    return tuple(_changed(call, **change) for call, change in zip(calls, changes, strict=True))


def _without_page(calls: Calls) -> Iterator[Calls]:
    """Take one page out of every range of every process; what lies behind it moves down."""
    highest = max((max(_numbers(c, _PLACES), default=0) for c in calls), default=0)
    for page in range(highest, -1, -1):
        kept = [_less_page(call, page) for call in calls]
        yield tuple(call for call in kept if call is not None)


def _less_page(call: Call, page: int) -> Call | None:
    """Return `call` without `page`, None if nothing of its range is left."""
    args = _args(call)
    changes: dict[str, Any] = {}
    for key in _PLACES:
        if key in args and args[key] > page:
            changes[key] = args[key] - 1
    start = args.get("start")
    for key in _LENGTHS:
        if key in args and start is not None and start <= page < start + args[key]:
            changes[key] = args[key] - 1
    if 0 in (changes.get(key) for key in _LENGTHS):
        return None
    return _changed(call, **changes) if changes else call


def _fewer_contents(calls: Calls) -> Iterator[Calls]:
    """Write a smaller content wherever a content is written."""
    contents = sorted(set().union(*(_numbers(call, ("content",)) for call in calls)))
    for new, old in combinations(contents, 2):
        yield tuple(_changed(c, content=new) if c.get("content") == old else c for c in calls)


def _simpler(calls: Calls) -> Iterator[Calls]:
    """Simplify one argument of one call."""
    for i, call in enumerate(calls):
        for simpler in _simpler_call(call):
            yield (*calls[:i], simpler, *calls[i + 1 :])


def _simpler_call(call: Call) -> Iterator[Call]:
    args = _args(call)
    if call.op == "ksmd_step":
        yield Call.of("ksmd", passes=1)
    for group in _DROPPABLE.get(call.op, ()):
        if group[0] in args:
            yield _changed(call, **dict.fromkeys(group))
    for key, value in call.args:
        if isinstance(value, int) and not isinstance(value, bool):
            least = _LEAST.get(key, 0)
            for number in sorted({least, (least + value) // 2, value - 1}):
                if least <= number < value:
                    yield _changed(call, **{key: number})


_PASSES: tuple[Callable[[Calls], Iterator[Calls]], ...] = (
    _blocks,
    _joined,
    _without_process,
    _without_page,
    _fewer_contents,
    _simpler,
    _pairs,
    _unmoved,
    _traded,
)
