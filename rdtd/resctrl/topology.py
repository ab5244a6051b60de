"""The caches of the host, from resctrl's info directory and sysfs.

See Documentation/arch/x86/resctrl.rst, "Info directory", and sysfs-devices-system-cpu in Documentation/ABI.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from rdtd.core.cpus import parse_cpus
from rdtd.core.model import Cache, CacheKey, Masks
from rdtd.resctrl.files import read_text
from rdtd.resctrl.schemata import cache_level, parse_number_by_id

__all__ = ["read_caches", "read_closids", "read_cpus_of", "read_online"]


def read_closids(root: str) -> int:
    """How many groups there can be, the default group included: the scarcest resource decides."""
    info = os.path.join(root, "info")
    found = []
    for name in os.listdir(info):
        try:
            found.append(int(read_text(os.path.join(info, name, "num_closids"))))
        except (FileNotFoundError, NotADirectoryError):
            continue  # monitoring, and the status file
    return min(found, default=0)


def read_caches(root: str, masks: Masks) -> dict[CacheKey, Cache]:
    """The caches that the default group's masks name, with their limits."""
    sizes_text = read_text(os.path.join(root, "size"))
    caches: dict[CacheKey, Cache] = {}
    for resource in dict.fromkeys(domain.resource for domain in masks):
        level = cache_level(resource)
        if level is None or resource.endswith("DATA"):
            continue  # DATA has the same limits as CODE
        info = os.path.join(root, "info", resource)
        full = int(read_text(os.path.join(info, "cbm_mask")), 16)
        if full <= 0 or full & (full + 1) or full >> 64:
            raise ValueError(f"info/{resource}/cbm_mask: {full:x} is not the mask of a cache's ways")
        ways = full.bit_length()
        sizes = parse_number_by_id(sizes_text, resource)
        min_ways = int(read_text(os.path.join(info, "min_cbm_bits")))
        if not 0 <= min_ways <= ways:
            raise ValueError(f"info/{resource}/min_cbm_bits: {min_ways} of {ways} ways")
        shareable = int(_read_or(os.path.join(info, "shareable_bits"), "0"), 16)
        sparse = _read_or(os.path.join(info, "sparse_masks"), "0").strip() == "1"
        for domain, mask in masks.items():
            if domain.resource != resource:
                continue
            key = CacheKey(level, domain.cache_id)
            caches[key] = Cache(
                level=level,
                cache_id=domain.cache_id,
                size=_cache_size(sizes.get(domain.cache_id, 0), mask, ways),
                ways=ways,
                min_ways=min_ways,
                shareable=shareable,
                sparse=sparse,
                cdp=resource.endswith("CODE"),
            )
    return caches


def _cache_size(shown: int, mask: int, ways: int) -> int:
    """The bytes of a cache of which the kernel shows `shown` for a mask.

    rdtgroup_cbm_to_size() divides the size by the ways, cuts, and multiplies: less than a byte for each
    way is lost. A cache's size is a multiple of 1 KiB, which brings the lost bytes back.
    """
    per_way = shown // max(mask.bit_count(), 1)
    return max(-(-per_way * ways // 1024) * 1024, ways)


def _read_or(path: str, default: str) -> str:
    """For files that older kernels lack."""
    try:
        return read_text(path)
    except FileNotFoundError:
        return default


def read_online(sysfs: str) -> frozenset[int]:
    """The CPUs that are online."""
    return parse_cpus(read_text(os.path.join(sysfs, "devices/system/cpu/online")))


def read_cpus_of(
    sysfs: str, keys: Iterable[CacheKey], online: Iterable[int]
) -> dict[CacheKey, frozenset[int]]:
    """The CPUs behind each cache. A cache that sysfs does not describe has none."""
    wanted = set(keys)
    levels = {key.level for key in wanted}
    found: dict[CacheKey, frozenset[int]] = {}
    seen: dict[int, set[int]] = {level: set() for level in levels}
    for cpu in sorted(online):
        if all(cpu in seen[level] for level in levels):
            continue
        directory = os.path.join(sysfs, f"devices/system/cpu/cpu{cpu}/cache")
        try:
            indexes = [name for name in os.listdir(directory) if name.startswith("index")]
        except FileNotFoundError:
            continue
        for index in indexes:
            try:
                level = int(read_text(os.path.join(directory, index, "level")))
                if level not in levels or cpu in seen[level]:
                    continue
                cache_id = int(read_text(os.path.join(directory, index, "id")))
                cpus = parse_cpus(read_text(os.path.join(directory, index, "shared_cpu_list")))
            except FileNotFoundError:
                continue
            seen[level] |= cpus
            if (key := CacheKey(level, cache_id)) in wanted:
                found[key] = cpus
    return found
