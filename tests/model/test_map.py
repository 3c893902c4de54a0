"""The ruler-and-letters map: exact for small states, bounded and quick for any."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ksm_rmap.interval_tree import FrozenIntervalTree
from ksm_rmap.model import ops
from ksm_rmap.model._sorted_map import SortedMap
from ksm_rmap.model.map import WIDTH, _positions, state_map
from ksm_rmap.model.rules import Rules
from ksm_rmap.model.state import AnonVma, Folio, Mapping, Mm, Pte, PteKind, State, SwapSlot, Vma
from ksm_rmap.walks import get

N = 22_169
FULL = get("full")


def hugh() -> State:
    state = ops.mmap(State(), mm=0, start=0, pages=3)
    state = ops.write(state, mm=0, start=0, pages=2, content=0x77)
    state = ops.madvise(state, mm=0, start=0, pages=3, advice="mergeable")
    state = ops.mremap(state, mm=0, start=1, pages=1, to=2)
    return ops.ksmd(state, passes=2)


def busy() -> State:
    """Fork, swap, migration, pins, a file, a dead process: one of everything."""
    state = ops.fork(hugh(), mm=0, child=1)
    state = ops.mmap(state, mm=0, start=4, pages=2, prot="rx", file="libc.so", offset=9)
    state = ops.mmap(state, mm=0, start=8, pages=6)
    state = ops.write(state, mm=0, start=8, pages=5, content=5)
    state = ops.read(state, mm=0, start=13)
    state = ops.swap_out(state, mm=0, page=8, walk=FULL)
    state = ops.fork(state, mm=0, child=2)
    state = ops.hold(state, mm=0, page=10)
    state = ops.migrate_begin(state, mm=0, page=9, walk=FULL)
    state = ops.madvise(state, mm=1, start=0, pages=1, advice="dontfork")
    state = ops.madvise(state, mm=1, start=2, pages=1, advice="wipeonfork")
    state = ops.prctl_merge_any(state, mm=2, enable=True)
    state = ops.ksmd_step(state)
    state = ops.ksmd(state)
    return ops.exit_mm(state, mm=1)


def split(n: int = N, ksm: int | None = None) -> State:
    """One anon_vma with `n` VMAs of a page; page `ksm` maps a KSM folio."""
    vmas = SortedMap((at, Vma(0, at, at + 1, at, 3, 0, (0,), at)) for at in range(n))
    ptes = SortedMap((at, Pte(PteKind.PRESENT, at + 1)) for at in range(n))
    folios = SortedMap(
        (at + 1, Folio(Mapping.KSM if at == ksm else Mapping.ANON, 0, at, 1, at != ksm, 1))
        for at in range(n)
    )
    tree = FrozenIntervalTree((at, at, (0, at)) for at in range(n))
    return State(
        mms=SortedMap([(0, Mm(vmas, ptes))]),
        anon_vmas=SortedMap([(0, AnonVma(0, 0, 1, 1, n, tree))]),
        folios=folios,
        next_id=n + 1,
    )


def test_the_map_of_hughs_scenario() -> None:
    assert (
        str(hugh())
        == """\
rules 7.0, max_page_sharing 256

process 0: 2 VMAs, 2 PTEs, 2 rmap items
  pages 0
        012
  VMAs  A.b
  PTEs  K.K
        (CAPITAL: KSM folio)
  A [0,1) rw- mergeable anon_vma 0
  b [2,3) rw- mergeable pgoff 1 moved +1 anon_vma 0
  item 0:0 stable, node 2, recorded anon_vma 0 index 0 vm_pgoff 0
  item 0:2 stable, node 2, recorded anon_vma 0 index 1 vm_pgoff 1

folios
  K folio 2: KSM node 2, content 0x77, mapcount 2: 0:0 0:2

stable nodes
  node 2: folio 2, content 0x77, items 0:2 0:0

anon_vmas
  anon_vma 0: root, refcount 3, num_children 1, num_active_vmas 2
      [0,0] VMA 0:[0,1)
      [1,1] VMA 0:[2,3)

ksmd: processes 0, between passes, 2 passes"""
    )


def test_a_state_with_nothing_mapped() -> None:
    assert (
        str(State())
        == """\
rules 7.0, max_page_sharing 256

process 0: nothing mapped

ksmd: processes -, between passes, 0 passes"""
    )


@pytest.mark.parametrize(
    "line",
    [
        "process 0: 4 VMAs, 8 PTEs, 2 rmap items",
        "  VMAs  A.b.CC..DDDDDD",
        "  PTEs  K.K.....smabcz",
        "  C [4,6) r-x file 'libc.so' pgoff 9 unfaulted",
        "process 1: 2 rmap items, dead",
        "process 2: 4 VMAs, 8 PTEs, 5 rmap items, merge-any",
        "  item 2:10 loose, checksum 0x5",
        "  K folio 2: KSM node 2, content 0x77, mapcount 4: 0:0 0:2 2:0 2:2",
        "  - folio 7: anon_vma 5 index 9, content 0x5, mapcount 0, migration entries 0:9 2:9",
        "  a folio 8: anon_vma 5 index 10, content 0x5, mapcount 2: 0:10 2:10, 1 pin",
        "  slot 11: content 0x5, not cached, swap entries 2: 0:8 2:8",
        "  node 2: folio 2, content 0x77, items 2:2 2:0 1:2 1:0 0:2 0:0",
        "  anon_vma 14: root 5 parent 5, refcount 1, num_children 0, num_active_vmas 1",
        "      [8,13] VMA 2:[8,14)",
        "ksmd: processes 1 0 2, between passes, 3 passes",
    ],
)
def test_the_map_of_a_busy_state(line: str) -> None:
    assert line in str(busy()).splitlines(), str(busy())


def test_wipeonfork_dontfork_unstable_and_the_cursor() -> None:
    state = ops.mmap(State(), mm=0, start=0, pages=3)
    state = ops.write(state, mm=0, start=0, pages=3, content=4)
    state = ops.write(state, mm=0, start=1, content=5)
    state = ops.madvise(state, mm=0, start=0, pages=2, advice="mergeable")
    state = ops.madvise(state, mm=0, start=0, pages=1, advice="dontfork")
    state = ops.madvise(state, mm=0, start=2, pages=1, advice="wipeonfork")
    state = ops.ksmd_step(ops.ksmd(state))
    lines = str(state).splitlines()
    assert "  A [0,1) rw- mergeable dontfork anon_vma 0" in lines
    assert "  C [2,3) rw- wipeonfork anon_vma 0" in lines
    assert "  item 0:0 unstable, checksum 0x4" in lines
    assert lines[-1] == "ksmd: processes 0, at 0:1, 1 pass, unstable 0:0 by 0x4"


def test_a_cached_slot_and_a_stale_node() -> None:
    state = ops.hold(hugh(), mm=0, page=0)
    cached = ops.swap_out(state, mm=0, page=0, walk=FULL)
    assert "  slot 3: content 0x77, folio 2 in the swap cache, swap entries 2: 0:0 0:2" in str(
        cached
    )
    assert "mapcount 0, in the swap cache, slot 3, 1 pin" in str(cached)
    stale = ops.swap_out(hugh(), mm=0, page=0, walk=FULL)
    assert "  node 2: stale, folio 2, content 0x77, items 0:2 0:0" in str(stale)


def test_the_pages_of_a_long_vma_are_cut_out() -> None:
    state = ops.mmap(State(), mm=0, start=1000, pages=1 << 40)
    state = ops.read(state, mm=0, start=5000, pages=2)
    lines = str(state).splitlines()
    assert lines[3:8] == [
        "  pages 1000      5000  1099511628768",
        "        01234567  01    89012345",
        "  VMAs  AAAAAAAA  AA    AAAAAAAA",
        "  PTEs  ........  zz    ........",
        "        (z: zero page)",
    ]


def test_a_huge_state_is_counted_and_not_printed() -> None:
    lines = str(split()).splitlines()
    assert len(lines) < 60
    # first eight, gap, last one: of VMAs, of folios, of links in the tree
    assert lines.count(f"  … {N - 9:,} more") == 3
    assert sum("22168" in line for line in lines) == 3


def test_what_ksm_shares_is_shown_out_of_the_middle() -> None:
    text = str(split(ksm=11_084))
    assert "  I [11084,11085) rw- anon_vma 0" in text.splitlines()
    assert "  K folio 11085: KSM node 0, content 0x1, mapcount 1: 0:11084" in text.splitlines()
    assert any(re.fullmatch("  PTEs  o+Ko+", line) for line in text.splitlines())


def test_left_out_and_shown_pages_add_up() -> None:
    for n in (320, 321, 400, 401, 1000, 5003):
        text = str(split(n, ksm=n // 2))
        shown = sum(len(row) for row in re.findall("^  PTEs  ([oK]+)$", text, re.MULTILINE))
        gaps = re.findall("… ([0-9,]+) more pages", text)
        assert shown + sum(int(gap.replace(",", "")) for gap in gaps) == n
        entries = len(re.findall("^  [A-Z] \\[", text, re.MULTILINE))
        more = re.findall("… ([0-9,]+) more$", text.partition("folios")[0], re.MULTILINE)
        assert entries + sum(int(gap.replace(",", "")) for gap in more) == n


def test_each_range_is_picked_once() -> None:
    assert list(_positions([0, 5, 9], [1, 2, 6, 7, 7, 10])) == [0, 1, 2]
    assert list(_positions([5], [1, 2])) == []


def test_many_processes_are_elided() -> None:
    state = State(mms=SortedMap((n, Mm()) for n in range(1000)))
    assert "  … 991 more" in str(state).splitlines()
    assert len(str(state)) < 1000


def test_equal_states_have_equal_maps() -> None:
    again = eval(repr(busy()), dict(_names()))  # noqa: S307 - our own repr
    assert str(again) == str(busy())


def _names() -> list[tuple[str, object]]:
    from ksm_rmap.model import rules, state  # noqa: PLC0415 - names for eval only

    return [*vars(rules).items(), *vars(state).items()]


words = st.text(max_size=200)
numbers = st.integers(0, 2**200)


@settings(max_examples=60, deadline=None)
@given(
    pages=st.lists(st.integers(0, 2**60), unique=True, max_size=12),
    file=st.none() | words,
    content=numbers,
    name=words,
    mm=numbers,
    chain=st.lists(numbers, max_size=40),
)
def test_no_state_makes_a_long_line(
    pages: list[int], file: str | None, content: int, name: str, mm: int, chain: list[int]
) -> None:
    own = Mm(
        vmas=SortedMap(
            (p, Vma(mm, p, p + 1 + content, p, 7, p, tuple(chain), p, file)) for p in pages
        ),
        ptes=SortedMap((p, Pte(PteKind.SWAP, content)) for p in pages),
    )
    state = State(
        rules=Rules(name=name),
        mms=SortedMap([(mm, own)]),
        folios=SortedMap([(mm, Folio(Mapping.ANON, content, content, content, True, content))]),  # noqa: FBT003
        slots=SortedMap([(content, SwapSlot(content, content))]),
    )
    text = state_map(state)
    assert max(map(len, text.split("\n"))) <= WIDTH
    assert text.replace("\n", "").isprintable()
