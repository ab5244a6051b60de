"""Amounts of cache: bytes, ways or per cent, and how each becomes whole ways in exact integers.

Cache sizes are binary, so `10mb` and `10MiB` are both 10485760 bytes. The kernel's patches that
first proposed sizes for a cache (Marcelo Tosatti, 2015) round up and say what was given: so does rdtd.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from rdtd.core.errors import InvalidRequest, quoted

__all__ = ["Amount", "Unit", "parse_amount"]

# A size is a D-Bus `t`, but callers compute with signed 64-bit numbers, and no cache comes near either.
MAXIMUM = (1 << 63) - 1

_FACTORS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_AMOUNT = re.compile(r"([0-9]+)\s*([a-z%]*)", re.ASCII | re.IGNORECASE)
_BYTES = re.compile(r"([kmg]?)(i?b)?", re.ASCII)


class Unit(StrEnum):
    """What an amount counts."""

    BYTES = "bytes"
    WAYS = "ways"
    PERCENT = "percent"


@dataclass(frozen=True, slots=True, order=True)
class Amount:
    """How much of a cache is asked for. Raises InvalidRequest for what can fit no cache."""

    value: int
    unit: Unit = Unit.BYTES

    def __post_init__(self) -> None:
        name = "size" if self.unit is Unit.BYTES else self.unit.value
        if self.value < 1:
            raise InvalidRequest(f"{name} {self.value}: the smallest region is one way; ask for 1 or more")
        if self.unit is Unit.PERCENT and self.value > 100:
            raise InvalidRequest(f"percent {self.value}: a cache has 100%")
        if self.value > MAXIMUM:
            raise InvalidRequest(f"{name} {self.value}: sizes go up to 2^63-1")

    def ways(self, cache_size: int, cache_ways: int, minimum: int) -> int:
        """Whole ways, rounded up, at least `minimum` and at least one; may be more than the cache has."""
        match self.unit:
            case Unit.BYTES:
                ways = -(-self.value * cache_ways // cache_size)
            case Unit.PERCENT:
                ways = -(-self.value * cache_ways // 100)
            case Unit.WAYS:
                ways = self.value
        return max(ways, minimum, 1)

    def __str__(self) -> str:
        """The seed syntax: `10485760`, `4ways`, `25%`."""
        suffix = {Unit.BYTES: "", Unit.WAYS: "ways", Unit.PERCENT: "%"}[self.unit]
        return f"{self.value}{suffix}"


def parse_amount(text: str) -> Amount:
    """`10mb`, `10485760`, `4ways` or `25%`. Raises InvalidRequest that says what would work."""
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise InvalidRequest(f"size {quoted(text)}: write it as 10mb, 512kib, 1048576, 4ways or 25%")
    digits, unit = match[1], match[2].lower()
    if len(digits) > 19:
        raise InvalidRequest(f"size {quoted(text)}: sizes go up to 2^63-1")
    value = int(digits)
    if unit == "%":
        return Amount(value, Unit.PERCENT)
    if unit in ("way", "ways"):
        return Amount(value, Unit.WAYS)
    in_bytes = _BYTES.fullmatch(unit)
    if in_bytes is None:
        raise InvalidRequest(
            f"size {quoted(text)}: unknown unit {quoted(match[2])}; units are b, kb, mb, gb, ways and %"
        )
    return Amount(value * _FACTORS[in_bytes[1]])
