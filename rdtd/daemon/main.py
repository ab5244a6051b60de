"""From the command line to a daemon that serves: what it is made of, and how the program ends."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from rdtd.bus.errors import NameTaken, NoBus
from rdtd.config import Config, ConfigError, load
from rdtd.daemon import options as command_line
from rdtd.daemon.checking import check
from rdtd.daemon.configuration import Configuration
from rdtd.daemon.serving import Server
from rdtd.daemon.telling import refused
from rdtd.dropins import DIRECTORIES
from rdtd.engine import Engine
from rdtd.log import entry, start_logging
from rdtd.manager import Manager
from rdtd.messages import Message
from rdtd.notify import notify
from rdtd.observer import Observer
from rdtd.resctrl.filesystem import Resctrl
from rdtd.resctrl.watch import Watch
from rdtd.startup import StartError, claim, restore
from rdtd.store import Store
from rdtd.threads import Threads

log = logging.getLogger("rdtd")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `rdtd`. Exit status: 0 told to stop, 1 cannot run (one line says why), 2 wrong usage."""
    options = command_line.parse(arguments)
    if options.check_config:
        return check(partial(_load, options))
    listener = start_logging(options.log_level or "info")
    try:
        with ExitStack() as stack:
            return _run(options, stack)
    except ConfigError as error:
        refused(error.problems, kept=False)
        return 1
    except (StartError, NoBus, NameTaken) as error:
        log.error("%s", error)
        return 1
    finally:
        notify("STOPPING=1")
        listener.stop()


def _load(options: argparse.Namespace) -> Config:
    return load(options.config, options.config_dir or DIRECTORIES)


def _run(options: argparse.Namespace, stack: ExitStack) -> int:
    configuration = Configuration(partial(_load, options), options.log_level)
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
    wanted = restore(store, mount, partial(log.warning, extra=entry(Message.STATE_LOST)))
    settings = configuration.now.settings
    threads = Threads()
    observer = Observer(mount, threads, watch.drain, watch.unmounted)
    engine = Engine(mount, store, settings.policy, wanted, observer)
    manager = Manager(engine, threads, watch.pending, settings.limits.lock_timeout)
    return asyncio.run(_serve(manager, watch, configuration, options))


async def _serve(
    manager: Manager, watch: Watch, configuration: Configuration, options: argparse.Namespace
) -> int:
    server = Server(
        manager,
        watch,
        configuration,
        options.bus,
        cgroups=options.cgroups,
        mount_command=options.mount_command,
    )
    return await server.serve()


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
