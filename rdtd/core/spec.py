"""The seed syntax of regions, in both directions.

    type=both,size=10mb,cacheid=2;type=both,size=2mb,cacheid=1

Regions are separated by `;`, their keys by `,`. It was proposed on libvir-list in January 2017 for the
command line of guests, and callers that still build such text can hand it over as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from rdtd.core.errors import InvalidRequest, quoted
from rdtd.core.model import CacheId, Kind, Region
from rdtd.core.sizes import Amount, parse_amount

__all__ = ["MAXIMUM_REGIONS", "format_size", "format_spec", "parse_spec"]

# Above any host: the kernel's largest have under a hundred caches of a level, with two regions each.
MAXIMUM_REGIONS = 1024

_KEYS = {
    "type": "type",
    "size": "size",
    "level": "level",
    "cacheid": "cache-id",
    "cache-id": "cache-id",
    "cache_id": "cache-id",
}
_NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)


def parse_spec(text: str) -> tuple[Region, ...]:
    """The regions of a line of text. Raises InvalidRequest that quotes the part which is wrong."""
    pieces = text.split(";")
    if not pieces[-1].strip():
        pieces.pop()  # a trailing `;` is fine
    if not pieces:
        raise InvalidRequest("the specification is empty; write it as size=10mb,cache-id=0")
    if len(pieces) > MAXIMUM_REGIONS:
        raise InvalidRequest(f"{len(pieces)} regions in one specification; {MAXIMUM_REGIONS} are the most")
    return tuple(_parse_region(piece.strip(), number) for number, piece in enumerate(pieces, 1))


def _parse_region(piece: str, number: int) -> Region:
    where = f"region {number} ({quoted(piece)})"
    if not piece:
        raise InvalidRequest(f"region {number} is empty")
    values: dict[str, str] = {}
    for part in piece.split(","):
        name, equals, value = (field.strip() for field in part.partition("="))
        if not equals:
            raise InvalidRequest(f"{where}: {quoted(part.strip())} is not KEY=VALUE")
        key = _KEYS.get(name.lower())
        if key is None:
            known = "type, size, cache-id and level"
            raise InvalidRequest(f"{where}: unknown key {quoted(name)}; the keys are {known}")
        if key in values:
            raise InvalidRequest(f"{where}: {key} is given twice")
        values[key] = value
    if "size" not in values:
        raise InvalidRequest(f"{where}: size is missing, as in size=10mb")
    try:
        return Region(
            amount=parse_amount(values["size"]),
            kind=_parse_kind(values.get("type", "both")),
            level=_parse_number("level", values.get("level", "3")),
            cache_id=_parse_cache_id(values.get("cache-id")),
        )
    except InvalidRequest as error:
        raise InvalidRequest(f"{where}: {error}") from None


def _parse_kind(text: str) -> Kind:
    try:
        return Kind(text.lower())
    except ValueError:
        raise InvalidRequest(f"type {quoted(text)}: the types are both, code and data") from None


def _parse_cache_id(text: str | None) -> int | CacheId:
    if text is None:
        return CacheId.ALL
    if text.lower() == CacheId.ANY:
        return CacheId.ANY
    return _parse_number("cache-id", text)


def _parse_number(key: str, text: str) -> int:
    if _NUMBER.fullmatch(text) is None or int(text) >= 1 << 32:
        hint = "a number or any" if key == "cache-id" else "a number"
        raise InvalidRequest(f"{key} {quoted(text)}: it is {hint}")
    return int(text)


def format_spec(regions: Iterable[Region]) -> str:
    """The text that parse_spec() reads back as the same regions."""
    return ";".join(_format_region(region) for region in regions)


def _format_region(region: Region) -> str:
    parts = [f"type={region.kind}", f"size={_amount_text(region.amount)}"]
    if region.level != 3:
        parts.append(f"level={region.level}")
    if region.cache_id is not CacheId.ALL:
        parts.append(f"cache-id={region.cache_id}")
    return ",".join(parts)


def _amount_text(amount: Amount) -> str:
    text = str(amount)
    return format_size(amount.value) if text.isdigit() else text


def format_size(size: int) -> str:
    """Bytes, in the largest unit that leaves no remainder: `10mb`, `1048577`."""
    for shift, unit in ((30, "gb"), (20, "mb"), (10, "kb")):
        if size and size % (1 << shift) == 0:
            return f"{size >> shift}{unit}"
    return str(size)
