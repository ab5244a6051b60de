"""CPU lists as the kernel writes them: `0-3,8,10-11`; see cpulist_parse() and %*pbl in the kernel."""

from __future__ import annotations

from collections.abc import Iterable

from rdtd.core.errors import InvalidRequest, quoted

__all__ = ["format_cpus", "parse_cpus"]

# More than any kernel is built for (CONFIG_NR_CPUS is 8192 at most); bounds what a list may cost.
MAXIMUM = 65536


def parse_cpus(text: str) -> frozenset[int]:
    """The CPUs of a list. Raises InvalidRequest that quotes the part which is wrong."""
    cpus: set[int] = set()
    named = 0
    for part in text.strip().split(","):
        part = part.strip()
        if not part:
            if text.strip():
                raise InvalidRequest(f"CPU list {quoted(text)}: there is an empty part; write it as 3,5-7")
            continue
        first, dash, last = part.partition("-")
        if not _is_number(first) or (dash and not _is_number(last)):
            raise InvalidRequest(
                f"CPU list {quoted(text)}: {quoted(part)} is not a CPU or a range such as 5-7"
            )
        low, high = int(first), int(last) if dash else int(first)
        if high < low:
            raise InvalidRequest(f"CPU list {quoted(text)}: the range {quoted(part)} runs backwards")
        named += high - low + 1
        if named > MAXIMUM:
            raise InvalidRequest(f"CPU list {quoted(text)}: it names over {MAXIMUM} CPUs")
        cpus.update(range(low, high + 1))
    return frozenset(cpus)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and int(text) < MAXIMUM


def format_cpus(cpus: Iterable[int]) -> str:
    """The shortest list: `frozenset({3, 5, 6, 7})` is `3,5-7`; no CPUs are the empty text."""
    parts: list[str] = []
    ordered = sorted(cpus)
    start = 0
    for index in range(1, len(ordered) + 1):
        if index < len(ordered) and ordered[index] == ordered[index - 1] + 1:
            continue
        first, last = ordered[start], ordered[index - 1]
        parts.append(str(first) if first == last else f"{first}-{last}")
        start = index
    return ",".join(parts)
