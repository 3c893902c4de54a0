"""A scenario as a C program for a running kernel: `ksm-rmap export --to c`.

No analogue in the kernel. Rules of this module:

1. The program is `c_reproducer.c.in` with the scenario filled in: one function a process, the
   order of the turns, and the rows that the model expects at the end.
2. With `--reclaim` the program goes on and reclaims its memory; the rows expected then are those
   of a kernel whose reverse map is walked by the walk asked for, several if several were asked
   for. It tells which of them the running kernel behaves like.
3. What user space cannot do is refused with the line that asks for it (`_c_lines`).

Left out: everything that user space cannot see: anon_vmas, chains, rmap items.
"""

from __future__ import annotations

import re
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING, Final

from ksm_rmap import walks
from ksm_rmap.model import ops
from ksm_rmap.model.scenario import ScenarioError, rules_text
from ksm_rmap.model.state import PteKind, State, VmFlag
from ksm_rmap.report._c_lines import Made, Names, RefusedError, c_string, comment, turn_of
from ksm_rmap.report._c_state import MOST_ROWS, rows, size
from ksm_rmap.report.export import not_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ksm_rmap.model.calls import Call
    from ksm_rmap.model.scenario import Scenario
    from ksm_rmap.report._c_lines import Turn
    from ksm_rmap.report._c_state import Row
    from ksm_rmap.report.export import Job

__all__ = ("MOST_PAGES", "MOST_RECLAIMED", "export")

MOST_PAGES: Final = 1 << 22
"""Pages of the program's arena: addresses of the scenario are below."""
MOST_RECLAIMED: Final = 4096
"""Rows of a state for which the outcome of a reclaim is computed: walks take long on more."""
_RECLAIMING: Final = frozenset({"swap_out", "drop_swap_cache", "reclaim"})
_TURN: Final = """\
    /* line {number}: {text} */
    my_turn({number});
{body}
"""


def export(job: Job) -> str:
    """Return the program.

    Raises:
        ScenarioError: a line does not do what it says, or cannot be done from user space.
        WalkError: a walk is not known, or a user's walk failed.

    """
    chosen = {name: walks.get(name) for name in job.walks or ("full",)}
    return _Program(job, chosen).text()


class _Program:
    """The parts of one program while they are put together."""

    def __init__(self, job: Job, chosen: Mapping[str, ops.Walk]) -> None:
        self.scenario: Scenario = job.scenario
        self.rules = job.used_rules
        self.chosen = chosen
        self.names = Names(job.scenario.processes)
        self.final = State(rules=self.rules)
        self.pages = 1
        self.reclaims = False
        self.bodies: dict[int, list[str]] = {n: [] for n in range(len(self.names.functions) or 1)}
        self.order: list[str] = []

    def text(self) -> str:
        """Return the program's text."""
        for number, made in groupby(self._made(), key=lambda pair: pair[0]):
            self._add(number, [step for _, step in made])
        if not self.names.functions:
            raise ScenarioError(self.scenario.name, "no process does anything: nothing to export")
        after = self._after()
        states = [self.final, *after.values()]
        summary = any(size(state) > MOST_ROWS for state in states)
        parts = {
            **self._head(summary=summary),
            "FILES": _files(self.names),
            "FUNCTIONS": self._functions(),
            "EXPECTED": _expected(
                rows(self.final, summary=summary),
                {name: rows(state, summary=summary) for name, state in after.items()},
            ),
            "ORDER": "\n".join(
                [
                    "static void scenario(void)",
                    "{",
                    *(f"    {line}" for line in self.order),
                    "}",
                    "",
                ]
            ),
        }
        template = (resources.files("ksm_rmap.report") / "c_reproducer.c.in").read_text("utf-8")
        return re.sub(r"@([A-Z_]+)@", lambda match: parts[match[1]], template)

    def _made(self) -> Iterator[tuple[int, Made]]:
        """Yield each call, with the number of its line, as it is made on the model."""
        full = walks.get("full")
        for step in self.scenario.states(full, rules=self.rules, walks=walks.get):
            before, self.final = self.final, step.state
            yield step.line, Made(step.call, before, step.state)

    def _add(self, number: int, made: Sequence[Made]) -> None:
        """Add a line to the program."""
        via = made[0].call.get("walk")
        walk = walks.get(str(via or "full"))
        try:
            for step in made:
                self.pages = max(self.pages, _last_page(step.call))
            turn = turn_of(number, self.scenario.lines[number - 1], made, self.names, walk)
        except RefusedError as error:
            raise not_for(self.scenario, number, f"not for a C program: {error}") from None
        self.reclaims = self.reclaims or made[0].call.op in _RECLAIMING
        self._take(number, turn)

    def _take(self, number: int, turn: Turn) -> None:
        self.order += turn.order
        if turn.process is None:
            return
        line = self.scenario.lines[number - 1]._replace(comment=None)
        ends = () if turn.body == ("_exit(0);",) else ("done();",)
        body = "\n".join(f"    {statement}" for statement in (*turn.body, *ends))
        text = _TURN.format(number=number, text=comment(str(line)), body=body)
        self.bodies[turn.process].append(text)

    def _after(self) -> dict[str, State]:
        """Return by walk the state after a reclaim of everything, if the program can do one."""
        if size(self.final) > MOST_RECLAIMED or not _readable(self.final):
            return {}
        return {name: ops.reclaim(self.final, walk=walk) for name, walk in self.chosen.items()}

    def _head(self, *, summary: bool) -> dict[str, str]:
        names, scenario = self.names.functions, self.scenario
        counted = " * There are many pages: equal ones are counted, not listed.\n"
        group = "where it reclaims, a memory\n * cgroup of its own"
        return {
            "TITLE": comment(scenario.title or scenario.name),
            "NAME": comment(scenario.name),
            "SCENARIO": "\n".join(f" *     {comment(row)}".rstrip() for row in _source(scenario)),
            "RULES": comment(rules_text(self.rules)),
            "SUMMARY_TEXT": counted.rstrip() if summary else " *",
            "TOUCHES": f"{group} and, with --swap FILE, a swap file of its own.",
            "ARENA_PAGES": str(self.pages),
            "PROCESSES": str(len(names)),
            "HOLDS": str(self.names.holds),
            "SUMMARY": str(int(summary)),
            "RECLAIMS": str(int(self.reclaims)),
            "NAMES": ", ".join(map(c_string, scenario.processes)),
            "FIRST": names[0],
        }

    def _functions(self) -> str:
        """Return a function for each process, the declarations first."""
        names = self.names.functions
        text = "".join(f"static void {name}(void);\n" for name in names) + "\n"
        for number, name in enumerate(names):
            turns = "\n".join(self.bodies[number]).splitlines()
            text += _function(name, turns) + "\n"
        return text


def _function(name: str, body: Iterable[str]) -> str:
    return "\n".join([f"static void {name}(void)", "{", *body, "}", ""])


def _source(scenario: Scenario) -> list[str]:
    return str(scenario).split("\n")


def _last_page(call: Call) -> int:
    """Return the end, exclusive, of the pages that a call names."""
    get = {name: value for name, value in call.args if isinstance(value, int)}
    pages = max(get.get("pages", 1), get.get("new_pages", 1))
    last = max(get.get("start", 0), get.get("page", 0), get.get("to", 0)) + pages
    last = max(last, get.get("offset", 0) + pages)
    if last > MOST_PAGES:
        raise RefusedError(f"page {last - 1} is too high: the program has {MOST_PAGES} pages")
    return last


def _readable(state: State) -> bool:
    """Whether a process can read each of its pages.

    Others are read from outside, through /proc/PID/mem; that marks them accessed, and reclaim
    then leaves them alone whatever the walk would find.
    """
    access = VmFlag.READ | VmFlag.WRITE
    vmas = (
        state.vma(number, page)
        for number, mm in state.mms.pairs()
        for page, pte in mm.ptes.pairs()
        if pte.kind is PteKind.PRESENT
    )
    return all(vma is None or vma.flags & access for vma in vmas)


def _files(names: Names) -> str:
    """Return the files that are mapped privately, and the function that makes them."""
    text = "".join(f"static int {variable};\n" for variable, _ in names.files.values())
    text += "\n/* Files that are mapped privately: in memory, without a name. */\n"
    text += "static void open_files(void)\n{\n"
    for name, (variable, pages) in names.files.items():
        text += f"    {variable} = memfd_create({c_string(name)}, MFD_CLOEXEC);\n"
        text += f"    if ({variable} < 0 || ftruncate({variable}, {pages} * PAGE))\n"
        text += f'        stop(FAILED, "cannot make the file %s", {c_string(name)});\n'
    return text + "}\n\n"


def _expected(final: Iterable[Row], after: Mapping[str, Iterable[Row]]) -> str:
    text = "/* At the end of the scenario */\n" + _array("EXPECTED", final)
    table = ""
    for number, (name, found) in enumerate(after.items()):
        text += f"\n/* After a reclaim, on a kernel with the walk {comment(name)} */\n"
        text += _array(f"AFTER_{number}", found)
        table += f"    {{{c_string(name)}, ENTRIES(AFTER_{number})}},\n"
    text += "\nstatic const struct outcome {\n    const char *walk;\n"
    text += "    const struct entry *entries;\n    size_t number;\n"
    return text + f"}} AFTER[] = {{\n{table}    {{NULL, NULL, 0}},\n}};\n"


def _array(name: str, found: Iterable[Row]) -> str:
    lines = [
        f"    {{{row.process}, '{row.what}', {row.at}, {c_string(row.text)}}},\n" for row in found
    ]
    return f"static const struct entry {name}[] = {{\n{''.join(lines)}}};\n"
