"""CPUs in reservations. (Threads are the kernel's matter: their children inherit what rdtd cannot see.)"""

from __future__ import annotations

from dataclasses import replace

from rdtd.core.allocator import find
from rdtd.core.cpus import format_cpus
from rdtd.core.errors import Exists, InvalidRequest, NotFound
from rdtd.core.model import Snapshot, Wanted

__all__ = ["attach_cpus", "check_cpus", "detach_cpus", "with_cpus"]


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
