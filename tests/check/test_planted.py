from __future__ import annotations

from pathlib import Path

import pytest

from ksm_rmap.model import _vma
from tests.check.planted import ALONE, BUGS, NO_SWAP, Bug, hunt, planted

DOCS = Path(__file__).parents[2] / "docs" / "planted-bugs.md"


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_each_planted_bug_is_found(bug: Bug) -> None:
    assert hunt(bug, 300).by


@pytest.mark.parametrize("kinds", [(), NO_SWAP, ALONE], ids=["all", "no swap", "alone"])
def test_the_library_without_a_bug_passes(kinds: tuple[str, ...]) -> None:
    result = hunt(None, 50, kinds=kinds)
    assert result.by == ""
    assert result.calls > 1000


def test_a_bug_is_in_force_only_while_it_is_planted() -> None:
    sound = _vma.split_vma.__code__
    with planted(next(bug for bug in BUGS if bug.where.endswith("split_vma"))):
        assert _vma.split_vma.__code__ is not sound
    assert _vma.split_vma.__code__ is sound


def test_the_table_in_the_docs_has_each_bug() -> None:
    rows = [line for line in DOCS.read_text().splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0][2:] for row in rows[1:]] == [bug.name for bug in BUGS]
    assert not any("nothing" in row.split(" | ")[2] for row in rows)
