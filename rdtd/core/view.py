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
    """The views of every cache. One that did not change is the same object as before."""

    def __init__(self) -> None:
        self._known: dict[CacheKey, tuple[Space, FreeWays, CacheView]] = {}

    def compute(self, wanted: Wanted, snapshot: Snapshot, policy: Policy) -> Mapping[CacheKey, CacheView]:
        """The view of each cache: the highest level first, then by cache ID."""
        reserved = wanted.reserved()
        known, self._known = self._known, {}
        for key in sorted(snapshot.caches, key=lambda key: (-key.level, key.cache_id)):
            space = space_of(snapshot.caches[key], reserved.get(key, 0), wanted, snapshot, policy)
            before = known.get(key)
            # Finding the free ways is what takes the time.
            free = before[1] if before is not None and before[0] == space else free_ways(space)
            view = _view(space, free, snapshot)
            if before is not None and before[2] == view:
                view = before[2]
            self._known[key] = space, free, view
        return {key: view for key, (_, _, view) in self._known.items()}


def _view(space: Space, free: FreeWays, snapshot: Snapshot) -> CacheView:
    cache = space.cache
    foreign = 0
    for group in snapshot.foreign:
        foreign |= group.ways_in(cache)
    return CacheView(
        cache=cache,
        free=cache.bytes_of(free.mask.bit_count()),
        largest=cache.bytes_of(free.largest),
        free_mask=free.mask,
        reserved=space.reserved,
        foreign=foreign,
        shared=space.shared,
        cpus=snapshot.cpus_of.get(cache.key, frozenset()),
    )
