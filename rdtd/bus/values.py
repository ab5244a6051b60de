"""Regions, grants and targets as the interfaces in dbus/ write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from typing import Any

from rdtd.attach import Targets
from rdtd.bus.arguments import Reader
from rdtd.bus.library import Variant
from rdtd.core.cpus import parse_cpus
from rdtd.core.drift import Drift
from rdtd.core.errors import InvalidRequest, LimitsExceeded
from rdtd.core.model import CacheId, Granted, Kind, Lifetime, Region
from rdtd.core.sizes import Amount, Unit

__all__ = [
    "check_number",
    "decode_lifetime",
    "decode_regions",
    "decode_targets",
    "drift_row",
    "encode_granted",
    "encode_regions",
]

Value = tuple[str, Any]

_AMOUNTS = {"size": ("t", Unit.BYTES), "ways": ("u", Unit.WAYS), "percent": ("u", Unit.PERCENT)}


def check_number(regions: Sized, most: int) -> None:
    """Raises LimitsExceeded for more regions than that in one call."""
    if len(regions) > most:
        raise LimitsExceeded(
            f"{len(regions)} regions in one call, and {most} are the most: "
            "take fewer, or have MaxRegionsPerCall= in rdtd.conf raised"
        )


def decode_regions(regions: Sequence[dict[str, Variant]], most: int) -> tuple[Region, ...]:
    """An aa{sv} of regions. Raises LimitsExceeded, and InvalidRequest that says which region is wrong."""
    check_number(regions, most)
    return tuple(_decode_region(region, f"region {number}") for number, region in enumerate(regions, 1))


def _decode_region(values: dict[str, Variant], where: str) -> Region:
    reader = Reader(values, where)
    kind = reader.take("type", "s", default="both")
    level = reader.take("level", "u", default=3)
    cache_id = reader.take("cache-id", "u", "s", default=CacheId.ALL, meaning="a number, or 'any'")
    given = [name for name in _AMOUNTS if name in reader]
    taken = {name: reader.take(name, _AMOUNTS[name][0]) for name in _AMOUNTS}
    reader.done()
    if len(given) != 1:
        have = " and ".join(given) or "none of them"
        raise InvalidRequest(f"{where}: exactly one of size, ways and percent is needed, {have} is given")
    if kind not in list(Kind):
        raise InvalidRequest(f"{where}: type {kind!r}: the types are both, code and data")
    if isinstance(cache_id, str):
        if cache_id not in (CacheId.ANY, CacheId.ALL):
            raise InvalidRequest(f"{where}: cache-id {cache_id!r}: it is a number or 'any'")
        cache_id = CacheId(cache_id)
    [name] = given
    try:
        amount = Amount(taken[name], _AMOUNTS[name][1])
    except InvalidRequest as error:
        raise InvalidRequest(f"{where}: {error}") from None
    return Region(amount, Kind(kind), level, cache_id)


def encode_regions(regions: Iterable[Region]) -> list[dict[str, Value]]:
    """What decode_regions() reads back as the same regions."""
    found = []
    for region in regions:
        values: dict[str, Value] = {"type": ("s", region.kind.value), "level": ("u", region.level)}
        if region.cache_id is CacheId.ANY:
            values["cache-id"] = ("s", "any")
        elif region.cache_id is not CacheId.ALL:
            values["cache-id"] = ("u", region.cache_id)
        for name, (signature, unit) in _AMOUNTS.items():
            if unit is region.amount.unit:
                values[name] = (signature, region.amount.value)
        found.append(values)
    return found


def encode_granted(granted: Iterable[Granted]) -> list[dict[str, Value]]:
    """The aa{sv} of granted regions."""
    return [
        {
            "type": ("s", one.kind.value),
            "level": ("u", one.key.level),
            "cache-id": ("u", one.key.cache_id),
            "mask": ("t", one.mask),
            "size": ("t", one.size),
            "ways": ("u", one.ways),
        }
        for one in granted
    ]


def drift_row(drift: Drift) -> list[Any]:
    """A difference as (ssa{sv}): group, kind, details."""
    details = {key: ("s", _printable(value)) for key, value in drift.details.items()}
    return [_printable(drift.group), drift.kind, details]


def _printable(text: str) -> str:
    """Names of foreign groups may be any bytes; D-Bus strings are UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def decode_targets(reader: Reader) -> Targets:
    """The targets among the keys of an a{sv}. The caller refuses what is left."""
    return Targets(
        tasks=tuple(reader.take("tasks", "au", default=(), meaning="thread IDs")),
        processes=tuple(reader.take("processes", "au", default=(), meaning="process IDs")),
        cpus=parse_cpus(reader.take("cpus", "s", default="", meaning="a CPU list such as 3,5-7")),
    )


def decode_lifetime(reader: Reader) -> Lifetime:
    """The key `lifetime`."""
    text = reader.take("lifetime", "s", default=Lifetime.PERSISTENT.value)
    if text not in (Lifetime.PERSISTENT, Lifetime.CLIENT):
        raise InvalidRequest(f"lifetime {text!r}: it is 'persistent' or 'client'")
    return Lifetime(text)
