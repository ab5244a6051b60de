"""Making, removing and renaming groups.

After the kernel's rdtgroup_mkdir, rdtgroup_rmdir and rdtgroup_rename. Paths are not known here: who
calls says which directory it is about.
"""

from __future__ import annotations

import errno

from rdtd.simulator.lastcmd import RefusedError
from rdtd.simulator.schemata import lowest_run
from rdtd.simulator.state import Group, Schema, State
from rdtd.simulator.tasks import TaskTable
from rdtd.simulator.topology import CacheResource


def make_control_group(state: State, name: str) -> Group:
    """mkdir in the root directory. The lowest free CLOSID; ways as init_mask says; full bandwidth."""
    _check_name(name)
    last = state.last_command
    if state.kernel.always_clears_status:
        last.clear()
    shortages = []
    if not state.free_closids:
        shortages.append("Out of CLOSIDs")
    if state.num_rmids and not state.free_rmids:
        shortages.append("Out of RMIDs")
    if shortages:
        raise last.refuse(shortages[0 if state.kernel.closid_first else -1], errno.ENOSPC)
    closid = min(state.free_closids)
    initial = {
        (schema.name, domain): _initial_value(state, schema, domain)
        for schema in state.schemas
        for domain in state.values[schema.name]
    }
    state.free_closids.remove(closid)
    group = Group(name, closid, _take_rmid(state))
    for (line, domain), value in initial.items():
        state.values[line][domain][closid] = value
    state.groups[name] = group
    state.by_closid[closid] = group
    return group


def make_monitoring_group(state: State, parent: Group, name: str) -> Group:
    """mkdir in mon_groups."""
    _check_name(name)
    if name == "mon_groups":
        raise refuse_mkdir(state)
    last = state.last_command
    if state.kernel.always_clears_status:
        last.clear()
    if not state.free_rmids:
        raise last.refuse("Out of RMIDs", errno.ENOSPC)
    group = Group(name, parent.closid, _take_rmid(state), parent=parent)
    parent.children[name] = group
    return group


def refuse_mkdir(state: State, inside_info: bool = False) -> RefusedError:
    """mkdir in any other directory."""
    if state.kernel.always_clears_status and state.num_rmids:
        if inside_info:
            return RefusedError(errno.ENODEV)
        state.last_command.clear()
    return RefusedError(errno.EPERM)


def _check_name(name: str) -> None:
    if "\n" in name:
        raise RefusedError(errno.EINVAL)


def _take_rmid(state: State) -> int:
    return state.free_rmids.pop(0) if state.free_rmids else 0


def _initial_value(state: State, schema: Schema, domain: int) -> int:
    """What a new group starts with: every way that is shareable or unused, cut to its lowest run.

    That is every way but those which only groups in exclusive mode have. After __init_one_rdt_domain;
    with CDP the ways of the other half count too.
    """
    resource = schema.resource
    if not isinstance(resource, CacheResource):
        return resource.default
    mask = resource.full_mask
    if state.exclusive:
        shareable, exclusive = resource.shareable_bits, 0
        for closid in state.by_closid:
            used = state.values[schema.name][domain][closid]
            if schema.peer is not None:
                used |= state.values[schema.peer][domain][closid]
            if closid in state.exclusive:
                exclusive |= used
            else:
                shareable |= used
        mask = lowest_run(mask & ~(exclusive & ~shareable))
    if mask.bit_count() < resource.min_cbm_bits:
        raise state.last_command.refuse(f"No space on {schema.name}:{domain}", errno.ENOSPC)
    return mask


def remove_group(state: State, tasks: TaskTable, group: Group) -> None:
    """rmdir of a group: its tasks and CPUs go to the default group, or to a monitoring group's parent.

    last_cmd_status stays as it was.
    """
    if group.parent is not None:
        tasks.move_all(group, group.parent)
        del group.parent.children[group.name]
    else:
        tasks.move_all(group, state.default_group)
        state.default_group.cpus |= group.cpus
        del state.groups[group.name]
        del state.by_closid[group.closid]
        state.exclusive.discard(group.closid)
        state.free_closids.add(group.closid)
        for child in group.children.values():
            _give_back_rmid(state, child)
    _give_back_rmid(state, group)


def _give_back_rmid(state: State, group: Group) -> None:
    if state.num_rmids:
        state.free_rmids.append(group.rmid)


def move_group(
    state: State, source: Group | None, target: Group | None, name: str, directories: bool
) -> None:
    """rename(2) of a monitoring group, to another name or below another control group.

    source: the group whose directory is renamed, None for any other directory that belongs to a group.
    target: the control group into whose mon_groups it goes, None for any other directory.
    directories: False if the source is a file.
    """
    if not state.kernel.rename:
        raise RefusedError(errno.EPERM)
    last = state.last_command
    last.clear()
    if not directories:
        last.say("Source and destination must be directories")
        raise RefusedError(errno.EPERM)
    if source is None or source.parent is None:
        raise last.refuse("Source must be a MON group", errno.EPERM)
    if target is None or name == "mon_groups":
        raise last.refuse("Destination must be a mon_groups subdirectory", errno.EPERM)
    if source.cpus and source.parent is not target:
        raise last.refuse("Cannot move a MON group that monitors CPUs", errno.EPERM)
    if name in target.children:
        raise RefusedError(errno.EEXIST)
    del source.parent.children[source.name]
    source.name = name
    source.closid = target.closid
    source.parent = target
    target.children[name] = source
