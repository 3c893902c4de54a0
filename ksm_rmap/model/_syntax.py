"""The operations of the scenario language: one line of usage each, read and printed by it.

No analogue in the kernel. Rules of this module:

1. `FORMS` is the grammar. A word in capitals is a field, any other word stands for itself,
   brackets hold what may be left out (in any order); the usage shown in an error is this text.
2. A value that may be left out and equals the default is not printed.
3. A number is checked against the limits of its field, when the line is read if it is
   constant, otherwise when it has a value.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from ksm_rmap.model import _expression
from ksm_rmap.model._expression import Expression
from ksm_rmap.model.calls import Argument, Call

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from ksm_rmap.model._cursor import Cursor

__all__ = (
    "FORMS",
    "MAX_PAGES",
    "Form",
    "Operation",
    "operation_of_call",
    "read_operation",
)

Value = Expression | str | int
"""What a field holds: an expression, a word, 1 for a lone word."""

MAX_PAGES: Final = 2**52
"""Pages of a 64-bit address space: the most that an address or a length can be."""
_MAX_TOUCHED: Final = 2**20
_MAX_PASSES: Final = 2**20
_MAX_SHARING: Final = 2**31 - 1

WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
"""A process, an operation, an option."""
_FILE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_PROT = re.compile(r"(?:-|rwx|rw|rx|wx|r|w|x)(?![\w-])")
_WALK = re.compile(r"[^\s#]+")
_ADVICE: Final = (
    "mergeable",
    "unmergeable",
    "dontneed",
    "dontfork",
    "dofork",
    "wipeonfork",
    "keeponfork",
)


class _Field(NamedTuple):
    """How a word in capitals is read: the argument of the call it gives, and what it may be."""

    argument: str
    pattern: re.Pattern[str] | None = None
    """None: a number."""
    words: tuple[str, ...] = ()
    most: int = MAX_PAGES
    base: int = 10

    def describe(self, name: str) -> str:
        if self.words:
            return f"{name}, one of {' '.join(self.words)}"
        return name if self.pattern else f"{name}, a number"


_FIELDS: Final = {
    "PROC": _Field("mm", WORD),
    "CHILD": _Field("child", WORD),
    "START": _Field("start"),
    "PAGE": _Field("page"),
    "PAGES": _Field("pages"),
    "PROT": _Field("prot", _PROT),
    "NAME": _Field("file", _FILE),
    "OFFSET": _Field("offset"),
    "CONTENT": _Field("content", most=_expression.MAX_LITERAL, base=16),
    "ADVICE": _Field("advice", WORD, _ADVICE),
    "SWITCH": _Field("enable", WORD, ("on", "off")),
    "NEW_PAGES": _Field("new_pages"),
    "TO": _Field("to"),
    "PASSES": _Field("passes", most=_MAX_PASSES),
    "WALK": _Field("walk", _WALK),
    "LIMIT": _Field("limit", most=_MAX_SHARING),
}
_DEFAULTS: Final[dict[str, Argument]] = {"prot": "rw", "pages": 1, "passes": 1, "offset": 0}


class Form(NamedTuple):
    """One operation of the language."""

    op: str
    """The operation of `ksm_rmap.model.ops` that it calls."""
    usage: str
    touches: bool = False
    """Whether PAGES are touched one by one, so that there must not be too many."""

    @property
    def words(self) -> tuple[str, ...]:
        """The words and fields that must be there."""
        return tuple(re.sub(r"\[.*?\]", "", self.usage).split())

    @property
    def options(self) -> tuple[tuple[str, ...], ...]:
        """The groups that may be left out."""
        return tuple(tuple(group.split()) for group in re.findall(r"\[(.*?)\]", self.usage))

    @property
    def keyword(self) -> str:
        """The first word that is no field."""
        return next(word for word in self.words if word not in _FIELDS)


FORMS: Final = (
    Form("mmap", "PROC mmap START PAGES [PROT] [file NAME OFFSET]"),
    Form("munmap", "PROC munmap START PAGES"),
    Form("mprotect", "PROC mprotect START PAGES PROT"),
    Form("read", "PROC read START PAGES", touches=True),
    Form("write", "PROC write START PAGES CONTENT", touches=True),
    Form("fork", "PROC fork CHILD"),
    Form("exit_mm", "PROC exit"),
    Form("madvise", "PROC madvise START PAGES ADVICE"),
    Form("prctl_merge_any", "PROC prctl merge-any SWITCH"),
    Form("mremap", "PROC mremap START PAGES [resize NEW_PAGES] [to TO] [dontunmap]"),
    Form("swap_out", "PROC swapout PAGE [via WALK]"),
    Form("drop_swap_cache", "PROC dropcache PAGE"),
    Form("hold", "PROC hold PAGE"),
    Form("release", "PROC release PAGE"),
    Form("migrate_begin", "PROC migrate-begin PAGE [via WALK]"),
    Form("migrate_end", "PROC migrate-end PAGE [via WALK]"),
    Form("ksmd_step", "ksmd step"),
    Form("ksmd", "ksmd PASSES"),
    Form("unmerge_all", "unmerge"),
    Form("reclaim", "reclaim [via WALK]"),
    Form("max_page_sharing", "max-page-sharing LIMIT"),
)
_OF_PROCESS: Final = {form.keyword: form for form in FORMS if form.words[0] == "PROC"}
_GLOBAL: Final = {form.keyword for form in FORMS if form.words[0] != "PROC"}
_BY_OP: Final = {form.op: form for form in FORMS}
RESERVED: Final = frozenset(_GLOBAL | {"rules", "for", "expect", "step"})
"""Words that cannot name a process."""


class Operation(NamedTuple):
    """An operation as written: its form and the fields that are given, in usage order."""

    form: Form
    fields: tuple[tuple[str, Value], ...]
    """`(field, value)`; a lone word that is given, such as dontunmap, has the value 1."""

    def field(self, name: str) -> str | None:
        """Return the word given for field `name`, or None."""
        found = dict(self.fields).get(name)
        return found if isinstance(found, str) else None

    def call(
        self,
        processes: Mapping[str, int],
        variables: Mapping[str, int],
        error: Callable[[str], Exception],
    ) -> Call:
        """Return the call with these numbers of processes and values of loop variables."""
        values: dict[str, Argument] = {}
        for name, value in self.fields:
            field = _FIELDS.get(name)
            if field is None:
                values[name] = True
            elif isinstance(value, Expression):
                values[field.argument] = _checked(self.form, name, value.value(variables), error)
            elif field.argument in ("mm", "child"):
                values[field.argument] = processes[str(value)]
            else:
                values[field.argument] = value == "on" if name == "SWITCH" else str(value)
        return Call.of(self.form.op, **values)

    def __str__(self) -> str:
        given = dict(self.fields)
        words = [_text(given[word]) if word in given else word for word in self.form.words]
        for group in self.form.options:
            if any(word in given for word in group):
                words += [_text(given[w]) if w in _FIELDS else w for w in group]
        return " ".join(words)


def _text(value: Value) -> str:
    return value.text if isinstance(value, Expression) else str(value)


def _checked(form: Form, name: str, value: int, error: Callable[[str], Exception]) -> int:
    field = _FIELDS[name]
    most = _MAX_TOUCHED if form.touches and name == "PAGES" else field.most
    if not 0 <= value <= most:
        shown = value if abs(value) < 10**20 else f"a number of {value.bit_length()} bits"
        raise error(f"{name} is {shown}; it must be 0 to {_power(most)}")
    return value


def _power(value: int) -> str:
    bits = (value + 1).bit_length() - 1
    if value + 1 == 1 << bits:
        return f"2**{bits} - 1"
    return f"2**{bits}" if value == 1 << bits else str(value)


def read_operation(cursor: Cursor, names: Collection[str]) -> Operation:
    """Read one operation to the end of the line; `names` are the loop variables."""
    start = cursor.at
    first = cursor.take(WORD)
    if first is None:
        raise cursor.error("expected a process or an operation")
    if first in _GLOBAL:
        cursor.at = start
        return _read_form(cursor, _global_form(cursor, first), names)
    cursor.spaces()
    at = cursor.at
    keyword = cursor.take(WORD)
    if keyword is None or keyword not in _OF_PROCESS:
        raise _unknown(cursor, first, start, keyword, at)
    cursor.at = start
    return _read_form(cursor, _OF_PROCESS[keyword], names)


def _global_form(cursor: Cursor, keyword: str) -> Form:
    """Return the form that starts with `keyword`, of two the one whose second word is there."""
    forms = [form for form in FORMS if form.words[0] == keyword]
    rest = cursor.place.text[cursor.at : cursor.end].split()[1:2]
    return next((form for form in forms if list(form.words[1:2]) == rest), forms[-1])


def _unknown(cursor: Cursor, first: str, start: int, keyword: str | None, at: int) -> Exception:
    known = sorted(_OF_PROCESS)
    if first in _OF_PROCESS:
        usage = _OF_PROCESS[first].usage
        return cursor.error(f"expected a process before {first!r}: {usage}", start)
    if keyword is None:
        close = difflib.get_close_matches(first, [*known, *_GLOBAL], 1)
        if close and close[0] in _GLOBAL:
            return cursor.error(f"no operation {first!r}; did you mean {close[0]!r}?", start)
        return cursor.error(f"expected an operation after process {first!r}", at)
    close = difflib.get_close_matches(keyword, known, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"expected one of {' '.join(known)}"
    return cursor.error(f"no operation {keyword!r}; {hint}", at)


def _read_form(cursor: Cursor, form: Form, names: Collection[str]) -> Operation:
    given: dict[str, Value] = {}
    for word in form.words:
        _read_word(cursor, form, word, names, given)
    while not cursor.done():
        _read_option(cursor, form, names, given)
    order = [*form.words, *(word for group in form.options for word in group)]
    fields = tuple(
        (name, given[name])
        for name in order
        if name in given and not _is_default(form, name, given)
    )
    return Operation(form, fields)


def _is_default(form: Form, name: str, given: Mapping[str, Value]) -> bool:
    return (name,) in form.options and given[name] == _DEFAULTS.get(
        _FIELDS[name].argument if name in _FIELDS else name
    )


def _read_word(
    cursor: Cursor, form: Form, word: str, names: Collection[str], given: dict[str, Value]
) -> None:
    cursor.spaces()
    field = _FIELDS.get(word)
    if field is None:
        at = cursor.at
        if cursor.take(WORD) != word:
            raise cursor.error(f"expected {word!r}: {form.usage}", at)
        return
    given[word] = _read_field(cursor, form, word, field, names)


def _read_field(
    cursor: Cursor, form: Form, word: str, field: _Field, names: Collection[str]
) -> Value:
    at = cursor.at
    what = f"{field.describe(word)}: {form.usage}"
    if field.pattern is None:
        expression = _expression.parse(cursor, what, names)
        _end_of_word(cursor, what)
        if expression.constant is not None:
            _checked(form, word, expression.constant, lambda detail: cursor.error(detail, at))
        return expression
    value = cursor.take(field.pattern)
    if value is None or (field.words and value not in field.words):
        raise cursor.error(f"expected {what}", at)
    _end_of_word(cursor, what)
    if word in ("PROC", "CHILD") and value in RESERVED:
        raise cursor.error(f"{value!r} cannot name a process", at)
    return value


def _end_of_word(cursor: Cursor, what: str) -> None:
    if cursor.at < cursor.end and cursor.place.text[cursor.at] not in " \t":
        raise cursor.error(f"expected a blank after {what}")


def _read_option(
    cursor: Cursor, form: Form, names: Collection[str], given: dict[str, Value]
) -> None:
    for group in form.options:
        start = cursor.at
        if any(word in given for word in group):
            continue
        field = _FIELDS.get(group[0])
        if field is None:
            found = cursor.take(WORD) == group[0]
        else:
            found = (
                field.pattern is not None
                and field.pattern.match(cursor.place.text, start, cursor.end) is not None
            )
        if found:
            if field is None and len(group) == 1:
                given[group[0]] = 1
            for word in group if field else group[1:]:
                _read_word(cursor, form, word, names, given)
            return
        cursor.at = start
    raise cursor.error(f"expected the end of the line: {form.usage}")


def operation_of_call(call: Call, processes: Mapping[int, str]) -> Operation:
    """Return the operation that writes `call`; ValueError if the language has none for it."""
    form = _BY_OP.get(call.op)
    if form is None:
        raise ValueError(f"no scenario line for the operation {call.op!r}")
    arguments: dict[str, Argument] = {name: value for name, value in call.args if value is not None}
    fields = [
        (word, _field_of(word, arguments, processes)) for word in form.words if word in _FIELDS
    ]
    for group in form.options:
        fields += _option_of(group, arguments, processes)
    if arguments:
        raise ValueError(f"no scenario line for {', '.join(arguments)} of {call.op}")
    return Operation(form, tuple(fields))


def _option_of(
    group: tuple[str, ...], arguments: dict[str, Argument], processes: Mapping[int, str]
) -> list[tuple[str, Value]]:
    names = [word for word in group if word in _FIELDS]
    if not names:
        return [(group[0], 1)] if arguments.pop(group[0], False) else []
    first = _FIELDS[names[0]].argument
    if first not in arguments or (len(group) == 1 and arguments[first] == _DEFAULTS.get(first)):
        for word in names:
            arguments.pop(_FIELDS[word].argument, None)
        return []
    return [(word, _field_of(word, arguments, processes)) for word in names]


def _field_of(word: str, arguments: dict[str, Argument], processes: Mapping[int, str]) -> Value:
    field = _FIELDS[word]
    value = arguments.pop(field.argument, _DEFAULTS.get(field.argument))
    if value is None:
        raise ValueError(f"the call lacks {field.argument}")
    if word in ("PROC", "CHILD"):
        return processes[int(str(value))]
    if word == "SWITCH":
        return "on" if value else "off"
    if field.pattern is None and isinstance(value, int):
        return _expression.number(value, base=field.base)
    return str(value)
