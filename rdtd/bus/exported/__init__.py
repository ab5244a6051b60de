"""What is exported on the bus: the manager, each reservation and each cache, as the XML in dbus/ has them.

This module has what the three have in common: their paths, and what they need of the service.
"""

from __future__ import annotations

from typing import Protocol

from rdtd.attach import Targets
from rdtd.bus.access import Access
from rdtd.bus.arguments import Reader
from rdtd.bus.dispatch import Call
from rdtd.bus.library import Variant
from rdtd.bus.paths import escape
from rdtd.bus.values import decode_targets
from rdtd.bus.wire import Encoded
from rdtd.core.errors import InvalidRequest
from rdtd.core.limits import Limits
from rdtd.core.model import CacheKey, Lifetime, Owner, Reservation
from rdtd.manager import Manager

__all__ = ["MANAGER_PATH", "Context", "cache_path", "read_targets", "reservation_path"]

MANAGER_PATH = "/org/rdtd1"


def reservation_path(name: str) -> str:
    """The object of a reservation."""
    return f"{MANAGER_PATH}/reservation/{escape(name)}"


def cache_path(key: CacheKey) -> str:
    """The object of a cache."""
    return f"{MANAGER_PATH}/cache/l{key.level}_{key.cache_id}"


class Context(Protocol):
    """What the objects need of the service."""

    @property
    def manager(self) -> Manager: ...
    @property
    def access(self) -> Access: ...
    @property
    def limits(self) -> Limits: ...
    def owner(self, call: Call, lifetime: Lifetime) -> Owner: ...
    async def hold(self, reservation: Reservation) -> None: ...
    def free(self) -> Encoded: ...


def read_targets(targets: dict[str, Variant]) -> Targets:
    """The argument of Attach and Detach. Raises InvalidRequest, also when nothing is named."""
    reader = Reader(targets, "targets")
    found = decode_targets(reader)
    reader.done()
    if not found:
        raise InvalidRequest("targets: nothing is named; give tasks, processes or cpus")
    return found
