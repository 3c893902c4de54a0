"""Lines of a scenario as C: what a process does in its turn, what the director does.

Rules of this module:

1. A line is one turn of one process, or one deed of the director (ksmd, reclaim, knobs); a loop
   of the scenario becomes a loop in C.
2. What user space cannot force is expressed by something that can only have the same effect on
   the model's state before it, or refused: `_reclaims` says when reclaim of everything is the
   swap-out of one page.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Final, NamedTuple

from ksm_rmap.model import ops
from ksm_rmap.model._expression import Expression
from ksm_rmap.model.errors import MmError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ksm_rmap.model._lines import Line
    from ksm_rmap.model.calls import Call
    from ksm_rmap.model.ops import Walk
    from ksm_rmap.model.state import Mm, State

__all__ = ("Made", "Names", "RefusedError", "Turn", "c_string", "comment", "turn_of")

_WIDTH: Final = 96
_PROT: Final = {"r": "PROT_READ", "w": "PROT_WRITE", "x": "PROT_EXEC"}
_PROCESS: Final = (
    "mmap", "munmap", "mprotect", "read", "write", "fork", "exit_mm", "madvise",
    "prctl_merge_any", "mremap", "hold", "release",
)  # fmt: skip
"""Operations that a process makes itself; `swap_out` is one of them sometimes."""
_MAY_FAIL: Final = (
    "mmap", "munmap", "mprotect", "read", "write", "madvise", "mremap", "prctl_merge_any",
    "max_page_sharing",
)  # fmt: skip
"""Operations whose errors are those of one call of user space."""
_LITERAL: Final = re.compile(r"0x[0-9a-fA-F]+|[0-9]+|[A-Za-z_][A-Za-z0-9_]*")
_MOST_FACTOR: Final = 2**31


class RefusedError(Exception):
    """Why a line cannot be done from user space."""


class Made(NamedTuple):
    """A call that was made on the model."""

    call: Call
    before: State
    after: State


class Turn(NamedTuple):
    """A line in C."""

    process: int | None
    """Who does it; None: the director."""
    body: tuple[str, ...]
    """Statements of the process, without the turn-taking around them."""
    order: tuple[str, ...]
    """Statements of the director."""


class Names:
    """Identifiers of the program: processes, files, extra references."""

    def __init__(self, processes: Sequence[str]) -> None:
        self.functions: list[str] = []
        for name in processes:
            self.functions.append(_fresh(f"process_{_identifier(name)}", self.functions))
        self.files: dict[str, tuple[str, int]] = {}
        """Variable and pages of each file."""
        self.holds = 0
        self._held: dict[int, list[int]] = {}

    def file(self, name: str, pages: int) -> str:
        """Return the variable of file `name`, which must have at least `pages` pages."""
        taken = [variable for variable, _ in self.files.values()]
        variable, before = self.files.get(name) or (_fresh(f"file_{_identifier(name)}", taken), 0)
        self.files[name] = variable, max(pages, before)
        return variable

    def hold(self, folio: int) -> int:
        """Return the number of a new extra reference of `folio`."""
        self._held.setdefault(folio, []).append(self.holds)
        self.holds += 1
        return self.holds - 1

    def release(self, folio: int) -> int:
        """Return the number of the last extra reference of `folio`, and forget it."""
        return self._held[folio].pop()


def _identifier(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", name)


def _fresh(name: str, taken: Sequence[str]) -> str:
    return name if name not in taken else _fresh(f"{name}_", taken)


def comment(text: str) -> str:
    """Return `text` so that it can stand in a comment of C."""
    shown = "".join(c if c.isprintable() else "?" for c in text)
    return shown.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?")


def c_string(text: str) -> str:
    r"""Return `text` as a string literal of C.

    >>> print(c_string('a "b" \\ é'))
    "a \"b\" \\ \303\251"
    """
    return '"' + "".join(map(_c_character, text.encode())) + '"'


def _c_character(byte: int) -> str:
    character = chr(byte)
    if character in '"\\':
        return f"\\{character}"
    return character if " " <= character <= "~" and character != "?" else f"\\{byte:03o}"


def turn_of(number: int, line: Line, made: Sequence[Made], names: Names, walk: Walk) -> Turn:
    """Return line `number` in C; `made` are its calls, at least one.

    Raises:
        RefusedError: it cannot be done from user space.

    """
    return _Writer(number, line, made, names, walk).turn()


class _Writer:
    """Writes one line."""

    def __init__(
        self, number: int, line: Line, made: Sequence[Made], names: Names, walk: Walk
    ) -> None:
        assert line.operation is not None  # noqa: S101 - only lines with calls come here
        self.number = number
        self.line = line
        self.made = made
        self.names = names
        self.walk = walk
        self.op = line.operation.form.op
        self.given = dict(line.operation.fields)
        self.text = c_string(str(line._replace(comment=None)))

    def turn(self) -> Turn:
        self._check()
        mm = self.made[0].call.get("mm")
        process = mm if isinstance(mm, int) else None
        how = self.op
        if how in {"swap_out", "drop_swap_cache", "reclaim"}:
            how = self._how_to_reclaim()
        if how not in {*_PROCESS, "pageout"}:
            return Turn(None, (), self._deed(how))
        return Turn(process, self._body(how), (self._order(process or 0),))

    def _check(self) -> None:
        if self.op in {"migrate_begin", "migrate_end"}:
            raise RefusedError("user space cannot stop a migration half way")
        if self.line.errno is not None and self.op not in _MAY_FAIL:
            raise RefusedError(f"user space cannot make this fail with {self.line.errno}")
        if self.line.loops and self.op in {
            "hold", "release", "swap_out", "drop_swap_cache", "ksmd_step",
        }:  # fmt: skip
            raise RefusedError("no C for this operation in a loop: write its turns one by one")
        if self.op == "ksmd_step" and any(mm.merge_any for mm in _mms(self.made[0].before)):
            raise RefusedError("ksmd would visit other memory of the process too (merge-any)")

    def _how_to_reclaim(self) -> str:
        """Return "reclaim" or "pageout", whichever does what the model did."""
        if self.op == "reclaim":
            return "reclaim"
        call, before, after = self.made[0]
        folio = before.folio_at(int(str(call.get("mm"))), int(str(call.get("page"))))
        if self.op == "swap_out" and folio is not None and before.folios[folio].mapcount == 1:
            return "pageout"
        if _reclaims(before, after, self.walk):
            return "reclaim"
        if self.op == "swap_out":
            raise RefusedError(
                "user space cannot swap out one page that several entries map, "
                "while other pages are in memory"
            )
        raise RefusedError("user space cannot take one page out of the swap cache")

    # What a process does

    def _order(self, process: int) -> str:
        at = self.number
        if self.op == "fork":
            return f"fork_turn({process}, {self.made[0].call.get('child')}, {at}, {self.text});"
        return f"{'exit_' if self.op == 'exit_mm' else ''}turn({process}, {at}, {self.text});"

    def _body(self, how: str) -> tuple[str, ...]:
        if how == "exit_mm":
            return ("_exit(0);",)
        call = getattr(self, f"_{how}")()
        checked = f"FAIL({self.line.errno}, {call});" if self.line.errno else f"DO({call});"
        return (*self._loops(), *_wrapped(checked, len(self.line.loops)))

    def _loops(self) -> list[str]:
        heads = []
        for depth, loop in enumerate(self.line.loops):
            name = _variable(loop.name)
            first, end, step = map(_number, (loop.first, loop.end, loop.step))
            head = f"for (long {name} = {first}; {name} < {end}; {name} += {step})"
            heads.append("    " * depth + head)
        return heads

    def _mmap(self) -> str:
        prot = _prot(str(self.given.get("PROT", "rw")))
        area = f"{self._page('START')}, {self._bytes('PAGES')}, {prot}"
        name = self.given.get("NAME")
        if name is None:
            return f"mmap({area}, OVER_ANYTHING, -1, 0)"
        last = max(
            int(str(m.call.get("offset", 0))) + int(str(m.call.get("pages"))) for m in self.made
        )
        variable = self.names.file(str(name), last)
        return f"mmap({area}, OVER_ANYTHING_FILE, {variable}, {self._bytes('OFFSET')})"

    def _munmap(self) -> str:
        return f"munmap({self._page('START')}, {self._bytes('PAGES')})"

    def _mprotect(self) -> str:
        prot = _prot(str(self.given["PROT"]))
        return f"mprotect({self._page('START')}, {self._bytes('PAGES')}, {prot})"

    def _madvise(self) -> str:
        advice = f"MADV_{str(self.given['ADVICE']).upper()}"
        return f"madvise({self._page('START')}, {self._bytes('PAGES')}, {advice})"

    def _mremap(self) -> str:
        old = self._bytes("PAGES")
        new = self._bytes("NEW_PAGES") if self._given("NEW_PAGES") else old
        flags = [*(["MREMAP_MAYMOVE", "MREMAP_FIXED"] if self._given("TO") else [])]
        flags += ["MREMAP_DONTUNMAP"] if self._given("dontunmap") else []
        target = f", {self._page('TO')}" if self._given("TO") else ""
        return f"mremap({self._page('START')}, {old}, {new}, {' | '.join(flags) or '0'}{target})"

    def _prctl_merge_any(self) -> str:
        return f"prctl(PR_SET_MEMORY_MERGE, {int(self.given['SWITCH'] == 'on')}, 0, 0, 0)"

    def _read(self) -> str:
        return f"touch({self._value('START')}, {self._value('PAGES')})"

    def _write(self) -> str:
        area = f"{self._value('START')}, {self._value('PAGES')}"
        return f"fill({area}, {self._value('CONTENT')})"

    def _fork(self) -> str:
        child = self.made[0].call.get("child")
        return f"start({child}, {self.names.functions[int(str(child))]})"

    def _hold(self) -> str:
        return f"hold({self.names.hold(self._folio())}, {self._value('PAGE')})"

    def _release(self) -> str:
        return f"release({self.names.release(self._folio())})"

    def _pageout(self) -> str:
        return f"madvise({self._page('PAGE')}, PAGE, MADV_PAGEOUT)"

    def _folio(self) -> int:
        """Return the folio at, or in the swap cache behind, the entry of the call."""
        call, before, _ = self.made[0]
        pte = before.pte(int(str(call.get("mm"))), int(str(call.get("page"))))
        assert pte is not None  # noqa: S101 - the call did not fail
        cached = before.slots[pte.target].folio if pte.kind.value == "swap" else pte.target
        assert cached is not None  # noqa: S101 - as above
        return cached

    # What the director does

    def _deed(self, how: str) -> tuple[str, ...]:
        heads = self._loops()
        call = f"{'    ' * len(heads)}{getattr(self, f'_deed_{how}')()};"
        return (f"announce({self.number}, {self.text});", *heads, call, "show_step();")

    def _deed_ksmd(self) -> str:
        return f"ksmd({self._value('PASSES')})"

    def _deed_ksmd_step(self) -> str:
        _, before, after = self.made[0]
        starts, ends = before.ksmd.mm is None, after.ksmd.mm is None
        return f"ksmd_step({str(starts).lower()}, {str(ends).lower()})"

    def _deed_unmerge_all(self) -> str:
        return "unmerge()"

    def _deed_reclaim(self) -> str:
        return "reclaim()"

    def _deed_max_page_sharing(self) -> str:
        return f"max_page_sharing({self._value('LIMIT')}, {self.line.errno or 0})"

    # Fields

    def _given(self, field: str) -> bool:
        return field in self.given

    def _value(self, field: str) -> str:
        value = self.given.get(field)
        if value is None:
            return "1" if field in {"PAGES", "PASSES"} else "0"
        assert isinstance(value, Expression)  # noqa: S101 - a field that is a number
        return _number(value)

    def _page(self, field: str) -> str:
        return f"page({self._value(field)})"

    def _bytes(self, field: str) -> str:
        value = self._value(field)
        simple = value.isalnum()
        return "PAGE" if value == "1" else f"{value if simple else f'({value})'} * PAGE"


def _mms(state: State) -> Iterator[Mm]:
    return (mm for _, mm in state.mms.pairs())


def _reclaims(before: State, after: State, walk: Walk) -> bool:
    """Whether reclaim of everything has the same effect as the call had."""
    try:
        return ops.reclaim(before, walk=walk) == after
    except MmError:
        return False


def _prot(letters: str) -> str:
    return " | ".join(_PROT[letter] for letter in letters if letter in _PROT) or "PROT_NONE"


def _variable(name: str) -> str:
    return name if len(name) == 1 and name.islower() else f"{name}_"


def _number(expression: Expression) -> str:
    """Return an expression in C; numbers are long unless they stand alone."""
    alone = len(expression.code) == 1

    def converted(match: re.Match[str]) -> str:
        text = match.group()
        if not text[0].isdigit():
            return _variable(text)
        value = int(text, 16 if text.startswith("0x") else 10)
        if not alone and value > _MOST_FACTOR:
            raise RefusedError(f"{text} is too large for arithmetic in C")
        shown = text if text.startswith("0x") else str(value)
        return f"{shown}UL" if value >= 1 << 63 else shown if alone else f"{shown}L"

    return _LITERAL.sub(converted, expression.text)


def _wrapped(statement: str, depth: int) -> list[str]:
    """Return a statement, broken at blanks if it is too long, indented under `depth` loops."""
    room = _WIDTH - 4 * (depth + 1)
    lines = textwrap.wrap(statement, room, subsequent_indent="   ", break_long_words=False)
    return ["    " * depth + line for line in lines]
