"""Sharing of ways: overlaps, the mode of a group, and bit_usage.

After the kernel's rdtgroup_cbm_overlaps, rdtgroup_mode_write and rdt_bit_usage_show.
"""

from __future__ import annotations

import errno

from rdtd.simulator.lastcmd import RefusedError
from rdtd.simulator.state import Group, Mode, Schema, State
from rdtd.simulator.topology import CacheResource


def overlaps(state: State, schema: Schema, domain: int, mask: int, closid: int, exclusive: bool) -> bool:
    """Whether a mask for `closid` meets another group's ways, or (not exclusive) the devices'.

    exclusive: only groups in exclusive mode count. With CDP, code and data of the others both count.
    """
    resource = schema.resource
    assert isinstance(resource, CacheResource)
    if not exclusive and mask & resource.shareable_bits:
        return True
    names = (schema.name,) if schema.peer is None else (schema.name, schema.peer)
    for name in names:
        values = state.values[name][domain]
        others = state.exclusive if exclusive else state.by_closid
        if any(other != closid and mask & values[other] for other in others):
            return True
    return False


def show(state: State, group: Group) -> str:
    return f"{group.mode.value}\n"


def write(state: State, group: Group, text: str) -> None:
    """A write to the file `mode`."""
    if not text.endswith("\n"):
        raise RefusedError(errno.EINVAL)
    last = state.last_command
    last.clear()
    wanted = text[:-1].split("\0")[0]
    if wanted == group.mode.value:
        return
    if wanted == Mode.SHAREABLE.value:
        state.set_mode(group, Mode.SHAREABLE)
    elif wanted == Mode.EXCLUSIVE.value:
        _check_exclusive(state, group)
        state.set_mode(group, Mode.EXCLUSIVE)
    elif wanted == "pseudo-locksetup":
        raise _pseudo_lock_refusal(state, group)
    else:
        raise last.refuse("Unknown or unsupported mode")


def _check_exclusive(state: State, group: Group) -> None:
    caches = [schema for schema in state.schemas if schema.is_cache]
    for schema in caches:
        for domain, values in state.values[schema.name].items():
            if overlaps(state, schema, domain, values[group.closid], group.closid, exclusive=False):
                raise state.last_command.refuse("Schemata overlaps")
    if not caches:
        raise state.last_command.refuse("Cannot be exclusive without CAT/CDP")


def _pseudo_lock_refusal(state: State, group: Group) -> RefusedError:
    """rdtgroup_locksetup_enter on a CPU of which the kernel cannot disable the prefetchers."""
    last = state.last_command
    if group is state.default_group:
        return last.refuse("Cannot pseudo-lock default group")
    if state.options.cdp or state.options.cdpl2:
        return last.refuse("CDP enabled")
    return last.refuse("Pseudo-locking not supported")


def show_bit_usage(state: State, schema: Schema) -> str:
    """info/L3/bit_usage: a letter for each way, the highest first."""
    resource = schema.resource
    assert isinstance(resource, CacheResource)
    parts = []
    for domain, values in state.values[schema.name].items():
        used = dict.fromkeys(Mode, 0)
        for closid, group in state.by_closid.items():
            used[group.mode] |= values[closid]
        letters = []
        for way in reversed(range(resource.ways)):
            bit = 1 << way
            if resource.shareable_bits & bit:
                letters.append("X" if used[Mode.SHAREABLE] & bit else "H")
            elif used[Mode.SHAREABLE] & bit:
                letters.append("S")
            else:
                letters.append("E" if used[Mode.EXCLUSIVE] & bit else "0")
        parts.append(f"{domain}={''.join(letters)}")
    return ";".join(parts) + "\n"
