"""The soak of a real rdtd: a process on a bus of its own, over the mounted simulator, with many callers."""

from __future__ import annotations

from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random
from typing import Any

from rdtd.bus.client import BusError, BusGone, BusTimeout, Rule
from rdtd.simulator.process import SimulatorError
from tests.crash.launcher import Meter
from tests.crash.mortal import MortalDaemon
from tests.soak.figures import Figures, ViolationError, memory
from tests.soak.ledger import Ledger
from tests.support.caller import NAME, Caller, Granted
from tests.support.mount import Mount
from tests.support.patience import PATIENCE

__all__ = ["soak_daemon"]

CALLERS = 6
EACH = 8  # operations of each caller between two looks
_BUS = "org.freedesktop.DBus"
_KINDS = ["reserve", "reserve", "release", "resize", "attach", "preview", "list"]
_NO_ANSWER = "org.freedesktop.DBus.Error.NoReply"


def soak_daemon(operations: int, seed: int, figures: Figures) -> None:
    """Runs until so many operations were done. Raises ViolationError at the first thing that is wrong."""
    with MortalDaemon() as daemon, ThreadPoolExecutor(CALLERS) as pool:
        soak = _Soak(daemon, Random(seed), figures, pool)
        while figures.operations.total() < operations:
            soak.round()
        soak.end()


class _Client:
    """One caller with names of its own, so that the others take none of its reservations."""

    def __init__(self, number: int, address: str, seed: int) -> None:
        self.number = number
        self.random = Random(seed)
        self.names = [f"c{number}.{one}" for one in range(3)]
        self.caller = Caller(address)


class _Soak:
    def __init__(
        self, daemon: MortalDaemon, random: Random, figures: Figures, pool: ThreadPoolExecutor
    ) -> None:
        self.daemon = daemon
        self.mount = Mount(daemon.simulator)
        self.random = random
        self.figures = figures
        self.pool = pool
        self.ledger = Ledger(figures)
        self.meter: Meter = daemon.meter
        self.watcher = self._watcher()
        self.clients = [
            _Client(number, daemon.address, random.randrange(1 << 32)) for number in range(CALLERS)
        ]
        self._begin_life()

    def _watcher(self) -> Caller:
        caller = Caller(self.daemon.address)
        caller.client.subscribe(Rule(_BUS, _BUS, "NameOwnerChanged", arg0=NAME))
        return caller

    def _begin_life(self) -> None:
        assert self.daemon.process is not None
        self.figures.memory_before = memory(self.daemon.process.pid)

    def round(self) -> None:
        """All callers at once, with interference; then everything is looked at."""
        for _ in range(self.random.choice([0, 1, 2, 3])):
            self._interfere()
        fate = self.random.random()
        self.meter.arm(self.random.randint(1, 2000) if fate < 0.1 else 0)
        work = [self.pool.submit(self._work, client) for client in self.clients]
        for one in work:
            one.result()
        self._revive()
        if fate > 0.97:
            self._restart_bus()
        elif fate > 0.9:
            self._replace_client()
        self._look()

    def _work(self, client: _Client) -> None:
        for _ in range(EACH):
            name = client.random.choice(client.names)
            kind = client.random.choice(
                ["reserve", "reserve", "release", "resize", "attach", "preview", "list"]
            )
            self.figures.operations[kind] += 1
            try:
                self._operate(client, kind, name)
            except BusError as error:
                if error.name == _NO_ANSWER:
                    self.ledger.unknown(name, stays=kind != "release")
                    return  # rdtd is dead
                self.figures.refused[error.name.rpartition(".")[2]] += 1
                if error.name.endswith("ServiceUnknown"):
                    return

    def _operate(self, client: _Client, kind: str, name: str) -> None:
        caller, random = client.caller, client.random
        where = random.choice(["", ",cache-id=0", ",cache-id=1", ",cache-id=any"])
        spec = f"size={random.randint(1, 3)}ways{where}"
        match kind:
            case "reserve":
                options = {"lifetime": ("s", "client")} if client.number % 3 == 0 else {}
                granted = caller.reserve(name, spec, **options)
                leaves = f"{client.number}" if options else ""
                self.ledger.reserved(name, _granted(granted), leaves)
            case "release":
                caller.release(name)
                self.ledger.released(name)
            case "resize":
                regions = [{"ways": ("u", random.randint(1, 3)), "cache-id": ("u", random.randint(0, 1))}]
                granted = caller.call("Resize", "saa{sv}a{sv}", name, regions, {})[0]
                self.ledger.resized(name, _granted(granted))
            case "attach":
                caller.attach(name, cpus=("s", str(random.randint(0, 15))))
            case "preview":
                caller.reserve(f"{name}.not", spec, dry_run=("b", True))
            case _:
                caller.free()

    def _interfere(self) -> None:
        """One change from outside, or a fault."""
        own = [name for name in self.mount.groups() if name.startswith("rdtd.")]
        group = self.random.choice(own or [""])
        mask = f"L3:{self.random.randint(0, 1)}={self.random.choice(['7', '38', '7ff', '400']):s}"
        choices = {
            "foreign group made": lambda: (self.mount.root / "other").mkdir(),
            "foreign group removed": lambda: (self.mount.root / "other").rmdir(),
            "own group removed": lambda: (self.mount.root / group).rmdir(),
            "own group set": lambda: self.mount.set_masks(mask, group),
            "default group set": lambda: self.mount.set_masks(mask),
            "call to fail": lambda: self.daemon.simulator.control("fail write rdtd.*/schemata EIO"),
            "call slow": lambda: self.daemon.simulator.control("delay mkdir * 0.01 3"),
            "remounted": lambda: self.daemon.simulator.control("remount"),
            "cache offline": lambda: self.daemon.simulator.control("offline L3 1"),
            "cache online": lambda: self.daemon.simulator.control("online L3 1"),
            "read-only": lambda: self.daemon.simulator.control("readonly on"),
        }
        what = self.random.choice(list(choices))
        with suppress(OSError, SimulatorError):
            choices[what]()
            self.figures.faults[what] += 1

    def _revive(self) -> None:
        """rdtd runs again if it was killed."""
        assert self.daemon.process is not None
        self.meter.arm(0)
        try:
            self.watcher.reservations()
        except BusError:
            self.daemon.process.wait(PATIENCE)
            self.figures.faults["killed"] += 1
            self.daemon.process = None
            self._calm()
            self.daemon.start()
            self._begin_life()

    def _restart_bus(self) -> None:
        self.figures.faults["bus restarted"] += 1
        for client in self.clients:
            self.ledger.left(f"{client.number}")
            client.caller.close()
        self.watcher.close()
        self.daemon.bus.end()
        self.daemon.bus.start()
        self.watcher = self._watcher()
        if not self.watcher.client.call(_BUS, "/", _BUS, "NameHasOwner", "s", NAME)[0]:
            self.watcher.signal("NameOwnerChanged")
        for client in self.clients:
            client.caller = Caller(self.daemon.address)

    def _replace_client(self) -> None:
        self.figures.faults["client left"] += 1
        client = self.random.choice(self.clients)
        client.caller.close()
        self.ledger.left(f"{client.number}")
        client.caller = Caller(self.daemon.address)

    def _calm(self) -> None:
        self.daemon.simulator.control("clear")
        self.daemon.simulator.control("online cpu 0-15")
        with suppress(OSError):
            (self.mount.root / "other").rmdir()

    def _look(self) -> None:
        """Faults end, rdtd puts everything right, and all that was promised is there."""
        self._calm()
        rows = self._settled()
        found = {row[0]: _granted(row[2]) for row in rows}
        self.ledger.compare(found)
        if {f"rdtd.{name}" for name in found} != set(self.mount.groups()):
            raise ViolationError(f"the groups are {self.mount.groups()}, the reservations {sorted(found)}")
        taken: dict[int, int] = {0: 0, 1: 0}
        for name, _, granted, details in rows:
            if details["state"] != "active":
                raise ViolationError(f"{name} is {details}")
            masks = self.mount.masks(f"rdtd.{name}")
            for one in granted:
                key, mask = one["cache-id"], one["mask"]
                if masks[key] != mask or taken[key] & mask or self.mount.masks()[key] & mask:
                    raise ViolationError(f"{name} has {masks} where {mask:x} was granted; taken: {taken}")
                taken[key] |= mask
        self.figures.checks += 1

    def _settled(self) -> list[Any]:
        """The rows of ListReservations, when there is nothing left to do."""
        for _ in range(200):
            try:
                changes = self.watcher.call("Reconcile")[0]
            except (BusError, BusTimeout, BusGone) as error:
                changes = str(error)
            rows = self.watcher.reservations()
            gone = {row[0] for row in rows} - self.ledger.granted.keys() - self.ledger.in_doubt
            if changes == 0 and not gone:
                return rows
        raise ViolationError(f"not put right: {changes}; nobody was told of {gone}")

    def end(self) -> None:
        assert self.daemon.process is not None
        self.figures.memory_after = memory(self.daemon.process.pid)
        self.figures.longest_turn = self.meter["turn_cpu_nsec"] / 1e9
        for client in self.clients:
            client.caller.close()
        self.watcher.close()


def _granted(rows: Granted) -> Hashable:
    return tuple(sorted((row["type"], row["level"], row["cache-id"], row["mask"]) for row in rows))
