"""Who has the ways of one cache, and which of them can be given out.

A way is *held* when nobody may be asked to give it up: it is in a foreign group that is respected, in an
exclusive group, or pseudo-locked. A group *yields* when rdtd may narrow it: the default group always, a
foreign group that overlaps it where the policy is `narrow`. What a yielding group keeps follows from its
baseline, the reserved ways and those that the kernel bars, so that releasing gives back what reserving
took, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from rdtd.core import masks
from rdtd.core.model import DEFAULT_GROUP, Cache, Domain, Group, Snapshot, Wanted
from rdtd.core.sizes import Amount, Unit

__all__ = [
    "ForeignGroups",
    "Policy",
    "Space",
    "Yielding",
    "barred",
    "kept",
    "leaves_enough",
    "share",
    "space_of",
    "yielding_groups",
]

ONE_WAY = Amount(1, Unit.WAYS)


class ForeignGroups(StrEnum):
    """What rdtd does about the ways of groups that it did not make."""

    RESPECT = "respect"  # they are not given out
    NARROW = "narrow"  # where they overlap the default group, they are narrowed together with it


@dataclass(frozen=True, slots=True)
class Policy:
    """The administrator's choices that the allocator needs."""

    foreign: ForeignGroups = ForeignGroups.RESPECT
    default_minimum: Amount = ONE_WAY  # DefaultGroupMinimum


@dataclass(frozen=True, slots=True)
class Yielding:
    """A group that gives way in one domain, and how few ways it may be left with there."""

    group: str
    domain: Domain
    baseline: int  # without the ways that the kernel bars
    floor: int


@dataclass(frozen=True, slots=True)
class Space:
    """One cache as the allocator sees it."""

    cache: Cache
    reserved: int
    holders: tuple[tuple[str, int], ...]  # (foreign group, its ways that are held)
    yielding: tuple[Yielding, ...]

    @property
    def held(self) -> int:
        mask = 0
        for _, ways in self.holders:
            mask |= ways
        return mask

    @property
    def candidates(self) -> int:
        """The ways that nobody reserved or holds; what yielding groups must keep is still among them."""
        return self.cache.full & ~self.reserved & ~self.held

    @property
    def shared(self) -> int:
        """What the default group keeps, for code and data together."""
        mask = 0
        for one in self.yielding:
            if one.group == DEFAULT_GROUP:
                mask |= kept(self.cache, one.baseline, self.reserved)
        return mask

    def spares(self, taken: int, had: int = 0) -> bool:
        """Whether every yielding group keeps its floor when these ways are taken in place of those.

        A group that is under its floor already (an administrator's choice) must not lose any more, and one
        that was made over ways that the owner had is not left with less than the kernel takes again.
        """
        return all(
            kept(self.cache, one.baseline, self.reserved | taken).bit_count() >= self._least(one, had)
            for one in self.yielding
        )

    def _least(self, one: Yielding, had: int) -> int:
        without = kept(self.cache, one.baseline, self.reserved).bit_count()
        now = kept(self.cache, one.baseline, self.reserved | had).bit_count() if had else without
        return max(min(one.floor, now), min(self.cache.smallest, without))

    def with_reserved(self, taken: int) -> Space:
        return Space(self.cache, self.reserved | taken, self.holders, self.yielding)


def kept(cache: Cache, baseline: int, reserved: int) -> int:
    """The mask that a yielding group keeps: its baseline without the reserved ways, in one run."""
    rest = baseline & ~reserved
    return rest if cache.sparse else masks.largest_run(rest)


def leaves_enough(cache: Cache, baseline: int, reserved: int) -> bool:
    """Whether a group can be narrowed to what it keeps. An empty baseline has nothing to lose."""
    least = min(cache.smallest, baseline.bit_count())
    return kept(cache, baseline, reserved).bit_count() >= least


def share(cache: Cache, baseline: int, reserved: int) -> int:
    """The mask that a yielding group shall have: what it keeps, or all where that would be too little."""
    return kept(cache, baseline, reserved) if leaves_enough(cache, baseline, reserved) else baseline


def barred(cache: Cache, snapshot: Snapshot) -> int:
    """The ways that no other group may have: see rdtgroup_cbm_overlaps() in the kernel.

    The default group can have lost them for good: where it keeps one run of its baseline, somebody may
    make an exclusive group of the ways beside that run, and the kernel refuses to give them back.
    """
    mask = 0
    for group in snapshot.foreign:
        if group.mode in ("exclusive", "pseudo-locked"):
            mask |= group.ways_in(cache)
    return mask


def yielding_groups(wanted: Wanted, cache: Cache, snapshot: Snapshot, policy: Policy) -> Iterator[Yielding]:
    """The groups that give way in this cache, the default group first."""
    apart = ~barred(cache, snapshot)
    floor = policy.default_minimum.ways(cache.size, cache.ways, cache.min_ways)
    for group, baseline in wanted.baselines.items():
        for domain in cache.domains:
            if domain in baseline:
                least = floor if group == DEFAULT_GROUP else cache.smallest
                yield Yielding(group, domain, baseline[domain] & apart, min(least, cache.ways))


def space_of(cache: Cache, reserved: int, wanted: Wanted, snapshot: Snapshot, policy: Policy) -> Space:
    """The space of one cache of which those ways are reserved."""
    holders = ((group.name, _held_by(group, cache, reserved, wanted, policy)) for group in snapshot.foreign)
    return Space(
        cache,
        reserved,
        tuple((name, ways) for name, ways in holders if ways),
        tuple(yielding_groups(wanted, cache, snapshot, policy)),
    )


def _held_by(group: Group, cache: Cache, reserved: int, wanted: Wanted, policy: Policy) -> int:
    if policy.foreign is ForeignGroups.RESPECT or group.mode != "shareable":
        return group.ways_in(cache)
    # Narrowed together with the default group where the two overlap; held where they do not.
    # A group that yields is judged by its baseline: its mask may be narrowed at the moment.
    yields = wanted.baselines.get(group.name, {})
    default = wanted.baselines.get(DEFAULT_GROUP, {})
    held = 0
    for domain in cache.domains:
        mask = yields.get(domain, group.masks.get(domain, 0))
        # Made over reserved ways, a group can be left with too little to narrow it: then it keeps all.
        narrowed = leaves_enough(cache, mask, reserved)
        held |= mask & ~default.get(domain, 0) if narrowed else mask
    return held
