"""Walks by name."""

from __future__ import annotations

import pickle
from types import ModuleType

import pytest

from ksm_rmap import walks
from ksm_rmap.model import scenario


def test_the_registered_walks() -> None:
    assert walks.names() == (
        *("full", "address", "vm_pgoff", "counted", "avc", "avc-nofallback"),
        *("index", "derive", "anon"),
    )
    assert walks.ksm_names() == walks.names()[:-1]


@pytest.mark.parametrize("name", walks.names())
def test_each_says_what_it_is(name: str) -> None:
    walk = walks.get(name)
    assert walk.name == name
    assert walks.describe(name) == walk.summary
    assert 20 < len(walk.summary) <= 75
    assert "\n" not in walk.summary


def test_summaries_differ() -> None:
    assert len({walks.describe(name) for name in walks.names()}) == len(walks.names())


@pytest.mark.parametrize("name", walks.names())
def test_walks_can_be_sent_to_another_process(name: str) -> None:
    state = scenario.load("hugh").run()
    (folio,) = state.ksm_folios()
    walk = walks.get(name)
    assert pickle.loads(pickle.dumps(walk))(state, folio) == walk(state, folio)  # noqa: S301 - our own


@pytest.mark.parametrize(
    ("name", "hint"),
    [("adress", "; did you mean 'address'?"), ("indexes", "; did you mean 'index'?"), ("zzz", "")],
)
def test_an_unknown_name_gets_the_known_ones(name: str, hint: str) -> None:
    with pytest.raises(walks.WalkError) as caught:
        walks.get(name)
    assert str(caught.value) == (
        f"unknown walk {name!r}{hint}; known: {', '.join(walks.names())}; "
        "or module:function, or file.py:function"
    )


def test_public_is_what_is_listed() -> None:
    public = {
        name
        for name, value in vars(walks).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public == set(walks.__all__)
    assert len(walks.__all__) == len(public)
