"""What inotify does not tell: mounts, and CPUs that come and go.

Both are hints to look again, as inotify's events are; see rdtd/resctrl/watch.py. A CPU that goes offline can
take its cache's domain out of every schemata, and when it returns every group has the full mask there.
"""

from __future__ import annotations

import os
import select
import socket
from contextlib import suppress
from dataclasses import dataclass

__all__ = ["Changed", "CpuWatch", "MountWatch"]

_NETLINK_KOBJECT_UEVENT = 15  # include/uapi/linux/netlink.h
_FROM_KERNEL = 1  # the multicast group of the kernel's own uevents


class MountWatch:
    """`fd` becomes readable when a file system was mounted, unmounted or remounted: proc_pid_mountinfo(5).

    Looking whether it is readable takes the event: there is nothing to read, and nobody needs to ask again.
    """

    def __init__(self, path: str = "/proc/self/mountinfo") -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        # mountinfo is always readable, a change is an exceptional condition: it needs an epoll of its own.
        self._epoll = select.epoll(flags=select.EPOLL_CLOEXEC)
        self._epoll.register(self._file, select.EPOLLPRI | select.EPOLLERR)
        self.fd = self._epoll.fileno()

    def close(self) -> None:
        self._epoll.close()
        os.close(self._file)


@dataclass(frozen=True, slots=True)
class Changed:
    """CPUs came or went. `offline`: those that did, perhaps for a moment; None: any may have."""

    offline: frozenset[int] | None


class CpuWatch:
    """`fd` becomes readable when the kernel has told of a device; see NETLINK_KOBJECT_UEVENT in netlink(7).

    Only what the kernel itself sent counts. Raises OSError where there is no such socket, as in a container.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK,
            socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK,
            _NETLINK_KOBJECT_UEVENT,
        )
        self._socket.bind((0, _FROM_KERNEL))
        self.fd = self._socket.fileno()

    def take(self) -> Changed | None:
        """What happened to CPUs since the last call, None for nothing."""
        found, offline, lost = False, set[int](), False
        while True:
            try:
                message, sender = self._socket.recvfrom(16384)
            except BlockingIOError:
                break
            except OSError:
                lost = True  # an overrun: any of the events may have been about a CPU
                continue
            event = _parse(message) if sender[0] == 0 else None
            if event is not None:
                found = True
                offline |= event
        return Changed(None if lost else frozenset(offline)) if found or lost else None

    def close(self) -> None:
        with suppress(OSError):
            self._socket.close()


def _parse(message: bytes) -> set[int] | None:
    """`offline@/devices/system/cpu/cpu3`, then KEY=VALUE fields, each ending with a zero byte.

    The CPUs that it says went offline; None if it is about something else than CPUs.
    """
    head, *fields = message.split(b"\0")
    action, _, path = head.partition(b"@")
    if action not in (b"online", b"offline", b"add", b"remove") or b"SUBSYSTEM=cpu" not in fields:
        return None
    number = path.rpartition(b"/cpu")[2]
    return {int(number)} if action in (b"offline", b"remove") and number.isdigit() else set()
