"""Which design falls, after which calls, and which historic bugs are found again: two tables.

python benchmarks/designs/verdicts.py [--seconds S] [NAME...] prints Markdown for docs/designs.md.

Each subject gets S seconds of breadth-first search (a shortest history) and, if that finds
nothing, S seconds of random histories (deeper, shrunk, not proved shortest). Families of processes
get 30 S more: random histories until two VMAs of a process share an anon_vma and not the chain, and
from there breadth first. Nothing here knows the answer.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from ksm_rmap import walks
from ksm_rmap.check.actions import Enabled, Scope
from ksm_rmap.check.delta import shrink
from ksm_rmap.check.histories import Found, Subject, WalkRun, breadth_first, wander
from ksm_rmap.check.menu import Menu
from ksm_rmap.check.reduce import scenario_of
from ksm_rmap.model.calls import Call
from ksm_rmap.model.rules import AnonVmaReuse, Rules
from ksm_rmap.walks import designs
from ksm_rmap.walks.designs.cow_context import CowContext, Repair

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ksm_rmap.model.state import State

ORDINARY = ("mmap", "munmap", "mprotect", "write", "fork", "exit", "move")
SWAP = (*ORDINARY, "swap_out", "swap_in", "drop_swap_cache")
ALL = (*SWAP, "resize", "mmap_file", "dontneed", "migrate_begin", "migrate_end")
PAGING = ("mmap", "write", "fork", "swap_out", "swap_in")
FAMILY = ("mmap", "mprotect", "write", "fork", "exit")
KSM = ("mmap", "write", "mergeable", "ksmd", "move", "mprotect")


class Case(NamedTuple):
    """One subject under one set of rules."""

    what: str
    begin: Subject
    rules: Rules
    menu: Menu
    scope: Scope
    length: int = 25


def _case(what: str, begin: Subject, kinds: tuple[str, ...], **scope: int) -> Case:
    pages, processes = scope.get("pages", 3), scope.get("processes", 2)
    menu = Menu(processes=processes, pages=pages, contents=1, sizes=pages, kinds=kinds)
    wide = Scope(processes, pages, 1, kinds)
    length = scope.get("length", 25)
    return Case(what, begin, begin.state.rules, menu, wide, length)


def bugs() -> Iterator[Case]:
    """Yield the historic bugs: the kernel that had them, and the walk that fell."""
    new, old = Rules(), Rules.preset("6.12")
    walk = walks.get
    poison = Rules.preset("2.6.37")
    yield _case("1ff829957316 (no unmerge at mremap)", WalkRun.begin(walk("full"), poison), KSM)
    simple = old.replace(lends_simple_only=False)
    yield _case("d0e9fe1758f2 (merge, other chain)", WalkRun.begin(walk("anon"), simple), FAMILY)
    degree = old.replace(reuse=AnonVmaReuse.DEGREE)
    yield _case(
        "2555283eb40d (double reuse)",
        WalkRun.begin(walk("anon"), degree),
        FAMILY,
        processes=5,
        pages=2,
        length=45,
    )
    yield _case("v1-v3 of 2026 (address)", WalkRun.begin(walk("address"), new), KSM)
    yield _case("v4 of 2026 (vm_pgoff)", WalkRun.begin(walk("vm_pgoff"), new), KSM)


def verdicts() -> Iterator[Case]:
    """Yield each design with the rules of its time and with today's."""
    for name in designs.names():
        design = designs.get(name)
        for rules in dict.fromkeys((design.rules, Rules())):
            run = designs.DesignRun.begin(design, rules)
            yield _case(f"{name}, rules {rules.name}", run, ALL, processes=3)


def repairs() -> Iterator[Case]:
    """Yield cow_context with all repairs but one: each must still fall."""
    for repair in Repair:
        design = CowContext(set(Repair) - {repair})
        run = designs.DesignRun.begin(design, Rules())
        yield _case(f"cow_context without {repair.value}", run, ALL, processes=3)
        yield _case(f"cow_context without {repair.value}, swap only", run, PAGING, pages=2)


WEIGHTS = {"fork": 4, "exit": 3, "mprotect": 2, "write": 1, "mmap": 1}


def chains_differ(state: State) -> bool:
    """Whether two VMAs of a process have the same anon_vma and not the same chain.

    The rule of d0e9fe1758f2, on which merges rely.
    """
    for mm in state.mms.values_in_order():
        chains: dict[int, set[int]] = {}
        for vma in mm.vmas.values_in_order():
            if vma.anon_vma is not None:
                known = chains.setdefault(vma.anon_vma, set(vma.chain))
                if known != set(vma.chain):
                    return True
    return False


def guided(case: Case, seconds: float, seed: int = 2) -> Found:
    """Wander until the rule about chains is broken; from there search breadth first."""
    clock, steps = time.monotonic(), 0
    for number in itertools.count():
        if time.monotonic() - clock > seconds:
            break
        chance = random.Random(f"{seed}/{number}")
        scope = Scope(chance.choice((4, 5, 6)), 2, 1, tuple(WEIGHTS))
        subject, calls = case.begin, list[Call]()
        for _ in range(case.length):
            here = Enabled(subject.state, scope)
            kinds = [kind for kind in WEIGHTS if here.any(kind)]
            kind = chance.choices(kinds, [WEIGHTS[kind] for kind in kinds])[0]
            calls.append(chance.choice(here.calls(kind)))
            subject = subject.apply(calls[-1])
            steps += 1
            if chains_differ(subject.state):
                menu = Menu(scope.processes, 2, 1, 2, ("mprotect", "write", "exit", "fork"))
                near = breadth_first(subject, menu, seconds=4, depth=3)
                steps += near.steps
                if near.calls is None:
                    break
                small = shrink((*calls, *near.calls), lambda c: bool(_missed(case.begin, c)))
                spent = time.monotonic() - clock
                missed = _missed(case.begin, small)
                return Found(small, missed, steps, len(small), spent, "guided histories")
    return Found(None, (), steps, case.length, time.monotonic() - clock, "guided histories")


def _missed(subject: Subject, calls: Sequence[Call]) -> Sequence[Any]:
    for call in calls:
        subject = subject.apply(call)
    return subject.judge()


def search(case: Case, seconds: float) -> Found:
    """Return the outcome of the searches, one after the other."""
    first = breadth_first(case.begin, case.menu, seconds=seconds)
    if first.calls is not None:
        return first
    walked = wander(case.begin, case.scope, seconds=seconds, length=case.length)
    if walked.calls is not None or case.menu.kinds != FAMILY:
        return walked
    return guided(case, 30 * seconds)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Print a line for each case, then the histories."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("names", nargs="*", help="only cases whose name contains one of these")
    arguments = parser.parse_args()
    histories = []
    _say("| subject | rules | steps | seconds | found by |\n|---|---|---|---|---|")
    for case in itertools.chain(bugs(), verdicts(), repairs()):
        if arguments.names and not any(name in case.what for name in arguments.names):
            continue
        found = search(case, arguments.seconds)
        steps = "none found" if found.calls is None else str(len(found.calls))
        row = (case.what, case.rules.name, steps, f"{found.seconds:.1f}", found.by)
        _say(f"| {' | '.join(row)} |")
        if found.calls is not None:
            histories.append((case.what, scenario_of(found.calls, case.rules), found.missed))
    for what, scenario, missed in histories:
        _say(f"\n{what}: {missed[0]}\n\n    " + str(scenario).strip().replace("\n", "\n    "))


if __name__ == "__main__":
    main()
