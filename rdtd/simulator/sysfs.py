"""The part of /sys/devices/system/cpu that tells of caches, for the simulated machine. Read only."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from rdtd.simulator.formats import format_cpu_list, format_cpu_mask
from rdtd.simulator.state import State
from rdtd.simulator.topology import Cache
from rdtd.simulator.tree import Directory, File, Node

#: What is not allocatable, and so not in the topology: bytes and ways.
L1 = (32 * 1024, 8)
PLAIN_L2 = (1024 * 1024, 16)
PLAIN_L3 = (32 * 1024 * 1024, 16)


def build(state: State) -> Directory:
    """The directory `sys`, with devices/system/cpu in it."""

    everything = state.topology.cpus
    nodes: dict[str, Node] = {
        "online": File(lambda: f"{format_cpu_list(state.online_cpus)}\n"),
        "offline": File(lambda: f"{format_cpu_list(everything - state.online_cpus)}\n"),
        "present": _text(format_cpu_list(everything)),
        "possible": _text(format_cpu_list(everything)),
    }
    for cpu in sorted(everything):
        nodes[f"cpu{cpu}"] = Directory(partial(_cpu, state, cpu), permissions=0o755)
    node = Directory(nodes, permissions=0o755)
    for name in ("cpu", "system", "devices"):
        node = Directory({name: node}, permissions=0o755)
    return node


def _cpu(state: State, cpu: int) -> dict[str, Node]:
    """One CPU: like the kernel's, without caches while it is offline."""
    is_online = cpu in state.online_cpus
    nodes: dict[str, Node] = {"online": _text(int(is_online))}
    if is_online:
        caches = {f"index{index}": node for index, node in enumerate(_caches(state, cpu))}
        nodes["cache"] = Directory(caches, permissions=0o755)
    return nodes


def _caches(state: State, cpu: int) -> Iterator[Node]:
    own = Cache(1, cpu, frozenset({cpu}))
    yield _cache(state, own, "Data", *L1)
    yield _cache(state, own, "Instruction", *L1)
    for cache in state.topology.caches:
        if cpu in cache.cpus:
            resource = state.topology.cache_resource(cache.level)
            size, ways = PLAIN_L2 if cache.level == 2 else PLAIN_L3
            if resource:
                size, ways = resource.size, resource.ways
            yield _cache(state, cache, "Unified", size, ways)


def _cache(state: State, cache: Cache, kind: str, size: int, ways: int) -> Directory:
    cpus = cache.cpus & state.online_cpus
    return Directory(
        {
            "id": _text(cache.id),
            "level": _text(cache.level),
            "type": _text(kind),
            "size": _text(f"{size // 1024}K"),
            "ways_of_associativity": _text(ways),
            "shared_cpu_list": _text(format_cpu_list(cpus)),
            "shared_cpu_map": _text(format_cpu_mask(cpus, state.topology.nr_cpus)),
        },
        permissions=0o755,
    )


def _text(value: object) -> File:
    return File(lambda: f"{value}\n")
