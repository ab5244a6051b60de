"""Caches whose ways can be allocated, and how resctrl names their parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from rdtd.core import masks

__all__ = ["Cache", "CacheKey", "Domain", "Kind", "Masks"]


class Kind(StrEnum):
    """What a region's ways are used for; `code` and `data` exist where CDP is on."""

    BOTH = "both"
    CODE = "code"
    DATA = "data"


class CacheKey(NamedTuple):
    """One cache of the host."""

    level: int
    cache_id: int

    def __str__(self) -> str:
        return f"L{self.level} cache {self.cache_id}"


class Domain(NamedTuple):
    """One domain of one resource, as schemata names them: `L3CODE` and a cache ID."""

    resource: str
    cache_id: int


@lru_cache(maxsize=1024)
def _domains(level: int, cache_id: int, cdp: bool) -> tuple[Domain, ...]:
    names = (f"L{level}CODE", f"L{level}DATA") if cdp else (f"L{level}",)
    return tuple(Domain(name, cache_id) for name in names)


Masks = Mapping[Domain, int]
"""A group's cache masks: one for each domain of each cache resource."""


@dataclass(frozen=True, slots=True)
class Cache:
    """A cache whose ways can be allocated. Its limits are those of info/L3 and its kin."""

    level: int
    cache_id: int
    size: int  # bytes
    ways: int  # the length of a CBM in bits
    min_ways: int = 1  # min_cbm_bits; 0 where the kernel takes an empty mask
    shareable: int = 0  # ways that devices write to as well (DDIO)
    sparse: bool = False  # whether the kernel takes masks with holes
    cdp: bool = False  # whether code and data have masks of their own

    @property
    def key(self) -> CacheKey:
        return CacheKey(self.level, self.cache_id)

    @property
    def full(self) -> int:
        return masks.full(self.ways)

    @property
    def smallest(self) -> int:
        """The fewest ways of a region: an empty region is none, whatever the kernel takes."""
        return max(self.min_ways, 1)

    @property
    def domains(self) -> tuple[Domain, ...]:
        """The domains in schemata that stand for this cache: one, or with CDP code's and data's."""
        return _domains(self.level, self.cache_id, self.cdp)

    def domains_of(self, kind: Kind) -> tuple[Domain, ...]:
        """The domains that a region of this kind sets; none for code or data where CDP is off."""
        if kind is Kind.BOTH:
            return self.domains
        if not self.cdp:
            return ()
        code, data = self.domains
        return (code,) if kind is Kind.CODE else (data,)

    def bytes_of(self, ways: int) -> int:
        """The bytes of so many ways. (The kernel's `size` file divides first and can show fewer.)"""
        return ways * self.size // self.ways
