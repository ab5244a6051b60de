"""What inotify does not tell: mounts, and CPUs that come and go.

Both are hints to look again, as inotify's events are; see rdtd/resctrl/watch.py. A CPU that goes offline can
take its cache's domain out of every schemata, and when it returns every group has the full mask there.
"""

from __future__ import annotations

import os
import select
import socket
from contextlib import suppress

__all__ = ["CpuWatch", "MountWatch"]

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

    def changed(self) -> bool:
        """Whether a CPU went online or offline since the last call."""
        found = False
        # An overrun loses events: any may have been about a CPU.
        while True:
            try:
                message, sender = self._socket.recvfrom(16384)
            except BlockingIOError:
                return found
            except OSError:
                found = True
                continue
            if sender[0] == 0:
                found |= _is_about_cpus(message)

    def close(self) -> None:
        with suppress(OSError):
            self._socket.close()


def _is_about_cpus(message: bytes) -> bool:
    """`online@/devices/system/cpu/cpu3`, then KEY=VALUE fields, each ending with a zero byte."""
    head, *fields = message.split(b"\0")
    return (
        head.partition(b"@")[0] in (b"online", b"offline", b"add", b"remove") and b"SUBSYSTEM=cpu" in fields
    )
