"""org.rdtd1.Manager: the object by which everything is done."""

from __future__ import annotations

import asyncio
from typing import Any

from rdtd import __version__
from rdtd.bus.arguments import Reader
from rdtd.bus.dispatch import Call
from rdtd.bus.exported import Context, read_targets, reservation_path
from rdtd.bus.library import Variant
from rdtd.bus.values import (
    Value,
    check_number,
    decode_lifetime,
    decode_regions,
    decode_targets,
    drift_row,
    encode_granted,
    encode_regions,
)
from rdtd.bus.wire import Encoded
from rdtd.core.cpus import format_cpus
from rdtd.core.drift import Drift
from rdtd.core.model import Region, group_of
from rdtd.core.spec import parse_spec
from rdtd.manager import Request


class ManagerObject:
    """Takes the calls, hands them to rdtd's manager, and answers when they are done in the kernel."""

    def __init__(self, service: Context) -> None:
        self._service = service
        self._manager = service.manager
        self._checking = asyncio.Lock()

    @property
    def _most(self) -> int:
        return self._service.limits.regions_per_call

    async def reserve(
        self, call: Call, name: str, regions: list[dict[str, Variant]], options: dict[str, Variant]
    ) -> tuple[Any, ...]:
        return await self._reserve(call, name, decode_regions(regions, self._most), options)

    async def reserve_spec(
        self, call: Call, name: str, spec: str, options: dict[str, Variant]
    ) -> tuple[Any, ...]:
        regions = parse_spec(spec)
        check_number(regions, self._most)
        return await self._reserve(call, name, regions, options)

    async def _reserve(
        self, call: Call, name: str, regions: tuple[Region, ...], options: dict[str, Variant]
    ) -> tuple[Any, ...]:
        reader = Reader(options, "options")
        dry_run = reader.take("dry-run", "b", default=False)
        lifetime = decode_lifetime(reader)
        targets = decode_targets(reader)
        reader.done()
        guard, targets = await self._service.access.reserve(call, name, targets)
        request = Request(name, regions, self._service.owner(call, lifetime), lifetime, targets)
        if dry_run:
            reservation = await self._manager.preview(request, guard)
        else:
            reservation = await self._manager.reserve(request, guard)
            await self._service.hold(reservation)
        return reservation_path(name), encode_granted(reservation.granted)

    async def release(self, call: Call, name: str, options: dict[str, Variant]) -> None:
        Reader(options, "options").done()
        guard = await self._service.access.release(call, name)
        await self._manager.release(name, guard)

    async def resize(
        self, call: Call, name: str, regions: list[dict[str, Variant]], options: dict[str, Variant]
    ) -> tuple[Any, ...]:
        reader = Reader(options, "options")
        dry_run = reader.take("dry-run", "b", default=False)
        reader.done()
        wished = decode_regions(regions, self._most)
        guard = await self._service.access.resize(call, name)
        return (encode_granted(await self._manager.resize(name, wished, guard, dry_run=dry_run)),)

    async def attach(self, call: Call, name: str, targets: dict[str, Variant]) -> None:
        guard, wished = await self._service.access.attach(call, name, read_targets(targets))
        await self._manager.attach(name, wished, guard)

    async def detach(self, call: Call, name: str, targets: dict[str, Variant]) -> None:
        wished = read_targets(targets)
        guard = await self._service.access.detach(call, name, wished)
        await self._manager.detach(name, wished, guard)

    def list_free(self, call: Call) -> Encoded:
        return self._service.free()

    async def list_reservations(self, call: Call) -> tuple[Any, ...]:
        sees = await self._service.access.owners(call)
        public = self._manager.public
        rows = []
        for name, one in sorted(public.reservations.items()):
            details: dict[str, Value] = {"owner": ("u", one.owner.uid)} if sees(one.owner.uid) else {}
            details |= {
                "lifetime": ("s", one.lifetime.value),
                "created-usec": ("t", one.created_usec),
                "state": ("s", "degraded" if name in public.degraded else "active"),
                "cpus": ("s", format_cpus(one.cpus)),
                "regions": ("aa{sv}", encode_regions(one.regions)),
            }
            if reason := public.degraded.get(name):
                details["state-reason"] = ("s", reason)
            rows.append([name, reservation_path(name), encode_granted(one.granted), details])
        return (rows,)

    def get_reservation(self, call: Call, name: str) -> tuple[str]:
        return (reservation_path(self._manager.find(name).name),)

    async def reconcile(self, call: Call) -> tuple[int]:
        await self._service.access.reconcile(call)
        return (await self._manager.reconcile(),)

    async def check(self, call: Call) -> tuple[Any, ...]:
        # One at a time: however many look, what others want done is next after each.
        async with self._checking:
            drifts = await self._manager.check()
        rows = [drift_row(drift) for drift in drifts]
        told = {drift.group for drift in drifts}
        for name, reason in self._manager.public.degraded.items():
            if group_of(name) not in told:
                rows.append(drift_row(Drift(group_of(name), "degraded", {"found": reason})))
        return (rows,)

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
