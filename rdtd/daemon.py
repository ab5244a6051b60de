"""rdtd: puts the parts together, serves until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from rdtd import __version__, config
from rdtd.bus.connection import Connection
from rdtd.bus.errors import BusError, BusGone, BusTimeout, NameTaken, NoBus
from rdtd.bus.service import BUS_NAME, Service
from rdtd.core.errors import NotMounted, RdtdError
from rdtd.engine import Engine
from rdtd.log import LEVELS, start_logging
from rdtd.manager import Manager, Published
from rdtd.notify import notify, watchdog_interval, watchdog_loop
from rdtd.resctrl.filesystem import Resctrl
from rdtd.resctrl.watch import Watch
from rdtd.startup import StartError, claim, restore
from rdtd.store import Store
from rdtd.threads import Threads
from rdtd.triggers import CpuWatch, MountWatch

log = logging.getLogger("rdtd")

RECONNECT = 1.0  # seconds between attempts to reach a bus that went away


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `rdtd`. Exit status: 0 told to stop, 1 cannot run (one line says why), 2 wrong usage."""
    options = _parser().parse_args(arguments)
    listener = start_logging(options.log_level)
    try:
        with ExitStack() as stack:
            return _run(options, stack)
    except (StartError, config.ConfigError, NoBus, NameTaken) as error:
        log.error("%s", error)
        return 1
    finally:
        notify("STOPPING=1")
        listener.stop()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rdtd",
        description="The daemon that owns the CPU caches of this host: it reserves ways of them over D-Bus.",
    )
    parser.add_argument(
        "--bus", default="system", metavar="BUS", help="'system' (the default), 'session' or a D-Bus address"
    )
    parser.add_argument("--root", metavar="DIR", help="where resctrl is mounted (default: /sys/fs/resctrl)")
    parser.add_argument(
        "--simulate",
        nargs="?",
        const="xeon",
        metavar="PRESET",
        help="bring up a simulated resctrl, at --root or in a temporary directory; PRESET as for "
        "rdtd-simulator --preset (default: xeon)",
    )
    parser.add_argument(
        "--sysfs", default="/sys", metavar="DIR", help="where sysfs is; a simulator has one of its own"
    )
    parser.add_argument(
        "--config", metavar="FILE", help=f"the configuration (default: {config.DEFAULT_PATH})"
    )
    parser.add_argument(
        "--state-dir",
        metavar="DIR",
        help="where the state is kept while the machine runs (default: $RUNTIME_DIRECTORY, or /run/rdtd)",
    )
    parser.add_argument("--log-level", choices=LEVELS, default="info", help="default: info")
    parser.add_argument("--version", action="version", version=f"rdtd {__version__}")
    return parser


def _run(options: argparse.Namespace, stack: ExitStack) -> int:
    chosen = config.load(options.config)
    for warning in chosen.warnings:
        log.warning("%s", warning)
    root, sysfs = options.root or "/sys/fs/resctrl", options.sysfs
    state_directory = options.state_dir or os.environ.get("RUNTIME_DIRECTORY") or "/run/rdtd"
    if options.simulate is not None:
        root, sysfs = _simulate(options, stack)
        if options.state_dir is None:
            # It lives as long as the simulated groups do.
            state_directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="rdtd-state-"))
    stack.callback(os.close, claim(state_directory))
    watch = Watch(root)
    stack.callback(watch.close)
    mount = Resctrl(root, sysfs, watch.follow)
    store = Store(state_directory)
    wanted = restore(store, mount, log.warning)
    manager = Manager(Engine(mount, store, chosen.policy, wanted, watch.drain), Threads(), watch.pending)
    return asyncio.run(_serve(manager, watch, options.bus))


def _simulate(options: argparse.Namespace, stack: ExitStack) -> tuple[str, str]:
    """Starts the simulator, a process of its own; its root and its sysfs."""
    from rdtd.simulator.presets import PRESETS
    from rdtd.simulator.process import SimulatorError, SimulatorProcess

    if options.simulate not in PRESETS:
        known = ", ".join(PRESETS)
        raise StartError(f"cannot simulate: there is no preset {options.simulate!r}; there are {known}")
    try:
        simulator = stack.enter_context(SimulatorProcess(["--preset", options.simulate], options.root))
    except SimulatorError as error:
        raise StartError(f"cannot simulate: {error}") from None
    log.info("a simulated resctrl (%s) is mounted at %s", options.simulate, simulator.root)
    return simulator.root, simulator.sysfs


async def _serve(manager: Manager, watch: Watch, bus: str) -> int:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    connection = await Connection.open(bus)
    manager.subscribe(partial(_tell, manager))
    try:
        if (await connection.call_bus("NameHasOwner", "s", BUS_NAME))[0]:
            # Known before anything is touched: the groups may be the other's.
            raise NameTaken(f"the bus name {BUS_NAME} is taken: another instance is running")
        await _first_turn(manager)
        service = Service(manager, os.geteuid(), _fault)
        # The name comes last: whoever waits for it finds everything in place.
        await service.attach(connection)
        await connection.request_name(BUS_NAME)
    except (BusError, BusGone, BusTimeout) as error:
        raise StartError(f"cannot serve {BUS_NAME} on the bus: {error}") from None
    with ExitStack() as triggers:
        _listen(triggers, loop, manager, watch)
        return await _until(stopped, manager, service, connection, bus)


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
    stopped: asyncio.Event, manager: Manager, service: Service, connection: Connection, bus: str
) -> int:
    loop = asyncio.get_running_loop()
    tasks = [
        loop.create_task(manager.run(_cannot_repair)),
        loop.create_task(_keep_connected(service, connection, bus)),
    ]
    if (interval := watchdog_interval()) is not None:
        tasks.append(loop.create_task(watchdog_loop(interval)))
    try:
        notify(f"READY=1\nSTATUS={_status(manager)}")
        log.info(
            "ready on the %s bus: %s", bus if bus in ("system", "session") else "given", _status(manager)
        )
        await stopped.wait()
        notify("STOPPING=1")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await service.close()
        await manager.close()
    return 0


async def _first_turn(manager: Manager) -> None:
    try:
        await manager.reconcile()
    except RdtdError as error:
        log.warning("%s", error)


async def _keep_connected(service: Service, connection: Connection, bus: str) -> None:
    """Finds a new connection whenever the bus goes away."""
    while True:
        await asyncio.wait([connection.disconnected])
        log.warning("the bus is gone; reservations stay, those of its clients are released when it is back")
        connection = await _reconnect(service, bus)
        log.info("connected to the bus again")


async def _reconnect(service: Service, bus: str) -> Connection:
    reported = ""
    while True:
        await asyncio.sleep(RECONNECT)
        try:
            connection = await Connection.open(bus)
            try:
                await service.attach(connection)
                await connection.request_name(BUS_NAME)
            except BaseException:
                await connection.close()
                raise
            return connection
        except (NoBus, BusError, BusGone, BusTimeout, NameTaken) as error:
            if str(error) != reported:
                log.warning("%s; trying again every %g s", error, RECONNECT)
            reported = str(error)


def _status(manager: Manager) -> str:
    public = manager.public
    if public.state == "unmounted":
        return f"Waiting for resctrl at {manager.root}"
    number = len(public.reservations)
    return f"{number} reservation{'' if number == 1 else 's'}, {public.closids_free} more possible"


def _tell(manager: Manager, published: Published) -> None:
    for drift in published.drifts:
        where = f"group {drift.group!r}" if drift.group else "the default group"
        log.warning(
            "%s was not as it should be (%s): %s; %s",
            where,
            drift.kind,
            drift.details["found"],
            drift.details["done"],
        )
    unmounted = [public.state == "unmounted" for public in (published.before, published.after)]
    if unmounted == [False, True]:
        log.warning("resctrl is not mounted at %s any more; waiting for it", manager.root)
    elif unmounted == [True, False]:
        log.info("resctrl is mounted at %s", manager.root)
    for name, reason in published.after.degraded.items() if not unmounted[1] else ():
        if published.before.degraded.get(name) != reason:
            log.warning("reservation %s is not whole: %s", name, reason)
    notify(f"STATUS={_status(manager)}")


def _cannot_repair(error: Exception) -> None:
    if isinstance(error, NotMounted):
        return  # told when it went away
    if isinstance(error, RdtdError):
        log.warning("cannot put resctrl right now: %s", error)
    else:
        _fault(error, "looking at resctrl")


def _fault(error: BaseException, where: str) -> None:
    log.error("a fault of rdtd in %s", where, exc_info=error)


if __name__ == "__main__":
    sys.exit(main())
