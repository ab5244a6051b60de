"""rdtctl status and check: what rdtd knows, and what of it is not so."""

from __future__ import annotations

from rdtd.rdtctl import documents, free, reservations
from rdtd.rdtctl.arguments import Command, Context, Parser
from rdtd.rdtctl.exits import DONE, Failure
from rdtd.rdtctl.table import put
from rdtd.rdtctl.values import Difference, Status

FINE, DIFFERENT, CANNOT_TELL = 0, 1, 2


def _no_arguments(parser: Parser) -> None:
    pass


def _status(context: Context) -> int:
    with context.daemon() as daemon:
        status = daemon.status()
    if context.json:
        documents.emit(documents.status(status))
    else:
        put(status_lines(status, legend=context.legend))
    return DONE


def status_lines(one: Status, *, legend: bool = True) -> list[str]:
    """The daemon in a few lines, what it could not do, then its reservations and the caches."""
    prioritization = "with" if one.cdp else "without"
    mounted = f"{one.root}, {prioritization} code and data prioritization (CDP)"
    lines = [
        f"rdtd:         version {one.version}, {one.state}",
        f"resctrl:      {one.root}, not mounted" if one.state == "unmounted" else f"resctrl:      {mounted}",
        f"CLOSIDs:      {one.closids_free} of {one.closids_total} free",
        f"Reservations: {len(one.reservations)}",
    ]
    lines += [
        f"  {reservation.name} is {reservation.state}: {reservation.state_reason}"
        for reservation in one.reservations
        if reservation.state != "active"
    ]
    if one.reservations:
        lines += ["", *reservations.list_lines(one.reservations, legend=legend)]
    if one.caches:
        lines += ["", *free.lines(one.caches, exact=False, legend=legend)]
    return lines


def _check(context: Context) -> int:
    try:
        with context.daemon() as daemon:
            differences = daemon.check()
    except Failure as failure:
        raise Failure(failure.text, CANNOT_TELL) from None
    if context.json:
        documents.emit({"differences": documents.differences(differences)})
    elif differences:
        put([difference_line(one) for one in differences])
    else:
        print("everything is as it should be")
    return DIFFERENT if differences else FINE


def difference_line(one: Difference) -> str:
    """`group 'rdtd.vm': masks: L3:0=1; to be done: set to L3:0=f`."""
    where = f"group {one.group!r}" if one.group else "the default group"
    line = f"{where}: {one.kind}: {one.found}"
    return f"{line}; to be done: {one.repair}" if one.repair else line


COMMANDS = {"status": Command(_no_arguments, _status), "check": Command(_no_arguments, _check)}
