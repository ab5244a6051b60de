"""From the regions of a request to what has to be placed on each cache of this host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rdtd.core.errors import InvalidRequest, Unsupported
from rdtd.core.model import Cache, CacheId, CacheKey, Kind, Region
from rdtd.core.spec import MAXIMUM_REGIONS

__all__ = ["Unit", "by_level", "normalize", "units"]


@dataclass(frozen=True, slots=True)
class Unit:
    """Regions that go to one cache together: one for both, or code and data.

    `cache_id` is None where any cache of the level will do.
    """

    level: int
    cache_id: int | None
    regions: tuple[Region, ...]

    def sizes(self, cache: Cache) -> tuple[int, ...]:
        """The ways of each region on that cache."""
        return tuple(region.amount.ways(cache.size, cache.ways, cache.min_ways) for region in self.regions)


def normalize(regions: Iterable[Region]) -> tuple[Region, ...]:
    """The regions in a fixed order, so that the same request is equal however it was written."""
    ordered = tuple(sorted(regions, key=lambda region: region.sort_key))
    if not ordered:
        raise InvalidRequest("no region was asked for; a reservation has at least one")
    if len(ordered) > MAXIMUM_REGIONS:
        raise InvalidRequest(f"{len(ordered)} regions in one request; {MAXIMUM_REGIONS} are the most")
    return ordered


def by_level(caches: Mapping[CacheKey, Cache]) -> dict[int, list[Cache]]:
    """The caches of each level, by cache ID."""
    levels: dict[int, list[Cache]] = {}
    for key in sorted(caches):
        levels.setdefault(key.level, []).append(caches[key])
    return levels


def units(regions: tuple[Region, ...], caches: Mapping[CacheKey, Cache]) -> tuple[Unit, ...]:
    """What has to be placed, by level and cache ID, the freely placed last.

    Raises InvalidRequest for an unknown cache or contradicting regions, Unsupported for what this host
    cannot do.
    """
    levels = by_level(caches)
    fixed: dict[CacheKey, dict[Kind, Region]] = {}
    anywhere: dict[int, list[Region]] = {}
    for region in regions:
        _check_supported(region, levels)
        if region.cache_id is CacheId.ANY:
            anywhere.setdefault(region.level, []).append(region)
            continue
        for key in _keys_of(region, levels[region.level]):
            there = fixed.setdefault(key, {})
            if region.kind in there:
                raise InvalidRequest(f"{key}: two regions of type {region.kind}; ask for one that is larger")
            there[region.kind] = region
    found = [Unit(key.level, key.cache_id, _paired(there, str(key))) for key, there in sorted(fixed.items())]
    for level, free in sorted(anywhere.items()):
        found.extend(_anywhere(level, free))
    return tuple(found)


def _check_supported(region: Region, levels: Mapping[int, list[Cache]]) -> None:
    if region.level not in (2, 3):
        raise InvalidRequest(f"level {region.level}: caches of level 3 and 2 can be allocated")
    if region.level not in levels:
        have = " and ".join(f"L{level}" for level in sorted(levels, reverse=True)) or "none"
        raise Unsupported(f"L{region.level}: this host cannot allocate that cache; it can allocate: {have}")
    if region.kind is not Kind.BOTH and not levels[region.level][0].cdp:
        option = "cdp" if region.level == 3 else "cdpl2"
        raise Unsupported(
            f"type={region.kind} needs code and data prioritization, which is off for L{region.level}; "
            f"if the CPU has it, mount resctrl with '-o {option}', else ask for type=both"
        )


def _keys_of(region: Region, caches: list[Cache]) -> list[CacheKey]:
    if region.cache_id is CacheId.ALL:
        return [cache.key for cache in caches]
    for cache in caches:
        if cache.cache_id == region.cache_id:
            return [cache.key]
    have = ", ".join(str(cache.cache_id) for cache in caches)
    raise InvalidRequest(f"L{region.level} has no cache {region.cache_id}; its cache IDs are {have}")


def _paired(there: Mapping[Kind, Region], where: str) -> tuple[Region, ...]:
    if Kind.BOTH in there and len(there) > 1:
        other = next(kind for kind in there if kind is not Kind.BOTH)
        raise InvalidRequest(f"{where}: type both beside {other}; ask for both, or for code and data")
    for kind, other in ((Kind.CODE, Kind.DATA), (Kind.DATA, Kind.CODE)):
        if kind in there and other not in there:
            raise InvalidRequest(
                f"{where}: type {kind} without {other}; a region for {kind} needs one of each"
            )
    return tuple(there[kind] for kind in Kind if kind in there)


def _anywhere(level: int, regions: list[Region]) -> list[Unit]:
    """Units for `any`: each of type both is one; the one code and the one data region go together."""
    found = [Unit(level, None, (region,)) for region in regions if region.kind is Kind.BOTH]
    parts: dict[Kind, Region] = {}
    for region in regions:
        if region.kind is Kind.BOTH:
            continue
        if region.kind in parts:
            raise InvalidRequest(
                f"L{level}: two regions of type {region.kind} with cache-id=any; name the caches"
            )
        parts[region.kind] = region
    if parts:
        found.append(Unit(level, None, _paired(parts, f"L{level} cache any")))
    return found
