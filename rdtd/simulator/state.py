"""The state of a mounted resctrl: groups, CLOSIDs, RMIDs, and the values in the hardware.

What may be done with it is in the modules around this one: `groups` (mkdir, rmdir, rename), `schemata`,
`modes`, `cpus`, `tasks`, `hotplug`, `monitoring`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field

from rdtd.simulator.kernel import DEFAULT_KERNEL, Kernel
from rdtd.simulator.lastcmd import LastCommand
from rdtd.simulator.topology import CacheResource, Resource, Topology


class Mode(enum.Enum):
    """What a group's file `mode` says. Pseudo-locking is refused on the simulated machines."""

    SHAREABLE = "shareable"
    EXCLUSIVE = "exclusive"


@dataclass(frozen=True)
class Schema:
    """One line of schemata: a resource, or with CDP its code or its data half."""

    name: str
    resource: Resource
    num_closids: int
    peer: str | None = None  # the other half of the same cache

    @property
    def is_cache(self) -> bool:
        return isinstance(self.resource, CacheResource)


@dataclass(frozen=True)
class MountOptions:
    """Options of mount -t resctrl."""

    cdp: bool = False
    cdpl2: bool = False
    debug: bool = False


@dataclass(eq=False)
class Group:
    """A resource group: a control group, or a monitoring group below one (`parent`)."""

    name: str
    closid: int
    rmid: int
    parent: Group | None = None
    mode: Mode = Mode.SHAREABLE
    cpus: set[int] = field(default_factory=set)
    children: dict[str, Group] = field(default_factory=dict)

    @property
    def control(self) -> Group:
        """The control group whose CLOSID its tasks have."""
        return self.parent or self


class State:
    """A machine with resctrl mounted."""

    def __init__(
        self,
        topology: Topology,
        kernel: Kernel = DEFAULT_KERNEL,
        options: MountOptions | None = None,
    ) -> None:
        self.topology = topology
        self.kernel = kernel
        self.last_command = LastCommand()
        self.online_cpus = set(topology.cpus)
        self.mount(options or MountOptions())

    def mount(self, options: MountOptions) -> None:
        """Starts anew, as after umount and mount: only the default group, full masks.

        Raises ValueError where the machine does not have what an option asks for.
        """
        if options.debug and not self.kernel.debug:
            raise ValueError(f"kernel {self.kernel.version} does not have the option debug")
        schemas = tuple(_schemas(self.topology, self.kernel, options))
        if min(schema.num_closids for schema in schemas) < 1:
            raise ValueError("CDP halves the CLOSIDs: none is left")
        self.options = options
        self.schemas = schemas
        self.schema = {schema.name: schema for schema in schemas}
        self.num_closids = min(schema.num_closids for schema in schemas)
        self.values: dict[str, dict[int, list[int]]] = {schema.name: {} for schema in schemas}
        self.default_group = Group("", closid=0, rmid=0, cpus=set(self.online_cpus))
        self.groups: dict[str, Group] = {}
        self.by_closid: dict[int, Group] = {0: self.default_group}
        self.exclusive: set[int] = set()  # CLOSIDs of the groups in exclusive mode
        self.free_closids = set(range(1, self.num_closids))
        self.free_rmids = list(range(1, self.num_rmids))
        self.update_domains()
        self.last_command.clear()

    @property
    def num_rmids(self) -> int:
        monitoring = self.topology.monitoring
        return monitoring.num_rmids if monitoring else 0

    def set_mode(self, group: Group, mode: Mode) -> None:
        group.mode = mode
        if mode is Mode.EXCLUSIVE:
            self.exclusive.add(group.closid)
        else:
            self.exclusive.discard(group.closid)

    def control_groups(self) -> Iterator[Group]:
        """Every control group, the default group first."""
        yield self.default_group
        yield from self.groups.values()

    def all_groups(self) -> Iterator[Group]:
        for group in self.control_groups():
            yield group
            yield from group.children.values()

    def online_domains(self, level: int) -> dict[int, frozenset[int]]:
        """Cache ID to its online CPUs, of every cache of a level that has any, in order of their IDs."""
        return {
            cache.id: cache.cpus & self.online_cpus
            for cache in self.topology.caches_of(level)
            if cache.cpus & self.online_cpus
        }

    def update_domains(self) -> None:
        """Follows online_cpus: a domain without CPUs is gone, one that appears has the default everywhere.

        The kernel's domain_add_cpu resets a new domain for all CLOSIDs, whatever their groups had there
        before it went away.
        """
        for schema in self.schemas:
            old = self.values[schema.name]
            resource = schema.resource
            self.values[schema.name] = {
                domain: old.get(domain) or [resource.default] * schema.num_closids
                for domain in self.online_domains(resource.level)
            }


def _schemas(topology: Topology, kernel: Kernel, options: MountOptions) -> Iterator[Schema]:
    """The lines of schemata in the order of the file: the kernel puts each new one first."""
    for resource in reversed(topology.resources):
        if resource.name == "SMBA" and not kernel.smba:
            continue
        split = options.cdp if resource.name == "L3" else options.cdpl2 and resource.name == "L2"
        if not split:
            yield Schema(resource.name, resource, resource.num_closids)
            continue
        if not resource.cdp_capable:
            raise ValueError(f"{resource.name} has no CDP")
        code, data = f"{resource.name}CODE", f"{resource.name}DATA"
        yield Schema(data, resource, resource.num_closids // 2, peer=code)
        yield Schema(code, resource, resource.num_closids // 2, peer=data)
    for wanted, level in ((options.cdp, 3), (options.cdpl2, 2)):
        if wanted and topology.cache_resource(level) is None:
            raise ValueError(f"there is no L{level} allocation, so no CDP for it")
