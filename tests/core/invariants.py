"""What holds at every state that rdtd reaches, each stated once, without the code that is under test.

Every check fails with an assertion that starts with the name of its invariant, so that
test_planted_faults.py can tell which of them caught a fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from enum import StrEnum
from fractions import Fraction
from math import ceil

from rdtd.core import masks
from rdtd.core.model import (
    DEFAULT_GROUP,
    PREFIX,
    Cache,
    CacheId,
    CacheKey,
    Domain,
    Group,
    Kind,
    Reservation,
    Snapshot,
    Wanted,
)
from rdtd.core.sizes import Amount, Unit
from rdtd.core.space import ForeignGroups, Policy

__all__ = ["Invariant", "hold"]

Overlap = tuple[str, CacheKey, str, int]

EXCLUSIVE = ("exclusive", "pseudo-locked")


class Invariant(StrEnum):
    LARGEST = "Reserve(largest) succeeds"
    ONE_MORE = "Reserve(largest + one way) is NoSpace"
    FREE = "free ways are nobody's"
    ONE_OWNER = "no way is in two reservations"
    APART = "no reservation overlaps the shared mask"
    RESPECT = "no reservation takes ways of a foreign group"
    ACCEPTED = "the kernel accepts every write"
    BACK = "Reserve then Release gives back the same state"
    CONVERGES = "after the plan there is nothing to do"
    TAKE_FIRST = "ways are taken away before they are given"
    NOTHING = "a failed request changes nothing"
    ROLLBACK = "a plan that was cut off can be taken back"
    RESTART = "a plan that was cut off is finished after a restart"
    AGAIN = "the same Reserve again is the same answer"
    ROUNDING = "ways are rounded up exactly"
    IN_PLACE = "what was granted is in the kernel"
    FLOOR = "the default group keeps its minimum"
    BASELINE = "the default group has its baseline without the reserved ways"
    KEEPS = "a smaller reservation keeps of its ways what it can"


checked = frozenset(Invariant)  # a test of one invariant leaves the others out


def hold(invariant: Invariant, truth: object, *details: object) -> None:
    assert truth or invariant not in checked, f"{invariant}: {', '.join(str(detail) for detail in details)}"


def ways_of_amount(amount: Amount, cache: Cache) -> int:
    """design.md: up to whole ways, at least min_cbm_bits; an empty region is none."""
    match amount.unit:
        case Unit.WAYS:
            exact = Fraction(amount.value)
        case Unit.PERCENT:
            exact = Fraction(amount.value * cache.ways, 100)
        case Unit.BYTES:
            exact = Fraction(amount.value * cache.ways, cache.size)
    return max(ceil(exact), cache.min_ways, 1)


def longest(mask: int) -> int:
    """The longest run of ones, by looking at the digits."""
    return max(len(run) for run in f"{mask:b}".split("0"))


def longest_run(mask: int) -> int:
    """The mask of the longest run, the lowest of equally long ones."""
    length = longest(mask)
    run = (1 << length) - 1
    while length and run & ~mask:
        run <<= 1
    return run


def reserved_ways(wanted: Wanted, key: CacheKey) -> int:
    found = 0
    for reservation in wanted.reservations.values():
        for granted in reservation.granted:
            found |= granted.mask if granted.key == key else 0
    return found


def barred_ways(groups: Iterable[Group], cache: Cache) -> int:
    """Ways of exclusive and pseudo-locked groups: the kernel lets no other group have them."""
    found = 0
    for group in groups:
        found |= group.ways_in(cache) if group.mode in EXCLUSIVE else 0
    return found


def rest(cache: Cache, baseline: int, taken: int) -> int:
    """What remains of a baseline, in one run where masks must be contiguous."""
    left = baseline & ~taken
    return left if cache.sparse else longest_run(left)


def check_reservations(wanted: Wanted, snapshot: Snapshot) -> None:
    """Each way has one owner, and the kernel has what was granted, apart from all that rdtd writes."""
    for key, cache in snapshot.caches.items():
        seen = 0
        for reservation in wanted.reservations.values():
            for granted in reservation.granted:
                if granted.key == key:
                    hold(Invariant.ONE_OWNER, not seen & granted.mask, key, reservation.name)
                    seen |= granted.mask
        for reservation in wanted.reservations.values():
            own = reservation.ways_in(key)
            for other in (DEFAULT_GROUP, *(PREFIX + name for name in wanted.reservations)):
                if other != reservation.group:
                    overlap = snapshot.groups[other].ways_in(cache) & own
                    hold(Invariant.APART, not overlap, key, reservation.name, repr(other), bin(overlap))
    for reservation in wanted.reservations.values():
        group = snapshot.groups[reservation.group]
        for granted in reservation.granted:
            cache_now = snapshot.caches.get(granted.key)
            for domain in cache_now.domains if cache_now else ():
                if granted.kind is Kind.BOTH or domain.resource.endswith(granted.kind.upper()):
                    hold(Invariant.IN_PLACE, group.masks[domain] == granted.mask, reservation.name, domain)
        hold(Invariant.IN_PLACE, group.cpus == reservation.cpus & snapshot.cpus, reservation.name, "CPUs")


def check_sizes(reservation: Reservation, caches: Mapping[CacheKey, Cache]) -> None:
    """Each grant is one that a region asked for, with exactly rounded ways and the bytes of its mask."""
    for granted in reservation.granted:
        cache = caches[granted.key]
        sizes = {
            ways_of_amount(region.amount, cache)
            for region in reservation.regions
            if region.kind is granted.kind
            and region.level == granted.key.level
            and region.cache_id in (granted.key.cache_id, CacheId.ALL, CacheId.ANY)
        }
        hold(Invariant.ROUNDING, granted.ways in sizes, reservation.name, granted, sizes)
        hold(Invariant.ROUNDING, granted.size == granted.ways * cache.size // cache.ways, granted)
        contiguous = bin(granted.mask).strip("0b").count("0") == 0
        hold(Invariant.ACCEPTED, cache.sparse or contiguous, reservation.name, granted)


def check_every_region(reservation: Reservation, online: Mapping[CacheKey, Cache]) -> None:
    """What was asked for is granted as a whole: on the caches that were named, and only there."""
    asked: dict[tuple[int, Kind], int] = {}
    for region in reservation.regions:
        there = sum(1 for key in online if key.level == region.level)
        count = there if region.cache_id is CacheId.ALL else 1
        asked[region.level, region.kind] = asked.get((region.level, region.kind), 0) + count
    given: dict[tuple[int, Kind], int] = {}
    for granted in reservation.granted:
        kind = granted.key.level, granted.kind
        given[kind] = given.get(kind, 0) + 1
    hold(Invariant.IN_PLACE, asked == given, reservation.name, asked, given)


def check_foreign(
    granted: Reservation, before: Snapshot, after: Snapshot, wanted: Wanted, policy: Policy
) -> None:
    """A new grant takes nothing of foreign groups that were there before; narrowed ones have let go."""
    for key, cache in after.caches.items():
        own = granted.ways_in(key)
        for group in after.foreign:
            narrowed = policy.foreign is ForeignGroups.NARROW and group.name in wanted.baselines
            had = after.groups[group.name] if narrowed else before.groups[group.name]
            hold(Invariant.RESPECT, not own & had.ways_in(cache), granted.name, key, group.name)


def check_floor(before: Snapshot, after: Snapshot, policy: Policy) -> None:
    """No change of reservations leaves the default group less than its minimum, if it had as much."""
    for cache in after.caches.values():
        floor = min(ways_of_amount(policy.default_minimum, cache), cache.ways)
        for domain in cache.domains:
            had = before.default.masks[domain].bit_count()
            left = after.default.masks[domain].bit_count()
            hold(Invariant.FLOOR, left >= min(floor, had), domain, f"{had} before, {left} after")


def check_baseline(baseline: Mapping[Domain, int], wanted: Wanted, snapshot: Snapshot) -> None:
    for cache in snapshot.caches.values():
        barred = barred_ways(snapshot.foreign, cache)
        for domain in cache.domains:
            expected = rest(cache, baseline[domain], reserved_ways(wanted, cache.key) | barred)
            found = snapshot.default.masks[domain]
            hold(Invariant.BASELINE, found == expected, domain, bin(baseline[domain]), bin(found))


def free_oracle(cache: Cache, wanted: Wanted, snapshot: Snapshot, policy: Policy) -> int | None:
    """The ways of the largest region that fits by design.md, for hosts where foreign groups are respected."""
    if policy.foreign is not ForeignGroups.RESPECT:
        return None
    reserved = reserved_ways(wanted, cache.key)
    held = barred = barred_ways(snapshot.foreign, cache)
    for group in snapshot.foreign:
        held |= group.ways_in(cache)
    floor = min(ways_of_amount(policy.default_minimum, cache), cache.ways)
    candidates = cache.full & ~reserved & ~held
    baselines = [wanted.baselines[DEFAULT_GROUP][domain] for domain in cache.domains]
    if cache.sparse and len(set(baselines)) > 1:
        return None  # finding the most ways that code's and data's floors leave is no simple sum
    if cache.sparse:
        kept = (baselines[0] & ~(reserved | barred)).bit_count()
        outside = (candidates & ~baselines[0]).bit_count()
        inside = min(max(kept - floor, 0), (candidates & baselines[0]).bit_count())
        return outside + inside if outside + inside >= cache.smallest else 0
    for size in range(cache.ways, cache.smallest - 1, -1):
        for start in range(cache.ways - size + 1):
            mask = (1 << size) - 1 << start
            if mask & ~candidates:
                continue
            left = [longest(baseline & ~(reserved | barred | mask)) for baseline in baselines]
            had = [longest(baseline & ~(reserved | barred)) for baseline in baselines]
            if all(now >= min(floor, was) for now, was in zip(left, had, strict=True)):
                return size
    return 0


def overlaps(reservations: Iterable[Reservation], written: Set[str], snapshot: Snapshot) -> set[Overlap]:
    """Every way that one of these groups has where it shall have ways of its own, and another has as well."""
    found: set[Overlap] = set()
    for reservation in reservations:
        if reservation.group not in written or reservation.group not in snapshot.groups:
            continue
        for key in {granted.key for granted in reservation.granted} & set(snapshot.caches):
            cache = snapshot.caches[key]
            own = snapshot.groups[reservation.group].ways_in(cache)
            for other in written & set(snapshot.groups) - {reservation.group}:
                shared = own & snapshot.groups[other].ways_in(cache)
                found |= {(reservation.name, key, other, way) for way in masks.ways_of(shared)}
    return found


def changing_places(wanted: Wanted, other: Wanted, snapshot: Snapshot) -> set[tuple[str, CacheKey]]:
    """Where a resized reservation keeps less than a mask, for code or data: it can have to swap there."""
    found: set[tuple[str, CacheKey]] = set()
    for name in wanted.reservations.keys() & other.reservations.keys():
        before, after = other.reservations[name], wanted.reservations[name]
        for key, cache in snapshot.caches.items():
            for use in (Kind.CODE, Kind.DATA):
                kept = _ways_for(before, key, use) & _ways_for(after, key, use)
                if before.ways_in(key) and after.ways_in(key) and kept.bit_count() < cache.smallest:
                    found.add((name, key))
    return found


def _ways_for(reservation: Reservation, key: CacheKey, use: Kind) -> int:
    found = 0
    for granted in reservation.granted:
        if granted.key == key and granted.kind in (Kind.BOTH, use):
            found |= granted.mask
    return found
