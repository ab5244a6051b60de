"""What a mounted resctrl says about itself: a Host, read from info/ and schemata."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Vendor = Literal["intel", "amd"]
Version = tuple[int, int]
Schemata = dict[str, dict[int, str]]

#: The kernel from which on info/L3/sparse_masks exists. Before, AMD had sparse masks and Intel had not.
SPARSE_MASKS_FILE = (6, 7)


@dataclass(frozen=True)
class Cache:
    """A line of schemata that is about ways of a cache."""

    name: str  # L3, L2, or a half of one with CDP: L3CODE
    domains: tuple[int, ...]  # cache IDs
    ways: int
    min_bits: int
    shareable: int
    sparse: bool
    closids: int

    @property
    def level(self) -> int:
        return int(self.name[1])

    @property
    def full(self) -> int:
        return (1 << self.ways) - 1

    @property
    def digits(self) -> int:
        """Hexadecimal digits of the full mask."""
        return (self.ways + 3) // 4


@dataclass(frozen=True)
class Bandwidth:
    """A line of schemata that is about memory bandwidth: MB, or AMD's SMBA."""

    name: str
    domains: tuple[int, ...]
    minimum: int
    granularity: int
    maximum: int
    closids: int

    def rounded(self, value: int) -> int:
        """What the kernel makes of a value."""
        return -(-value // self.granularity) * self.granularity


@dataclass(frozen=True)
class Host:
    """A machine and how resctrl is mounted on it."""

    name: str
    kernel: Version
    vendor: Vendor
    options: tuple[str, ...]  # of mount: cdp, cdpl2
    cdp_levels: frozenset[int]  # the caches that could have CDP
    caches: tuple[Cache, ...]
    bandwidths: tuple[Bandwidth, ...]
    rmids: int  # 0: no monitoring
    events: tuple[str, ...]  # what is counted: the files of mon_data
    cpus: int
    is_real: bool

    @property
    def cache(self) -> Cache:
        """The first cache line: with CDP one half."""
        return self.caches[0]

    @property
    def lines(self) -> tuple[Cache | Bandwidth, ...]:
        return (*self.caches, *self.bandwidths)

    @property
    def closids(self) -> int:
        """How many control groups there can be, the default group included."""
        return min(line.closids for line in self.lines)

    @property
    def domains(self) -> tuple[int, ...]:
        return self.cache.domains

    @property
    def abilities(self) -> frozenset[str]:
        """What `needs` can ask for."""
        found = {
            "contiguous": not self.cache.sparse,
            "sparse": self.cache.sparse,
            "shareable": self.cache.shareable != 0,
            "no-shareable": self.cache.shareable == 0,
            "one-bit": self.cache.min_bits == 1,
            "no-bits": self.cache.min_bits == 0,
            "domains": len(self.domains) > 1,
            "shared": self.cpus > len(self.domains),
            "monitoring": self.rmids > 0,
            "no-monitoring": self.rmids == 0,
            "cdp": bool(self.options),
            "no-cdp": not self.options,
            "cdp-capable": bool(self.cdp_levels),
            "three-groups": self.closids > 2,
            "bandwidth": bool(self.bandwidths),
            "real": self.is_real,
            self.vendor: True,
        }
        return frozenset(name for name, is_there in found.items() if is_there)


def parse_schemata(text: str) -> Schemata:
    """Name of the line, to cache ID, to value as it is printed."""
    lines = (line.split(":") for line in text.splitlines())
    return {
        name.strip(): {int(domain): value for domain, value in (cell.split("=") for cell in cells.split(";"))}
        for name, cells in lines
    }


def describe(
    name: str,
    kernel: Version,
    vendor: Vendor,
    options: tuple[str, ...],
    cdp_levels: frozenset[int],
    is_real: bool,
    cpus: int,
    read: Callable[[str], str],
) -> Host:
    """The host of which `read` reads the files. OSError from `read` means that there is no such file."""
    schemata = parse_schemata(read("schemata"))
    caches = []
    bandwidths = []
    for line, values in schemata.items():
        closids = int(read(f"info/{line}/num_closids"))
        if line.startswith("L"):
            caches.append(_cache(line, values, closids, kernel, vendor, read))
        else:
            bandwidths.append(
                Bandwidth(
                    line,
                    domains=tuple(values),
                    minimum=int(read(f"info/{line}/min_bandwidth")),
                    granularity=int(read(f"info/{line}/bandwidth_gran")),
                    maximum=max(int(value) for value in values.values()),  # of a fresh mount
                    closids=closids,
                )
            )
    try:
        rmids = int(read("info/L3_MON/num_rmids"))
        events = tuple(read("info/L3_MON/mon_features").split())
    except OSError:
        rmids, events = 0, ()
    return Host(
        name,
        kernel,
        vendor,
        options,
        cdp_levels,
        caches=tuple(caches),
        bandwidths=tuple(bandwidths),
        rmids=rmids,
        events=events,
        cpus=cpus,
        is_real=is_real,
    )


def _cache(
    line: str,
    values: Mapping[int, str],
    closids: int,
    kernel: Version,
    vendor: Vendor,
    read: Callable[[str], str],
) -> Cache:
    has_file = kernel >= SPARSE_MASKS_FILE
    return Cache(
        line,
        domains=tuple(values),
        ways=int(read(f"info/{line}/cbm_mask"), 16).bit_length(),
        min_bits=int(read(f"info/{line}/min_cbm_bits")),
        shareable=int(read(f"info/{line}/shareable_bits"), 16),
        sparse=read(f"info/{line}/sparse_masks") == "1\n" if has_file else vendor == "amd",
        closids=closids,
    )
