"""How many calls are at work, and the bytes of their messages: of all, of one user, of one connection."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from rdtd.bus.errors import LIMITS_EXCEEDED, Refused


class Bound(NamedTuple):
    """The most calls that may be at work at once, and the most bytes of their messages."""

    calls: int
    size: int


class Account:
    """What is at work for each key."""

    def __init__(self, bound: Bound, whose: str) -> None:
        """`whose`: for the text of an error, such as `your connection's`."""
        self._bound = bound
        self._whose = whose
        self._calls: Counter[object] = Counter()
        self._sizes: Counter[object] = Counter()

    def begin(self, key: object, size: int) -> None:
        """Counts a call. Raises Refused with LimitsExceeded, and does not count it, if that is too much.

        A call alone is never too large: messages have a limit of their own.
        """
        if self._calls[key] >= self._bound.calls:
            raise self._refused(f"{self._calls[key]} of {self._whose} calls are at work", self._bound.calls)
        if self._calls[key] and self._sizes[key] + size > self._bound.size:
            used = f"{self._sizes[key]} bytes of {self._whose} calls are at work, and this one has {size}"
            raise self._refused(used, self._bound.size)
        self._calls[key] += 1
        self._sizes[key] += size

    def end(self, key: object, size: int) -> None:
        """Takes back what `begin` counted."""
        self._calls[key] -= 1
        self._sizes[key] -= size
        if not self._calls[key]:
            del self._calls[key], self._sizes[key]

    def _refused(self, used: str, most: int) -> Refused:
        return Refused(LIMITS_EXCEEDED, f"{used}; {most} are the most: wait for answers before the next")
