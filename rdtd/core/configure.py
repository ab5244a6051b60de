"""What is wanted when the files of reservations.d have their say.

A configured reservation is what its file says, from the time the file is loaded: regions and CPUs. It belongs
to root. One that root made by hand under the same name becomes a configured one, so that what was tried out
can be written down, and what was rebuilt without a state file finds its file again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from rdtd.core.allocator import find, release, reserve, resize
from rdtd.core.attachment import check_cpus, with_cpus
from rdtd.core.configured import Configured
from rdtd.core.errors import Exists, RdtdError
from rdtd.core.model import Lifetime, Owner, Reservation, Snapshot, Wanted
from rdtd.core.space import Policy

__all__ = ["configure", "keep_only"]

_ROOT = Owner(0)


def keep_only(wanted: Wanted, names: Collection[str]) -> Wanted:
    """`wanted` without the configured reservations that no file names any more."""
    for name, known in wanted.reservations.items():
        if known.lifetime is Lifetime.CONFIGURED and name not in names:
            wanted = release(wanted, name)
    return wanted


def configure(
    wanted: Wanted, snapshot: Snapshot, policy: Policy, asked: Iterable[Configured], now_usec: int
) -> tuple[Wanted, dict[str, RdtdError]]:
    """`wanted` with these reservations as they are configured; those that cannot be, each with the reason.

    One that cannot be given what its file says now keeps what it had. They are tried in turn, again as long
    as one of them finds its place: what one gives up another may take.
    """
    waiting = list(asked)
    while True:
        refused: dict[str, RdtdError] = {}
        for one in waiting:
            try:
                wanted = _configure(wanted, snapshot, policy, one, now_usec)
            except RdtdError as error:
                refused[one.name] = error
        if len(refused) in (0, len(waiting)):
            return wanted, refused
        waiting = [one for one in waiting if one.name in refused]


def _configure(wanted: Wanted, snapshot: Snapshot, policy: Policy, one: Configured, now_usec: int) -> Wanted:
    known = wanted.reservations.get(one.name)
    if known is None:
        asked = Reservation(one.name, one.regions, (), _ROOT, Lifetime.CONFIGURED, now_usec)
        wanted = reserve(wanted, snapshot, policy, asked)
    else:
        if known.lifetime is Lifetime.CLIENT or known.owner != _ROOT:
            raise Exists(f"a reservation of this name exists and belongs to user {known.owner.uid}")
        wanted = resize(wanted, snapshot, policy, one.name, one.regions)
    check_cpus(wanted, snapshot, one.name, one.cpus)
    placed = find(with_cpus(wanted, one.name, one.cpus), one.name)
    if placed == known:
        return wanted
    placed = replace(placed, lifetime=Lifetime.CONFIGURED)
    return replace(wanted, reservations={**wanted.reservations, one.name: placed})
