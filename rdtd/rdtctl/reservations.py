"""rdtctl list and show."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rdtd.core.texts import format_bytes
from rdtd.rdtctl import documents
from rdtd.rdtctl.arguments import Command, Context, Parser
from rdtd.rdtctl.exits import DONE
from rdtd.rdtctl.labels import cache_list
from rdtd.rdtctl.table import put, table
from rdtd.rdtctl.values import Granted, Reservation


def _no_arguments(parser: Parser) -> None:
    pass


def _list(context: Context) -> int:
    with context.daemon() as daemon:
        reservations = daemon.reservations()
    if context.json:
        documents.emit({"reservations": [documents.reservation(one) for one in reservations]})
    elif reservations or not context.legend:
        put(list_lines(reservations, legend=context.legend))
    else:
        print("no reservations")
    return DONE


def list_lines(reservations: Iterable[Reservation], *, legend: bool = True) -> list[str]:
    heads = ("NAME", ">SIZE", "CACHES", "STATE", "LIFETIME", "OWNER", "CPUS")
    rows = [
        (
            one.name,
            format_bytes(sum(granted.size for granted in one.granted)),
            cache_list((granted.level, granted.cache_id) for granted in one.granted) or "-",
            one.state,
            one.lifetime,
            _user(one.owner),
            one.cpus or "-",
        )
        for one in reservations
    ]
    return table(heads, rows, legend=legend)


def _add_show_arguments(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME")


def _show(context: Context) -> int:
    with context.daemon() as daemon:
        reservation = daemon.reservation(context.arguments.name)
    if context.json:
        documents.emit(documents.reservation(reservation))
    else:
        put(show_lines(reservation))
        if context.legend:
            print()
        put(granted_lines(reservation.granted, legend=context.legend))
    return DONE


def show_lines(one: Reservation) -> list[str]:
    created = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(one.created_usec / 1e6))
    fields = (
        ("Name", one.name),
        ("State", f"{one.state}: {one.state_reason}" if one.state_reason else one.state),
        ("Lifetime", one.lifetime),
        ("Owner", "-" if one.owner is None else f"{_user(one.owner)} ({one.owner})"),
        ("Created", created),
        ("CPUs", one.cpus or "-"),
        ("Asked for", ";".join(_asked(region) for region in one.regions)),
        ("Object", one.path),
    )
    return [f"{name + ':':<10} {value}" for name, value in fields]


def granted_lines(granted: Sequence[Granted], *, legend: bool = True) -> list[str]:
    """What was granted: one row per region and cache."""
    heads = ("CACHE", "TYPE", ">SIZE", ">BYTES", ">WAYS", "MASK")
    rows = [
        (one.label, one.kind, format_bytes(one.size), str(one.size), str(one.ways), f"{one.mask:#x}")
        for one in granted
    ]
    return table(heads, rows, legend=legend)


def _asked(region: Mapping[str, Any]) -> str:
    """A region with the keys of a call, in the syntax of a SPEC."""
    if "ways" in region:
        size = f"{region['ways']}ways"
    elif "percent" in region:
        size = f"{region['percent']}%"
    else:
        size = str(region.get("size", "?"))
    parts = [f"type={region.get('type', 'both')}", f"size={size}"]
    parts += [f"{key}={region[key]}" for key in ("level", "cache-id") if key in region]
    return ",".join(parts)


def _user(uid: int | None) -> str:
    import pwd

    if uid is None:
        return "-"

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


COMMANDS = {"list": Command(_no_arguments, _list), "show": Command(_add_show_arguments, _show)}
