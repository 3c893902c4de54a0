"""Laws of the scenario language: what is read prints, what is printed reads, nothing crashes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from ksm_rmap.model.calls import Call
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.scenario import Scenario, ScenarioError, rules_from_text, rules_text

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGES = st.integers(0, 2**52)
TOUCHED = st.integers(0, 2**20)
PROTS = st.sampled_from(["-", "r", "w", "x", "rw", "rx", "wx", "rwx"])
FILES = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,8}", fullmatch=True)
WALKS = st.none() | st.sampled_from(["full", "my_module:walk", "./dir/my walk".replace(" ", "_")])
ADVICES = st.sampled_from(
    ["mergeable", "unmergeable", "dontneed", "dontfork", "dofork", "wipeonfork", "keeponfork"]
)
SWITCHES = st.booleans()

# Arguments of each operation but mm and child; None is left out of the call.
ARGUMENTS: dict[str, dict[str, st.SearchStrategy[int | str | bool | None]]] = {
    "mmap": {"start": PAGES, "pages": PAGES, "prot": PROTS},
    "munmap": {"start": PAGES, "pages": PAGES},
    "mprotect": {"start": PAGES, "pages": PAGES, "prot": PROTS},
    "read": {"start": PAGES, "pages": TOUCHED},
    "write": {"start": PAGES, "pages": TOUCHED, "content": st.integers(0, 2**64 - 1)},
    "fork": {},
    "exit_mm": {},
    "madvise": {"start": PAGES, "pages": PAGES, "advice": ADVICES},
    "prctl_merge_any": {"enable": SWITCHES},
    "mremap": {
        "start": PAGES,
        "pages": PAGES,
        "new_pages": st.none() | PAGES,
        "to": st.none() | PAGES,
        "dontunmap": st.sampled_from([None, True]),
    },
    "swap_out": {"page": PAGES, "walk": WALKS},
    "drop_swap_cache": {"page": PAGES},
    "hold": {"page": PAGES},
    "release": {"page": PAGES},
    "migrate_begin": {"page": PAGES, "walk": WALKS},
    "migrate_end": {"page": PAGES, "walk": WALKS},
    "ksmd_step": {},
    "ksmd": {"passes": TOUCHED},
    "unmerge_all": {},
    "reclaim": {"walk": WALKS},
    "max_page_sharing": {"limit": st.integers(0, 2**31 - 1)},
}
GLOBAL = {"ksmd_step", "ksmd", "unmerge_all", "reclaim", "max_page_sharing"}


@st.composite
def call_lists(draw: st.DrawFn) -> list[Call]:
    """Lists of calls of processes 0, 1, 2 ..., each made by a fork before it does anything."""
    calls: list[Call] = []
    processes = 1
    for op in draw(st.lists(st.sampled_from(sorted(ARGUMENTS)), max_size=8)):
        args: dict[str, int | str | bool | None] = {}
        if op not in GLOBAL:
            # The first process of a scenario is process 0.
            args["mm"] = draw(st.integers(0, processes - 1)) if calls else 0
        if op == "fork":
            args["child"] = processes
            processes += 1
        drawn = {name: draw(values) for name, values in ARGUMENTS[op].items()}
        args |= {name: value for name, value in drawn.items() if value is not None}
        if op == "mmap" and draw(st.booleans()):
            args |= {"file": draw(FILES), "offset": draw(PAGES)}
        if args.get("prot") == "rw" and op == "mmap":
            del args["prot"]
        calls.append(Call.of(op, **args))
    first = next((at for at, call in enumerate(calls) if call.get("mm") is not None), None)
    if first is not None and calls[first].get("mm") != 0:
        calls[first] = calls[first].replace(mm=0)
    return calls


COMMENTS = st.none() | st.text(
    st.characters(blacklist_characters="\n\r", blacklist_categories=["Cs"]), max_size=9
)
LEAVES = st.integers(0, 99).map(str) | st.sampled_from(["i", "j", "0x1f"])
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*", " + ", "* "]), inner).map(
        lambda parts: f"({''.join(parts)})"
    ),
    max_leaves=6,
)


@st.composite
def lines(draw: st.DrawFn) -> str:
    """Lines of every shape but forks and rules, with blanks in odd places."""
    blank = draw(st.sampled_from([" ", "  ", "\t"]))
    number = f"({draw(EXPRESSIONS)}+0*i)"  # not constant: its value is not looked at here
    words = draw(
        st.sampled_from(
            [
                ["P", "mmap", number, "3"],
                ["P", "mmap", "0", number, "file", "f", number],
                ["P", "write", number, "1", number],
                ["P", "mremap", number, "1", "dontunmap", "to", number],
                ["P", "swapout", number, "via", "a.py:b"],
                ["ksmd", number],
                [],
            ]
        )
    )
    text = blank.join(words)
    if words:
        expect = draw(st.sampled_from(["", "expect EFAULT:", "expect ENOMEM: "]))
        text = f"for i in 0..2: for j in 1..9 step {draw(st.integers(1, 4))}:{expect}{text}"
    comment = draw(COMMENTS)
    return blank + text + ("" if comment is None else f"{blank}#{comment}")


@given(call_lists())
def test_calls_survive_printing_and_reading(calls: Sequence[Call]) -> None:
    scenario = Scenario.from_calls(calls)
    assert list(scenario.calls) == list(calls)
    assert Scenario.parse(str(scenario)) == scenario


@given(st.lists(lines(), max_size=4))
def test_a_scenario_survives_printing_and_reading(rows: list[str]) -> None:
    scenario = Scenario.parse("\n".join(rows))
    again = Scenario.parse(str(scenario))
    assert again == scenario
    assert hash(again) == hash(scenario)
    assert str(again) == str(scenario)


@given(EXPRESSIONS)
def test_arithmetic_is_that_of_python(expression: str) -> None:
    text = f"for i in 5..6: for j in 7..8: P read {expression} 1"
    value = eval(expression, {"__builtins__": {}}, {"i": 5, "j": 7})  # noqa: S307 - our own text
    try:
        assert [call.get("start") for call in Scenario.parse(text).calls] == [value]
    except ScenarioError:
        assert not 0 <= value <= 2**52


ALPHABET = st.sampled_from("PC 0123456789abcdefghijklmnopqrstuvwxyz#:.+-*()\n\tö\0-")


@given(st.text(ALPHABET, max_size=60) | st.text(max_size=60))
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    try:
        scenario = Scenario.parse(text, name="any")
    except ScenarioError as refused:
        error = refused
    else:
        assert Scenario.parse(str(scenario)) == scenario
        return
    assert error.line is not None
    assert 1 <= error.line <= text.count("\n") + 1
    assert 1 <= error.column <= len(error.text) + 1
    assert str(error).count("\n") == 2


@given(
    st.sampled_from(Rules.presets()),
    st.dictionaries(
        st.sampled_from(["mremap_unmerges", "multi_vma_move", "anon_pgoff"]), st.booleans()
    ),
)
def test_rules_survive_printing_and_reading(base: Rules, changes: dict[str, bool]) -> None:
    rules = base.replace(**changes) if changes else base
    again = rules_from_text(rules_text(rules))
    assert again.replace(name="") == rules.replace(name="")
    assert again.name.partition("+")[0] == base.name
