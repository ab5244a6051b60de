"""What the daemon tells, as values: caches, granted regions and reservations.

Sizes are bytes; masks are the kernel's, bit 0 is way 0. Named tuples, not data classes: those take longer to
import than the daemon takes to answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Cache(NamedTuple):
    """One cache that can be allocated."""

    level: int
    cache_id: int
    size: int
    way_size: int
    ways: int
    free: int
    largest: int
    free_mask: int
    reserved_mask: int
    shared_mask: int
    foreign_mask: int
    shareable_mask: int

    @property
    def label(self) -> str:
        return f"L{self.level} {self.cache_id}"

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Cache:
        """From a row of ListFree."""
        level, cache_id, size, way_size, free, largest, free_mask, more = row
        # The row has no number of ways. way_size was rounded down by less than one way's byte per way, and
        # a way has far more bytes than a cache has ways: the quotient is exact.
        ways = size // way_size if way_size else 0
        return cls(
            level,
            cache_id,
            size,
            way_size,
            ways,
            free,
            largest,
            free_mask,
            more.get("reserved-mask", 0),
            more.get("shared-mask", 0),
            more.get("foreign-mask", 0),
            more.get("shareable-mask", 0),
        )

    @classmethod
    def from_properties(cls, properties: Mapping[str, Any]) -> Cache:
        """From the properties of org.rdtd1.Cache."""
        size, ways, free_mask = properties["Size"], properties["Ways"], properties["FreeMask"]
        return cls(
            properties["Level"],
            properties["CacheId"],
            size,
            properties["WaySize"],
            ways,
            int.bit_count(free_mask) * size // ways if ways else 0,
            properties["Largest"],
            free_mask,
            properties["ReservedMask"],
            properties["SharedMask"],
            properties["ForeignMask"],
            properties["ShareableMask"],
        )


class Granted(NamedTuple):
    """A region as it was granted on one cache."""

    kind: str  # both, code or data
    level: int
    cache_id: int
    mask: int
    size: int
    ways: int

    @property
    def label(self) -> str:
        return f"L{self.level} {self.cache_id}"

    @classmethod
    def from_dict(cls, region: Mapping[str, Any]) -> Granted:
        return cls(
            region["type"],
            region["level"],
            region["cache-id"],
            region["mask"],
            region["size"],
            region["ways"],
        )


class Reservation(NamedTuple):
    """A reservation, as asked for (`regions`, with the keys of a call) and as granted."""

    name: str
    path: str
    granted: tuple[Granted, ...]
    regions: tuple[Mapping[str, Any], ...]
    owner: int | None  # a user ID; None where the daemon does not tell it to this user
    lifetime: str
    created_usec: int
    state: str
    cpus: str
    state_reason: str = ""  # of a degraded one

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Reservation:
        """From a row of ListReservations."""
        name, path, granted, details = row
        return cls(
            name,
            path,
            granted_from(granted),
            tuple(details["regions"]),
            details.get("owner"),
            details["lifetime"],
            details["created-usec"],
            details["state"],
            details["cpus"],
            details.get("state-reason", ""),
        )

    @classmethod
    def from_properties(cls, path: str, properties: Mapping[str, Any]) -> Reservation:
        """From the properties of org.rdtd1.Reservation."""
        return cls(
            properties["Name"],
            path,
            granted_from(properties["Granted"]),
            tuple(properties["Regions"]),
            properties.get("Owner"),
            properties["Lifetime"],
            properties["CreatedUSec"],
            properties["State"],
            properties["Cpus"],
            properties.get("StateReason", ""),
        )

    def ways_in(self, cache: Cache) -> int:
        """The mask of the ways that it holds of a cache, for code or data."""
        mask = 0
        for granted in self.granted:
            if (granted.level, granted.cache_id) == (cache.level, cache.cache_id):
                mask |= granted.mask
        return mask


class Picture(NamedTuple):
    """Every cache and every reservation at one moment."""

    caches: tuple[Cache, ...]
    reservations: tuple[Reservation, ...]


class Status(NamedTuple):
    """The daemon at one moment."""

    version: str
    state: str
    root: str
    cdp: bool
    closids_total: int
    closids_free: int
    reservations: tuple[Reservation, ...]
    caches: tuple[Cache, ...]


class Difference(NamedTuple):
    """Something that is not as the daemon wants it, and what putting it right would be; "" if nothing is."""

    group: str
    kind: str
    found: str
    repair: str

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Difference:
        """From a row of Check."""
        group, kind, details = row
        return cls(group, kind, details.get("found", ""), details.get("done", ""))


def granted_from(regions: Sequence[Mapping[str, Any]]) -> tuple[Granted, ...]:
    """From an aa{sv} of granted regions."""
    return tuple(Granted.from_dict(region) for region in regions)
