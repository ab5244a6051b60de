"""What inotify tells of a directory or a file, as words. The system calls themselves, without a library."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from types import TracebackType

#: From <sys/inotify.h>.
_FLAGS = {
    0x2: "MODIFY",
    0x4: "ATTRIB",
    0x8: "CLOSE_WRITE",
    0x10: "CLOSE_NOWRITE",
    0x20: "OPEN",
    0x40: "MOVED_FROM",
    0x80: "MOVED_TO",
    0x100: "CREATE",
    0x200: "DELETE",
    0x400: "DELETE_SELF",
    0x800: "MOVE_SELF",
    0x2000: "UNMOUNT",
    0x4000: "Q_OVERFLOW",
    0x8000: "IGNORED",
    0x40000000: "ISDIR",
}
_ALL_EVENTS = 0xFFF & ~0x1  # but for reading
_HEADER = struct.Struct("iIII")  # watch descriptor, mask, cookie, length of the name

_libc = ctypes.CDLL(None, use_errno=True)


class Inotify:
    """Watches. Events are in the queue when the system call that made them returns: nothing is waited for."""

    def __init__(self) -> None:
        self._fd: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self._fd >= 0

    def watch(self, path: str | Path) -> None:
        if _libc.inotify_add_watch(self._fd, os.fsencode(path), _ALL_EVENTS) < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), os.fspath(path))

    def events(self) -> list[str]:
        """What came since the last look: "CREATE|ISDIR name", the name where the watch is above it."""
        try:
            data = os.read(self._fd, 1 << 16)
        except BlockingIOError:
            return []
        found = []
        while data:
            _, mask, _, length = _HEADER.unpack_from(data)
            name = data[_HEADER.size : _HEADER.size + length].rstrip(b"\0")
            words = "|".join(word for flag, word in _FLAGS.items() if mask & flag)
            found.append(f"{words} {os.fsdecode(name)}".strip())
            data = data[_HEADER.size + length :]
        return found

    def __enter__(self) -> Inotify:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._fd)
