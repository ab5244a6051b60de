"""The files `cpus` and `cpus_list`. After the kernel's rdtgroup_cpus_write."""

from __future__ import annotations

from rdtd.simulator.formats import format_cpu_list, format_cpu_mask, parse_cpu_list, parse_cpu_mask
from rdtd.simulator.lastcmd import RefusedError
from rdtd.simulator.state import Group, State


def show_mask(state: State, group: Group) -> str:
    return format_cpu_mask(group.cpus, state.topology.nr_cpus) + "\n"


def show_list(state: State, group: Group) -> str:
    return format_cpu_list(group.cpus) + "\n"


def write_mask(state: State, group: Group, text: str) -> None:
    _write(state, group, text, is_list=False)


def write_list(state: State, group: Group, text: str) -> None:
    _write(state, group, text, is_list=True)


def _write(state: State, group: Group, text: str, is_list: bool) -> None:
    last = state.last_command
    if state.kernel.always_clears_status:
        last.clear()
    parse = parse_cpu_list if is_list else parse_cpu_mask
    try:
        wanted = parse(text.split("\0")[0], state.topology.nr_cpus)
    except RefusedError:
        last.say("Bad CPU list/mask\n")
        raise
    if wanted - state.online_cpus:
        raise last.refuse("Can only assign online CPUs")
    if group.parent is None:
        _assign_control(state, group, wanted)
    else:
        _assign_monitoring(state, group, group.parent, wanted)


def _assign_control(state: State, group: Group, wanted: set[int]) -> None:
    dropped = group.cpus - wanted
    if dropped:
        if group is state.default_group:
            raise state.last_command.refuse("Can't drop CPUs from default group")
        state.default_group.cpus |= dropped
    added = wanted - group.cpus
    if added:
        for other in state.control_groups():
            if other is not group and other.cpus & added:
                other.cpus -= added
                for child in other.children.values():
                    child.cpus &= other.cpus
    group.cpus = wanted
    for child in group.children.values():
        child.cpus.clear()


def _assign_monitoring(state: State, group: Group, parent: Group, wanted: set[int]) -> None:
    if wanted - parent.cpus:
        raise state.last_command.refuse("Can only add CPUs to mongroup that belong to parent")
    for other in parent.children.values():
        if other is not group:
            other.cpus -= wanted - group.cpus
    group.cpus = wanted
