"""rdtctl attach and detach."""

from __future__ import annotations

from rdtd.rdtctl.arguments import Command, Context, Parser, add_targets, targets
from rdtd.rdtctl.exits import DONE, Usage


def _add_arguments(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME")
    add_targets(parser)


def _attach(context: Context) -> int:
    found = targets(context.arguments)
    if not found:
        raise Usage("nothing to attach: give --task, --process or --cpus")
    with context.daemon() as daemon:
        daemon.attach(context.arguments.name, found)
    return DONE


def _detach(context: Context) -> int:
    found = targets(context.arguments)
    if not found:
        raise Usage("nothing to detach: give --task, --process or --cpus")
    with context.daemon() as daemon:
        daemon.detach(context.arguments.name, found)
    return DONE


COMMANDS = {"attach": Command(_add_arguments, _attach), "detach": Command(_add_arguments, _detach)}
