"""The command line of `ksm-rmap`: its commands, their options, and what their errors become."""

from __future__ import annotations

import argparse
import importlib
from typing import TYPE_CHECKING, Any, NoReturn

from ksm_rmap.cli._terminal import BAD_INPUT, CLOSED_PIPE, Terminal, UsageError
from ksm_rmap.model.scenario import ScenarioError, rules_from_text
from ksm_rmap.report.export import FORMATS
from ksm_rmap.walks.errors import WalkError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ksm_rmap.model.rules import Rules

__all__ = ("run_command",)

_EPILOG = """\
exit status: 0 nothing was missed, 1 an entry was missed or something diverged, 2 bad input,
130 interrupted (what was found so far is printed), 141 the output was closed"""
_WALK = "a registered walk (see `ksm-rmap walks`), module:function or file.py:function; repeatable"
_RULES = "a kernel: 2.6.37, 6.12, 6.18, 7.0 or mm-2026-08; with changes: '7.0 anon_pgoff=on'"
_HTML = "write what was found as one page to step through"
_MOST_SECONDS = 10.0**7


class _Parser(argparse.ArgumentParser):
    """argparse with errors of one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message}\n")


def run_command(argv: Sequence[str]) -> int:
    """Parse `argv`, run the command, return its exit status."""
    terminal = Terminal()
    try:
        arguments = _parser().parse_args(argv)
        command = importlib.import_module(f"ksm_rmap.cli._{arguments.command}")
        status: int = command.run(terminal, arguments)
        terminal.finish()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else BAD_INPUT
    except (ScenarioError, UsageError, WalkError) as error:
        terminal.complain("\n".join([str(error), *getattr(error, "__notes__", [])]))
        return BAD_INPUT
    except BrokenPipeError:
        terminal.mute()
        return CLOSED_PIPE
    return status


def _parser() -> _Parser:
    parser = _Parser(
        prog="ksm-rmap",
        description="Which walk of the reverse map misses which page-table entry, after which "
        "system calls, and what each walk costs. Without a command: the story on one screen.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, help="show version and tree form, and exit")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command="story")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)
    _add_walks(commands)
    _add_run(commands)
    _add_check(commands)
    _add_explore(commands)
    _add_replay(commands)
    _add_export(commands)
    _add_compare(commands)
    return parser


def _command(commands: Any, name: str, text: str) -> argparse.ArgumentParser:  # noqa: ANN401 - private type of argparse
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=_EPILOG,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(command=name)
    command.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON"
    )
    return command


def _add_walks(commands: Any) -> None:  # noqa: ANN401 - as above
    _command(commands, "walks", "list every registered walk, one line each")


def _add_run(commands: Any) -> None:  # noqa: ANN401 - as above
    run = _command(commands, "run", "run a scenario, then walk each KSM page that is mapped")
    run.add_argument("scenario", metavar="SCENARIO", help="a file, - or a bundled scenario")
    run.add_argument("--walk", action="append", metavar="W", help=_WALK)
    run.add_argument("--rules", type=_rules, metavar="R", help=_RULES)
    run.add_argument(
        "--steps", action="store_true", help="show the map after each call; with --walk its way"
    )
    run.add_argument("--page", metavar="P:N", help="walk only the folio at page N of process P")
    run.add_argument("--ordinary", action="store_true", help="walk ordinary folios as well")


def _add_check(commands: Any) -> None:  # noqa: ANN401 - as above
    check = _command(commands, "check", "search for system calls after which a walk misses")
    check.add_argument("--walk", action="append", metavar="W", help=_WALK)
    check.add_argument("--rules", type=_rules, metavar="R", help=_RULES)
    check.add_argument(
        "--seconds", type=_seconds, default=10.0, metavar="S", help="for each walk (default 10)"
    )
    check.add_argument("--seed", type=int, metavar="N", help="make the search repeatable")
    check.add_argument(
        "--against", metavar="W", help="what this walk finds is the measure, not the truth"
    )
    check.add_argument("--html", metavar="FILE", help=_HTML)
    check.add_argument(
        "--persistent", action="store_true", help="count only what a pass of ksmd does not heal"
    )


def _add_explore(commands: Any) -> None:  # noqa: ANN401 - as above
    explore = _command(commands, "explore", "try every sequence of calls up to a depth")
    explore.add_argument("--walk", action="append", metavar="W", help=_WALK)
    explore.add_argument("--rules", type=_rules, metavar="R", help=_RULES)
    explore.add_argument("--depth", type=_between(0, 1000), metavar="D", help="most calls")
    explore.add_argument(
        "--seconds", type=_seconds, metavar="S", help="time (without --depth: 10 if not given)"
    )
    explore.add_argument("--html", metavar="FILE", help=_HTML)
    for name, most, default, text in (
        ("mms", 8, 2, "most processes at a time"),
        ("pages", 64, 4, "pages of a process that are touched"),
        ("contents", 64, 2, "different contents of pages"),
        ("workers", 256, 1, "processes that search"),
    ):
        explore.add_argument(
            f"--{name}", type=_between(1, most), default=default, metavar=name[0].upper(),
            help=f"{text} (default {default})",
        )  # fmt: skip
    _add_explore_scope(explore)
    _add_explore_ways(explore)


def _add_explore_scope(explore: argparse.ArgumentParser) -> None:
    explore.add_argument(
        "--ops",
        metavar="KIND,...",
        help="kinds of calls instead of the usual ones (docs/explorer.md)",
    )
    explore.add_argument("--swap", action="store_true", help="swap out and in as well")
    explore.add_argument("--migration", action="store_true", help="migrate as well")
    explore.add_argument(
        "--sizes",
        type=_between(1, 64),
        default=2,
        metavar="N",
        help="most pages of a call (default 2)",
    )
    explore.add_argument(
        "--all-forms", action="store_true", help="calls in every form, not only the plain one"
    )


def _add_explore_ways(explore: argparse.ArgumentParser) -> None:
    explore.add_argument(
        "--memory", type=_bytes, metavar="SIZE", help="stop at so much memory, such as 4G"
    )
    explore.add_argument(
        "--checkpoint", metavar="FILE", help="go on where FILE is; store what is not finished there"
    )
    explore.add_argument(
        "--random",
        type=_between(1, 10**9),
        metavar="N",
        help="N random walks of --depth calls instead",
    )
    explore.add_argument("--seed", type=int, default=0, metavar="N", help="of the random walks")


def _bytes(text: str) -> int:
    units = {"K": 10, "M": 20, "G": 30, "T": 40}
    number, unit = text[:-1], text[-1:].upper()
    if unit not in units:
        number, unit = text, ""
    if not number.isdecimal() or len(number) > 12 or not int(number):  # noqa: PLR2004 - digits
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 500M or 4G")
    return int(number) << units.get(unit, 0)


def _add_replay(commands: Any) -> None:  # noqa: ANN401 - as above
    replay = _command(commands, "replay", "replay traces of a running kernel against the model")
    replay.add_argument("traces", nargs="+", metavar="TRACE", help="a trace, or a folder of them")
    replay.add_argument("--walk", action="append", metavar="W", help=_WALK)
    replay.add_argument(
        "--show", action="append", metavar="W", help="print the states in which walk W misses"
    )
    replay.add_argument(
        "--keep-going", action="store_true", help="go on after the first difference of a trace"
    )


def _add_compare(commands: Any) -> None:  # noqa: ANN401 - as above
    text = "what each reverse-map design costs on layouts that grow"
    compare = _command(commands, "compare", text)
    compare.add_argument(
        "--layout", action="append", metavar="L", help="a layout; repeatable; default: all"
    )
    compare.add_argument(
        "--walk", action="append", metavar="W", help="a design or walk; repeatable"
    )
    compare.add_argument("--rules", type=_rules, metavar="R", help=_RULES)
    compare.add_argument("--svg", metavar="DIR", help="write log-log pictures there as well")


def _add_export(commands: Any) -> None:  # noqa: ANN401 - as above
    export = _command(commands, "export", "write a scenario in another form")
    export.add_argument("scenario", metavar="SCENARIO", help="a file, - or a bundled scenario")
    forms = "; ".join(f"{name}: {form.text}" for name, form in FORMATS.items())
    export.add_argument("--to", required=True, metavar="FORMAT", help=forms)
    export.add_argument("-o", dest="output", metavar="FILE", help="write to FILE (.gz: packed)")
    export.add_argument("--walk", action="append", metavar="W", help=_WALK)
    export.add_argument("--rules", type=_rules, metavar="R", help=_RULES)


class _Version(argparse.Action):
    """`--version`: looked up only when asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:  # noqa: ANN401 - as argparse
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        """Print the version and exit."""
        from ksm_rmap.cli._version import version_line  # noqa: PLC0415 - rarely needed

        print(version_line())
        parser.exit(0)


def _rules(text: str) -> Rules:
    try:
        return rules_from_text(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _between(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of numbers from `least` to `most`, both inclusive."""

    def read(text: str) -> int:
        if not text.isdecimal() or len(text) > len(str(most)) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {least} to {most}")
        return int(text)

    return read


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= _MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds
