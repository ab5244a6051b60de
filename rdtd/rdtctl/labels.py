"""Caches and sizes in words for tables and legends. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rdtd.core.cpus import format_cpus
from rdtd.core.texts import format_bytes
from rdtd.rdtctl.values import Granted


def cache_list(keys: Iterable[tuple[int, int]]) -> str:
    """(level, cache ID) pairs as `L3 0-3,8, L2 1`: the highest level first."""
    by_level: dict[int, set[int]] = {}
    for level, cache_id in keys:
        by_level.setdefault(level, set()).add(cache_id)
    return ", ".join(f"L{level} {format_cpus(by_level[level])}" for level in sorted(by_level, reverse=True))


def in_words(granted: Sequence[Granted]) -> str:
    """What a reservation got, in one line: `4 MiB on L3 0`, `4 MiB on each of L3 0-1`.

    Code and data are told apart; regions of other sizes than their neighbours too.
    """
    alike: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for one in granted:
        alike.setdefault((one.kind, one.size), []).append((one.level, one.cache_id))
    parts = []
    for (kind, size), keys in alike.items():
        each = "each of " if len(keys) > 1 else ""
        what = "" if kind == "both" else f" for {kind}"
        parts.append(f"{format_bytes(size)}{what} on {each}{cache_list(keys)}")
    return "; ".join(parts)
