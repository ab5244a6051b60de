"""rdtctl reconcile."""

from __future__ import annotations

from rdtd.rdtctl import documents
from rdtd.rdtctl.arguments import Command, Context, Parser
from rdtd.rdtctl.exits import DONE


def _no_arguments(parser: Parser) -> None:
    pass


def _reconcile(context: Context) -> int:
    with context.daemon() as daemon:
        changes = daemon.reconcile()
    if context.json:
        documents.emit({"changes": changes})
    elif not changes:
        print("nothing differed")
    else:
        print(f"{changes} {'difference was' if changes == 1 else 'differences were'} put right")
    return DONE


COMMANDS = {"reconcile": Command(_no_arguments, _reconcile)}
