"""Keeps the processes of systemd units in their reservations.

A unit's processes are started by systemd, not by one another, so they do not inherit a group from those
before them. Each change of a unit that systemd tells of is a hint to look at its control group again; what
its processes start by themselves inherits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from rdtd.bus.connection import Connection, Subscription
from rdtd.bus.errors import BusError, BusGone, BusTimeout
from rdtd.bus.systemd import Systemd
from rdtd.cgroups import Cgroups
from rdtd.core.errors import NotFound, NotMounted, RdtdError
from rdtd.core.model import group_of
from rdtd.manager import Manager, Published, cancelled

__all__ = ["Units"]

_PAUSE = 5.0  # seconds before what failed is tried again


class Units:
    """The units and their reservations. `report` is told, once for each reason, why they are not followed."""

    def __init__(self, manager: Manager, cgroups: Cgroups, report: Callable[[str], None]) -> None:
        self._manager = manager
        self._cgroups = cgroups
        self._report = report
        self._reported = ""
        self._reservations: Mapping[str, str] = {}  # by unit
        self._systemd: Systemd | None = None
        self._unwatched = True  # systemd has not been asked to tell
        self._watches: list[Subscription] = []
        self._paths: dict[str, str] = {}
        self._groups: dict[str, str] = {}  # control groups by unit
        self._waiting: set[str] = set()  # units to look at
        self._wake = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        manager.subscribe(self._look)

    def follow(self, reservations: Mapping[str, str]) -> None:
        """Makes these the units: the reservation of each."""
        if reservations != self._reservations:
            self._reservations = dict(reservations)
            self._start_over()

    def meet(self, connection: Connection) -> None:
        """Asks by this connection from now on."""
        self._systemd = Systemd(connection)
        self._watches.clear()  # they ended with the connection before
        self._start_over()

    async def settle(self) -> None:
        """Does what there is to do now."""
        async with self._one_at_a_time:
            try:
                if self._unwatched:
                    await self._watch()
                while self._waiting:
                    await self._attach(self._waiting.pop())
            except (BusError, BusTimeout, BusGone) as error:
                self._tell(str(error))
                if not isinstance(error, BusGone):
                    self._later(self._start_over)

    async def run(self) -> None:
        """Follows the units until it is cancelled."""
        while not cancelled():
            await self._wake.wait()
            self._wake.clear()
            await self.settle()

    def _start_over(self) -> None:
        self._unwatched = True
        self._wake.set()

    def _look(self, published: Published) -> None:
        """What is in a group is lost when the group is: with a mount, or because somebody removed it."""
        before, after = published.before, published.after
        anew = {drift.group for drift in published.drifts if drift.kind == "removed"}
        came = before.state == "unmounted" != after.state
        self._hint(
            unit
            for unit, name in self._reservations.items()
            if name in after.reservations
            and (came or name not in before.reservations or group_of(name) in anew)
        )

    def _hint(self, units: Iterable[str]) -> None:
        self._waiting.update(units)
        if self._waiting:
            self._wake.set()

    def _later(self, what: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(_PAUSE, what)

    def _tell(self, problem: str) -> None:
        if problem != self._reported:
            self._reported = problem
            if problem:
                self._report(problem)

    async def _watch(self) -> None:
        """Has systemd tell of each unit, and looks at all of them."""
        for watch in self._watches:
            watch.remove()
        self._watches.clear()
        self._paths.clear()
        self._groups.clear()
        self._waiting.clear()
        self._unwatched = False
        systemd = self._systemd
        if not self._reservations or systemd is None:
            return
        self._watches.append(await systemd.on_arrival(self._start_over))
        if not await systemd.present():
            self._tell("there is no systemd on this bus")
            return
        self._tell("")
        await systemd.subscribe()
        for unit in self._reservations:
            self._paths[unit] = path = await systemd.path_of(unit)
            # A slice has the processes of other units, whose changes are not its own.
            below = unit.endswith(".slice")
            self._watches.append(await systemd.on_change(path, below, partial(self._hint, [unit])))
        # All control groups are known before one is looked at: a unit's may be inside another's.
        for unit, path in self._paths.items():
            self._groups[unit] = await systemd.control_group(unit, path)
        self._waiting.update(self._reservations)

    async def _attach(self, unit: str) -> None:
        if self._systemd is None or unit not in self._paths:
            return
        group = self._groups[unit] = await self._systemd.control_group(unit, self._paths[unit])
        if not group:
            return  # it does not run
        others = {other for name, other in self._groups.items() if name != unit and other}
        try:
            threads = partial(self._cgroups.threads, group, others)
            await self._manager.gather(self._reservations[unit], threads)
        except (NotFound, NotMounted):
            return  # the reservation is not there; it will be told when it is
        except RdtdError as error:
            self._tell(f"the processes of {unit} cannot be attached: {error}")
            self._later(partial(self._hint, [unit]))
        else:
            self._tell("")
