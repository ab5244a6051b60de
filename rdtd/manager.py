"""Owns the state: takes requests one at a time through the engine, and tells what changed.

The event loop never waits for the kernel: turns run in a thread, and what is read (ListFree, the
properties) is answered from the last `Public` that a turn left behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator

from rdtd.agenda import LOOK_EVERY, Agenda, Hinted
from rdtd.attach import Targets, attach, detach
from rdtd.core.allocator import find, release, resize
from rdtd.core.drift import Drift
from rdtd.core.errors import NotMounted
from rdtd.core.guards import Guard, nothing
from rdtd.core.model import (
    Granted,
    Lifetime,
    Region,
    Reservation,
    Snapshot,
    Wanted,
    check_name,
    group_of,
)
from rdtd.core.space import Policy
from rdtd.decisions import Request, attaching, detaching, gathering, guarded, reserving, without
from rdtd.engine import Decide, Engine, Work
from rdtd.gather import gather
from rdtd.public import Public, Published
from rdtd.threads import Threads
from rdtd.turns import LOCK_WAIT, Turns

__all__ = ["Manager", "Public", "Published", "Request", "cancelled"]


class Manager:
    """Reserve, Release, Resize, Attach, Detach and Reconcile, and the last known state of everything."""

    def __init__(
        self,
        engine: Engine,
        threads: Threads,
        hinted: Hinted = lambda _: False,
        lock_wait: float = LOCK_WAIT,
        look_every: float = LOOK_EVERY,
    ) -> None:
        """`lock_wait`: seconds, see Busy. `look_every`: seconds between looks that nothing has asked for."""
        self._agenda = Agenda(hinted, look_every)
        self._engine = engine
        self._threads = threads
        self._turns = Turns(engine, lock_wait, self._agenda.weigh, self._undone)
        self._gone: set[tuple[str, str]] = set()  # clients that left, each with its bus

    @property
    def public(self) -> Public:
        """What was told last."""
        return self._turns.public

    @property
    def root(self) -> str:
        return self._engine.mount.root

    @property
    def policy(self) -> Policy:
        return self._engine.policy

    def subscribe(self, listener: Callable[[Published], None]) -> None:
        """Calls the listener after each turn that changed something, in the event loop."""
        self._turns.listeners.append(listener)

    def find(self, name: str) -> Reservation:
        """The reservation of that name. Raises NotFound."""
        return find(Wanted(self.public.reservations), check_name(name))

    async def reserve(self, request: Request, guard: Guard = nothing) -> Reservation:
        """Grants a reservation as a whole, with its threads and CPUs, or raises and changes nothing.

        Here and below `guard` is asked in the turn, before it decides.
        """
        decide, work = self._reserving(request), self._attaching(request.name, request.targets)
        outcome = await self._turns.turn(guarded(guard, decide), work)
        return find(outcome.wanted, request.name)

    async def preview(self, request: Request, guard: Guard = nothing) -> Reservation:
        """What reserve() would answer now."""
        decide = guarded(guard, self._reserving(request))
        work = self._attaching(request.name, request.targets)
        return find(await self._turns.read(lambda: self._engine.preview(decide, work)), request.name)

    async def release(self, name: str, guard: Guard = nothing) -> None:
        """Ends a reservation."""
        check_name(name)
        await self._turns.turn(guarded(guard, lambda wanted, _: release(wanted, name)))

    async def resize(
        self, name: str, regions: tuple[Region, ...], guard: Guard = nothing, *, dry_run: bool = False
    ) -> tuple[Granted, ...]:
        """Gives a reservation other regions. Its threads and CPUs stay inside."""
        check_name(name)

        def decide(wanted: Wanted, snapshot: Snapshot) -> Wanted:
            guard(wanted)
            return resize(wanted, snapshot, self._engine.policy, name, regions)

        if dry_run:
            return find(await self._turns.read(lambda: self._engine.preview(decide)), name).granted
        return find((await self._turns.turn(decide)).wanted, name).granted

    async def attach(self, name: str, targets: Targets, guard: Guard = nothing) -> None:
        """Puts threads, processes and CPUs into a reservation."""
        check_name(name)
        decide = attaching(name, targets, self._threads)
        await self._turns.turn(guarded(guard, decide), self._attaching(name, targets))

    async def detach(self, name: str, targets: Targets, guard: Guard = nothing) -> None:
        """Puts threads, processes and CPUs of a reservation back into the default group."""
        check_name(name)
        group = group_of(name)
        decide = detaching(name, targets, self._threads)
        await self._turns.turn(
            guarded(guard, decide), lambda _: detach(self._engine.mount, self._threads, group, targets)
        )

    async def gather(self, name: str, threads: Callable[[], frozenset[int]]) -> None:
        """Puts these threads into a configured reservation, until there is no new one; see gather()."""
        group = group_of(self.find(name).name)
        if not await self._turns.aside(lambda: threads() - self._engine.mount.tasks(group)):
            return

        def work(snapshot: Snapshot) -> Generator[None, None, None]:
            reservations = self._engine.wanted.reservations.values()
            yielding = {one.group for one in reservations if one.lifetime is Lifetime.CONFIGURED}
            return gather(self._engine.mount, group, threads, yielding, snapshot)

        await self._turns.turn(gathering(name, threads, self._threads), work)

    async def decide(self, decide: Decide, *, reason: str = "released") -> None:
        """A turn whose decision is somebody else's. `reason` is why reservations that it ends are removed."""
        await self._turns.turn(decide, reason=reason)

    async def follow(self, policy: Policy, lock_wait: float) -> None:
        """Decides by this policy from now on. What stands already is the next reconcile()'s matter."""
        async with self._turns.one_at_a_time:
            self._engine.policy, self._turns.lock_wait = policy, lock_wait

    async def reconcile(self) -> int:
        """Reads everything again and puts it right. Returns the number of changes that were needed."""
        outcome = await self._turns.turn(lambda wanted, _: wanted, fresh=True)
        if outcome.left is not None:
            raise outcome.left
        return outcome.steps

    async def check(self) -> tuple[Drift, ...]:
        """Every difference between what is wanted and what is there, all of it read anew.

        Changes nothing: `done` in a Drift is what a repair would do. What reservations lack is in
        `public.degraded` then. Raises NotMounted, Busy, and KernelRefused for what cannot be read.
        """
        return await self._turns.read(self._engine.check)

    def poke(self) -> None:
        """Says that something may have changed."""
        self._agenda.poke()

    def hint(self) -> None:
        """Says that there may be hints. Those that come during a turn are looked at when it ends."""
        if not self._turns.one_at_a_time.locked():
            self._agenda.hint()

    def cpus_changed(self, offline: frozenset[int] | None) -> None:
        """Says that CPUs came or went. `offline`: those that went, maybe for a moment; None: any may have."""
        self._engine.observer.offline(offline)
        self._agenda.poke()

    def leave(self, client: str, bus: str) -> None:
        """Says that a client is not on the bus any more: run() releases what it held."""
        self._gone.add((client, bus))
        self._agenda.poke()

    async def run(self, report: Callable[[Exception], None]) -> None:
        """Looks again whenever something may have changed, until it is cancelled.

        What cannot be put right is tried again after a pause, and reported once.
        """
        reported = ""
        while not cancelled():
            fresh = await self._agenda.due()
            gone = frozenset(self._gone)
            try:
                outcome = await self._turns.turn(without(gone), reason="client-left", fresh=fresh)
                self._gone -= gone
                if outcome.left is not None:
                    raise outcome.left
                self._agenda.succeeded()
                reported = ""
            except Exception as error:
                self._agenda.failed(again=not isinstance(error, NotMounted))
                if str(error) != reported:
                    report(error)
                reported = str(error)

    async def close(self) -> None:
        """Waits for the turn that is under way, then ends the thread. What was granted stays granted."""
        await self._turns.close()

    def _reserving(self, request: Request) -> Decide:
        return reserving(request, lambda: self._engine.policy, self._threads)

    def _attaching(self, name: str, targets: Targets) -> Work | None:
        if not targets.tasks and not targets.processes:
            return None
        group = group_of(name)
        return lambda snapshot: attach(self._engine.mount, self._threads, group, targets, snapshot)

    def _undone(self, published: Published) -> None:
        """Asks for another turn if the one before left something undone."""
        gone = published.before.reservations.keys() - published.after.reservations.keys()
        self._agenda.patience.forget([group_of(name) for name in gone])
        if published.after.state == "unmounted":
            return
        if published.before.state == "unmounted" and self._gone:
            self._agenda.poke()
        if self._engine.restless:
            self._engine.restless = False
            self._agenda.undone()
        self._agenda.hint()


def cancelled() -> bool:
    """Whether this task shall end: a turn is not left half-way, so it takes no CancelledError."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
