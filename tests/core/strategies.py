"""Hypothesis strategies for hosts, masks, policies and requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import strategies as st

from rdtd.core.model import Cache, CacheId, CacheKey, Domain, Kind, Region
from rdtd.core.sizes import Amount, Unit
from rdtd.core.space import ForeignGroups, Policy

__all__ = ["Host", "amounts", "cache_masks", "changed_masks", "hosts", "policies", "regions", "topologies"]

WAY = 512 << 10
EITHER = st.booleans()


@dataclass(frozen=True)
class Host:
    """A host as rdtd finds it: its caches, what the default group has, and the administrator's choices."""

    caches: Mapping[CacheKey, Cache]
    baseline: Mapping[Domain, int]
    closids: int
    policy: Policy


def cache_masks(cache: Cache, least: int) -> st.SearchStrategy[int]:
    """Masks of so many ways or more that the kernel takes for the cache, short ones most of the time."""
    lengths = st.one_of(st.integers(least, max(cache.ways // 3, least)), st.integers(least, cache.ways))
    runs = lengths.flatmap(
        lambda length: st.integers(0, cache.ways - length).map(lambda start: ((1 << length) - 1) << start)
    )
    if not cache.sparse:
        return runs
    return st.one_of(runs, st.integers(0, cache.full).filter(lambda mask: mask.bit_count() >= least))


@st.composite
def topologies(
    draw: st.DrawFn,
    most_domains: int = 8,
    most_ways: int = 32,
    cdp: st.SearchStrategy[bool] = EITHER,
    sparse: st.SearchStrategy[bool] = EITHER,
) -> dict[CacheKey, Cache]:
    """The caches of a host with L3, L2 or both. IDs have gaps; sizes need not divide into ways."""
    caches: dict[CacheKey, Cache] = {}
    for level in draw(st.sampled_from([(3,), (2,), (3, 2)])):
        # Small numbers of domains are where placements meet; large ones are drawn now and then.
        count = draw(st.one_of(st.integers(1, min(3, most_domains)), st.integers(1, most_domains)))
        ids = draw(st.lists(st.integers(0, 40), min_size=count, max_size=count, unique=True))
        ways = draw(st.integers(4, most_ways))
        size = draw(st.one_of(st.just(ways * WAY), st.integers(ways, ways * WAY)))
        shareable = draw(st.one_of(st.sampled_from([0, 3 << (ways - 2)]), st.integers(0, (1 << ways) - 1)))
        min_ways, has_holes, has_cdp = draw(st.integers(0, 2)), draw(sparse), draw(cdp)
        for cache_id in sorted(ids):
            cache = Cache(level, cache_id, size, ways, min_ways, shareable, has_holes, has_cdp)
            caches[cache.key] = cache
    return caches


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Both ways to treat foreign groups; a small DefaultGroupMinimum most of the time."""
    minimum = st.one_of(
        st.builds(Amount, st.integers(1, 4), st.just(Unit.WAYS)),
        st.builds(Amount, st.integers(1, 60), st.just(Unit.PERCENT)),
        st.builds(Amount, st.integers(1, 8 * WAY), st.just(Unit.BYTES)),
    )
    return Policy(draw(st.sampled_from(ForeignGroups)), draw(minimum))


@st.composite
def hosts(
    draw: st.DrawFn,
    most_domains: int = 8,
    most_ways: int = 32,
    cdp: st.SearchStrategy[bool] = EITHER,
    sparse: st.SearchStrategy[bool] = EITHER,
) -> Host:
    """A host whose default group is full most of the time, or has been narrowed by its administrator."""
    caches = draw(topologies(most_domains, most_ways, cdp, sparse))
    baseline = {domain: cache.full for cache in caches.values() for domain in cache.domains}
    if draw(st.integers(0, 3)) == 0:
        baseline |= draw(changed_masks(caches, everywhere=draw(st.booleans())))
    closids = draw(st.one_of(st.integers(2, 5), st.just(16)))
    return Host(caches, baseline, closids, draw(policies()))


@st.composite
def changed_masks(
    draw: st.DrawFn, caches: Mapping[CacheKey, Cache], everywhere: bool = False, empty: bool = False
) -> dict[Domain, int]:
    """Valid masks for one or all of the caches; code and data get the same or different ones.

    Empty masks are among them on request, where the kernel takes them.
    """
    changed: dict[Domain, int] = {}
    for key in sorted(caches) if everywhere else [draw(st.sampled_from(sorted(caches)))]:
        cache = caches[key]
        chosen = cache_masks(cache, cache.min_ways if empty else cache.smallest)
        mask, same = draw(chosen), draw(st.booleans())
        for domain in cache.domains:
            changed[domain] = mask if same else draw(chosen)
    return changed


def amounts(cache: Cache) -> st.SearchStrategy[Amount]:
    """Amounts of the cache, small most of the time, and now and then more than it has."""
    return st.one_of(
        st.builds(Amount, st.integers(1, max(cache.ways // 3, 1)), st.just(Unit.WAYS)),
        st.builds(Amount, st.integers(1, cache.ways + 1), st.just(Unit.WAYS)),
        st.builds(Amount, st.integers(1, 100), st.just(Unit.PERCENT)),
        st.builds(Amount, st.integers(1, cache.size // 2 + 1), st.just(Unit.BYTES)),
    )


@st.composite
def regions(draw: st.DrawFn, caches: Mapping[CacheKey, Cache]) -> tuple[Region, ...]:
    """A request that fits the host's topology: one to three of fixed, any and all."""
    found: list[Region] = []
    named: set[tuple[int, int | CacheId]] = set()
    for _ in range(draw(st.integers(1, 3))):
        key = draw(st.sampled_from(sorted(caches)))
        cache = caches[key]
        places: list[int | CacheId] = [key.cache_id, CacheId.ANY, CacheId.ALL]
        where = draw(st.sampled_from(places))
        others = {there for level, there in named if level == key.level}
        clash = others - {CacheId.ANY} if where is CacheId.ALL else others & {where, CacheId.ALL}
        if clash - {CacheId.ANY} or (clash and cache.cdp):
            continue
        named.add((key.level, where))
        kinds = draw(st.sampled_from([(Kind.BOTH,), (Kind.CODE, Kind.DATA)] if cache.cdp else [(Kind.BOTH,)]))
        found += [Region(draw(amounts(cache)), kind, key.level, where) for kind in kinds]
    return tuple(draw(st.permutations(found)))
