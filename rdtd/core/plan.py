"""From what is there to what is wanted: a plan is a tuple of steps, as values.

Take away before giving. At no time between two steps do a reservation's ways overlap another group that
rdtd writes, if they did not before: groups that must go are removed, those that lose ways are narrowed,
and only then are ways given, first to reservations and last to the groups that share. One case is left:
a reservation that is resized can have to change places with a group whose only ways it gets, and one of
the two is written first. Taking a failed change back is a plan as well: the one from what is there to what
was wanted before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rdtd.core.model import DEFAULT_GROUP, PREFIX, Domain, Group, Masks, Snapshot, Wanted
from rdtd.core.space import Policy, share, yielding_groups

__all__ = [
    "CreateGroup",
    "MoveTask",
    "Plan",
    "RemoveGroup",
    "Step",
    "WriteCpus",
    "WriteMasks",
    "WriteMode",
    "plan",
    "targets",
]


@dataclass(frozen=True, slots=True)
class RemoveGroup:
    """rmdir: its tasks and CPUs go to the default group."""

    group: str


@dataclass(frozen=True, slots=True)
class CreateGroup:
    """mkdir: takes a CLOSID. The kernel chooses the first masks, so a WriteMasks follows."""

    group: str


@dataclass(frozen=True, slots=True)
class WriteMasks:
    """One write to schemata. The kernel checks all lines before it applies any."""

    group: str
    masks: Masks


@dataclass(frozen=True, slots=True)
class WriteCpus:
    """One write to cpus_list: CPUs that are left out go to the default group."""

    group: str
    cpus: frozenset[int]


@dataclass(frozen=True, slots=True)
class WriteMode:
    """Back to the mode of every own group, shareable: see Documentation/arch/x86/resctrl.rst, "mode"."""

    group: str


@dataclass(frozen=True, slots=True)
class MoveTask:
    """One write to tasks: one thread. That it has ended meanwhile is no failure."""

    group: str
    task: int


Step = RemoveGroup | CreateGroup | WriteMasks | WriteCpus | WriteMode | MoveTask
Plan = tuple[Step, ...]


def targets(wanted: Wanted, snapshot: Snapshot, policy: Policy) -> dict[str, dict[Domain, int]]:
    """The masks that each group which rdtd writes shall have, by group.

    A reservation has its granted masks, and what the default group keeps in every other domain. The
    groups that yield have what is left of their baselines, or all where too little would be left.
    """
    found: dict[str, dict[Domain, int]] = {DEFAULT_GROUP: {}}
    reserved = wanted.reserved()
    for cache in snapshot.caches.values():
        for one in yielding_groups(wanted, cache, snapshot, policy):
            taken = reserved.get(cache.key, 0)
            if one.group in snapshot.groups:
                found.setdefault(one.group, {})[one.domain] = share(cache, one.baseline, taken)
    shared = found[DEFAULT_GROUP]
    for reservation in wanted.reservations.values():
        masks = dict(shared)
        for granted in reservation.granted:
            # A cache that is offline, or that has no code and data now, has no domain to write.
            if (held := snapshot.caches.get(granted.key)) is not None:
                masks.update(dict.fromkeys(held.domains_of(granted.kind), granted.mask))
        found[reservation.group] = masks
    return found


def plan(wanted: Wanted, snapshot: Snapshot, policy: Policy) -> Plan:
    """The steps from the snapshot to what is wanted; empty when there is nothing to do."""
    goal = targets(wanted, snapshot, policy)
    there = {name: group for name, group in snapshot.groups.items() if not _is_lost(group)}
    # Only what differs is looked at from here on: a host has many groups, a change concerns few.
    now = {
        name: dict(group.masks) for name, group in there.items() if name in goal and goal[name] != group.masks
    }
    created = [name for name in goal if name not in there]
    own = [group for group in snapshot.groups.values() if group.own]
    return (
        *(RemoveGroup(group.name) for group in own if group.name not in goal or _is_lost(group)),
        # In another mode it would bar the writes to others, or take no write itself.
        *(WriteMode(group.name) for group in own if group.name in goal and _is_astray(group)),
        *(CreateGroup(name) for name in created),
        *_narrow(goal, now, snapshot),
        *_give(goal, now, created, snapshot),
        *_cpus(wanted, there, snapshot.cpus),
        *(MoveTask(name, task) for name, tasks in snapshot.strays.items() if name in goal for task in tasks),
    )


def _is_lost(group: Group) -> bool:
    """A pseudo-locked group takes no write any more: it can only be removed."""
    return group.own and group.mode == "pseudo-locked"


def _is_astray(group: Group) -> bool:
    return group.mode not in ("shareable", "pseudo-locked")


def _narrow(
    goal: Mapping[str, Masks], now: Mapping[str, dict[Domain, int]], snapshot: Snapshot
) -> Iterator[WriteMasks]:
    """Takes from each group what it must lose, where the kernel would accept what remains."""
    smallest = {domain: cache.smallest for cache in snapshot.caches.values() for domain in cache.domains}
    for name, have in now.items():
        smaller = {
            domain: have[domain] & mask
            for domain, mask in goal[name].items() - have.items()
            if have.get(domain, mask) & ~mask and (have[domain] & mask).bit_count() >= smallest[domain]
        }
        if smaller:
            have.update(smaller)
            yield WriteMasks(name, dict(sorted(smaller.items())))


def _give(
    goal: Mapping[str, Masks], now: Mapping[str, Masks], created: list[str], snapshot: Snapshot
) -> Iterator[WriteMasks]:
    """Gives each group its masks, those first whose ways nobody still has that must lose them."""
    caches = [cache.domains for cache in snapshot.caches.values()]
    waiting = sorted([*created, *now], key=lambda name: (not name.startswith(PREFIX), name in now))
    losing = {name: lost for name in now if (lost := _losing(now[name], goal[name], caches))}
    while waiting:
        # Two groups that have each other's ways cannot both wait: then the first in the list goes ahead.
        name = next((one for one in waiting if not _clashes(one, goal, losing)), waiting[0])
        waiting.remove(name)
        losing.pop(name, None)
        change = dict(sorted(goal[name].items() - now.get(name, {}).items()))
        if change:
            yield WriteMasks(name, change)


def _losing(have: Masks, goal: Masks, caches: list[tuple[Domain, ...]]) -> Masks:
    """The ways that a group still has and must lose, in each domain of a cache, for code or data."""
    lost: dict[Domain, int] = {}
    for domains in caches:
        mask = 0
        for domain in domains:
            mask |= have.get(domain, 0) & ~goal.get(domain, have.get(domain, 0))
        if mask:
            lost.update(dict.fromkeys(domains, mask))
    return lost


def _clashes(name: str, goal: Mapping[str, Masks], losing: Mapping[str, Masks]) -> bool:
    return any(
        goal[name].get(domain, 0) & mask
        for other, lost in losing.items()
        if other != name
        for domain, mask in lost.items()
    )


def _cpus(wanted: Wanted, there: Mapping[str, Group], online: frozenset[int]) -> Iterator[WriteCpus]:
    """CPUs that are offline now are put back by the plan of the observation that sees them again."""
    for reservation in wanted.reservations.values():
        group = there.get(reservation.group)
        have = group.cpus if group else frozenset()
        want = reservation.cpus & online
        if have != want:
            yield WriteCpus(reservation.group, want)
