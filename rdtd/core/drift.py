"""What was changed from outside, in values and in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from rdtd.core.adopt import Adopted
from rdtd.core.cpus import format_cpus
from rdtd.core.model import Masks, Snapshot
from rdtd.core.plan import CreateGroup, MoveTask, Plan, RemoveGroup, Step, WriteCpus, WriteMasks, WriteMode

__all__ = ["Drift", "drifts", "mask_text"]


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference that rdtd did not make. `group` is "" for the default group.

    kind: `removed` (an own group was), `leftover` (a group with rdtd's prefix and no reservation), `masks`,
    `mode`, `cpus`, `tasks`, or `baseline` (the administrator set a group that yields). Left alone are a
    `mon-group` in an own group and a `foreign` group over reserved ways; see lacking.py. `contested`: another
    program changes a group as often as it is put right. details: `found` and `done`, in words.
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
        found.append(Drift(group, "masks" if refused else "baseline", {"found": was, "done": done}))
    created = {step.group for step in repairs if isinstance(step, CreateGroup)}
    told_already = {drift.group for drift in found}
    shared = {change.domain for change in adopted if not change.refused}
    told: set[tuple[str, str]] = set()
    for step in repairs:
        if isinstance(step, WriteMasks) and (step.group in told_already or step.masks.keys() <= shared):
            continue  # a reservation follows the baseline where it has no ways of its own
        if step.group in created and not isinstance(step, CreateGroup):
            continue
        one = _describe(step, snapshot)
        if (one.group, one.kind) not in told:
            told.add((one.group, one.kind))
            found.append(one)
    return tuple(found)


def _describe(step: Step, snapshot: Snapshot) -> Drift:
    there = snapshot.groups.get(step.group)
    match step:
        case CreateGroup(group) if there is not None:
            return Drift(group, "mode", {"found": there.mode, "done": "removed, and made again"})
        case CreateGroup(group):
            return Drift(group, "removed", {"found": "the group is not there", "done": "made again"})
        case RemoveGroup(group):
            return Drift(group, "leftover", {"found": "no reservation has this group", "done": "removed"})
        case MoveTask(group):
            strays = ", ".join(map(str, sorted(snapshot.strays[group])))
            return Drift(
                group, "tasks", {"found": f"threads are in other groups: {strays}", "done": "put back"}
            )
    assert there is not None, "what is written to is there, or made before"
    match step:
        case WriteMode(group):
            return Drift(group, "mode", {"found": there.mode, "done": "set to shareable"})
        case WriteMasks(group, masks):
            had = mask_text({domain: there.masks.get(domain, 0) for domain in masks})
            return Drift(group, "masks", {"found": had, "done": f"set to {mask_text(masks)}"})
        case WriteCpus(group, cpus):
            had = format_cpus(there.cpus) or "none"
            return Drift(group, "cpus", {"found": had, "done": f"set to {format_cpus(cpus) or 'none'}"})
