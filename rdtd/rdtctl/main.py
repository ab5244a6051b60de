"""The entry point: global options, the verb, and how the program ends."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from rdtd import __version__
from rdtd.rdtctl import exits
from rdtd.rdtctl.exits import Failure, Usage
from rdtd.rdtctl.verbs import VERBS

if TYPE_CHECKING:
    import argparse

    from rdtd.rdtctl.arguments import Command, Context, Parser

_DESCRIPTION = """\
Reserve CPU cache through rdtd, and see who has it.

A SPEC is one or more regions: size=10mb,cache-id=0;size=2mb,cache-id=1
  size      bytes, or with k, m, g; Nways; N%: rounded up to whole ways
  cache-id  a cache ID, or any; left out: every cache of the level
  type      both (the default); code and data, in pairs, where CDP is on
  level     3 (the default) or 2

verbs:
"""


def main(argv: list[str] | None = None) -> int:
    """Run rdtctl; the answer is the exit status."""
    try:
        try:
            status = _main(sys.argv[1:] if argv is None else argv)
        except SystemExit:  # --help was answered
            status = exits.DONE
        _flush()
        return status
    except Failure as failure:
        _flush(quietly=True)
        print(f"rdtctl: {_one_line(failure.text)}", file=sys.stderr)
        return failure.status
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:
        _drop_output()  # whoever read it has seen enough
        return exits.FAILED
    except OSError as error:
        _drop_output()
        print(f"rdtctl: {_one_line(error.strerror or str(error))}", file=sys.stderr)
        return exits.FAILED


def _main(argv: list[str]) -> int:
    # What stands behind -- may be a command: it is nobody's business here.
    end = argv.index("--") if "--" in argv else len(argv)
    before, behind = argv[:end], argv[end:]
    _check_text(before)
    parser = _parser()
    arguments = parser.parse_args(before)
    if arguments.version:
        print(f'{{"version": "{__version__}"}}' if arguments.json else f"rdtctl {__version__}")
        return exits.DONE
    name, rest = arguments.verb, arguments.rest
    if name is None:
        raise Usage("a verb is missing (see 'rdtctl --help')")
    if name not in VERBS:
        raise Usage(f"there is no verb {name!r} (see 'rdtctl --help')")

    module = import_module(f"rdtd.rdtctl.{VERBS[name].module}")
    verb: Command = module.COMMANDS[name]
    if not verb.takes_command:
        _check_text(behind)
        rest, behind = rest + behind, []
    try:
        _verb_parser(name, verb).parse_args(rest, arguments)
        return verb.run(_context(arguments, tuple(behind[1:])))
    except (Failure, OSError) as error:
        if verb.takes_command:
            raise Failure(str(error), exits.RUN_FAILED) from None
        raise


def _check_text(arguments: list[str]) -> None:
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise Usage(f"the argument {argument!a} is not UTF-8") from None


def _parser() -> Parser:
    """For the options before the verb; the verb and all that follows stay in `verb` and `rest`."""
    import argparse

    from rdtd.rdtctl.arguments import Parser, add_global_options

    verbs = "".join(f"  {name:<10} {verb.summary}\n" for name, verb in VERBS.items())
    description = f"{_DESCRIPTION}{verbs}\n'rdtctl VERB --help' tells about one."
    parser = Parser("rdtctl", description, usage="rdtctl [OPTION...] VERB [ARGUMENT...]")
    parser.add_argument("--version", action="store_true", help="print rdtctl's version")
    add_global_options(parser, again=False)
    parser.add_argument("verb", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _verb_parser(name: str, verb: Command) -> Parser:
    from rdtd.rdtctl.arguments import Parser, add_global_options

    parser = Parser(f"rdtctl {name}", VERBS[name].summary)
    verb.add_arguments(parser)
    add_global_options(parser, again=True)
    return parser


def _context(arguments: argparse.Namespace, command: tuple[str, ...]) -> Context:
    from rdtd.rdtctl.arguments import Context

    bus = arguments.bus or os.environ.get("RDTD_BUS") or "system"
    return Context(arguments, command, bus, arguments.json, arguments.color, arguments.legend, arguments.ask)


def _one_line(text: str) -> str:
    """A text from elsewhere, fit for a terminal: control characters and the like are escaped."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _flush(*, quietly: bool = False) -> None:
    """Write out what was printed, now and not at exit, where a failure could only be a trace."""
    if sys.stdout is None:  # it was closed before we started
        return
    try:
        sys.stdout.flush()
    except OSError:
        if not quietly:
            raise
        _drop_output()


def _drop_output() -> None:
    """Let nothing more be written to a stdout that fails, and the flush at exit have nothing to do."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
