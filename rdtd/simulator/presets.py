"""Machines to choose from."""

from __future__ import annotations

from dataclasses import dataclass

from rdtd.simulator.topology import BandwidthResource, CacheResource, Monitoring, Resource, Topology, clusters

KIB = 1024


@dataclass(frozen=True)
class Preset:
    """A machine as its options say it, so that a single one of them can be changed.

    `None` for `ways` is a machine without L3 allocation, for `l2_ways` one without L2 allocation,
    for `mb` and `smba` (number of CLOSIDs) one without bandwidth allocation.
    """

    summary: str
    cache_ids: tuple[int, ...]
    cpus_per_cache: int
    ways: int | None = None
    cache_size: int = 0  # bytes
    closids: int = 16
    min_cbm_bits: int = 1
    shareable_bits: int = 0
    sparse: bool = False
    cdp_capable: bool = True
    l2_ways: int | None = None
    l2_size: int = 1024 * KIB
    l2_closids: int = 4
    l2_cpus: int = 2
    l2_cdp_capable: bool = False
    mb: int | None = None
    smba: int | None = None
    amd_bandwidth: bool = False
    rmids: int | None = 144
    cdp: bool = False
    cdpl2: bool = False

    def topology(self) -> Topology:
        """The machine. Raises ValueError if its options contradict each other."""
        resources: list[Resource] = []
        if self.ways is not None:
            resources.append(
                CacheResource(
                    level=3,
                    size=self.cache_size,
                    ways=self.ways,
                    num_closids=self.closids,
                    min_cbm_bits=self.min_cbm_bits,
                    shareable_bits=self.shareable_bits,
                    sparse_masks=self.sparse,
                    cdp_capable=self.cdp_capable,
                )
            )
        if self.l2_ways is not None:
            resources.append(
                CacheResource(
                    level=2,
                    size=self.l2_size,
                    ways=self.l2_ways,
                    num_closids=self.l2_closids,
                    cdp_capable=self.l2_cdp_capable,
                )
            )
        for name, closids in (("MB", self.mb), ("SMBA", self.smba)):
            if closids is not None:
                resources.append(self._bandwidth(name, closids))
        level3 = clusters(3, self.cache_ids, self.cpus_per_cache) if self.cache_size else ()
        cpus = len(self.cache_ids) * self.cpus_per_cache
        shared = self.l2_cpus if self.l2_ways is not None else 1
        level2 = clusters(2, tuple(range((cpus + shared - 1) // shared)), shared)
        return Topology(
            resources=tuple(resources),
            caches=level2 + level3,
            monitoring=None if self.rmids is None else Monitoring(num_rmids=self.rmids),
        )

    def _bandwidth(self, name: str, closids: int) -> BandwidthResource:
        if self.amd_bandwidth or name == "SMBA":
            return BandwidthResource(
                name=name,
                maximum=2048,
                minimum=0,
                granularity=1,
                linear=False,
                num_closids=closids,
                throttle_mode=None,
            )
        return BandwidthResource(name=name, num_closids=closids)


PRESETS: dict[str, Preset] = {
    # Xeon Gold 6154 (Skylake-SP): 24.75 MiB in 11 ways, the two highest shared with devices (DDIO).
    "xeon": Preset(
        summary="two sockets, 24.75 MiB L3 in 11 ways, DDIO in the upper two, MB (so 8 CLOSIDs)",
        cache_ids=(0, 1),
        cpus_per_cache=8,
        ways=11,
        cache_size=25344 * KIB,
        shareable_bits=0x600,
        mb=8,
    ),
    # Xeon E5-2699 v4 (Broadwell-EP), mounted with -o cdp.
    "xeon-cdp": Preset(
        summary="two sockets, 55 MiB L3 in 20 ways, DDIO in the upper two, code and data apart (CDP)",
        cache_ids=(0, 1),
        cpus_per_cache=8,
        ways=20,
        cache_size=56320 * KIB,
        shareable_bits=0xC0000,
        cdp=True,
    ),
    "amd": Preset(
        summary="8 L3 caches of 32 MiB in 16 ways, sparse and empty masks allowed, MB and SMBA",
        cache_ids=tuple(range(8)),
        cpus_per_cache=4,
        ways=16,
        cache_size=32768 * KIB,
        min_cbm_bits=0,
        sparse=True,
        mb=16,
        smba=16,
        amd_bandwidth=True,
        rmids=256,
    ),
    # Atom (Apollo Lake): no L3 at all.
    "l2": Preset(
        summary="two L2 caches of 1 MiB in 8 ways, no L3, no monitoring",
        cache_ids=(0, 1),
        cpus_per_cache=2,
        l2_ways=8,
        rmids=None,
    ),
    "large": Preset(
        summary="32 L3 caches of 64 MiB in 32 ways, 256 CLOSIDs",
        cache_ids=tuple(range(32)),
        cpus_per_cache=4,
        ways=32,
        cache_size=65536 * KIB,
        closids=256,
        rmids=1024,
    ),
}
DEFAULT_PRESET = "xeon"
