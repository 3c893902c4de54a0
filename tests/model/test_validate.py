"""The table of clauses; the clauses themselves are in `test_clauses_*`."""

from __future__ import annotations

from ksm_rmap.model import _clauses_ksm, _clauses_page, _clauses_vma, validate
from ksm_rmap.model.state import State
from tests.model.broken_states import clauses_of, healthy


def test_the_hand_made_state_is_healthy() -> None:
    assert validate.broken_clauses(healthy()) == {}
    healthy().check()
    State().check()


def test_each_clause_belongs_to_a_module_whose_tests_break_it() -> None:
    modules = _clauses_vma, _clauses_page, _clauses_ksm
    assert [name for module in modules for name in clauses_of(module)] == list(validate.CLAUSES)


def test_each_clause_says_what_must_hold() -> None:
    for name, clause in validate.CLAUSES.items():
        assert clause.__doc__, name
        assert clause.__name__ == name.replace("-", "_")
