"""Owns the state: takes requests one at a time through the engine, and tells what changed.

The event loop never waits for the kernel: turns run in a thread, and what is read (ListFree, the
properties) is answered from the last `Public` that a turn left behind.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

from rdtd.attach import Targets, attach, detach
from rdtd.core.allocator import find, release, reserve, resize
from rdtd.core.attachment import attach_cpus, detach_cpus
from rdtd.core.drift import Drift, degraded
from rdtd.core.errors import Busy, NotMounted, RdtdError
from rdtd.core.model import (
    CacheKey,
    Granted,
    Lifetime,
    Owner,
    Region,
    Reservation,
    Snapshot,
    Wanted,
    check_name,
)
from rdtd.core.view import CacheView, Views
from rdtd.engine import Decide, Engine, Outcome, Work
from rdtd.resctrl.lock import LockedError
from rdtd.threads import Threads

__all__ = ["Manager", "Public", "Published", "Request"]

LOCK_WAIT = 5.0  # seconds for which a turn waits for other users of resctrl
_PAUSES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)  # seconds between tries; the last is repeated

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Public:
    """All that rdtd tells, at one moment."""

    state: str = "unmounted"
    cdp: bool = False
    closids_total: int = 0
    closids_free: int = 0
    reservations: Mapping[str, Reservation] = field(default_factory=dict)
    degraded: Mapping[str, str] = field(default_factory=dict)  # reservation -> what it lacks
    caches: Mapping[CacheKey, CacheView] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Published:
    """One change, for whoever tells others. `reason` is why reservations that are gone were removed."""

    before: Public
    after: Public
    drifts: tuple[Drift, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Request:
    """A reservation that is asked for."""

    name: str
    regions: tuple[Region, ...]
    owner: Owner
    lifetime: Lifetime = Lifetime.PERSISTENT
    targets: Targets = Targets()  # noqa: RUF009 - frozen


class Manager:
    """Reserve, Release, Resize, Attach, Detach and Reconcile, and the last known state of everything."""

    def __init__(self, engine: Engine, threads: Threads) -> None:
        self.public = Public(reservations=engine.wanted.reservations)
        self._engine = engine
        self._threads = threads
        self._views = Views()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="resctrl")
        self._one_at_a_time = asyncio.Lock()
        self._listeners: list[Callable[[Published], None]] = []
        self._poked = asyncio.Event()

    @property
    def root(self) -> str:
        return self._engine.mount.root

    def subscribe(self, listener: Callable[[Published], None]) -> None:
        """Calls the listener after each turn that changed something, in the event loop."""
        self._listeners.append(listener)

    def find(self, name: str) -> Reservation:
        """The reservation of that name. Raises NotFound."""
        return find(Wanted(self.public.reservations), check_name(name))

    async def reserve(self, request: Request) -> Reservation:
        """Grants a reservation as a whole, with its threads and CPUs, or raises and changes nothing."""
        await self._turn(self._reserving(request), self._attaching(request.name, request.targets))
        return find(self._engine.wanted, request.name)

    async def preview(self, request: Request) -> Reservation:
        """What reserve() would answer now."""
        wanted = await self._read(lambda: self._engine.preview(self._reserving(request)))
        return find(wanted, request.name)

    async def release(self, name: str, reason: str = "released") -> None:
        """Ends a reservation. `reason` goes to those who are told of it."""
        check_name(name)
        await self._turn(lambda wanted, _: release(wanted, name), reason=reason)

    async def resize(
        self, name: str, regions: tuple[Region, ...], *, dry_run: bool = False
    ) -> tuple[Granted, ...]:
        """Gives a reservation other regions. Its threads and CPUs stay inside."""
        check_name(name)

        def decide(wanted: Wanted, snapshot: Snapshot) -> Wanted:
            return resize(wanted, snapshot, self._engine.policy, name, regions)

        if dry_run:
            return find(await self._read(lambda: self._engine.preview(decide)), name).granted
        await self._turn(decide)
        return find(self._engine.wanted, name).granted

    async def attach(self, name: str, targets: Targets) -> None:
        """Puts threads, processes and CPUs into a reservation."""
        check_name(name)
        await self._turn(
            lambda wanted, snapshot: attach_cpus(wanted, snapshot, name, targets.cpus),
            self._attaching(name, targets),
        )

    async def detach(self, name: str, targets: Targets) -> None:
        """Puts threads, processes and CPUs of a reservation back into the default group."""
        check_name(name)
        group = Reservation(name, (), (), Owner(0)).group
        await self._turn(
            lambda wanted, _: detach_cpus(wanted, name, targets.cpus),
            lambda _: detach(self._engine.mount, self._threads, group, targets),
        )

    async def reconcile(self) -> int:
        """Reads everything again and puts it right. Returns the number of changes that were needed."""
        self._engine.look_at_everything()
        return (await self._turn(lambda wanted, _: wanted)).steps

    def poke(self) -> None:
        """Says that something may have changed: run() looks at it."""
        self._poked.set()

    async def run(self, report: Callable[[RdtdError], None]) -> None:
        """Looks again whenever poked, for ever. What cannot be put right now is reported."""
        while True:
            await self._poked.wait()
            self._poked.clear()
            try:
                await self._turn(lambda wanted, _: wanted)
            except RdtdError as error:
                report(error)

    async def close(self) -> None:
        """Waits for the turn that is under way, then ends the thread. What was granted stays granted."""
        async with self._one_at_a_time:
            self._thread.shutdown(wait=False)

    def _reserving(self, request: Request) -> Decide:
        asked = Reservation(
            check_name(request.name),
            request.regions,
            (),
            request.owner,
            request.lifetime,
            created_usec=time.time_ns() // 1000,
        )

        def decide(wanted: Wanted, snapshot: Snapshot) -> Wanted:
            granted = reserve(wanted, snapshot, self._engine.policy, asked)
            return attach_cpus(granted, snapshot, request.name, request.targets.cpus)

        return decide

    def _attaching(self, name: str, targets: Targets) -> Work | None:
        if not targets.tasks and not targets.processes:
            return None
        group = Reservation(name, (), (), Owner(0)).group
        return lambda snapshot: attach(self._engine.mount, self._threads, group, targets, snapshot)

    async def _turn(self, decide: Decide, work: Work | None = None, *, reason: str = "released") -> Outcome:
        """A whole turn, whatever becomes of the task that asked for it: it is never left half-way."""
        return await asyncio.shield(asyncio.ensure_future(self._whole_turn(decide, work, reason)))

    async def _whole_turn(self, decide: Decide, work: Work | None, reason: str) -> Outcome:
        async with self._one_at_a_time:
            try:
                outcome = await self._unlocked(lambda: self._engine.turn(decide, work))
                while not outcome.done:
                    outcome = await self._unlocked(self._engine.resume)
                return outcome
            except Busy:
                await self._in_thread(self._engine.abandon)
                raise
            finally:
                await self._publish(reason)

    async def _read(self, job: Callable[[], T]) -> T:
        async with self._one_at_a_time:
            try:
                return await self._unlocked(job)
            finally:
                await self._publish("released")

    async def _unlocked(self, job: Callable[[], T]) -> T:
        """Runs the job as soon as nobody else has the lock on resctrl. Raises Busy after LOCK_WAIT."""
        deadline = asyncio.get_running_loop().time() + LOCK_WAIT
        tries = 0
        while True:
            try:
                return await self._in_thread(job)
            except LockedError:
                if asyncio.get_running_loop().time() > deadline:
                    raise Busy(
                        f"another program holds the lock on {self.root}; gave up after {LOCK_WAIT:g} s"
                    ) from None
            await asyncio.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
            tries += 1

    async def _in_thread(self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, job)

    async def _publish(self, reason: str) -> None:
        """Tells what the turn changed, and asks for another one if it left something undone."""
        before, drifts = self.public, self._engine.take_drifts()
        self.public = await self._in_thread(self._describe)
        if self._engine.restless:
            self._engine.restless = False
            self.poke()
        if drifts or self.public != before:
            published = Published(before, self.public, drifts, reason)
            for listener in self._listeners:
                listener(published)

    def _describe(self) -> Public:
        wanted, snapshot = self._engine.wanted, self._engine.snapshot
        if snapshot is None:
            try:
                self._engine.mount.check_mounted()
            except NotMounted:
                lacking = degraded(wanted, None)
                return Public(reservations=wanted.reservations, degraded=lacking)
            return replace(self.public, reservations=wanted.reservations)
        lacking = degraded(wanted, snapshot)
        return Public(
            state="degraded" if lacking else "ready",
            cdp=snapshot.cdp,
            closids_total=snapshot.closids,
            closids_free=snapshot.closids_free,
            reservations=wanted.reservations,
            degraded=lacking,
            caches=self._views.compute(wanted, snapshot, self._engine.policy),
        )
