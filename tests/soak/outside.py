"""What others do to a machine in memory: tools that know nothing of rdtd, administrators, hardware."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from rdtd.simulator.lastcmd import RefusedError
from rdtd.simulator.state import MountOptions
from rdtd.simulator.tasks import Caller
from tests.model.host import Host

__all__ = ["Outside"]

_CALLER = Caller()
_FOREIGN = ("qemu-1-vm", "k8s", "COS1", "odd name \udcff")


class Outside:
    """One change after the other, at random. What the kernel refuses to others is no concern of rdtd's."""

    def __init__(self, host: Host, random: Random, cdp: bool) -> None:
        self.host = host
        self.random = random
        self._cdp = cdp
        self._next_thread = 1000
        self.baseline_was_set = False
        small: dict[str, Callable[[], None]] = {
            "foreign group made": self._make,
            "foreign group set": self._set_foreign,
            "foreign group removed": self._remove_foreign,
            "own group removed": self._remove_own,
            "own group set": self._set_own,
            "mode set": self._set_mode,
            "default group set": self._set_default,
            "thread moved": self._move_thread,
            "CPU moved": self._move_cpu,
            "thread ended": self._end_thread,
            "thread started": self.start_thread,
            "call to fail": self._fail,
            "state file removed": self._remove_state,
        }
        large: dict[str, Callable[[], None]] = {
            "cache offline": lambda: self._hotplug("offline L3"),
            "cache online": lambda: self._hotplug("online L3"),
            "CPU offline": lambda: self._hotplug("offline cpu"),
            "CPU online": lambda: self._hotplug("online cpu"),
            "cache offline and online": self._flicker,
            "remounted": self._remount,
            "unmounted": self._unmount,
            "lock held": self._lock,
            "read-only": lambda: self.host.control("readonly on"),
        }
        self._small, self._large = small, large

    def small(self) -> str:
        """A change that can come between any two calls of rdtd's; its name."""
        return self._do(self._small)

    def any(self) -> str:
        """Any change; its name."""
        return self._do(self._small | self._large)

    def calm(self) -> None:
        """Nobody fails or hinders any more; what others made stays."""
        self.host.files.locked_by_others = 0
        self.host.control("clear")
        self._mount()

    def leave(self) -> None:
        """Others are gone, and the machine is whole."""
        self.calm()
        for name in [name for name in self.host.groups() if not name.startswith("rdtd.")]:
            self.host.machine.rmdir(f"/{name}")
        self.host.control(f"online cpu 0-{self.host.machine.state.topology.nr_cpus - 1}")
        if self.host.machine.state.options.cdp != self._cdp:
            self._mounted(MountOptions(cdp=self._cdp))

    def _do(self, choices: dict[str, Callable[[], None]]) -> str:
        name = self.random.choice(list(choices))
        if not self.host.files.mounted:
            return "nothing: unmounted"
        try:
            choices[name]()
        except (RefusedError, OSError):
            return f"{name}: refused"
        return name

    def _group(self, own: bool) -> str:
        return self.random.choice(
            [one for one in self.host.groups() if one.startswith("rdtd.") is own] or ["-"]
        )

    def _line(self) -> str:
        """Masks for some domains of a cache resource."""
        state = self.host.machine.state
        name = self.random.choice([schema.name for schema in state.schemas if schema.is_cache])
        ways = state.schema[name].resource.default.bit_length()
        cells = []
        for domain in state.values[name]:
            size = self.random.randint(1, ways)
            cells.append(f"{domain}={((1 << size) - 1) << self.random.randint(0, ways - size):x}")
        return f"{name}:{';'.join(cells[: self.random.randint(1, len(cells))])}"

    def _make(self) -> None:
        name = self.random.choice(_FOREIGN)
        self.host.files.mkdir(self._path(name))
        if self.random.random() < 0.8:
            self.host.echo(self._line(), f"{name}/schemata")

    def _path(self, name: str) -> str:
        return f"/sys/fs/resctrl/{name}"

    def _set_foreign(self) -> None:
        self.host.echo(self._line(), f"{self._group(False)}/schemata")

    def _remove_foreign(self) -> None:
        self.host.files.rmdir(self._path(self._group(False)))

    def _remove_own(self) -> None:
        self.host.files.rmdir(self._path(self._group(True)))

    def _set_own(self) -> None:
        self.host.echo(self._line(), f"{self._group(True)}/schemata")

    def _set_mode(self) -> None:
        mode = self.random.choice(["exclusive", "shareable"])
        self.host.echo(mode, f"{self._group(self.random.random() < 0.7)}/mode")

    def _set_default(self) -> None:
        self.baseline_was_set = True
        self.host.echo(self._line(), "schemata")

    def _threads(self) -> list[int]:
        return [thread for thread in self.host.processes.table if thread != 1]

    def _move_thread(self) -> None:
        group = self.random.choice(["", *self.host.groups()])
        self.host.echo(f"{self.random.choice(self._threads())}", f"{group}/tasks")

    def _move_cpu(self) -> None:
        group = self.random.choice(self.host.groups() or ["-"])
        cpus = sorted(self.host.machine.state.online_cpus)
        self.host.echo(",".join(map(str, self.random.choices(cpus, k=2))), f"{group}/cpus_list")

    def _end_thread(self) -> None:
        self.host.processes.end(self.random.choice(self._threads()))
        self._next_thread += 1
        self.host.processes.add(self._next_thread)  # another process comes, so that there are always some

    def start_thread(self) -> None:
        """A new process, or a thread of one."""
        self._next_thread += 1
        if len(self._threads()) < 24:
            process = self.random.choice([None, *self._threads()])
            owner = None if process is None else self.host.processes.table[process]
            self.host.processes.add(self._next_thread, owner)

    def _fail(self) -> None:
        operation = self.random.choice(["mkdir", "rmdir", "read", "write"])
        code = self.random.choice(["EIO", "EBUSY", "ENOSPC"] if operation != "read" else ["EIO"])
        self.host.control(f"fail {operation} {self.random.choice(['*', 'rdtd.*', 'schemata'])} {code}")

    def _remove_state(self) -> None:
        (self.host.run / "state.json").unlink(missing_ok=True)

    def _hotplug(self, command: str) -> None:
        topology = self.host.machine.state.topology
        what = self.random.choice([cache.id for cache in topology.caches_of(3)])
        if command.endswith("cpu"):
            what = self.random.randrange(topology.nr_cpus)
        self.host.control(f"{command} {what}")

    def _flicker(self) -> None:
        topology = self.host.machine.state.topology
        what = self.random.choice([cache.id for cache in topology.caches_of(3)])
        self.host.control(f"offline L3 {what}\nonline L3 {what}")

    def _remount(self) -> None:
        # A host that is at home with CDP keeps it: without, it would take twice as many reservations.
        self._mounted(MountOptions(cdp=self._cdp or self.random.random() < 0.5))

    def _mounted(self, options: MountOptions) -> None:
        self.host.machine.remount(options)
        self.host.files.mounts += 1
        self.host.hints.unmount()

    def _unmount(self) -> None:
        self.host.files.mounted = False
        self.host.hints.unmount()

    def _mount(self) -> None:
        if not self.host.files.mounted:
            self.host.files.mounted = True
            self._mounted(self.host.machine.state.options)

    def _lock(self) -> None:
        self.host.files.locked_by_others = self.random.randint(1, 7)
