"""What a change from outside means for what is wanted.

The default group belongs to the administrator: whoever sets it from outside sets a new baseline. rdtd
must tell that from three things that look alike: what rdtd wrote itself, what it was about to write when
it was killed, and the full mask that the kernel gives to every group of a domain that comes online.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rdtd.core.model import DEFAULT_GROUP, Cache, Domain, Group, Masks, Snapshot, Wanted
from rdtd.core.space import ForeignGroups, Policy, barred, leaves_enough, share

__all__ = ["Adopted", "adopt", "written_now"]


@dataclass(frozen=True, slots=True)
class Adopted:
    """A mask that somebody else set. `refused`: too little is left of it beside the reservations."""

    group: str
    domain: Domain
    expected: int
    found: int
    refused: bool = False


def adopt(wanted: Wanted, snapshot: Snapshot, policy: Policy) -> tuple[Wanted, tuple[Adopted, ...]]:
    """`wanted` with the baselines that follow from the snapshot, and what was changed from outside."""
    default, changes = _baseline(snapshot.default, wanted, snapshot)
    baselines = {DEFAULT_GROUP: default}
    for group in snapshot.foreign if policy.foreign is ForeignGroups.NARROW else ():
        if group.mode != "shareable":
            continue
        baseline, outside = _baseline(group, wanted, snapshot)
        changes += outside
        # A group that may be narrowed yields until it is set anew: what was taken has to be given back.
        still = group.name in wanted.baselines and all(change.refused for change in outside)
        if still or any(mask & default.get(domain, 0) for domain, mask in baseline.items()):
            baselines[group.name] = baseline
    if baselines == wanted.baselines:
        return wanted, tuple(changes)
    return replace(wanted, baselines=baselines), tuple(changes)


def _baseline(group: Group, wanted: Wanted, snapshot: Snapshot) -> tuple[dict[Domain, int], list[Adopted]]:
    """What a group would have without reservations, and which of it somebody has just set."""
    changes: list[Adopted] = []
    reserved = wanted.reserved()
    # Baselines of domains that are offline are kept for their return.
    baseline = dict(wanted.baselines.get(group.name, {}))
    for cache in snapshot.caches.values():
        taken = reserved.get(cache.key, 0) | barred(cache, snapshot)
        for domain in cache.domains:
            if domain not in group.masks:
                continue
            change = _outside(wanted, group, cache, domain, taken)
            if change is not None and _reset_by_kernel(wanted, snapshot, cache, domain):
                change = None
            if change is not None:
                changes.append(change)
            if domain not in baseline:
                baseline[domain] = _first(baseline, group, cache, domain, taken)
            elif (change is not None and not change.refused) or _outlived(
                wanted, group, cache, domain, taken
            ):
                baseline[domain] = group.masks[domain]
    return baseline, changes


def _first(baseline: Masks, group: Group, cache: Cache, domain: Domain, taken: int) -> int:
    """The baseline of a domain that is new: what was found, or known when CDP was on where it is off now.

    A mount with CDP or without gives full masks, which is nobody's choice.
    """
    found = group.masks[domain]
    other = {
        baseline.get(Domain(f"L{cache.level}{use}", cache.cache_id))
        for use in ([""] if cache.cdp else ["CODE", "DATA"])
    }
    known = other.pop()
    if found != cache.full or other or known is None or not leaves_enough(cache, known, taken):
        return found
    return known


def _outlived(wanted: Wanted, group: Group, cache: Cache, domain: Domain, taken: int) -> bool:
    """Whether a domain is back, and its baseline leaves too little by now while what it has would not.

    The ways were reserved meanwhile in another domain of the cache: CDP was switched on or off.
    """
    return (
        domain not in wanted.written.get(group.name, {})
        and not leaves_enough(cache, wanted.baselines[group.name][domain], taken)
        and leaves_enough(cache, group.masks[domain], taken)
    )


def _reset_by_kernel(wanted: Wanted, snapshot: Snapshot, cache: Cache, domain: Domain) -> bool:
    """Whether the domain went and came back between two observations: every group is full there.

    Reservations are what tells it from an administrator who sets the default group to the full mask. When
    no group at all is left of them, resctrl was mounted anew.
    """
    own = [group for group in snapshot.groups.values() if group.own]
    if not own and (snapshot.foreign or not wanted.reservations):
        return False
    return all(group.masks.get(domain) == cache.full for group in (snapshot.default, *own))


def _outside(wanted: Wanted, group: Group, cache: Cache, domain: Domain, taken: int) -> Adopted | None:
    """The change to one mask, if somebody else made one; `taken` are the ways that it cannot keep."""
    baseline = wanted.baselines.get(group.name, {}).get(domain)
    written = wanted.written.get(group.name, {}).get(domain)
    if baseline is None or written is None:
        return None  # met for the first time, or back after it was away with a mask that the kernel chose
    found = group.masks[domain]
    expected = share(cache, baseline, taken)
    if found in (expected, written, expected & written):
        return None
    # What was before is put back only where that helps.
    refused = leaves_enough(cache, baseline, taken) and not leaves_enough(cache, found, taken)
    return Adopted(group.name, domain, expected, found, refused)


def written_now(wanted: Wanted, snapshot: Snapshot) -> Wanted:
    """`wanted` with the masks that the yielding groups have in the snapshot, to be known again later."""
    written = {
        name: dict(snapshot.groups[name].masks) for name in wanted.baselines if name in snapshot.groups
    }
    return wanted if written == wanted.written else replace(wanted, written=written)
