"""The text of schemata and of its kin, to values and back.

The kernel prints `    L3:0=0000f;1=000f0` up to 6.12 and `    L3:0=f;1=f0` later, names right-aligned,
numbers padded (arch/x86/kernel/cpu/resctrl/ctrlmondata.c, show_doms()). Both are read. Lines of resources
that rdtd does not allocate (MB, SMBA, what comes later) are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rdtd.core.model import Domain, Masks

__all__ = ["cache_level", "format_schemata", "parse_number_by_id", "parse_schemata"]

_ENTRY = re.compile(r"\s*([0-9]{1,10})=\s*([0-9a-fA-F]{1,16})\s*", re.ASCII)
_CACHE = re.compile(r"L([23])(CODE|DATA)?", re.ASCII)

# kernfs takes a write of a page at most (struct kernfs_ops, atomic_write_len).
_LONGEST_WRITE = 4096


def cache_level(resource: str) -> int | None:
    """The level of a cache resource, `L3CODE` is 3; None for any other resource."""
    match = _CACHE.fullmatch(resource)
    return int(match[1]) if match else None


def parse_schemata(text: str) -> dict[Domain, int]:
    """The cache masks of a group. Raises ValueError that quotes the line it could not read.

    A group that is to be pseudo-locked has none: `L3:uninitialized`.
    """
    masks: dict[Domain, int] = {}
    for line in text.splitlines():
        resource, colon, rest = line.partition(":")
        resource = resource.strip()
        if not colon or cache_level(resource) is None or rest.strip() == "uninitialized":
            continue
        for entry in rest.split(";"):
            match = _ENTRY.fullmatch(entry)
            if match is None:
                raise ValueError(f"schemata: cannot read the line {line!r}")
            masks[Domain(resource, int(match[1]))] = int(match[2], 16)
    return masks


def parse_number_by_id(text: str, resource: str) -> dict[int, int]:
    """The line of one resource in a `size` file: bytes by cache ID."""
    for line in text.splitlines():
        name, colon, rest = line.partition(":")
        if colon and name.strip() == resource:
            entries = (entry.partition("=") for entry in rest.split(";"))
            return {int(cache_id): int(value) for cache_id, _, value in entries}
    return {}


def format_schemata(masks: Masks) -> Iterator[str]:
    """The writes that set these masks: one, unless they need more than a page."""
    lines: dict[str, list[str]] = {}
    for domain, mask in masks.items():
        lines.setdefault(domain.resource, []).append(f"{domain.cache_id}={mask:x}")
    text = "".join(f"{resource}:{';'.join(entries)}\n" for resource, entries in lines.items())
    if len(text) <= _LONGEST_WRITE:
        yield text
        return
    middle = len(masks) // 2
    items = list(masks.items())
    yield from format_schemata(dict(items[:middle]))
    yield from format_schemata(dict(items[middle:]))
