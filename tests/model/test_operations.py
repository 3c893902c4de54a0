"""What every operation has in common: names, errors, purity."""

from __future__ import annotations

import errno

import pytest

from ksm_rmap import MmError, Rules, State, ops
from ksm_rmap.model.calls import WALKING, Call
from ksm_rmap.model.state import PteKind
from tests.support import truth

OF_A_PROCESS = [
    Call.of("mmap", start=0, pages=1),
    Call.of("munmap", start=0, pages=1),
    Call.of("mprotect", start=0, pages=1, prot="r"),
    Call.of("mremap", start=0, pages=1),
    Call.of("madvise", start=0, pages=1, advice="dontneed"),
    Call.of("prctl_merge_any", enable=True),
    Call.of("read", start=0),
    Call.of("write", start=0, content=1),
    Call.of("fork", child=9),
    Call.of("exit_mm"),
    Call.of("swap_out", page=0),
    Call.of("drop_swap_cache", page=0),
    Call.of("hold", page=0),
    Call.of("release", page=0),
    Call.of("migrate_begin", page=0),
    Call.of("migrate_end", page=0),
]
OF_NO_PROCESS = {"ksmd", "ksmd_step", "max_page_sharing", "reclaim", "unmerge_all"}


def test_every_operation_is_covered_here() -> None:
    functions = {name for name in ops.__all__ if callable(getattr(ops, name)) and name.islower()}
    assert functions == {call.op for call in OF_A_PROCESS} | OF_NO_PROCESS
    assert functions >= WALKING


@pytest.mark.parametrize("call", OF_A_PROCESS, ids=lambda call: call.op)
def test_an_unknown_process_is_named(call: Call) -> None:
    with pytest.raises(MmError) as caught:
        call.replace(mm=7).apply(State(), truth)
    error = caught.value
    assert (error.operation, error.errno, error.state) == (call.op, errno.ESRCH, None)
    assert error.name == "ESRCH"
    assert str(error) == f"{call.op}: there is no process 7 (ESRCH)"


@pytest.mark.parametrize(
    ("call", "number"),
    [
        (Call.of("mmap", mm=0, start=0, pages=0), errno.EINVAL),
        (Call.of("mmap", mm=0, start=0, pages=1, prot="z"), errno.EINVAL),
        (Call.of("mprotect", mm=0, start=90, pages=1, prot="r"), errno.ENOMEM),
        (Call.of("madvise", mm=0, start=0, pages=1, advice="?"), errno.EINVAL),
        (Call.of("madvise", mm=0, start=90, pages=1, advice="dontneed"), errno.ENOMEM),
        (Call.of("mremap", mm=0, start=0, pages=1, new_pages=0), errno.EINVAL),
        (Call.of("mremap", mm=0, start=90, pages=1), errno.EFAULT),
        (Call.of("mremap", mm=0, start=90, pages=1, to=95), errno.EFAULT),
        (Call.of("mremap", mm=0, start=0, pages=1, dontunmap=True), errno.EINVAL),
        (Call.of("mremap", mm=0, start=0, pages=9, new_pages=12), errno.EFAULT),
        (Call.of("mremap", mm=0, start=0, pages=1, new_pages=9), errno.ENOMEM),
        (Call.of("read", mm=0, start=90), errno.EFAULT),
        (Call.of("write", mm=0, start=90, content=1), errno.EFAULT),
        (Call.of("fork", mm=0, child=0), errno.EEXIST),
        (Call.of("fork", mm=0, child=-1), errno.EINVAL),
        (Call.of("ksmd", passes=0), errno.EINVAL),
        (Call.of("max_page_sharing", limit=1), errno.EINVAL),
        (Call.of("swap_out", mm=0, page=1), errno.EFAULT),
        (Call.of("drop_swap_cache", mm=0, page=1), errno.EFAULT),
        (Call.of("drop_swap_cache", mm=0, page=0), errno.EBUSY),
        (Call.of("hold", mm=0, page=1), errno.EFAULT),
        (Call.of("release", mm=0, page=0), errno.EINVAL),
        (Call.of("migrate_begin", mm=0, page=1), errno.EFAULT),
        (Call.of("migrate_end", mm=0, page=0), errno.EINVAL),
    ],
    ids=str,
)
def test_what_linux_refuses(call: Call, number: int) -> None:
    state = ops.write(ops.mmap(State(), mm=0, start=0, pages=3), mm=0, start=0, content=1)
    with pytest.raises(MmError) as caught:
        call.apply(state, truth)
    assert (caught.value.operation, caught.value.errno) == (call.op, number)
    state.check()


def test_a_walking_operation_needs_a_walk() -> None:
    state = ops.write(ops.mmap(State(), mm=0, start=0, pages=1), mm=0, start=0, content=1)
    call = Call.of("swap_out", mm=0, page=0, walk="full")
    with pytest.raises(ValueError, match="swap_out needs a walk"):
        call.apply(state)
    pte = call.apply(state, truth).pte(0, 0)
    assert pte is not None
    assert pte.kind is PteKind.SWAP


def test_arguments_of_a_call() -> None:
    call = Call.of("mmap", mm=0, start=0, pages=1)
    assert call.get("start") == 0
    assert call.get("file") is None
    assert call.get("file", "x") == "x"
    assert call.replace(start=4, prot="r") == Call.of("mmap", mm=0, start=4, pages=1, prot="r")


# The rule of anonmm: a move copies what others map


def shared(*, copies: bool) -> State:
    rules = Rules().replace(copies_moved=copies)
    state = ops.mmap(State(rules=rules), mm=0, start=0, pages=2)
    state = ops.write(state, mm=0, start=0, pages=2, content=5)
    return ops.fork(state, mm=0, child=1)


@pytest.mark.parametrize("copies", [False, True])
def test_a_shared_page_is_copied_before_a_move_by_rule(*, copies: bool) -> None:
    state = ops.mremap(shared(copies=copies), mm=1, start=0, pages=1, to=9)
    state.check()
    assert (state.folio_at(1, 9) != state.folio_at(0, 0)) is copies
    folio = state.folio_at(1, 9)
    assert folio is not None
    assert state.folios[folio].content == 5


def test_a_page_of_ones_own_is_never_copied_before_a_move() -> None:
    state = ops.exit_mm(shared(copies=True), mm=1)
    moved = ops.mremap(state, mm=0, start=0, pages=1, to=9)
    assert moved.folio_at(0, 9) == state.folio_at(0, 0)


@pytest.mark.parametrize("copies", [False, True])
def test_a_swap_in_copies_what_is_mapped_at_another_address_by_rule(*, copies: bool) -> None:
    state = ops.swap_out(shared(copies=copies), mm=0, page=0, walk=truth)
    state = ops.mremap(state, mm=1, start=0, pages=1, to=9)
    state = ops.read(state, mm=0, start=0)
    state = ops.read(state, mm=1, start=9)
    state.check()
    assert (state.folio_at(1, 9) != state.folio_at(0, 0)) is copies
    folio = state.folio_at(1, 9)
    assert folio is not None
    assert state.folios[folio].content == 5


@pytest.mark.parametrize("op", ["ksmd", "ksmd_step", "unmerge_all"])
def test_an_operation_of_no_process_is_named_as_well(op: str) -> None:
    state = ops.mmap(State(), mm=0, start=0, pages=2)
    state = ops.madvise(state, mm=0, start=0, pages=2, advice="mergeable")
    state = ops.ksmd(ops.write(state, mm=0, start=0, pages=2, content=7), passes=2)
    state = ops.migrate_begin(state, mm=0, page=0, walk=truth)
    with pytest.raises(MmError) as caught:
        Call.of(op).apply(state)
    assert (caught.value.operation, caught.value.errno) == (op, errno.EAGAIN)
