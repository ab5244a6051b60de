"""org.rdtd1.Cache: one object for each cache."""

from __future__ import annotations

from rdtd.bus.exported import Context
from rdtd.core.cpus import format_cpus
from rdtd.core.view import CacheView


class CacheObject:
    """One cache, as it is known now."""

    def __init__(self, service: Context, value: CacheView, _: str | None) -> None:
        self._value = value

    def update(self, value: CacheView, _: str | None) -> set[str]:
        """Takes over what is known now; the names of the properties that changed."""
        before, self._value = self._value, value
        if value is before:
            return set()
        pairs = {
            "Size": (before.cache.size, value.cache.size),
            "WaySize": (before.cache.size // before.cache.ways, value.cache.size // value.cache.ways),
            "Ways": (before.cache.ways, value.cache.ways),
            "MinWays": (before.cache.min_ways, value.cache.min_ways),
            "CpuList": (before.cpus, value.cpus),
            "FreeMask": (before.free_mask, value.free_mask),
            "ReservedMask": (before.reserved, value.reserved),
            "SharedMask": (before.shared, value.shared),
            "ForeignMask": (before.foreign, value.foreign),
            "ShareableMask": (before.cache.shareable, value.cache.shareable),
            "Largest": (before.largest, value.largest),
        }
        return {name for name, (was, is_now) in pairs.items() if was != is_now}

    @property
    def level(self) -> int:
        return self._value.cache.level

    @property
    def cache_id(self) -> int:
        return self._value.cache.cache_id

    @property
    def size(self) -> int:
        return self._value.cache.size

    @property
    def way_size(self) -> int:
        return self._value.cache.size // self._value.cache.ways

    @property
    def ways(self) -> int:
        return self._value.cache.ways

    @property
    def min_ways(self) -> int:
        return self._value.cache.min_ways

    @property
    def cpu_list(self) -> str:
        return format_cpus(self._value.cpus)

    @property
    def free_mask(self) -> int:
        return self._value.free_mask

    @property
    def reserved_mask(self) -> int:
        return self._value.reserved

    @property
    def shared_mask(self) -> int:
        return self._value.shared

    @property
    def foreign_mask(self) -> int:
        return self._value.foreign

    @property
    def shareable_mask(self) -> int:
        return self._value.cache.shareable

    @property
    def largest(self) -> int:
        return self._value.largest
