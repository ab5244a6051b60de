"""The values that flow through rdtd: what is observed, what is wanted.

Observed and wanted are different types on purpose. A `Snapshot` says what resctrl holds; a `Wanted`
says what rdtd promised. rdtd/core/plan.py turns the one into the other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rdtd.core.caches import Cache, CacheKey, Domain, Kind, Masks
from rdtd.core.errors import InvalidRequest, quoted
from rdtd.core.members import Members
from rdtd.core.sizes import Amount

__all__ = [
    "DEFAULT_GROUP",
    "PREFIX",
    "Cache",
    "CacheId",
    "CacheKey",
    "Domain",
    "Granted",
    "Group",
    "Kind",
    "Lifetime",
    "Masks",
    "Owner",
    "Region",
    "Reservation",
    "Snapshot",
    "Wanted",
    "check_name",
    "group_of",
]

DEFAULT_GROUP = ""  # the root of resctrl: the group of every task that is in no other
PREFIX = "rdtd."  # a reservation's group is rdtd.NAME

_NAME = re.compile(r"[A-Za-z0-9_:@+][A-Za-z0-9._:@+-]{0,199}", re.ASCII)


def check_name(name: str) -> str:
    """The name of a reservation, or InvalidRequest. It becomes a directory's name and an object path."""
    if _NAME.fullmatch(name) is None:
        raise InvalidRequest(
            f"name {quoted(name)}: a name is 1 to 200 of the characters A-Z a-z 0-9 . _ : @ + - "
            "and does not start with '.' or '-'"
        )
    return name


def group_of(name: str) -> str:
    """The resource group of the reservation of that name."""
    return PREFIX + name


class CacheId(StrEnum):
    """In place of one cache ID."""

    ALL = "all"  # a region on every cache of the level
    ANY = "any"  # a region on the one cache where it fits best


class Lifetime(StrEnum):
    """When a reservation ends: at Release, or also when its owner leaves the bus, or when its file goes."""

    PERSISTENT = "persistent"
    CLIENT = "client"
    CONFIGURED = "configured"  # from a file of reservations.d, which says what it is at each load


@dataclass(frozen=True, slots=True)
class Region:
    """What is asked for: an amount of one cache, of every cache of a level, or of whichever fits best."""

    amount: Amount
    kind: Kind = Kind.BOTH
    level: int = 3
    cache_id: int | CacheId = CacheId.ALL

    @property
    def sort_key(self) -> tuple[int, bool, str | int, str, Amount]:
        """Orders the regions of a request, so that their order in a call does not matter."""
        return (-self.level, isinstance(self.cache_id, str), self.cache_id, self.kind.value, self.amount)


@dataclass(frozen=True, slots=True)
class Granted:
    """What one region got on one cache: a mask and the bytes which it stands for."""

    kind: Kind
    key: CacheKey
    mask: int
    size: int

    @property
    def ways(self) -> int:
        return self.mask.bit_count()


@dataclass(frozen=True, slots=True)
class Owner:
    """Who reserved: a user, and for `client` lifetimes the connection.

    A bus gives out its unique names anew when it is started again, so they count with the bus's ID.
    """

    uid: int
    client: str = ""  # the unique bus name, such as :1.42
    bus: str = ""


@dataclass(frozen=True, slots=True)
class Reservation:
    """A name, what was asked for and what was granted."""

    name: str
    regions: tuple[Region, ...]
    granted: tuple[Granted, ...]
    owner: Owner
    lifetime: Lifetime = Lifetime.PERSISTENT
    created_usec: int = 0  # since the epoch
    cpus: frozenset[int] = frozenset()

    @property
    def group(self) -> str:
        return group_of(self.name)

    def ways_in(self, key: CacheKey) -> int:
        """The ways that it holds of a cache, whatever for."""
        mask = 0
        for granted in self.granted:
            if granted.key == key:
                mask |= granted.mask
        return mask


@dataclass(frozen=True, slots=True)
class Group:
    """A resource group as it was read."""

    name: str
    masks: Masks
    mode: str = "shareable"  # or exclusive, pseudo-locksetup, pseudo-locked
    cpus: frozenset[int] = frozenset()
    monitors: frozenset[str] = frozenset()  # monitoring groups inside; read for own groups alone

    @property
    def own(self) -> bool:
        return self.name.startswith(PREFIX)

    def ways_in(self, cache: Cache) -> int:
        """The ways that it has of a cache, for code or data."""
        mask = 0
        for domain in cache.domains:
            mask |= self.masks.get(domain, 0)
        return mask


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What resctrl held at one moment, under one lock."""

    caches: Mapping[CacheKey, Cache]
    groups: Mapping[str, Group]
    closids: int  # the smallest num_closids of all resources, the default group included
    cpus: frozenset[int] = frozenset()  # online
    cpus_of: Mapping[CacheKey, frozenset[int]] = field(default_factory=dict)
    strays: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Threads that belong in an own group and are elsewhere, in the order in which they are put back."""
    foreign: tuple[Group, ...] = field(init=False, repr=False, compare=False)
    """The groups that rdtd did not make."""

    def __post_init__(self) -> None:
        foreign = tuple(group for name, group in self.groups.items() if name and not group.own)
        object.__setattr__(self, "foreign", foreign)  # frozen, and asked for with each cache

    @property
    def default(self) -> Group:
        return self.groups[DEFAULT_GROUP]

    @property
    def closids_free(self) -> int:
        return max(self.closids - len(self.groups), 0)

    @property
    def cdp(self) -> bool:
        return any(cache.cdp for cache in self.caches.values())


@dataclass(frozen=True, slots=True)
class Wanted:
    """What rdtd promised, and what it has to know to take it back.

    `baselines`: for each group that gives way (the default group, and foreign ones that are narrowed with
    it) the masks it had when rdtd first met it or somebody else last set it. `written`: the masks that
    rdtd last knew those groups to have. A mask that is neither there nor what follows from the baseline
    was set from outside; a domain that is not in `written` was away, and the kernel resets it on return.
    `members`: what was attached, by reservation.
    """

    reservations: Mapping[str, Reservation] = field(default_factory=dict)
    baselines: Mapping[str, Masks] = field(default_factory=dict)
    written: Mapping[str, Masks] = field(default_factory=dict)
    members: Mapping[str, Members] = field(default_factory=dict)

    def reserved(self, without: str | None = None) -> dict[CacheKey, int]:
        """The ways of each cache that are in reservations, one of them left out on request."""
        found: dict[CacheKey, int] = {}
        for reservation in self.reservations.values():
            if reservation.name != without:
                for granted in reservation.granted:
                    found[granted.key] = found.get(granted.key, 0) | granted.mask
        return found
