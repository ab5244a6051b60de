"""Which files there are in a mounted resctrl (the kernel's res_common_files and its mkdir functions)."""

from __future__ import annotations

import errno
from collections.abc import Callable

from rdtd.simulator import cpus, modes, schemata, tasks
from rdtd.simulator.formats import parse_unsigned
from rdtd.simulator.lastcmd import RefusedError
from rdtd.simulator.monitoring import OCCUPANCY_UNIT, Counters
from rdtd.simulator.state import Group, Schema, State
from rdtd.simulator.tasks import Caller, TaskTable
from rdtd.simulator.topology import BandwidthResource, CacheResource
from rdtd.simulator.tree import Directory, File, Node


class Layout:
    """Builds the directories of groups and of info."""

    def __init__(self, state: State, task_table: TaskTable, counters: Counters) -> None:
        self._state = state
        self._tasks = task_table
        self._counters = counters
        l3 = state.topology.cache_resource(3)
        limit = l3.size if l3 else 0
        self._occupancy_limit = limit
        # As resctrl_mon_resource_init: the cache's share of one RMID.
        self._occupancy_threshold = _whole_units(limit // max(state.num_rmids, 1))

    def root(self) -> Directory:
        """The root directory of a fresh mount: the default group, and info."""
        nodes = self._group_nodes(self._state.default_group, 0o555)
        nodes["info"] = self._info()
        group = self._state.default_group
        return Directory(nodes, group=group, belongs_to=group)

    def group(self, group: Group, permissions: int, caller: Caller) -> Directory:
        """The directory of a new group, with its files; all of it is its creator's."""
        directory = Directory(
            self._group_nodes(group, permissions, caller),
            permissions=permissions,
            group=group,
            belongs_to=group,
        )
        _give(directory, caller)
        for node in directory.children().values():
            _give(node, caller)
        return directory

    def _group_nodes(self, group: Group, permissions: int, caller: Caller | None = None) -> dict[str, Node]:
        state, task_table = self._state, self._tasks
        nodes: dict[str, Node] = {
            "cpus": File(
                lambda: cpus.show_mask(state, group), lambda text, _: cpus.write_mask(state, group, text)
            ),
            "cpus_list": File(
                lambda: cpus.show_list(state, group), lambda text, _: cpus.write_list(state, group, text)
            ),
            "tasks": File(
                lambda: tasks.show(state, task_table, group),
                lambda text, caller: tasks.write(state, task_table, group, text, caller),
            ),
        }
        if group.parent is None:
            nodes["schemata"] = File(
                lambda: schemata.show(state, group), lambda text, _: schemata.write(state, group, text)
            )
            nodes["mode"] = File(
                lambda: modes.show(state, group), lambda text, _: modes.write(state, group, text)
            )
            nodes["size"] = File(lambda: schemata.show_size(state, group))
            if state.options.debug:
                nodes["ctrl_hw_id"] = File(lambda: f"{group.closid}\n")
        if state.topology.monitoring:
            if group.parent is None:
                nodes["mon_groups"] = Directory(
                    {}, permissions=permissions, groups_of=group, belongs_to=group
                )
            nodes["mon_data"] = Directory(
                self._mon_data(group, permissions, caller or Caller()),
                permissions=permissions,
                belongs_to=group,
            )
            if state.options.debug:
                nodes["mon_hw_id"] = File(lambda: f"{group.rmid}\n")
        return nodes

    def _mon_data(self, group: Group, permissions: int, caller: Caller) -> Callable[[], dict[str, Node]]:
        """mon_data's directories follow the domains that are online."""
        state, counters = self._state, self._counters
        monitoring = state.topology.monitoring
        assert monitoring

        def event(domain: int, name: str) -> File:
            return File(lambda: counters.show(state, group, domain, name), uid=caller.uid, gid=caller.gid)

        def nodes() -> dict[str, Node]:
            return {
                f"mon_L3_{domain:02d}": Directory(
                    {name: event(domain, name) for name in monitoring.features},
                    permissions=permissions,
                    uid=caller.uid,
                    gid=caller.gid,
                    belongs_to=group,
                )
                for domain in state.online_domains(3)
            }

        return nodes

    def _info(self) -> Directory:
        state = self._state
        nodes: dict[str, Node] = {"last_cmd_status": File(lambda: str(state.last_command))}
        for schema in state.schemas:
            nodes[schema.name] = Directory(self._info_of(schema))
        monitoring = state.topology.monitoring
        if monitoring:
            l3_mon: dict[str, Node] = {
                "num_rmids": _constant(monitoring.num_rmids),
                "mon_features": _constant("\n".join(monitoring.features)),
                "max_threshold_occupancy": File(
                    lambda: f"{self._occupancy_threshold}\n", lambda text, _: self._set_threshold(text)
                ),
            }
            if state.kernel.assign_mode_file:
                l3_mon["mbm_assign_mode"] = File(
                    lambda: "[default]\n", lambda text, _: self._set_assign_mode(text)
                )
            nodes["L3_MON"] = Directory(l3_mon)
        return Directory(nodes)

    def _info_of(self, schema: Schema) -> dict[str, Node]:
        state, resource = self._state, schema.resource
        nodes: dict[str, Node] = {"num_closids": _constant(schema.num_closids)}
        if isinstance(resource, CacheResource):
            nodes["cbm_mask"] = _constant(f"{resource.full_mask:x}")
            nodes["min_cbm_bits"] = _constant(resource.min_cbm_bits)
            nodes["shareable_bits"] = _constant(f"{resource.shareable_bits:x}")
            nodes["bit_usage"] = File(lambda: modes.show_bit_usage(state, schema))
            if state.kernel.sparse_masks_file:
                nodes["sparse_masks"] = _constant(int(resource.sparse_masks))
        elif isinstance(resource, BandwidthResource):
            nodes["min_bandwidth"] = _constant(resource.minimum)
            nodes["bandwidth_gran"] = _constant(resource.granularity)
            nodes["delay_linear"] = _constant(int(resource.linear))
            if resource.throttle_mode is not None:
                nodes["thread_throttle_mode"] = _constant(resource.throttle_mode)
        return nodes

    def _set_threshold(self, text: str) -> None:
        """max_threshold_occ_write: does not touch last_cmd_status."""
        try:
            value = parse_unsigned(text, 0, bits=32)
        except ValueError:
            raise RefusedError(errno.EINVAL) from None
        if value > self._occupancy_limit:
            raise RefusedError(errno.EINVAL)
        self._occupancy_threshold = _whole_units(value)

    def _set_assign_mode(self, text: str) -> None:
        """resctrl_mbm_assign_mode_write on hardware that cannot assign counters."""
        if not text.endswith("\n"):
            raise RefusedError(errno.EINVAL)
        last = self._state.last_command
        last.clear()
        if text == "mbm_event\n":
            raise last.refuse("mbm_event mode is not supported")
        if text != "default\n":
            raise last.refuse("Unsupported assign mode")


def _constant(value: object) -> File:
    return File(lambda: f"{value}\n")


def _give(node: Node, caller: Caller) -> None:
    node.uid, node.gid = caller.uid, caller.gid


def _whole_units(size: int) -> int:
    """resctrl_arch_round_mon_val: down to what the hardware counts in."""
    return size // OCCUPANCY_UNIT * OCCUPANCY_UNIT
