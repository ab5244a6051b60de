"""A host in memory: a simulated resctrl, processes, a runtime directory, and rdtd on it, life after life.

rdtd is the real one from the Manager down to its system calls; those of the mount are answered by the
simulator's Machine in this process, those of the runtime directory and of procfs by the real system.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rdtd.attach import Targets
from rdtd.core.errors import RdtdError
from rdtd.core.model import Lifetime, Owner
from rdtd.core.space import Policy
from rdtd.core.spec import parse_spec
from rdtd.engine import Engine
from rdtd.manager import Manager, Request
from rdtd.observer import Observer
from rdtd.resctrl.filesystem import Resctrl
from rdtd.simulator.kernel import KERNELS
from rdtd.simulator.machine import Machine
from rdtd.simulator.presets import PRESETS
from rdtd.simulator.state import MountOptions, State
from rdtd.simulator.tasks import Caller
from rdtd.simulator.tree import File
from rdtd.startup import claim, restore
from rdtd.store import Store
from rdtd.threads import Threads
from tests.model.calls import Facade, installed
from tests.model.files import ROOT, SYSFS, Fcntl, Files
from tests.model.hints import Hints
from tests.model.processes import Processes

__all__ = ["Host", "Killed", "request"]


class Killed(BaseException):
    """rdtd is dead: this call has not happened, and none that follows does."""


class Host:
    """The machine goes on when rdtd dies. `call` is asked before each system call of rdtd."""

    def __init__(
        self,
        directory: Path,
        preset: str = "xeon",
        kernel: str = "6.12",
        policy: Policy | None = None,
        **options: Any,
    ) -> None:
        """`directory`: for the runtime directory and procfs. `options`: of the preset, as `cdp=True`."""
        chosen = replace(PRESETS[preset], **options)
        state = State(chosen.topology(), KERNELS[kernel], MountOptions(cdp=chosen.cdp, cdpl2=chosen.cdpl2))
        self.directory = directory
        self.run = directory / "run"
        self.processes = Processes(directory / "proc")
        self.machine = Machine(state, self.processes, sleep=lambda _: None)
        self.files = Files(self.machine)
        self.policy = policy or Policy()
        self.calls = 0
        self.said: list[str] = []
        self.clock: Callable[[], float] = lambda: 0.0  # the engine's: no turn is cut into slices
        self.call: Callable[[int, str, tuple[Any, ...]], None] = lambda *_: None
        self.dead = False

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """rdtd's modules make their system calls here."""
        files = self.files
        opener = Facade(files, self._before).opener
        with installed(Facade(files, self._before), Facade(Fcntl(files), self._before), opener):
            yield

    def _before(self, name: str, arguments: tuple[Any, ...]) -> None:
        if self.dead:
            raise Killed
        self.calls += 1
        try:
            self.call(self.calls, name, arguments)
        except Killed:
            self.dead = True
            raise

    def boot(self) -> Manager:
        """rdtd up to its first turn. Raises what rdtd would say when it cannot start."""
        self.dead = False
        self.hints = hints = Hints()
        self.files.written = hints.written  # type: ignore[method-assign]
        self.files.changed_directory = hints.changed_directory  # type: ignore[method-assign]
        claim(str(self.run))
        self.store = Store(str(self.run))
        mount = Resctrl(ROOT, SYSFS, hints.follow)
        wanted = restore(self.store, mount, self.said.append)
        threads = Threads(str(self.processes.procfs))
        observer = Observer(mount, threads, hints.drain, hints.unmounted)
        self.engine = Engine(mount, self.store, self.policy, wanted, observer, self.clock)
        return Manager(self.engine, threads, hints.pending, lock_wait=0.05)

    async def start(self) -> Manager:
        """rdtd when its first turn is done, well or not."""
        manager = self.boot()
        try:
            await manager.reconcile()
        except RdtdError as error:
            self.said.append(str(error))
        except BaseException:
            await manager.close()
            raise
        return manager

    async def end(self, manager: Manager) -> None:
        """The end of the process, as the kernel sees it."""
        await manager.close()
        self.dies()

    def dies(self) -> None:
        self.dead = False
        self.files.end()

    # What others do, and what is there.

    def echo(self, text: str, path: str) -> None:
        """An administrator's echo: `path` is below the mount point."""
        fd = self.files.open(f"{ROOT}/{path}", 1)
        try:
            self.files.write(fd, f"{text}\n".encode())
        finally:
            self.files.close(fd)

    def cat(self, path: str) -> str:
        node = self.machine.lookup(f"/{path}")
        assert isinstance(node, File)
        return node.show()  # past the faults, which are for rdtd

    def control(self, command: str) -> None:
        """A command to the simulator."""
        self.machine.write("/.simulator/control", f"{command}\n", Caller())

    def groups(self) -> list[str]:
        return sorted(self.machine.state.groups)

    def dump(self) -> dict[str, tuple[str, ...]]:
        """Each group's schemata, mode, CPUs and tasks."""
        files = ("schemata", "mode", "cpus_list", "tasks")
        return {name: tuple(self.cat(f"{name}/{file}") for file in files) for name in ("", *self.groups())}


def request(name: str, spec: str, lifetime: Lifetime = Lifetime.PERSISTENT, **targets: Any) -> Request:
    """A request of root's; targets as those of Attach: tasks, processes, cpus."""
    owner = Owner(0) if lifetime is Lifetime.PERSISTENT else Owner(0, ":1.1", "bus")
    return Request(name, parse_spec(spec), owner, lifetime, Targets(**targets))
