"""What rdtd tells of each cache: ListFree, the Cache objects and the picture of the map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rdtd.core.model import Cache, CacheKey, Snapshot, Wanted
from rdtd.core.placement import FreeWays, free_ways
from rdtd.core.space import Policy, Space, space_of

__all__ = ["CacheView", "Views"]


@dataclass(frozen=True, slots=True)
class CacheView:
    """One cache: sizes in bytes, everything else masks. Masks may overlap where groups share ways."""

    cache: Cache
    free: int  # bytes that Reserve could still give out
    largest: int  # bytes of the largest single region that Reserve would grant
    free_mask: int
    reserved: int
    foreign: int
    shared: int
    cpus: frozenset[int]


class Views:
    """The views of every cache, computed again only for caches whose space has changed."""

    def __init__(self) -> None:
        self._known: dict[CacheKey, tuple[Space, FreeWays]] = {}

    def compute(self, wanted: Wanted, snapshot: Snapshot, policy: Policy) -> Mapping[CacheKey, CacheView]:
        """The view of each cache: the highest level first, then by cache ID."""
        reserved = wanted.reserved()
        known, self._known = self._known, {}
        views: dict[CacheKey, CacheView] = {}
        for key in sorted(snapshot.caches, key=lambda key: (-key.level, key.cache_id)):
            cache = snapshot.caches[key]
            space = space_of(cache, reserved.get(key, 0), wanted, snapshot, policy)
            before = known.get(key)
            free = before[1] if before is not None and before[0] == space else free_ways(space)
            self._known[key] = space, free
            foreign = 0
            for group in snapshot.foreign:
                foreign |= group.ways_in(cache)
            views[key] = CacheView(
                cache=cache,
                free=cache.bytes_of(free.mask.bit_count()),
                largest=cache.bytes_of(free.largest),
                free_mask=free.mask,
                reserved=space.reserved,
                foreign=foreign,
                shared=space.shared,
                cpus=snapshot.cpus_of.get(key, frozenset()),
            )
        return views
