"""The simulated machine: its caches, what they can do, and which CPUs share them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

#: The widest mask that the kernel keeps in a u32.
MAX_WAYS = 32


@dataclass(frozen=True)
class CacheResource:
    """A cache that can be allocated by ways: L3 or L2."""

    level: int
    size: int  # bytes of one cache
    ways: int  # length of its capacity bitmask
    num_closids: int = 16
    min_cbm_bits: int = 1
    shareable_bits: int = 0
    sparse_masks: bool = False
    cdp_capable: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.ways <= MAX_WAYS:
            raise ValueError(f"{self.name}: {self.ways} ways, must be 1 to {MAX_WAYS}")
        if self.size < self.ways:
            raise ValueError(f"{self.name}: a cache of {self.size} bytes is too small for {self.ways} ways")
        if self.num_closids < 1:
            raise ValueError(f"{self.name}: {self.num_closids} CLOSIDs, must be 1 or more")
        if not 0 <= self.min_cbm_bits <= self.ways:
            raise ValueError(f"{self.name}: min_cbm_bits {self.min_cbm_bits} does not fit {self.ways} ways")
        if self.shareable_bits & ~self.full_mask:
            raise ValueError(f"{self.name}: shareable bits {self.shareable_bits:x} beyond {self.full_mask:x}")

    @property
    def name(self) -> str:
        return f"L{self.level}"

    @property
    def full_mask(self) -> int:
        return (1 << self.ways) - 1

    @property
    def default(self) -> int:
        return self.full_mask

    @property
    def data_width(self) -> int:
        """Digits of the widest value, as the 6.x kernels pad schemata."""
        return (self.ways + 3) // 4

    def bytes_of(self, mask: int) -> int:
        """What the `size` file says: the kernel divides before it multiplies (rdtgroup_cbm_to_size)."""
        return self.size // self.ways * mask.bit_count()


@dataclass(frozen=True)
class BandwidthResource:
    """Memory bandwidth allocation, per L3 cache: MB, or AMD's SMBA."""

    name: str
    maximum: int = 100
    minimum: int = 10
    granularity: int = 10
    linear: bool = True
    num_closids: int = 8
    throttle_mode: str | None = "max"  # the file thread_throttle_mode; None: no such file (AMD)

    level = 3
    cdp_capable = False

    @property
    def default(self) -> int:
        return self.maximum

    @property
    def data_width(self) -> int:
        return len(str(self.maximum))


Resource = CacheResource | BandwidthResource


@dataclass(frozen=True)
class Monitoring:
    """Cache monitoring (CMT, MBM) on the L3."""

    num_rmids: int = 144
    features: tuple[str, ...] = ("llc_occupancy", "mbm_total_bytes", "mbm_local_bytes")


@dataclass(frozen=True)
class Cache:
    """One cache of the machine: a domain, if its level has a resource."""

    level: int
    id: int
    cpus: frozenset[int]


@dataclass(frozen=True)
class Topology:
    """A machine. Caches are sorted by level and ID; IDs may have gaps."""

    resources: tuple[Resource, ...]  # in the kernel's order: L3, L2, MB, SMBA
    caches: tuple[Cache, ...]
    monitoring: Monitoring | None = Monitoring()

    def __post_init__(self) -> None:
        if not self.resources:
            raise ValueError("a machine without any resource has no resctrl")
        for resource in self.resources:
            if not any(self.caches_of(resource.level)):
                raise ValueError(f"{resource.name}: there is no level {resource.level} cache")

    @property
    def cpus(self) -> frozenset[int]:
        return frozenset().union(*(cache.cpus for cache in self.caches))

    @property
    def nr_cpus(self) -> int:
        """The kernel's nr_cpu_ids, which sets the width of a CPU mask."""
        return max(self.cpus) + 1

    def caches_of(self, level: int) -> Iterator[Cache]:
        return (cache for cache in self.caches if cache.level == level)

    def cache_resource(self, level: int) -> CacheResource | None:
        for resource in self.resources:
            if isinstance(resource, CacheResource) and resource.level == level:
                return resource
        return None


def clusters(level: int, ids: tuple[int, ...], cpus_each: int) -> tuple[Cache, ...]:
    """Caches with these IDs, each shared by the next `cpus_each` CPUs."""
    if cpus_each < 1:
        raise ValueError(f"{cpus_each} CPUs per cache, must be 1 or more")
    if len(set(ids)) != len(ids) or not ids or min(ids) < 0:
        raise ValueError(f"cache IDs {ids}: must be different and not negative")
    return tuple(
        Cache(level, cache_id, frozenset(range(index * cpus_each, (index + 1) * cpus_each)))
        for index, cache_id in enumerate(sorted(ids))
    )
