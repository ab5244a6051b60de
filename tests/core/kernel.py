"""The kernel's resctrl in memory: it takes the steps of a plan, checks them as the kernel does, and is read
as a snapshot. The rules are those of arch/x86/kernel/cpu/resctrl: cbm_validate(), rdtgroup_cbm_overlaps(),
__init_one_rdt_domain() and rdtgroup_mkdir().
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rdtd.core import masks
from rdtd.core.model import DEFAULT_GROUP, Cache, CacheKey, Domain, Group, Masks, Snapshot
from rdtd.core.plan import CreateGroup, MoveTask, RemoveGroup, Step, WriteCpus, WriteMasks, WriteMode

EXCLUSIVE = ("exclusive", "pseudo-locked")


class RefusedByKernelError(Exception):
    """What the kernel would answer with an error."""


class NoRoomForGroupError(RefusedByKernelError):
    """mkdir finds no ways for the new group's first masks, which only foreign exclusive groups can cause."""


class Kernel:
    """The resource groups of a host, and the caches whose CPUs are online."""

    def __init__(
        self, caches: Mapping[CacheKey, Cache], closids: int, cpus: frozenset[int] = frozenset()
    ) -> None:
        self.caches = dict(caches)
        self.online = set(caches)
        self.closids = closids
        self.cpus = cpus
        every = {domain: cache.full for cache in caches.values() for domain in cache.domains}
        self.groups = {DEFAULT_GROUP: Group(DEFAULT_GROUP, every, cpus=cpus)}

    def copy(self) -> Kernel:
        twin = Kernel(self.caches, self.closids, self.cpus)
        twin.online, twin.groups = set(self.online), dict(self.groups)
        return twin

    def snapshot(self) -> Snapshot:
        caches = {key: cache for key, cache in self.caches.items() if key in self.online}
        return Snapshot(caches, dict(self.groups), self.closids, self.cpus)

    def apply(self, step: Step) -> None:
        match step:
            case RemoveGroup(name):
                self.rmdir(name)
            case CreateGroup(name):
                self.mkdir(name)
            case WriteMasks(name, changed):
                self.write_masks(name, changed)
            case WriteCpus(name, cpus):
                self.write_cpus(name, cpus)
            case WriteMode(name):
                self.set_mode(name, "shareable")
            case MoveTask():
                pass  # there are no threads here

    def mkdir(self, name: str) -> None:
        if name in self.groups:
            raise RefusedByKernelError(f"{name}: EEXIST")
        if len(self.groups) >= self.closids:
            raise RefusedByKernelError("Out of CLOSIDs")
        first = {
            domain: self._first_mask(self.caches[key])
            for key in sorted(self.online)
            for domain in self.caches[key].domains
        }
        self.groups[name] = Group(name, first)

    def _first_mask(self, cache: Cache) -> int:
        """Ways that are shareable or unused: the first run of them, unless masks may be sparse."""
        taken = [group.ways_in(cache) for group in self.groups.values() if group.mode in EXCLUSIVE]
        mask = cache.full
        for ways in taken:
            mask &= ~ways
        if not cache.sparse:
            mask = masks.lowest_run(mask)
        if mask.bit_count() < cache.min_ways:
            raise NoRoomForGroupError(f"No space on {cache.key}")
        return mask

    def rmdir(self, name: str) -> None:
        if name == DEFAULT_GROUP or name not in self.groups:
            raise RefusedByKernelError(f"{name!r}: cannot be removed")
        gone = self.groups.pop(name)
        default = self.groups[DEFAULT_GROUP]
        self.groups[DEFAULT_GROUP] = replace(default, cpus=default.cpus | gone.cpus)

    def write_masks(self, name: str, changed: Masks) -> None:
        """One write to schemata: every line is checked before one is applied."""
        group = self._group(name)
        domains = {domain: self.caches[key] for key in self.online for domain in self.caches[key].domains}
        for domain, mask in changed.items():
            if domain not in domains:
                raise RefusedByKernelError(f"{name}: there is no domain {domain}")
            self._check_mask(group, domains[domain], mask)
        self.groups[name] = replace(group, masks={**group.masks, **changed})

    def _check_mask(self, group: Group, cache: Cache, mask: int) -> None:
        if mask & ~cache.full or (mask == 0 and cache.min_ways):
            raise RefusedByKernelError("Mask out of range")
        if mask and not cache.sparse and not masks.is_contiguous(mask):
            raise RefusedByKernelError(f"The mask {mask:x} has non-consecutive 1-bits")
        if mask.bit_count() < cache.min_ways:
            raise RefusedByKernelError(f"Need at least {cache.min_ways} bits in the mask")
        for other in self.groups.values():
            apart = other.mode in EXCLUSIVE or group.mode in EXCLUSIVE
            if other.name != group.name and apart and other.ways_in(cache) & mask:
                raise RefusedByKernelError("Overlaps with exclusive group")

    def write_cpus(self, name: str, cpus: frozenset[int]) -> None:
        """The CPUs leave the groups that they are in; those left out go to the default group."""
        if cpus - self.cpus:
            raise RefusedByKernelError("Bad CPU list/mask")
        dropped = self._group(name).cpus - cpus
        for other, group in self.groups.items():
            have = group.cpus - cpus | (dropped if other == DEFAULT_GROUP else frozenset())
            self.groups[other] = replace(group, cpus=cpus if other == name else have)

    def set_mode(self, name: str, mode: str) -> None:
        group = self._group(name)
        for key in self.online if mode in EXCLUSIVE else ():
            cache = self.caches[key]
            others = cache.shareable
            for other in self.groups.values():
                others |= other.ways_in(cache) if other.name != name else 0
            if group.ways_in(cache) & others:
                raise RefusedByKernelError("Schemata overlaps")
        self.groups[name] = replace(group, mode=mode)

    def take_offline(self, key: CacheKey) -> None:
        """The last CPU of a cache goes: its domains leave every schemata."""
        self.online.discard(key)
        gone = set(self.caches[key].domains)
        for name, group in self.groups.items():
            left = {domain: mask for domain, mask in group.masks.items() if domain not in gone}
            self.groups[name] = replace(group, masks=left)

    def bring_online(self, key: CacheKey) -> None:
        """Every group has the full mask there, whatever it had before."""
        self.online.add(key)
        back: dict[Domain, int] = dict.fromkeys(self.caches[key].domains, self.caches[key].full)
        for name, group in self.groups.items():
            self.groups[name] = replace(group, masks={**group.masks, **back})

    def _group(self, name: str) -> Group:
        if name not in self.groups:
            raise RefusedByKernelError(f"{name!r}: ENOENT")
        return self.groups[name]
