"""What reservations lack, and what others do to them that rdtd leaves alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rdtd.core.cpus import format_cpus
from rdtd.core.drift import Drift
from rdtd.core.model import DEFAULT_GROUP, Granted, Group, Reservation, Snapshot, Wanted

__all__ = ["degraded", "standing"]


def degraded(
    wanted: Wanted, snapshot: Snapshot | None, refused: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The reservations that are not whole at the moment, each with the reason.

    `refused`: by group, what the kernel said when it was to be put right.
    """
    found: dict[str, str] = {}
    for name, reservation in wanted.reservations.items():
        if snapshot is None:
            found[name] = "resctrl is not mounted"
        elif lacks := _lacks(reservation, snapshot, refused or {}):
            found[name] = lacks
    return found


def _lacks(reservation: Reservation, snapshot: Snapshot, refused: Mapping[str, str]) -> str | None:
    group = snapshot.groups.get(reservation.group)
    said = refused.get(reservation.group, "")
    if group is None:
        return _because(f"its group {reservation.group!r} is not there", said or _closids(snapshot))
    for granted in reservation.granted:
        if lacks := _lacks_region(group, granted, snapshot):
            return _because(lacks, said)
        for other, ways in _intruders(granted, snapshot):
            name = f"group {other!r}" if other else "the default group"
            return _because(f"{granted.key}: {name} has ways {ways:x} of it", refused.get(other, ""))
    if missing := (reservation.cpus & snapshot.cpus) - group.cpus:
        return _because(f"CPU {format_cpus(missing)} is not in its group", said)
    if strays := snapshot.strays.get(group.name):
        return _because(f"{len(strays)} of its threads are in other groups", said)
    if group.mode != "shareable":
        return _because(f"its group is {group.mode}", said)
    return None


def _because(what: str, why: str) -> str:
    return f"{what}: {why}" if why else what


def _closids(snapshot: Snapshot) -> str:
    """Who has them, if that is why a group cannot be made."""
    if snapshot.closids_free:
        return ""
    others = ", ".join(repr(group.name) for group in snapshot.foreign) or "none"
    return f"all {snapshot.closids} CLOSIDs are in use; groups that rdtd did not make: {others}"


def _lacks_region(group: Group, granted: Granted, snapshot: Snapshot) -> str | None:
    cache = snapshot.caches.get(granted.key)
    if cache is None:
        return f"{granted.key} is offline"
    domains = cache.domains_of(granted.kind)
    if not domains:
        return f"{granted.key} has no CDP now"
    if any(group.masks.get(domain) != granted.mask for domain in domains):
        return f"{granted.key}: the mask is not {granted.mask:x}"
    return None


def _intruders(granted: Granted, snapshot: Snapshot) -> Iterator[tuple[str, int]]:
    """The groups that have ways of a granted region: those that rdtd did not make, and the default group."""
    cache = snapshot.caches[granted.key]
    for group in (*snapshot.foreign, snapshot.groups[DEFAULT_GROUP]):
        if ways := group.ways_in(cache) & granted.mask:
            yield group.name, ways


def standing(wanted: Wanted, snapshot: Snapshot) -> dict[tuple[str, str], Drift]:
    """What others made and rdtd leaves alone: told when it comes, and not as long as it stays as it is."""
    overlaps: dict[str, list[str]] = {}
    found: dict[tuple[str, str], Drift] = {}
    for name, reservation in wanted.reservations.items():
        for granted in reservation.granted:
            if granted.key not in snapshot.caches:
                continue
            for other, ways in _intruders(granted, snapshot):
                overlaps.setdefault(other, []).append(f"{granted.key} ways {ways:x} of reservation {name!r}")
        group = snapshot.groups.get(reservation.group)
        if group is not None and group.monitors:
            inside = "it has the monitoring groups " + ", ".join(map(repr, sorted(group.monitors)))
            details = {"found": inside, "done": "left alone: monitoring changes no allocation"}
            found[group.name, "mon-group"] = Drift(group.name, "mon-group", details)
    for other in overlaps.keys() - {DEFAULT_GROUP}:
        details = {
            "found": "it has " + ", ".join(overlaps[other]),
            "done": "left alone: the reservations are degraded until the group is narrowed or removed",
        }
        found[other, "foreign"] = Drift(other, "foreign", details)
    return found
