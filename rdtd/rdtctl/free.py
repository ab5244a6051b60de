"""rdtctl free."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from rdtd.core.texts import format_bytes
from rdtd.rdtctl import documents
from rdtd.rdtctl.arguments import Command, Context, Parser
from rdtd.rdtctl.exits import DONE
from rdtd.rdtctl.labels import cache_list
from rdtd.rdtctl.table import put, table
from rdtd.rdtctl.values import Cache


def _add_arguments(parser: Parser) -> None:
    parser.add_argument("--bytes", action="store_true", help="exact bytes in place of MiB")


def _free(context: Context) -> int:
    with context.daemon() as daemon:
        caches = daemon.caches()
    if context.json:
        documents.emit({"caches": documents.caches(caches)})
    else:
        put(lines(caches, exact=context.arguments.bytes, legend=context.legend))
    return DONE


def lines(caches: Sequence[Cache], *, exact: bool, legend: bool = True) -> list[str]:
    """A row for each cache, and a summary in which caches that are alike share a line."""

    def size(count: int) -> str:
        return str(count) if exact else format_bytes(count)

    heads = ("CACHE", ">SIZE", ">WAYS", ">FREE", ">FREE WAYS", ">LARGEST PIECE")
    rows = [
        (
            cache.label,
            size(cache.size),
            str(cache.ways),
            size(cache.free),
            str(cache.free_mask.bit_count()),
            size(cache.largest),
        )
        for cache in caches
    ]
    if not legend:
        return table(heads, rows, legend=False)
    if not caches:
        return ["no cache can be allocated here"]
    return [*table(heads, rows), "", *_summary(caches, size)]


def _summary(caches: Iterable[Cache], size: Callable[[int], str]) -> Iterator[str]:
    alike: dict[tuple[int, int, int, int], list[Cache]] = {}
    for cache in caches:
        alike.setdefault((cache.level, cache.size, cache.free, cache.largest), []).append(cache)
    for (_, total, free, largest), group in alike.items():
        where = cache_list((cache.level, cache.cache_id) for cache in group)
        each = "each of " if len(group) > 1 else ""
        piece = "in one piece" if largest == free else f"{size(largest)} of it in one piece"
        if not free:
            yield f"{each}{where}: nothing of {size(total)} is free"
        else:
            yield f"{each}{where}: {size(free)} of {size(total)} free, {piece}"


COMMANDS = {"free": Command(_add_arguments, _free)}
