"""Rules are data: values, presets, and what a caller derives from them."""

from __future__ import annotations

import dataclasses
import pickle
import re

import pytest

from ksm_rmap.model import rules as rules_module
from ksm_rmap.model.rules import AnonVmaReuse, MergeRule, Rules

PRESETS = [rules.name for rules in Rules.presets()]


def test_the_kernels_that_people_ask_about_are_there_oldest_first() -> None:
    assert PRESETS == ["2.6.37", "6.12", "6.18", "7.0", "mm-2026-08"]


def test_the_default_is_7_0() -> None:
    assert Rules() == Rules.preset("7.0")


def test_presets_differ() -> None:
    decisions = [rules.replace(name="") for rules in Rules.presets()]
    assert len(set(decisions)) == len(decisions)


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match=re.escape(f"no rules named '5.4'; known: {', '.join(PRESETS)}")
    ):
        Rules.preset("5.4")


@pytest.mark.parametrize("name", PRESETS)
def test_rules_are_values(name: str) -> None:
    rules = Rules.preset(name)
    assert eval(repr(rules), dict(vars(rules_module))) == rules  # noqa: S307 - our own repr
    assert pickle.loads(pickle.dumps(rules)) == rules  # noqa: S301 - our own bytes
    assert hash(dataclasses.replace(rules)) == hash(rules)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(rules, dataclasses.fields(Rules)[0].name, "other")


def test_a_change_shows_in_the_name_and_nowhere_else() -> None:
    rules = Rules.preset("7.0").replace(mremap_unmerges=False, merge_rule=MergeRule.OLD)
    assert rules.name == "7.0+merge_rule+mremap_unmerges"
    assert not rules.mremap_unmerges
    assert rules.merge_rule is MergeRule.OLD
    back = rules.replace(mremap_unmerges=True, merge_rule=MergeRule.NEW, name="7.0")
    assert back == Rules.preset("7.0")


def test_a_change_of_what_is_no_decision_is_refused() -> None:
    with pytest.raises(TypeError, match="mremap_unshares"):
        Rules().replace(mremap_unshares=True)


# What the kernel's history says, each a commit that the field cites.


@pytest.mark.parametrize(
    ("field", "since"),
    [
        ("mremap_unmerges", "6.12"),
        ("lends_simple_only", "2.6.37"),
        ("multi_vma_move", "6.18"),
        ("dontunmap_resets_pgoff", "mm-2026-08"),
        ("tree_update_in_place", "mm-2026-08"),
        ("anon_pgoff", "mm-2026-08"),
    ],
)
def test_a_decision_once_made_stays(field: str, since: str) -> None:
    values = [getattr(rules, field) for rules in Rules.presets()]
    turn = PRESETS.index(since)
    assert values == [False] * turn + [True] * (len(values) - turn)


def test_anon_vma_reuse_and_merge_rule_only_move_on() -> None:
    for field, kind in (("reuse", AnonVmaReuse), ("merge_rule", MergeRule)):
        order = list(kind)
        steps = [order.index(getattr(rules, field)) for rules in Rules.presets()]
        assert steps == sorted(steps)
