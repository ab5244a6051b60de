"""What a change from outside means for what is wanted.

The default group belongs to the administrator: whoever sets it from outside sets a new baseline. rdtd
must tell that from three things that look alike: what rdtd wrote itself, what it was about to write when
it was killed, and the full mask that the kernel gives to every group of a domain that comes online.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rdtd.core.model import DEFAULT_GROUP, Cache, Domain, Group, Masks, Snapshot, Wanted
from rdtd.core.space import ForeignGroups, Policy, kept

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
    changes: list[Adopted] = []
    baselines: dict[str, Masks] = {}
    reserved = wanted.reserved()
    for group in _yielding(snapshot, wanted, policy):
        # Baselines of domains that are offline are kept for their return.
        baseline = dict(wanted.baselines.get(group.name, {}))
        for cache in snapshot.caches.values():
            for domain in cache.domains:
                if domain not in group.masks:
                    continue
                change = _outside(wanted, group, cache, domain, reserved.get(cache.key, 0))
                if change is not None:
                    changes.append(change)
                if domain not in baseline or (change is not None and not change.refused):
                    baseline[domain] = group.masks[domain]
        baselines[group.name] = baseline
    if baselines == wanted.baselines:
        return wanted, tuple(changes)
    return replace(wanted, baselines=baselines), tuple(changes)


def _yielding(snapshot: Snapshot, wanted: Wanted, policy: Policy) -> Iterator[Group]:
    """The groups with a baseline: the default group, and foreign ones that are narrowed with it."""
    default = snapshot.default
    yield default
    if policy.foreign is not ForeignGroups.NARROW:
        return
    known = wanted.baselines.get(DEFAULT_GROUP, {})
    for group in snapshot.foreign:
        if group.mode != "shareable":
            continue
        # Once narrowed a group may overlap the default group no longer; its baseline still does.
        baseline = wanted.baselines.get(group.name, group.masks)
        if any(mask & known.get(domain, default.masks.get(domain, 0)) for domain, mask in baseline.items()):
            yield group


def _outside(wanted: Wanted, group: Group, cache: Cache, domain: Domain, reserved: int) -> Adopted | None:
    """The change to one mask, if somebody else made one."""
    baseline = wanted.baselines.get(group.name, {}).get(domain)
    written = wanted.written.get(group.name, {}).get(domain)
    if baseline is None or written is None:
        return None  # met for the first time, or back after it was away with a mask that the kernel chose
    found = group.masks[domain]
    expected = kept(cache, baseline, reserved)
    if found in (expected, written, expected & written):
        return None
    left = kept(cache, found, reserved).bit_count()
    return Adopted(group.name, domain, expected, found, refused=left < cache.smallest)


def written_now(wanted: Wanted, snapshot: Snapshot) -> Wanted:
    """`wanted` with the masks that the yielding groups have in the snapshot, to be known again later."""
    written = {
        name: dict(snapshot.groups[name].masks) for name in wanted.baselines if name in snapshot.groups
    }
    return wanted if written == wanted.written else replace(wanted, written=written)
