"""Serves: the first turn, the bus, the triggers, the end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from functools import partial

from rdtd.boot import Boot
from rdtd.bus.connection import Connection
from rdtd.bus.errors import BusError, BusGone, BusTimeout, NameTaken
from rdtd.bus.service import BUS_NAME, Service
from rdtd.cgroups import Cgroups
from rdtd.core.errors import NotMounted, RdtdError
from rdtd.daemon.configuration import Configuration
from rdtd.daemon.connecting import Link
from rdtd.daemon.mounter import mounter
from rdtd.daemon.refusals import Refusals
from rdtd.daemon.telling import cannot_mount, cannot_repair, fault, no_units, skipped, status, tell
from rdtd.log import entry
from rdtd.manager import Manager, cancelled
from rdtd.messages import Message
from rdtd.mounting import Mounting
from rdtd.notify import notify, watchdog_interval, watchdog_loop
from rdtd.resctrl.watch import Watch
from rdtd.startup import StartError
from rdtd.triggers import CpuWatch, MountWatch
from rdtd.units import Units

__all__ = ["Server"]

log = logging.getLogger("rdtd")

AFTER_FAULT = 1.0  # seconds before work that ended by a fault is begun again


class Server:
    """Everything that runs in the event loop. To be made in it."""

    def __init__(
        self,
        manager: Manager,
        watch: Watch,
        configuration: Configuration,
        bus: str,
        *,
        cgroups: str,
        mount_command: str | None,
    ) -> None:
        self._manager = manager
        self._watch = watch
        self._configuration = configuration
        self._link = Link(bus, lambda: configuration.now.settings.limits.message_size)
        self._boot = Boot(manager, skipped)
        self._units = Units(manager, Cgroups(cgroups), no_units)
        # The systemd of a session mounts nothing.
        systems = (lambda: None) if bus == "session" else (lambda: self._link.connection)
        self._mounting = Mounting(manager, mounter(manager.root, mount_command, systems), cannot_mount)
        self._service = Service(manager, os.geteuid(), fault, polkit=bus == "system", on_refused=Refusals())
        self._stopped, self._reload = asyncio.Event(), asyncio.Event()
        manager.subscribe(partial(tell, manager))
        manager.subscribe(lambda _: configuration.check_cdp(manager))

    async def serve(self) -> int:
        """Serves until a signal ends it; the exit status. Raises NoBus, NameTaken or StartError before."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopped.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)
        connection = await self._link.open()
        try:
            await self._begin(connection)
        except (BusError, BusGone, BusTimeout) as error:
            raise StartError(f"cannot serve {BUS_NAME} on the bus: {error}") from None
        with ExitStack() as triggers:
            _listen(triggers, loop, self._manager, self._watch)
            await self._until_stopped()
        return 0

    async def _begin(self, connection: Connection) -> None:
        """Brings everything in place. The name comes last: whoever waits for it finds that done."""
        if (await connection.call_bus("NameHasOwner", "s", BUS_NAME))[0]:
            # Known before anything is touched: the groups may be the other's.
            raise NameTaken(f"the bus name {BUS_NAME} is taken: another instance is running")
        self._apply()
        await self._first_turn()
        await self._boot.load(self._configuration.now.reservations)
        self._units.meet(connection)
        await self._units.settle()
        await self._service.attach(connection)
        await connection.request_name(BUS_NAME)

    async def _first_turn(self) -> None:
        if self._mounting.wanted:
            try:
                await self._manager.reconcile()
                return
            except NotMounted:
                await self._mounting.once()
            except RdtdError:
                pass  # told below, if it is still so
        await _look(self._manager)

    def _apply(self) -> None:
        """Hands out what the configuration says, but for what takes a turn."""
        config = self._configuration.now
        self._mounting.wanted, self._mounting.cdp = config.settings.mount, config.settings.cdp
        self._service.use(config.settings.limits)
        self._units.follow({unit: one.name for one in config.reservations for unit in one.units})

    async def _reload_when_told(self) -> None:
        """A configuration that is broken is refused, and everything stays as it is."""
        while not cancelled():
            await self._reload.wait()
            self._reload.clear()
            with self._configuration.reloading(self._manager) as loaded:
                if loaded:
                    settings = self._configuration.now.settings
                    self._apply()
                    await self._manager.follow(settings.policy, settings.limits.lock_timeout)
                    await self._boot.load(self._configuration.now.reservations)
                    await self._units.settle()
                    self._configuration.check_cdp(self._manager)
                    self._mounting.check()
                await _look(self._manager)

    async def _until_stopped(self) -> None:
        """Tells that all is in place, and works until the end."""
        work: dict[str, Callable[[], Coroutine[None, None, None]]] = {
            "looking at resctrl": partial(self._manager.run, cannot_repair),
            "keeping what is configured": self._boot.run,
            "following units": self._units.run,
            "mounting": self._mounting.run,
            "keeping the bus": partial(self._link.keep, self._service, self._units.meet),
            "reloading": self._reload_when_told,
        }
        if (interval := watchdog_interval()) is not None:
            work["telling the watchdog"] = partial(watchdog_loop, interval)
        tasks = [asyncio.get_running_loop().create_task(_lasting(one, what)) for what, one in work.items()]
        try:
            bus = self._link.bus
            named = bus if bus in ("system", "session") else "given"
            said = status(self._manager)
            notify(f"READY=1\nSTATUS={said}")
            log.info("ready on the %s bus: %s", named, said, extra=entry(Message.READY))
            self._mounting.check()
            await self._stopped.wait()
            notify("STOPPING=1")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._service.close()
            await self._manager.close()


async def _lasting(work: Callable[[], Coroutine[None, None, None]], what: str) -> None:
    """The work, begun again should a fault end it."""
    while not cancelled():
        try:
            await work()
        except Exception as error:
            fault(error, what)
            await asyncio.sleep(AFTER_FAULT)


def _listen(triggers: ExitStack, loop: asyncio.AbstractEventLoop, manager: Manager, watch: Watch) -> None:
    """Looks again on everything that can change resctrl: its files, mounts, CPUs."""
    loop.add_reader(watch.fd, manager.hint)
    triggers.callback(loop.remove_reader, watch.fd)
    mounts = MountWatch()
    triggers.callback(mounts.close)
    loop.add_reader(mounts.fd, manager.poke)
    triggers.callback(loop.remove_reader, mounts.fd)
    try:
        cpus = CpuWatch()
    except OSError as error:
        log.warning("CPU hotplug is seen late: no uevents from the kernel (%s)", error.strerror)
        return
    triggers.callback(cpus.close)

    def changed() -> None:
        if (found := cpus.take()) is not None:
            manager.cpus_changed(found.offline)

    loop.add_reader(cpus.fd, changed)
    triggers.callback(loop.remove_reader, cpus.fd)


async def _look(manager: Manager) -> None:
    """A turn that reads everything."""
    try:
        await manager.reconcile()
    except RdtdError as error:
        log.warning("%s", error, extra=entry(Message.CANNOT_REPAIR))
