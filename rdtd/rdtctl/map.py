"""rdtctl map."""

from __future__ import annotations

from rdtd.rdtctl import documents
from rdtd.rdtctl.arguments import Command, Context, Parser
from rdtd.rdtctl.exits import DONE
from rdtd.rdtctl.picture import Codes, draw
from rdtd.rdtctl.table import put, wants_color


def _no_arguments(parser: Parser) -> None:
    pass


def _map(context: Context) -> int:
    with context.daemon() as daemon:
        picture = daemon.picture()
    if context.json:
        documents.emit(documents.picture(picture))
    else:
        codes = Codes().assign(reservation.name for reservation in picture.reservations)
        put(draw(picture, codes, color=wants_color(context.color), legend=context.legend))
    return DONE


COMMANDS = {"map": Command(_no_arguments, _map)}
