"""The soak in one process: rdtd from the Manager down, over a machine in memory."""

from __future__ import annotations

import asyncio
import tempfile
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import rdtd.turns
from rdtd.attach import Targets
from rdtd.core.errors import RdtdError
from rdtd.core.model import CacheId, Kind, Lifetime, Owner, Region, Wanted
from rdtd.core.sizes import Amount, Unit
from rdtd.core.space import ForeignGroups, Policy
from rdtd.manager import Manager, Request
from rdtd.startup import StartError
from tests.core import invariants
from tests.model.host import Host, Killed
from tests.soak.figures import Figures, ViolationError, memory
from tests.soak.ledger import Ledger
from tests.soak.outside import Outside

__all__ = ["soak"]

EPOCH = 20_000  # operations on one machine
BETWEEN_LOOKS = 25  # batches, before everybody else leaves and all has to be whole
MACHINES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("xeon", "6.12", {}),
    ("xeon-cdp", "6.1", {}),
    ("xeon", "7.2", {"ways": 20, "closids": 6, "l2_ways": 8, "l2_cpus": 8}),
    ("amd", "6.12", {"cache_ids": (0, 1, 2)}),
)
_NAMES = [f"n{number}" for number in range(12)]


def soak(operations: int, seed: int, figures: Figures) -> None:
    """Runs until so many operations were done. Raises ViolationError at the first thing that is wrong."""
    random = Random(seed)
    number = 0
    while (left := operations - figures.operations.total()) > 0:
        preset, kernel, options = MACHINES[number % len(MACHINES)]
        policy = Policy(foreign=random.choice(list(ForeignGroups)))
        with tempfile.TemporaryDirectory(prefix="rdtd-soak-", dir="/dev/shm") as directory:
            host = Host(Path(directory), preset, kernel, policy, **options)
            host.clock = _Clock().monotonic
            try:
                with host.in_place(), patch.object(rdtd.turns, "ThreadPoolExecutor", _Inline):
                    asyncio.run(_Epoch(host, random, figures).run(min(left, EPOCH)))
            finally:
                figures.longest_hold = max(figures.longest_hold, host.files.longest_hold)
        figures.memory_before = figures.memory_before or memory()
        figures.memory_after = memory()
        number += 1


class _Inline(Executor):
    """Runs what a thread would run at once, so that the same seed gives the same soak."""

    def __init__(self, *_: object, **__: object) -> None:
        """As a pool of threads."""

    def submit(self, fn: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*arguments, **options))
        except BaseException as error:
            done.set_exception(error)
        return done


class _Clock:
    """The engine's clock: a millisecond passes whenever it is read, so that turns are cut into slices."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        self._now += 0.001
        return self._now


class _Epoch:
    """One machine, and rdtd on it life after life."""

    def __init__(self, host: Host, random: Random, figures: Figures) -> None:
        self.host = host
        self.random = random
        self.figures = figures
        self.ledger = Ledger(figures)
        self.outside = Outside(host, random, host.machine.state.options.cdp)
        self.gone: set[str] = set()
        self.client = 0
        self._unsaved = False  # the state file was removed, and no turn has followed
        self._reported: deque[Exception] = deque(maxlen=1)  # what rdtd told last when it looked by itself
        self._manager: Manager | None = None
        self._runner: asyncio.Task[None] | None = None

    @property
    def manager(self) -> Manager:
        assert self._manager is not None, "rdtd is running"
        return self._manager

    async def run(self, operations: int) -> None:
        for _ in range(12):
            self.outside.start_thread()
        await self._start()
        end = self.figures.operations.total() + operations
        batches = 0
        while self.figures.operations.total() < end:
            await self._batch()
            batches += 1
            alone = batches % BETWEEN_LOOKS == 0
            if alone:
                self.outside.leave()
            await self._look(alone=alone)
        await self._empty()
        await self._stop()

    # rdtd's lives.

    async def _start(self) -> None:
        """rdtd, started as often as it takes: faults can keep it from starting, and it can be killed."""
        for attempt in range(10):
            if attempt < 2 and self.random.random() < 0.3:
                self._hit(self.random.randint(1, 150))
            try:
                self._manager = await self.host.start()
            except (Killed, StartError, RdtdError):
                self.host.dies()
                if attempt >= 3:
                    self.outside.calm()
            else:
                self._unsaved = False
                break
            finally:
                self.host.call = lambda *_: None
        else:
            raise ViolationError("rdtd does not start")
        self._run()
        for client in sorted(self.gone):
            self.manager.leave(client, "bus")

    def _run(self) -> None:
        self._runner = asyncio.create_task(self.manager.run(self._reported.append))

    async def _end_run(self) -> None:
        assert self._runner is not None
        self._runner.cancel()
        await asyncio.gather(self._runner, return_exceptions=True)

    async def _stop(self) -> None:
        await self._end_run()
        await self.host.end(self.manager)
        self._manager = None

    def _hit(self, number: int) -> None:
        """rdtd dies before that call from now."""
        at = self.host.calls + number

        def kill(count: int, *_: object) -> None:
            if count >= at and not self._unsaved:
                self.figures.faults["killed"] += 1
                raise Killed

        self.host.call = kill

    def _interfere(self, number: int) -> None:
        """Somebody who takes no lock changes something before that call from now."""
        at = self.host.calls + number

        def change(count: int, *_: object) -> None:
            if count == at:
                self._note(self.outside.small())

        self.host.call = change

    def _note(self, what: str) -> None:
        self.figures.faults[what] += 1
        self._unsaved |= what == "state file removed"

    # What happens.

    async def _batch(self) -> None:
        """Some callers at once, and some interference: before, between rdtd's calls, or its death."""
        for _ in range(self.random.choice([0, 0, 1, 1, 2, 4])):
            self._note(self.outside.any())
        fate = self.random.random()
        if fate < 0.1:
            self._hit(self.random.randint(1, 300))
        elif fate < 0.5:
            self._interfere(self.random.randint(1, 200))
        names = self.random.sample(_NAMES, self.random.randint(1, 10))
        if self.random.random() < 0.3:
            self.manager.poke()
        ended = await asyncio.gather(*(self._operate(name) for name in names), return_exceptions=True)
        self.host.call = lambda *_: None
        for one in ended:
            if isinstance(one, BaseException) and not isinstance(one, Killed):
                raise one
        if any(isinstance(one, Killed) for one in ended) or self._dead():
            await self._end_run()
            await self.manager.close()
            self.host.dies()
            await self._start()
        elif not self._unsaved and self.random.random() < 0.03:
            self.figures.faults["stopped and started"] += 1
            await self._stop()
            await self._start()

    def _dead(self) -> bool:
        return self.host.dead or (self._runner is not None and self._runner.done())

    async def _operate(self, name: str) -> None:
        """One request of one caller."""
        kind = self.random.choice(_KINDS)
        self.figures.operations[kind] += 1
        try:
            await getattr(self, f"_{kind}")(name)
        except RdtdError as error:
            self.figures.refused[type(error).__name__] += 1
        except Killed:
            if kind in ("release", "resize"):
                self.ledger.unknown(name, stays=kind == "resize")
            raise

    async def _reserve(self, name: str) -> None:
        request = self._request(name)
        try:
            reservation = await self.manager.reserve(request)
        except Killed:
            self.ledger.unknown(name, stays=True, client=self._present(request.owner.client))
            raise
        client = reservation.owner.client
        if client in self.gone:
            # It has left before it was answered, maybe before its turn: as Service.hold() does.
            self.manager.leave(client, "bus")
        else:
            self.ledger.reserved(name, reservation.granted, client)

    def _present(self, client: str) -> str:
        return "" if client in self.gone else client

    async def _preview(self, name: str) -> None:
        await self.manager.preview(self._request(name))

    async def _resize(self, name: str) -> None:
        self.ledger.resized(name, await self.manager.resize(name, self._regions()))

    async def _preview_resize(self, name: str) -> None:
        await self.manager.resize(name, self._regions(), dry_run=True)

    async def _release(self, name: str) -> None:
        await self.manager.release(name)
        self.ledger.released(name)

    async def _attach(self, name: str) -> None:
        await self.manager.attach(name, self._targets())

    async def _detach(self, name: str) -> None:
        await self.manager.detach(name, self._targets())

    async def _list_free(self, name: str) -> None:
        for view in self.manager.public.caches.values():
            if view.free_mask & view.reserved:
                raise ViolationError(f"{view} has ways that are free and reserved")

    async def _reconcile(self, name: str) -> None:
        await self.manager.reconcile()

    async def _leave(self, name: str) -> None:
        """The client with its reservations leaves the bus, another one comes."""
        client, self.client = f":1.{self.client}", self.client + 1
        self.gone.add(client)
        self.ledger.left(client)
        self.manager.leave(client, "bus")

    def _request(self, name: str) -> Request:
        targets = self._targets() if self.random.random() < 0.4 else Targets()
        if self.random.random() < 0.25:
            return Request(
                name, self._regions(), Owner(0, f":1.{self.client}", "bus"), Lifetime.CLIENT, targets
            )
        return Request(name, self._regions(), Owner(0), Lifetime.PERSISTENT, targets)

    def _regions(self) -> tuple[Region, ...]:
        schemas = [one for one in self.host.machine.state.schemas if one.is_cache]
        schema = self.random.choice(schemas)
        level = int(schema.name[1])
        domains = list(self.host.machine.state.values[schema.name]) or [0]
        choices: list[int | CacheId] = [*domains, *domains, CacheId.ALL, CacheId.ANY]
        where = self.random.choice(choices)
        size = self.random.choice([1, 1, 1, 2, 2, 3, 5, 30])
        amount = Amount(size, self.random.choice([Unit.WAYS, Unit.WAYS, Unit.WAYS, Unit.PERCENT]))
        if schema.peer is not None and self.random.random() < 0.5:
            other = replace(amount, value=self.random.choice([1, 2, 4]))
            return Region(amount, Kind.CODE, level, where), Region(other, Kind.DATA, level, where)
        return (Region(amount, Kind.BOTH, level, where),)

    def _targets(self) -> Targets:
        threads = [thread for thread in self.host.processes.table if thread != 1]
        processes = sorted(set(self.host.processes.table.values()) - {1})
        cpus = range(self.host.machine.state.topology.nr_cpus)
        match self.random.randrange(4):
            case 0:
                return Targets(tasks=tuple(self.random.sample(threads, min(2, len(threads)))))
            case 1:
                return Targets(processes=(self.random.choice(processes),))
            case 2:
                return Targets(cpus=frozenset(self.random.sample(cpus, 2)))
            case _:
                return Targets(
                    (self.random.choice(threads or [9]),), (), frozenset({self.random.choice(cpus)})
                )

    # What must hold.

    async def _look(self, *, alone: bool) -> None:
        """Faults end, rdtd puts right what it can, and then everything is as it was promised.

        `alone`: nobody else is there, so nothing may be wanting.
        """
        self.outside.calm()
        await self._end_run()  # it may be waiting to try again
        self._run()
        self.manager.poke()
        error: RdtdError | None = None
        for _ in range(4):
            try:
                await self.manager.reconcile()
                error = None
                break
            except RdtdError as refused:
                error = refused
        await self._until_left()
        self.ledger.compare({name: one.granted for name, one in self.manager.public.reservations.items()})
        self._unsaved = self._unsaved and error is not None
        lacking = {
            name: why for name, why in self.manager.public.degraded.items() if not why.endswith("no CDP now")
        }
        if error is not None or (alone and lacking):
            if alone:
                raise ViolationError(f"not put right: {error}, {lacking}, {self.manager.public}")
            self.figures.faults["could not be put right at once"] += 1
            return
        self._check()

    async def _until_left(self) -> None:
        """Waits until nothing is left of clients that are gone; what hinders rdtd in that has ended."""
        for _ in range(2000):
            owners = {one.owner.client for one in self.manager.public.reservations.values()}
            if not owners & self.gone:
                return
            self.manager.poke()
            await asyncio.sleep(0.001)
        raise ViolationError(
            f"reservations of clients that left: {self.manager.public.reservations}; told: {self._reported}"
        )

    def _check(self) -> None:
        public, engine = self.manager.public, self.host.engine
        snapshot = engine.snapshot
        if snapshot is None:
            raise ViolationError("nothing was observed")
        whole = {name: one for name, one in public.reservations.items() if name not in public.degraded}
        invariants.check_reservations(Wanted(whole), snapshot)
        saved = self.host.store.load()
        if saved is None or saved.reservations != public.reservations:
            raise ViolationError(f"the state file has {saved}, wanted is {public.reservations}")
        if not public.degraded:
            own = {name for name in self.host.groups() if name.startswith("rdtd.")}
            if own != {one.group for one in public.reservations.values()}:
                raise ViolationError(f"the groups are {own}")
            baselines = engine.wanted.baselines[""]
            known = {domain: mask for domain, mask in baselines.items() if domain in snapshot.default.masks}
            invariants.check_baseline(known, engine.wanted, snapshot)
        self.figures.checks += 1

    async def _empty(self) -> None:
        """Everything is released, and the machine is as it was."""
        self.outside.leave()
        await self._look(alone=True)
        for name in list(self.manager.public.reservations):
            await self.manager.release(name)
            self.ledger.released(name)
        await self._look(alone=True)
        if self.host.groups():
            raise ViolationError(f"groups are left: {self.host.groups()}")
        state = self.host.machine.state
        if len(state.free_closids) != state.num_closids - 1:
            raise ViolationError(f"CLOSIDs are left in use: {state.free_closids} are free")
        if not self.outside.baseline_was_set:
            full = {schema.name: schema.resource.default for schema in state.schemas}
            for name, domains in state.values.items():
                for domain, masks in domains.items():
                    if masks[0] != full[name]:
                        raise ViolationError(f"{name}:{domain} is left narrowed to {masks[0]:x}")


_KINDS: list[Any] = [
    *["reserve"] * 6, *["release"] * 4, *["resize"] * 3, *["attach"] * 2, "detach",
    *["preview"] * 2, "preview_resize", *["list_free"] * 3, "reconcile", "leave",
]  # fmt: skip
