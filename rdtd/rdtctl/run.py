"""rdtctl run: a command inside a reservation of its own, or inside one that is there.

Its own reservation has the lifetime `client`: it ends with our connection at the latest, so it ends even if
we are killed. Inside one that is there, nobody has to stay: rdtctl attaches itself and becomes the command.
"""

from __future__ import annotations

import os
import re
import sys

from rdtd.rdtctl.arguments import Command, Context, Parser
from rdtd.rdtctl.child import Child, execute, restore_signals
from rdtd.rdtctl.exits import Failure, Usage

_ODD = re.compile(r"[^A-Za-z0-9_.+-]")


def _add_arguments(parser: Parser) -> None:
    parser.add_argument("spec", metavar="SPEC", nargs="?", help="reserve this while the command runs")
    parser.add_argument(
        "--name",
        help="the name of the reservation (default: one made up from the command's); "
        "without a SPEC it is one that is there already",
    )
    parser.usage = "rdtctl run [--name NAME] [SPEC] -- COMMAND [ARGUMENT...]"


def _run(context: Context) -> int:
    if not context.command:
        raise Usage("a command is missing: put it behind -- (see 'rdtctl run --help')")
    if context.arguments.spec is not None:
        return _run_with_own(context)
    if context.arguments.name is None:
        raise Usage("give a SPEC to reserve, or the --name of a reservation that is there")
    return _run_inside(context)


def _run_with_own(context: Context) -> int:
    name = context.arguments.name or _made_up_name(context.command[0])
    with context.daemon() as daemon:
        child = Child(context.command)
        try:
            options = {"lifetime": ("s", "client"), "processes": ("au", [child.pid])}
            daemon.reserve(name, context.arguments.spec, options)
        except BaseException:
            child.abandon()
            raise
        status = child.run()
        try:
            daemon.release(name)
        except Failure as failure:
            # The command has run; how it ended counts. That it ran without its cache must not go unsaid.
            print(f"rdtctl: {name} was gone before the command ended: {failure.text}", file=sys.stderr)
    return status


def _run_inside(context: Context) -> int:
    with context.daemon() as daemon:
        daemon.attach(context.arguments.name, {"processes": ("au", [os.getpid()])})
    restore_signals()
    status, text = execute(context.command)
    print(f"rdtctl: {text}", file=sys.stderr)
    return status


def _made_up_name(command: str) -> str:
    """A name for people to recognise, with a random part: to reserve a name twice is to reserve it once."""
    word = _ODD.sub("_", os.path.basename(command))[:100]
    return f"run.{word}.{os.urandom(4).hex()}"


COMMANDS = {"run": Command(_add_arguments, _run, takes_command=True)}
