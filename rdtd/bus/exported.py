"""What is exported on the bus: the manager, each reservation and each cache, as the XML in dbus/ has them."""

from __future__ import annotations

from typing import Any, Protocol

from rdtd import __version__
from rdtd.attach import Targets
from rdtd.bus.arguments import Reader
from rdtd.bus.dispatch import Call
from rdtd.bus.library import Variant
from rdtd.bus.paths import escape
from rdtd.bus.values import (
    Value,
    decode_lifetime,
    decode_regions,
    decode_targets,
    encode_granted,
    encode_regions,
)
from rdtd.bus.wire import Encoded
from rdtd.core.cpus import format_cpus
from rdtd.core.errors import InvalidRequest
from rdtd.core.model import CacheKey, Lifetime, Owner, Region, Reservation
from rdtd.core.spec import parse_spec
from rdtd.core.view import CacheView
from rdtd.manager import Manager, Request

__all__ = [
    "MANAGER_PATH",
    "CacheObject",
    "ManagerObject",
    "ReservationObject",
    "cache_path",
    "reservation_path",
]

MANAGER_PATH = "/org/rdtd1"


def reservation_path(name: str) -> str:
    """The object of a reservation."""
    return f"{MANAGER_PATH}/reservation/{escape(name)}"


def cache_path(key: CacheKey) -> str:
    """The object of a cache."""
    return f"{MANAGER_PATH}/cache/l{key.level}_{key.cache_id}"


class Context(Protocol):
    """What the objects need of the service."""

    @property
    def manager(self) -> Manager: ...
    async def allow(self, call: Call) -> int: ...
    def owner(self, call: Call, uid: int, lifetime: Lifetime) -> Owner: ...
    async def hold(self, reservation: Reservation) -> None: ...
    def free(self) -> Encoded: ...


class ManagerObject:
    """org.rdtd1.Manager."""

    def __init__(self, service: Context) -> None:
        self._service = service
        self._manager = service.manager

    async def reserve(
        self, call: Call, name: str, regions: list[dict[str, Variant]], options: dict[str, Variant]
    ) -> tuple[Any, ...]:
        return await self._reserve(call, name, decode_regions(regions), options)

    async def reserve_spec(
        self, call: Call, name: str, spec: str, options: dict[str, Variant]
    ) -> tuple[Any, ...]:
        return await self._reserve(call, name, parse_spec(spec), options)

    async def _reserve(
        self, call: Call, name: str, regions: tuple[Region, ...], options: dict[str, Variant]
    ) -> tuple[Any, ...]:
        reader = Reader(options, "options")
        dry_run = reader.take("dry-run", "b", default=False)
        lifetime = decode_lifetime(reader)
        targets = decode_targets(reader)
        reader.done()
        uid = await self._service.allow(call)
        request = Request(name, regions, self._service.owner(call, uid, lifetime), lifetime, targets)
        if dry_run:
            reservation = await self._manager.preview(request)
        else:
            reservation = await self._manager.reserve(request)
            await self._service.hold(reservation)
        return reservation_path(name), encode_granted(reservation.granted)

    async def release(self, call: Call, name: str, options: dict[str, Variant]) -> None:
        Reader(options, "options").done()
        await self._service.allow(call)
        await self._manager.release(name)

    async def resize(
        self, call: Call, name: str, regions: list[dict[str, Variant]], options: dict[str, Variant]
    ) -> tuple[Any, ...]:
        reader = Reader(options, "options")
        dry_run = reader.take("dry-run", "b", default=False)
        reader.done()
        wished = decode_regions(regions)
        await self._service.allow(call)
        return (encode_granted(await self._manager.resize(name, wished, dry_run=dry_run)),)

    async def attach(self, call: Call, name: str, targets: dict[str, Variant]) -> None:
        wished = _targets(targets)
        await self._service.allow(call)
        await self._manager.attach(name, wished)

    async def detach(self, call: Call, name: str, targets: dict[str, Variant]) -> None:
        wished = _targets(targets)
        await self._service.allow(call)
        await self._manager.detach(name, wished)

    def list_free(self, call: Call) -> Encoded:
        return self._service.free()

    def list_reservations(self, call: Call) -> tuple[Any, ...]:
        public = self._manager.public
        rows = []
        for name, one in sorted(public.reservations.items()):
            details: dict[str, Value] = {
                "owner": ("u", one.owner.uid),
                "lifetime": ("s", one.lifetime.value),
                "created-usec": ("t", one.created_usec),
                "state": ("s", "degraded" if name in public.degraded else "active"),
                "cpus": ("s", format_cpus(one.cpus)),
                "regions": ("aa{sv}", encode_regions(one.regions)),
            }
            rows.append([name, reservation_path(name), encode_granted(one.granted), details])
        return (rows,)

    def get_reservation(self, call: Call, name: str) -> tuple[str]:
        return (reservation_path(self._manager.find(name).name),)

    async def reconcile(self, call: Call) -> tuple[int]:
        await self._service.allow(call)
        return (await self._manager.reconcile(),)

    version = __version__

    @property
    def root(self) -> str:
        return self._manager.root

    @property
    def state(self) -> str:
        return self._manager.public.state

    @property
    def cdp(self) -> bool:
        return self._manager.public.cdp

    @property
    def closids_total(self) -> int:
        return self._manager.public.closids_total

    @property
    def closids_free(self) -> int:
        return self._manager.public.closids_free

    @property
    def n_reservations(self) -> int:
        return len(self._manager.public.reservations)


def _targets(targets: dict[str, Variant]) -> Targets:
    reader = Reader(targets, "targets")
    found = decode_targets(reader)
    reader.done()
    if not found:
        raise InvalidRequest("targets: nothing is named; give tasks, processes or cpus")
    return found


class ReservationObject:
    """org.rdtd1.Reservation."""

    def __init__(self, service: Context, value: Reservation, lacking: str | None) -> None:
        self._service = service
        self._value = value
        self._lacking = lacking

    def update(self, value: Reservation, lacking: str | None) -> set[str]:
        """Takes over what is known now; the names of the properties that changed."""
        before, had = self._value, self._lacking
        self._value, self._lacking = value, lacking
        if value is before and lacking == had:
            return set()
        changed = {
            "Regions": value.regions != before.regions,
            "Granted": value.granted != before.granted,
            "Owner": value.owner.uid != before.owner.uid,
            "Lifetime": value.lifetime != before.lifetime,
            "CreatedUSec": value.created_usec != before.created_usec,
            "State": (lacking is None) != (had is None),
            "Cpus": value.cpus != before.cpus,
        }
        return {name for name, differs in changed.items() if differs}

    async def release(self, call: Call, options: dict[str, Variant]) -> None:
        Reader(options, "options").done()
        await self._service.allow(call)
        await self._service.manager.release(self._value.name)

    async def attach(self, call: Call, targets: dict[str, Variant]) -> None:
        wished = _targets(targets)
        await self._service.allow(call)
        await self._service.manager.attach(self._value.name, wished)

    async def detach(self, call: Call, targets: dict[str, Variant]) -> None:
        wished = _targets(targets)
        await self._service.allow(call)
        await self._service.manager.detach(self._value.name, wished)

    @property
    def name(self) -> str:
        return self._value.name

    @property
    def regions(self) -> list[dict[str, Value]]:
        return encode_regions(self._value.regions)

    @property
    def granted(self) -> list[dict[str, Value]]:
        return encode_granted(self._value.granted)

    @property
    def owner(self) -> int:
        return self._value.owner.uid

    @property
    def lifetime(self) -> str:
        return self._value.lifetime.value

    @property
    def created_usec(self) -> int:
        return self._value.created_usec

    @property
    def state(self) -> str:
        return "active" if self._lacking is None else "degraded"

    @property
    def cpus(self) -> str:
        return format_cpus(self._value.cpus)


class CacheObject:
    """org.rdtd1.Cache."""

    def __init__(self, service: Context, value: CacheView, _: str | None) -> None:
        self._value = value

    def update(self, value: CacheView, _: str | None) -> set[str]:
        """Takes over what is known now; the names of the properties that changed."""
        before, self._value = self._value, value
        if value is before:
            return set()
        pairs = {
            "Size": (before.cache.size, value.cache.size),
            "WaySize": (before.cache.size // before.cache.ways, value.cache.size // value.cache.ways),
            "Ways": (before.cache.ways, value.cache.ways),
            "MinWays": (before.cache.min_ways, value.cache.min_ways),
            "CpuList": (before.cpus, value.cpus),
            "FreeMask": (before.free_mask, value.free_mask),
            "ReservedMask": (before.reserved, value.reserved),
            "SharedMask": (before.shared, value.shared),
            "ForeignMask": (before.foreign, value.foreign),
            "ShareableMask": (before.cache.shareable, value.cache.shareable),
            "Largest": (before.largest, value.largest),
        }
        return {name for name, (was, is_now) in pairs.items() if was != is_now}

    @property
    def level(self) -> int:
        return self._value.cache.level

    @property
    def cache_id(self) -> int:
        return self._value.cache.cache_id

    @property
    def size(self) -> int:
        return self._value.cache.size

    @property
    def way_size(self) -> int:
        return self._value.cache.size // self._value.cache.ways

    @property
    def ways(self) -> int:
        return self._value.cache.ways

    @property
    def min_ways(self) -> int:
        return self._value.cache.min_ways

    @property
    def cpu_list(self) -> str:
        return format_cpus(self._value.cpus)

    @property
    def free_mask(self) -> int:
        return self._value.free_mask

    @property
    def reserved_mask(self) -> int:
        return self._value.reserved

    @property
    def shared_mask(self) -> int:
        return self._value.shared

    @property
    def foreign_mask(self) -> int:
        return self._value.foreign

    @property
    def shareable_mask(self) -> int:
        return self._value.cache.shareable

    @property
    def largest(self) -> int:
        return self._value.largest
