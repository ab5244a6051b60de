"""What was wanted, guessed from the groups alone: for when the state file is lost or damaged."""

from __future__ import annotations

from rdtd.core.errors import InvalidRequest
from rdtd.core.model import (
    DEFAULT_GROUP,
    PREFIX,
    CacheKey,
    Granted,
    Group,
    Kind,
    Owner,
    Region,
    Reservation,
    Snapshot,
    Wanted,
    check_name,
)
from rdtd.core.request import normalize
from rdtd.core.sizes import Amount, Unit
from rdtd.core.space import kept

__all__ = ["rebuild"]


def rebuild(snapshot: Snapshot, created_usec: int) -> Wanted:
    """A reservation for each own group, of the ways that it does not share with the default group.

    They belong to root and are persistent: who made them and for how long is not in resctrl. The
    baseline of the default group becomes what it has together with the ways that are reserved.
    """
    reservations = {}
    claimed: dict[CacheKey, int] = {}
    for name, group in sorted(snapshot.groups.items()):
        granted = _granted(group, snapshot, claimed) if group.own and _is_name(name) else ()
        if granted:
            regions = normalize(
                Region(Amount(one.ways, Unit.WAYS), one.kind, one.key.level, one.key.cache_id)
                for one in granted
            )
            reservation = Reservation(
                name.removeprefix(PREFIX),
                regions,
                granted,
                Owner(0),
                created_usec=created_usec,
                cpus=group.cpus,
            )
            reservations[reservation.name] = reservation
    baseline = dict(snapshot.default.masks)
    for cache in snapshot.caches.values():
        for domain in cache.domains:
            # The run that holds the default group's own ways, widened by the reserved ones beside it.
            whole = kept(cache, baseline[domain] | claimed.get(cache.key, 0), 0)
            if whole & baseline[domain] == baseline[domain]:
                baseline[domain] = whole
    return Wanted(reservations, {DEFAULT_GROUP: baseline}, {DEFAULT_GROUP: dict(snapshot.default.masks)})


def _is_name(group: str) -> bool:
    try:
        return bool(check_name(group.removeprefix(PREFIX)))
    except InvalidRequest:
        return False


def _granted(group: Group, snapshot: Snapshot, claimed: dict[CacheKey, int]) -> tuple[Granted, ...]:
    """The group's ways that neither the default group nor a group before it has."""
    found: list[Granted] = []
    for key, cache in snapshot.caches.items():
        masks = [group.masks.get(domain, 0) for domain in cache.domains]
        taken = claimed.get(key, 0) | snapshot.default.ways_in(cache)
        union = group.ways_in(cache)
        if not union or union & taken or group.mode != "shareable":
            continue
        kinds = [Kind.BOTH] if len(set(masks)) == 1 else [Kind.CODE, Kind.DATA]
        if len(kinds) == 2 and masks[0] & masks[1]:
            continue  # no reservation looks like this
        claimed[key] = claimed.get(key, 0) | union
        found += [
            Granted(kind, key, mask, cache.bytes_of(mask.bit_count()))
            for kind, mask in zip(kinds, masks, strict=False)
        ]
    return tuple(sorted(found, key=lambda one: (one.key, one.kind)))
