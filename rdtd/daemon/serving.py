"""Serves: the first turn, the bus, the triggers, the end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Coroutine, Iterable
from contextlib import ExitStack
from functools import partial

from rdtd.boot import Boot
from rdtd.bus.connection import Connection
from rdtd.bus.errors import BusError, BusGone, BusTimeout, NameTaken
from rdtd.bus.service import BUS_NAME, Service
from rdtd.bus.transport import Limits
from rdtd.core.errors import RdtdError
from rdtd.daemon.configuration import Configuration
from rdtd.daemon.connecting import keep_connected
from rdtd.daemon.telling import cannot_repair, fault, skipped, status, tell
from rdtd.log import entry
from rdtd.manager import Manager, cancelled
from rdtd.messages import Message
from rdtd.notify import notify, watchdog_interval, watchdog_loop
from rdtd.resctrl.watch import Watch
from rdtd.startup import StartError
from rdtd.triggers import CpuWatch, MountWatch

__all__ = ["serve"]

log = logging.getLogger("rdtd")


async def serve(manager: Manager, watch: Watch, bus: str, configuration: Configuration) -> int:
    """Serves until a signal ends it; the exit status. Raises NoBus, NameTaken or StartError before that."""
    loop = asyncio.get_running_loop()
    stopped, reload = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    limits = configuration.now.settings.limits
    connection = await Connection.open(bus, Limits(body=limits.message_size))
    manager.subscribe(partial(tell, manager))
    try:
        if (await connection.call_bus("NameHasOwner", "s", BUS_NAME))[0]:
            # Known before anything is touched: the groups may be the other's.
            raise NameTaken(f"the bus name {BUS_NAME} is taken: another instance is running")
        await _look(manager)
        boot = Boot(manager, skipped)
        await boot.load(configuration.now.reservations)
        service = Service(manager, os.geteuid(), fault, limits, polkit=bus == "system")
        # The name comes last: whoever waits for it finds everything in place.
        await service.attach(connection)
        await connection.request_name(BUS_NAME)
    except (BusError, BusGone, BusTimeout) as error:
        raise StartError(f"cannot serve {BUS_NAME} on the bus: {error}") from None
    with ExitStack() as triggers:
        _listen(triggers, loop, manager, watch)
        tasks = [
            manager.run(cannot_repair),
            boot.run(),
            keep_connected(service, connection, bus),
            _reload_when(reload, configuration, manager, boot, service),
        ]
        return await _until(stopped, tasks, manager, service, bus)


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
    loop.add_reader(cpus.fd, lambda: manager.poke() if cpus.changed() else None)
    triggers.callback(loop.remove_reader, cpus.fd)


async def _until(
    stopped: asyncio.Event,
    work: Iterable[Coroutine[None, None, None]],
    manager: Manager,
    service: Service,
    bus: str,
) -> int:
    """Tells that all is in place, and does the work until the end."""
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(one) for one in work]
    if (interval := watchdog_interval()) is not None:
        tasks.append(loop.create_task(watchdog_loop(interval)))
    try:
        notify(f"READY=1\nSTATUS={status(manager)}")
        named = bus if bus in ("system", "session") else "given"
        log.info("ready on the %s bus: %s", named, status(manager), extra=entry(Message.READY))
        await stopped.wait()
        notify("STOPPING=1")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await service.close()
        await manager.close()
    return 0


async def _reload_when(
    asked: asyncio.Event, configuration: Configuration, manager: Manager, boot: Boot, service: Service
) -> None:
    while not cancelled():
        await asked.wait()
        asked.clear()
        await configuration.reload(manager, boot, service)
        await _look(manager)


async def _look(manager: Manager) -> None:
    """A turn that reads everything."""
    try:
        await manager.reconcile()
    except RdtdError as error:
        log.warning("%s", error, extra=entry(Message.CANNOT_REPAIR))
