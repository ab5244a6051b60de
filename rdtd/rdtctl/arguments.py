"""What the verbs have in common: their context, the parser with one-line errors, and targets."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from rdtd.rdtctl import exits
from rdtd.rdtctl.exits import Usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from rdtd.rdtctl.daemon import Daemon, Values

_NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help of a fixed width: to ask for the terminal's, argparse would import a good deal at every start."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=80)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, and which takes no shortened options."""

    def __init__(self, prog: str, description: str, *, usage: str | None = None) -> None:
        super().__init__(
            prog,
            usage=usage,
            description=description,
            epilog=exits.EXPLAINED,
            formatter_class=_Formatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        raise Usage(f"{message} (see '{self.prog} --help')")


class Context(NamedTuple):
    """A verb's own arguments and what the global options say."""

    arguments: argparse.Namespace
    command: tuple[str, ...]
    """The command of a verb that takes one; empty without."""
    bus: str
    json: bool
    color: str  # auto, always or never
    legend: bool
    ask: bool

    def daemon(self) -> Daemon:
        """Connect. Raises Unreachable."""
        from rdtd.rdtctl.daemon import Daemon

        return Daemon(self.bus, ask=self.ask)


class Command(NamedTuple):
    """A verb: what it adds to its parser, and what it does; the answer is the exit status."""

    add_arguments: Callable[[Parser], None]
    run: Callable[[Context], int]
    takes_command: bool = False
    """Whether what stands behind `--` is a command to run, not arguments of the verb."""


def add_global_options(parser: Parser, *, again: bool) -> None:
    """The options that may stand before the verb and, `again`, behind it."""

    def default(value: object) -> object:
        # Behind the verb they must not put back what was said before it.
        return argparse.SUPPRESS if again else value

    group = parser.add_argument_group("global options")
    group.add_argument(
        "--bus",
        metavar="BUS",
        default=default(None),
        help="system, session or a D-Bus address (default: $RDTD_BUS, or system)",
    )
    group.add_argument("--json", action="store_true", default=default(False), help="print JSON")
    group.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default=default("auto"),
        help="colours: auto is only on a terminal, and not if $NO_COLOR is set",
    )
    group.add_argument(
        "--no-legend",
        dest="legend",
        action="store_false",
        default=default(True),
        help="leave out headings, summaries and legends",
    )
    group.add_argument(
        "--no-ask-password",
        dest="ask",
        action="store_false",
        default=default(True),
        help="fail where a password would have to be asked for",
    )


def add_targets(parser: Parser) -> None:
    """--task, --process and --cpus. IDs can be lists, and the options repeated."""
    parser.add_argument(
        "--task", metavar="TID", action="append", default=[], help="a thread (repeatable; or TID,TID...)"
    )
    parser.add_argument(
        "--process",
        metavar="PID",
        action="append",
        default=[],
        help="a process with all its threads (repeatable; or PID,PID...)",
    )
    parser.add_argument("--cpus", metavar="LIST", help="CPUs, as in 3,5-7")


def targets(arguments: argparse.Namespace) -> Values:
    """The targets as the daemon takes them; only those that were given."""
    found: dict[str, tuple[str, object]] = {}
    for option, key in (("task", "tasks"), ("process", "processes")):
        texts: list[str] = getattr(arguments, option)
        if texts:
            found[key] = ("au", [_identifier(option, part) for text in texts for part in text.split(",")])
    if arguments.cpus is not None:
        found["cpus"] = ("s", arguments.cpus)
    return found


def _identifier(option: str, text: str) -> int:
    if _NUMBER.fullmatch(text) is None or not 0 < int(text) < 1 << 32:
        shown = text if len(text) <= 60 else text[:57] + "..."
        raise Usage(f"--{option} {shown!r}: it takes a number from 1 to 4294967295, or several with commas")
    return int(text)
