"""What was changed from outside, in values and in words; and what a reservation lacks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from rdtd.core.adopt import Adopted
from rdtd.core.cpus import format_cpus
from rdtd.core.model import Masks, Snapshot, Wanted
from rdtd.core.plan import CreateGroup, Plan, RemoveGroup, Step, WriteCpus, WriteMasks

__all__ = ["Drift", "degraded", "drifts", "mask_text"]


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference that rdtd did not make. `group` is "" for the default group.

    kind: `removed` (an own group was), `leftover` (a group with rdtd's prefix and no reservation), `masks`,
    `cpus`, or `baseline` (the administrator set a group that yields). details: `found` and `done`, in words.
    """

    group: str
    kind: str
    details: Mapping[str, str] = field(default_factory=dict)


def mask_text(masks: Masks) -> str:
    """Masks as schemata shows them: `L3:0=f;1=f0 L2:0=3`."""
    lines: dict[str, list[str]] = {}
    for domain, mask in sorted(masks.items()):
        lines.setdefault(domain.resource, []).append(f"{domain.cache_id}={mask:x}")
    return " ".join(f"{resource}:{';'.join(entries)}" for resource, entries in lines.items())


def drifts(adopted: Collection[Adopted], repairs: Plan, snapshot: Snapshot) -> tuple[Drift, ...]:
    """What an observation found: masks that became baselines, and what the repairs say was different."""
    set_outside: dict[tuple[str, bool], list[Adopted]] = {}
    for change in adopted:
        set_outside.setdefault((change.group, change.refused), []).append(change)
    found: list[Drift] = []
    for (group, refused), changes in set_outside.items():
        done = "it is the new baseline, without the reserved ways"
        if refused:
            back = mask_text({change.domain: change.expected for change in changes})
            done = f"too little is left beside the reservations; put back to {back}"
        was = mask_text({change.domain: change.found for change in changes})
        found.append(Drift(group, "baseline", {"found": was, "done": done}))
    created = {step.group for step in repairs if isinstance(step, CreateGroup)}
    known = {drift.group for drift in found}
    shared = {change.domain for change in adopted if not change.refused}
    for step in repairs:
        if isinstance(step, WriteMasks) and step.group not in known and step.masks.keys() <= shared:
            continue  # a reservation follows the baseline where it has no ways of its own
        if step.group in known or (step.group in created and not isinstance(step, CreateGroup)):
            continue
        known.add(step.group)
        found.append(_describe(step, snapshot))
    return tuple(found)


def _describe(step: Step, snapshot: Snapshot) -> Drift:
    match step:
        case CreateGroup(group):
            return Drift(group, "removed", {"found": "the group is not there", "done": "made again"})
        case RemoveGroup(group):
            return Drift(group, "leftover", {"found": "no reservation has this group", "done": "removed"})
        case WriteMasks(group, masks):
            there = {domain: snapshot.groups[group].masks.get(domain, 0) for domain in masks}
            return Drift(group, "masks", {"found": mask_text(there), "done": f"set to {mask_text(masks)}"})
        case WriteCpus(group, cpus):
            there_now = format_cpus(snapshot.groups[group].cpus) or "none"
            return Drift(group, "cpus", {"found": there_now, "done": f"set to {format_cpus(cpus) or 'none'}"})


def degraded(wanted: Wanted, snapshot: Snapshot | None) -> dict[str, str]:
    """The reservations that are not whole at the moment, each with the reason."""
    found: dict[str, str] = {}
    for name, reservation in wanted.reservations.items():
        if snapshot is None:
            found[name] = "resctrl is not mounted"
            continue
        group = snapshot.groups.get(reservation.group)
        if group is None:
            found[name] = f"its group {reservation.group!r} is not there"
            continue
        for granted in reservation.granted:
            cache = snapshot.caches.get(granted.key)
            domains = cache.domains_of(granted.kind) if cache else ()
            if not domains:
                found[name] = (
                    f"{granted.key} is offline" if cache is None else f"{granted.key} has no CDP now"
                )
            elif any(group.masks.get(domain) != granted.mask for domain in domains):
                found[name] = f"{granted.key}: the mask is not {granted.mask:x}"
    return found
