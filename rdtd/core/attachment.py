"""CPUs and threads in reservations. What attached threads start inherits, which is the kernel's matter."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from rdtd.core.allocator import find
from rdtd.core.cpus import format_cpus
from rdtd.core.errors import Exists, InvalidRequest, NotFound
from rdtd.core.members import Members, Thread
from rdtd.core.model import Snapshot, Wanted

__all__ = ["ThreadsOf", "attach_cpus", "check_cpus", "detach_cpus", "forget", "remember", "with_cpus"]

ThreadsOf = Callable[[int], frozenset[Thread]]
"""The threads that a process has now; none when it is gone."""


def attach_cpus(wanted: Wanted, snapshot: Snapshot, name: str, cpus: frozenset[int]) -> Wanted:
    """`wanted` with the CPUs in the reservation. What runs there and is in no other group uses its cache.

    Raises NotFound for a CPU that is not online, Exists for one that is in another group.
    """
    reservation = find(wanted, name)
    if missing := cpus - snapshot.cpus:
        raise NotFound(f"CPU {format_cpus(missing)} is not online; online are {format_cpus(snapshot.cpus)}")
    check_cpus(wanted, snapshot, name, cpus)
    return with_cpus(wanted, name, reservation.cpus | cpus)


def check_cpus(wanted: Wanted, snapshot: Snapshot, name: str, cpus: frozenset[int]) -> None:
    """Raises Exists for a CPU that is in another group than the reservation's. It need not be online."""
    for other in wanted.reservations.values():
        if other.name != name and (taken := other.cpus & cpus):
            raise Exists(f"CPU {format_cpus(taken)} is in reservation {other.name!r}; detach it there first")
    for group in snapshot.foreign:
        if taken := group.cpus & cpus:
            raise Exists(f"CPU {format_cpus(taken)} is in group {group.name!r}, which rdtd did not make")


def detach_cpus(wanted: Wanted, name: str, cpus: frozenset[int]) -> Wanted:
    """`wanted` with the CPUs back in the default group. Raises InvalidRequest for one that is not there."""
    reservation = find(wanted, name)
    if missing := cpus - reservation.cpus:
        have = format_cpus(reservation.cpus) or "none"
        raise InvalidRequest(f"CPU {format_cpus(missing)} is not in reservation {name!r}; it has {have}")
    return with_cpus(wanted, name, reservation.cpus - cpus)


def with_cpus(wanted: Wanted, name: str, cpus: frozenset[int]) -> Wanted:
    """`wanted` with these CPUs, and no others, in the reservation."""
    changed = replace(wanted.reservations[name], cpus=cpus)
    return replace(wanted, reservations={**wanted.reservations, name: changed})


def remember(wanted: Wanted, name: str, added: Members, threads_of: ThreadsOf) -> Wanted:
    """`wanted` with these threads and processes in the reservation, and in no other."""
    ids = {thread.id for thread in added.tasks}
    for process in added.processes:
        ids |= {thread.id for thread in threads_of(process.id)}
    wanted = forget(wanted, wanted.members.keys() - {name}, ids, threads_of)
    known = wanted.members.get(name, Members())
    both = Members(known.tasks | added.tasks, known.processes | added.processes)
    return replace(wanted, members={**wanted.members, name: both}) if both else wanted


def forget(wanted: Wanted, names: Collection[str], ids: Collection[int], threads_of: ThreadsOf) -> Wanted:
    """`wanted` in which these threads belong in none of the reservations.

    Of a process that loses some of its threads the others stay, as those that it has now.
    """
    members = dict(wanted.members)
    for name in wanted.members.keys() & set(names):
        one = members.pop(name)
        tasks = {thread for thread in one.tasks if thread.id not in ids}
        processes = set()
        for process in one.processes:
            threads = threads_of(process.id)
            rest = {thread for thread in threads if thread.id not in ids}
            if rest == threads and process.id not in ids:
                processes.add(process)
            else:
                tasks |= rest
        if tasks or processes:
            members[name] = Members(frozenset(tasks), frozenset(processes))
    return wanted if members == wanted.members else replace(wanted, members=members)
