"""What calls decide: functions from what was wanted and what is there to what is wanted then.

They run in the turn. Beside the state they look at the threads of the host, for what is attached is known by
its start time as well as its ID.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from rdtd.attach import Targets
from rdtd.core.allocator import find, release, reserve
from rdtd.core.attachment import attach_cpus, detach_cpus, forget, remember
from rdtd.core.guards import Guard
from rdtd.core.members import Members
from rdtd.core.model import Lifetime, Owner, Region, Reservation, Snapshot, Wanted, check_name
from rdtd.core.space import Policy
from rdtd.threads import Threads
from rdtd.turn import Decide

__all__ = ["Request", "attaching", "detaching", "gathering", "guarded", "reserving", "without"]


@dataclass(frozen=True, slots=True)
class Request:
    """A reservation that is asked for."""

    name: str
    regions: tuple[Region, ...]
    owner: Owner
    lifetime: Lifetime = Lifetime.PERSISTENT
    targets: Targets = Targets()  # noqa: RUF009 - frozen


def guarded(guard: Guard, decide: Decide) -> Decide:
    """The decision, behind its guard."""

    def decide_if_allowed(wanted: Wanted, snapshot: Snapshot) -> Wanted:
        guard(wanted)
        return decide(wanted, snapshot)

    return decide_if_allowed


def reserving(request: Request, policy: Callable[[], Policy], threads: Threads) -> Decide:
    """Grants what is asked for, and remembers what is attached to it. Raises InvalidRequest for its name."""
    name, now = check_name(request.name), time.time_ns() // 1000
    asked = Reservation(name, request.regions, (), request.owner, request.lifetime, created_usec=now)
    attach = attaching(name, request.targets, threads)
    return lambda wanted, snapshot: attach(reserve(wanted, snapshot, policy(), asked), snapshot)


def attaching(name: str, targets: Targets, threads: Threads) -> Decide:
    """CPUs and threads belong in the reservation, and in no other."""

    def decide(wanted: Wanted, snapshot: Snapshot) -> Wanted:
        wanted = attach_cpus(wanted, snapshot, name, targets.cpus)
        if not targets.tasks and not targets.processes:
            return wanted
        members = Members(threads.identify(targets.tasks), threads.identify(targets.processes))
        return remember(wanted, name, members, threads.identify_process)

    return decide


def detaching(name: str, targets: Targets, threads: Threads) -> Decide:
    """CPUs and threads belong in the reservation no more."""

    def decide(wanted: Wanted, _: Snapshot) -> Wanted:
        ids = set(targets.tasks).union(*map(threads.of_process, targets.processes))
        return forget(detach_cpus(wanted, name, targets.cpus), [name], ids, threads.identify_process)

    return decide


def gathering(name: str, gathered: Callable[[], frozenset[int]], threads: Threads) -> Decide:
    """Threads that are gathered into a configured reservation belong in no other one that is configured."""

    def decide(wanted: Wanted, _: Snapshot) -> Wanted:
        find(wanted, name)
        configured = {
            other for other, one in wanted.reservations.items() if one.lifetime is Lifetime.CONFIGURED
        }
        return forget(wanted, configured - {name}, gathered(), threads.identify_process)

    return decide


def without(gone: Collection[tuple[str, str]]) -> Decide:
    """These clients, each with its bus, hold nothing any more."""

    def decide(wanted: Wanted, _: Snapshot) -> Wanted:
        for name, reservation in wanted.reservations.items():
            if (reservation.owner.client, reservation.owner.bus) in gone:
                wanted = release(wanted, name)
        return wanted

    return decide
