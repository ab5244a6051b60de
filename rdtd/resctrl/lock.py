"""The lock that resctrl's users agreed on: flock(2) on the directory where it is mounted.

Documentation/arch/x86/resctrl.rst, "Locking". libvirt and pqos keep to it; pqos gives up after 100 ms.
The handle is closed with the lock: an open one would make umount fail.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["LockedError", "locked"]


class LockedError(Exception):
    """Somebody else holds the lock at this moment."""


@contextmanager
def locked(root: str, *, exclusive: bool) -> Iterator[None]:
    """Holds the lock, or raises LockedError at once. Raises OSError where there is no directory."""
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError from None
        yield
    finally:
        os.close(fd)
