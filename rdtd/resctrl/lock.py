"""The lock that resctrl's users agreed on: flock(2) on the directory where it is mounted.

Documentation/arch/x86/resctrl.rst, "Locking". libvirt and pqos keep to it; pqos gives up after 100 ms.
"""

from __future__ import annotations

import fcntl
import os

__all__ = ["LockedError", "take"]


class LockedError(Exception):
    """Somebody else holds the lock at this moment."""


def take(root: str, *, exclusive: bool) -> int:
    """Takes the lock until the descriptor is closed; an open one makes umount fail, so that is soon.

    Raises LockedError when somebody else has it, OSError where there is no directory.
    """
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise LockedError from None
    except BaseException:
        os.close(fd)
        raise
    return fd
