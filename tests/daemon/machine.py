"""The machine that a test runs on, as the kernel tells it: numbers of it are not written down in tests.

What tests rely on: an L3 whose caches have the IDs 0 and 1 (and perhaps more) and at least eleven ways each,
eight classes of service, and the CPUs 0 to 3.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.resctrl import parse_list


@dataclass(frozen=True)
class Machine:
    """Caches of one level that are all alike."""

    ways: int
    min_ways: int
    shareable: int
    closids: int
    size: int  # of one cache, bytes
    cpus: Mapping[int, frozenset[int]]  # by cache ID

    @property
    def full(self) -> int:
        return (1 << self.ways) - 1

    @property
    def way_size(self) -> int:
        return self.bytes_of(1)

    def bytes_of(self, ways: int) -> int:
        """What so many ways hold."""
        return ways * self.size // self.ways

    def ways_for(self, size: int) -> int:
        """How many ways hold so many bytes."""
        return -(-size * self.ways // self.size)

    @property
    def cache_ids(self) -> list[int]:
        return sorted(self.cpus)

    def everywhere(self, mask: int) -> dict[int, int]:
        """This mask on every cache."""
        return dict.fromkeys(self.cache_ids, mask)

    def line(self, mask: int, resource: str = "L3") -> str:
        """A line of schemata with this mask on every cache."""
        return f"{resource}:" + ";".join(f"{cache_id}={mask:x}" for cache_id in self.cache_ids)

    def rest(self, cpus: set[int]) -> set[int]:
        """All CPUs but these."""
        return set().union(*self.cpus.values()) - cpus

    @property
    def words(self) -> Mapping[str, object]:
        """For texts that tell of the machine, such as `the cache has {ways} ways`."""
        return {
            "ways": self.ways,
            "more": self.ways + 1,
            "gib_ways": self.ways_for(1 << 30),
            "cache_ids": ", ".join(map(str, self.cache_ids)),
            "last_cpu": max(self.rest(set())),
        }


def read_machine(root: str, sysfs: str) -> Machine:
    """From info/ of the mount and from sysfs, while every CPU is online."""
    info = Path(root, "info")
    cache = next(info / name for name in ("L3", "L3CODE") if (info / name).exists())
    caches: dict[int, frozenset[int]] = {}
    size = 0
    for index in Path(sysfs, "devices/system/cpu").glob("cpu[0-9]*/cache/index[0-9]*"):
        if (index / "level").read_text() == "3\n":
            caches[int((index / "id").read_text())] = frozenset(
                parse_list((index / "shared_cpu_list").read_text())
            )
            size = int((index / "size").read_text().removesuffix("K\n")) * 1024
    return Machine(
        ways=int((cache / "cbm_mask").read_text(), 16).bit_length(),
        min_ways=int((cache / "min_cbm_bits").read_text()),
        shareable=int((cache / "shareable_bits").read_text(), 16),
        closids=min(int(path.read_text()) for path in info.glob("*/num_closids")),
        size=size,
        cpus=caches,
    )
