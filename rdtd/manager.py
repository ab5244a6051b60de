"""Owns the state: takes requests one at a time through the engine, and tells what changed.

The event loop never waits for the kernel: turns run in a thread, and what is read (ListFree, the
properties) is answered from the last `Public` that a turn left behind.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from rdtd.attach import Targets, attach, detach
from rdtd.core.allocator import find, release, reserve, resize
from rdtd.core.attachment import attach_cpus, detach_cpus
from rdtd.core.drift import Drift, degraded
from rdtd.core.errors import Busy, NotMounted
from rdtd.core.guards import Guard, nothing
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
    group_of,
)
from rdtd.core.space import Policy
from rdtd.core.view import CacheView, Views
from rdtd.engine import Decide, Engine, Outcome, Work
from rdtd.resctrl.lock import LockedError
from rdtd.threads import Threads

__all__ = ["Manager", "Public", "Published", "Request", "cancelled"]

LOCK_WAIT = 5.0  # seconds for which a turn waits for other users of resctrl
_PAUSES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)  # seconds between tries; the last is repeated
# Seconds before what could not be put right is tried again: twice as long each time.
_FIRST_RETRY, _LAST_RETRY = 0.1, 60.0

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

    def __init__(
        self,
        engine: Engine,
        threads: Threads,
        hinted: Callable[[], bool] = lambda: False,
        lock_wait: float = LOCK_WAIT,
    ) -> None:
        """`hinted`: whether there are hints that no turn has seen. `lock_wait`: seconds, see Busy."""
        self.public = Public(reservations=engine.wanted.reservations)
        self._hinted = hinted
        self._lock_wait = lock_wait
        self._engine = engine
        self._threads = threads
        self._views = Views()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="resctrl")
        self._one_at_a_time = asyncio.Lock()
        self._listeners: list[Callable[[Published], None]] = []
        self._poked = asyncio.Event()
        self._gone: set[tuple[str, str]] = set()  # clients that left, each with its bus

    @property
    def root(self) -> str:
        return self._engine.mount.root

    @property
    def policy(self) -> Policy:
        return self._engine.policy

    def subscribe(self, listener: Callable[[Published], None]) -> None:
        """Calls the listener after each turn that changed something, in the event loop."""
        self._listeners.append(listener)

    def find(self, name: str) -> Reservation:
        """The reservation of that name. Raises NotFound."""
        return find(Wanted(self.public.reservations), check_name(name))

    async def reserve(self, request: Request, guard: Guard = nothing) -> Reservation:
        """Grants a reservation as a whole, with its threads and CPUs, or raises and changes nothing.

        Here and below `guard` is asked in the turn, before it decides.
        """
        decide, work = self._reserving(request), self._attaching(request.name, request.targets)
        outcome = await self._turn(_guarded(guard, decide), work)
        return find(outcome.wanted, request.name)

    async def preview(self, request: Request, guard: Guard = nothing) -> Reservation:
        """What reserve() would answer now."""
        decide = _guarded(guard, self._reserving(request))
        work = self._attaching(request.name, request.targets)
        return find(await self._read(lambda: self._engine.preview(decide, work)), request.name)

    async def release(self, name: str, guard: Guard = nothing) -> None:
        """Ends a reservation."""
        check_name(name)
        await self._turn(_guarded(guard, lambda wanted, _: release(wanted, name)))

    async def resize(
        self, name: str, regions: tuple[Region, ...], guard: Guard = nothing, *, dry_run: bool = False
    ) -> tuple[Granted, ...]:
        """Gives a reservation other regions. Its threads and CPUs stay inside."""
        check_name(name)

        def decide(wanted: Wanted, snapshot: Snapshot) -> Wanted:
            guard(wanted)
            return resize(wanted, snapshot, self._engine.policy, name, regions)

        if dry_run:
            return find(await self._read(lambda: self._engine.preview(decide)), name).granted
        return find((await self._turn(decide)).wanted, name).granted

    async def attach(self, name: str, targets: Targets, guard: Guard = nothing) -> None:
        """Puts threads, processes and CPUs into a reservation."""
        check_name(name)
        await self._turn(
            _guarded(guard, lambda wanted, snapshot: attach_cpus(wanted, snapshot, name, targets.cpus)),
            self._attaching(name, targets),
        )

    async def detach(self, name: str, targets: Targets, guard: Guard = nothing) -> None:
        """Puts threads, processes and CPUs of a reservation back into the default group."""
        check_name(name)
        group = group_of(name)
        await self._turn(
            _guarded(guard, lambda wanted, _: detach_cpus(wanted, name, targets.cpus)),
            lambda _: detach(self._engine.mount, self._threads, group, targets),
        )

    async def decide(self, decide: Decide, *, reason: str = "released") -> None:
        """A turn whose decision is somebody else's. `reason` is why reservations that it ends are removed."""
        await self._turn(decide, reason=reason)

    async def follow(self, policy: Policy, lock_wait: float) -> None:
        """Decides by this policy from now on. What stands already is the next reconcile()'s matter."""
        async with self._one_at_a_time:
            self._engine.policy, self._lock_wait = policy, lock_wait

    async def reconcile(self) -> int:
        """Reads everything again and puts it right. Returns the number of changes that were needed."""
        return (await self._turn(lambda wanted, _: wanted, fresh=True)).steps

    def poke(self) -> None:
        """Says that something may have changed."""
        self._poked.set()

    def hint(self) -> None:
        """Says that there may be hints. Those that come during a turn are looked at when it ends."""
        if self._hinted() and not self._one_at_a_time.locked():
            self._poked.set()

    def leave(self, client: str, bus: str) -> None:
        """Says that a client is not on the bus any more: run() releases what it held."""
        self._gone.add((client, bus))
        self._poked.set()

    async def run(self, report: Callable[[Exception], None]) -> None:
        """Looks again whenever something may have changed, until it is cancelled.

        What cannot be put right is tried again after a pause, and reported once.
        """
        pause, reported = 0.0, ""
        while not cancelled():
            await self._poked.wait()
            await asyncio.sleep(pause)
            self._poked.clear()
            gone = frozenset(self._gone)
            try:
                await self._turn(partial(_without, gone), reason="client-left")
                self._gone -= gone
                pause, reported = 0.0, ""
            except Exception as error:
                pause = min(max(2 * pause, _FIRST_RETRY), _LAST_RETRY)
                if str(error) != reported:
                    report(error)
                reported = str(error)
                if not isinstance(error, NotMounted):
                    self._poked.set()

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
        group = group_of(name)
        return lambda snapshot: attach(self._engine.mount, self._threads, group, targets, snapshot)

    async def _turn(
        self, decide: Decide, work: Work | None = None, *, reason: str = "released", fresh: bool = False
    ) -> Outcome:
        """A turn. Once begun it is never left half-way, and its outcome stands when the call is cancelled."""
        async with self._one_at_a_time:
            begin = partial(self._engine.turn, decide, work, fresh=fresh)
            turn = asyncio.ensure_future(self._whole_turn(begin, reason))
            while not turn.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([turn])
            return turn.result()

    async def _whole_turn(self, begin: Callable[[], Outcome], reason: str) -> Outcome:
        try:
            outcome = await self._unlocked(begin)
            while not outcome.done:
                outcome = await self._unlocked(self._engine.resume)
            return outcome
        except Exception:
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
        """Runs the job as soon as nobody else has the lock on resctrl. Raises Busy after `lock_wait`."""
        deadline = asyncio.get_running_loop().time() + self._lock_wait
        tries = 0
        while True:
            try:
                return await self._in_thread(job)
            except LockedError:
                if asyncio.get_running_loop().time() > deadline:
                    raise Busy(
                        f"another program holds the lock on {self.root}; gave up after {self._lock_wait:g} s"
                    ) from None
            await asyncio.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
            tries += 1

    async def _in_thread(self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, job)

    async def _publish(self, reason: str) -> None:
        """Tells what the turn changed, and asks for another one if it left something undone."""
        before, drifts = self.public, self._engine.take_drifts()
        self.public = await self._in_thread(self._describe)
        if self.public.state != "unmounted":
            came = before.state == "unmounted"
            if self._engine.restless or self._hinted() or (came and self._gone):
                self._engine.restless = False
                self._poked.set()
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
            state = "degraded" if self.public.state == "unmounted" else self.public.state
            return replace(self.public, state=state, reservations=wanted.reservations)
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


def _guarded(guard: Guard, decide: Decide) -> Decide:
    def guarded(wanted: Wanted, snapshot: Snapshot) -> Wanted:
        guard(wanted)
        return decide(wanted, snapshot)

    return guarded


def cancelled() -> bool:
    """Whether this task shall end: a turn is not left half-way, so it takes no CancelledError."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _without(gone: Collection[tuple[str, str]], wanted: Wanted, _: Snapshot) -> Wanted:
    """What is wanted when these clients hold nothing any more."""
    for name, reservation in wanted.reservations.items():
        if (reservation.owner.client, reservation.owner.bus) in gone:
            wanted = release(wanted, name)
    return wanted
