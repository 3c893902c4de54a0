"""A test file with the verdicts on a scenario: `ksm-rmap export --to pytest`.

No analogue in the kernel. Rules of this module:

1. The file stands alone: the scenario is in it as text, the rules by name; it needs this package
   and pytest.
2. It asserts of each walk which entries it misses and how many iterations that takes; of the
   scenario, which entries map each KSM folio. Entries are written `P:2`, page 2 of process P.
3. Equal arguments give equal text.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from ksm_rmap import walks
from ksm_rmap.check.judge import judge, judged_folios
from ksm_rmap.model.scenario import rules_text
from ksm_rmap.report.text import pte_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ksm_rmap.check.judge import FolioVerdict
    from ksm_rmap.report.export import Job

__all__ = ("export",)

_HEAD: Final = '''\
"""What walks of the reverse map find and miss after a scenario.

Written by `ksm-rmap export --to pytest`; run it with `pytest`.
"""

from __future__ import annotations

import pytest

from ksm_rmap import State, walks
from ksm_rmap.check.judge import truths
from ksm_rmap.model.scenario import Scenario, rules_from_text

'''
_TESTS: Final = '''

@pytest.fixture(scope="module")
def state() -> State:
    return SCENARIO.run(walks.get("full"), rules=RULES, walks=walks.get)


def mapped(state: State) -> dict[int, tuple[tuple[int, int], ...]]:
    """Return the KSM folios with the entries that map them, by brute force."""
    return {n: ptes for n, ptes in truths(state).items() if state.folios[n].ksm}


def names(ptes: tuple[tuple[int, int], ...]) -> list[str]:
    return [f"{SCENARIO.processes[mm]}:{page}" for mm, page in ptes]


def test_entries(state: State) -> None:
    assert [names(ptes) for ptes in mapped(state).values()] == ENTRIES


@pytest.mark.parametrize("name", VERDICTS)
def test_walk(state: State, name: str) -> None:
    walk = walks.get(name)
    missed, iterations = [], []
    for folio, ptes in mapped(state).items():
        result = walk(state, folio)
        found = set(result.ptes)
        missed.append(names(tuple(pte for pte in ptes if pte not in found)))
        iterations.append(result.iterations)
    assert (missed, iterations) == VERDICTS[name]
'''


def export(job: Job) -> str:
    """Return the test file.

    Raises:
        ScenarioError: a call does not do what the scenario says.
        WalkError: a walk is not known, or a user's walk failed.

    """
    scenario, rules = job.scenario, job.used_rules
    chosen = {name: walks.get(name) for name in job.walks or walks.ksm_names()}
    state = scenario.run(walks.get("full"), rules=rules, walks=walks.get)
    verdicts = list(judge(state, chosen, judged_folios(state)))
    lines = [f"RULES = rules_from_text({json.dumps(rules_text(rules))})"]
    name = json.dumps(scenario.name)
    lines += [f"SCENARIO = Scenario.parse({_quoted(str(scenario))}, name={name})"]
    lines += ["", *_entries(scenario.processes, verdicts)]
    lines += ["", *_verdicts(scenario.processes, verdicts, list(chosen))]
    return _HEAD + "\n".join(lines) + "\n" + _TESTS


def _quoted(text: str) -> str:
    r"""Return `text` as a literal over several lines.

    >>> print(_quoted("one\ntwo").replace('"', "'"))
    '''\
    one
    two
    '''
    """
    safe = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'"""\\\n{safe}\n"""'


def _entries(names: Sequence[str], verdicts: Sequence[FolioVerdict]) -> Iterator[str]:
    yield "ENTRIES: list[list[str]] = ["
    for verdict in verdicts:
        yield f"    {json.dumps([pte_text(names, pte) for pte in verdict.ptes])},"
    yield "]"
    yield '"""The entries that map each KSM folio."""'


def _verdicts(
    names: Sequence[str], verdicts: Sequence[FolioVerdict], walk_names: Sequence[str]
) -> Iterator[str]:
    yield "VERDICTS: dict[str, tuple[list[list[str]], list[int]]] = {"
    for name in walk_names:
        found = [verdict.walks[name] for verdict in verdicts]
        missed = [[pte_text(names, pte) for pte in walk.missed] for walk in found]
        costs = [walk.result.iterations for walk in found]
        yield f"    {json.dumps(name)}: ({json.dumps(missed)}, {costs}),"
    yield "}"
    yield '"""Of each walk: the entries it misses of each folio, and its iterations."""'
