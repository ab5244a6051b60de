"""The figures in mon_data: made up, but plausible.

llc_occupancy is three quarters of the bytes that the group's mask stands for; a group's monitoring
groups share it with the group. The byte counters grow by a constant rate for each way of the mask,
scaled by MB where there is one, and never shrink. A control group's figures include those of its
monitoring groups, as the kernel adds them up (mon_event_count).
"""

from __future__ import annotations

from collections.abc import Callable

from rdtd.simulator.state import Group, State
from rdtd.simulator.topology import CacheResource

#: The unit of real occupancy counters (CPUID leaf 0xF.1, EBX), bytes.
OCCUPANCY_UNIT = 65536
#: Bytes a second for each way.
RATE = 10_000_000
#: The part of the traffic that stays on the group's own socket.
LOCAL_PERCENT = 80


class Counters:
    """Byte counters of every (group, domain), moved forward whenever one is read."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: dict[Group, dict[int, tuple[float, int]]] = {}  # by domain: last look, bytes then

    def reset(self) -> None:
        self._seen.clear()

    def start(self, state: State, group: Group) -> None:
        """A new group counts from here on."""
        if state.topology.monitoring:
            now = self._clock()
            self._seen[group] = dict.fromkeys(state.online_domains(3), (now, 0))

    def stop(self, group: Group) -> None:
        self._seen.pop(group, None)

    def show(self, state: State, group: Group, domain: int, event: str) -> str:
        """The content of mon_data/mon_L3_<domain>/<event>."""
        parts = (group, *group.children.values())
        if event == "llc_occupancy":
            control = group.control
            share = 1 + len(control.children)
            each = _occupied(state, control.closid, domain) // share // OCCUPANCY_UNIT * OCCUPANCY_UNIT
            return f"{each * len(parts)}\n"
        total = sum(self._advance(state, part, domain) for part in parts)
        return f"{total if event == 'mbm_total_bytes' else total * LOCAL_PERCENT // 100}\n"

    def _advance(self, state: State, group: Group, domain: int) -> int:
        now = self._clock()
        seen = self._seen.setdefault(group, {})
        then, count = seen.get(domain, (now, 0))
        bandwidth = state.values.get("MB", {}).get(domain)
        percent = 100
        if bandwidth is not None:
            percent = bandwidth[group.closid] * 100 // state.schema["MB"].resource.default
        count += int((now - then) * RATE) * _ways(state, group.closid, domain) * percent // 100
        seen[domain] = (now, count)
        return count


def _mask(state: State, closid: int, domain: int) -> int:
    """The ways of a CLOSID on an L3, code and data together. Everything where L3 has no allocation."""
    mask = 0
    for schema in state.schemas:
        if schema.is_cache and schema.resource.level == 3:
            mask |= state.values[schema.name][domain][closid]
    return mask


def _ways(state: State, closid: int, domain: int) -> int:
    return _mask(state, closid, domain).bit_count()


def _occupied(state: State, closid: int, domain: int) -> int:
    resource = state.topology.cache_resource(3)
    if not isinstance(resource, CacheResource):
        return 0
    return resource.bytes_of(_mask(state, closid, domain)) * 3 // 4
