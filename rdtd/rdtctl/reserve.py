"""rdtctl reserve, release and resize."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rdtd.rdtctl import documents
from rdtd.rdtctl.arguments import Command, Context, Parser, add_targets, targets
from rdtd.rdtctl.exits import DONE, Failure, Usage
from rdtd.rdtctl.reservations import granted_lines
from rdtd.rdtctl.table import put
from rdtd.rdtctl.values import Granted

if TYPE_CHECKING:
    from rdtd.core.model import Region
    from rdtd.rdtctl.daemon import Daemon, Values

_DRY_RUN = "answer what would be granted, change nothing"


def _add_reserve_arguments(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("spec", metavar="SPEC", help="as in type=both,size=10mb,cache-id=0")
    parser.add_argument("--dry-run", action="store_true", help=_DRY_RUN)
    parser.add_argument(
        "--lifetime",
        choices=("persistent", "client"),
        default="persistent",
        help="until release (the default), or as long as this rdtctl runs",
    )
    add_targets(parser)


def _reserve(context: Context) -> int:
    arguments = context.arguments
    options: dict[str, tuple[str, Any]] = {"lifetime": ("s", arguments.lifetime), **targets(arguments)}
    if arguments.dry_run:
        options["dry-run"] = ("b", True)
    hold = arguments.lifetime == "client" and not arguments.dry_run
    with context.daemon() as daemon:
        if hold:
            daemon.subscribe()
        path, granted = daemon.reserve(arguments.name, arguments.spec, options)
        _print(context, granted, {"path": path})
        if hold:
            _hold(daemon, context)
    return DONE


def _hold(daemon: Daemon, context: Context) -> None:
    """Stay on the bus until interrupted, or until the reservation is gone."""
    name = context.arguments.name
    if context.legend and not context.json:
        print(f"\nholding {name} until interrupted")
    print(end="", flush=True)
    try:
        while True:
            signal = daemon.wait()
            if signal is None:
                continue
            match signal.member, signal.arguments:
                case "ReservationRemoved", [removed, _, reason] if removed == name:
                    raise Failure(f"{name} is not held any more ({reason})")
                case "NameOwnerChanged", [_, _, owner] if owner:
                    daemon.reservation(name)  # has the daemon that came back kept it?
    except KeyboardInterrupt:
        return


def _add_release_arguments(parser: Parser) -> None:
    parser.add_argument("names", metavar="NAME", nargs="+")


def _release(context: Context) -> int:
    """Release each. One that fails does not keep the others; the first failure is reported at the end."""
    released: list[str] = []
    failures: list[Failure] = []
    with context.daemon() as daemon:
        for name in context.arguments.names:
            try:
                daemon.release(name)
            except Failure as failure:
                failures.append(failure)
            else:
                released.append(name)
    if context.json:
        documents.emit({"released": released})
    if failures:
        raise Failure("; ".join(failure.text for failure in failures), failures[0].status)
    return DONE


def _add_resize_arguments(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("spec", metavar="SPEC", help="all regions that it is to have, as in reserve")
    parser.add_argument("--dry-run", action="store_true", help=_DRY_RUN)


def _resize(context: Context) -> int:
    from rdtd.core.errors import InvalidRequest
    from rdtd.core.spec import parse_spec

    arguments = context.arguments
    try:
        regions = [wire(region) for region in parse_spec(arguments.spec)]
    except InvalidRequest as error:
        raise Usage(str(error)) from None
    options: Values = {"dry-run": ("b", True)} if arguments.dry_run else {}
    with context.daemon() as daemon:
        granted = daemon.resize(arguments.name, regions, options)
    _print(context, granted, {})
    return DONE


def wire(region: Region) -> Values:
    """A region as the interface takes it."""
    from rdtd.core.model import CacheId
    from rdtd.core.sizes import Unit

    key, signature = {Unit.BYTES: ("size", "t"), Unit.WAYS: ("ways", "u"), Unit.PERCENT: ("percent", "u")}[
        region.amount.unit
    ]
    if signature == "u" and region.amount.value >= 1 << 32:
        raise Usage(f"{key} {region.amount.value}: no cache has so many")
    values: dict[str, tuple[str, Any]] = {
        "type": ("s", region.kind.value),
        "level": ("u", region.level),
        key: (signature, region.amount.value),
    }
    if region.cache_id is CacheId.ANY:
        values["cache-id"] = ("s", "any")
    elif region.cache_id is not CacheId.ALL:
        values["cache-id"] = ("u", region.cache_id)
    return values


def _print(context: Context, granted: tuple[Granted, ...], more: dict[str, str]) -> None:
    arguments = context.arguments
    if context.json:
        documents.emit(
            {
                "name": arguments.name,
                **more,
                "granted": documents.granted(granted),
                "dry_run": arguments.dry_run,
            }
        )
        return
    put(granted_lines(granted, legend=context.legend))
    if context.legend and arguments.dry_run:
        print("\ndry run: nothing was changed")


COMMANDS = {
    "reserve": Command(_add_reserve_arguments, _reserve),
    "release": Command(_add_release_arguments, _release),
    "resize": Command(_add_resize_arguments, _resize),
}
