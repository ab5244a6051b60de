"""A simulated resctrl in this process, behind functions with the names of os and fcntl.

What lies below `ROOT` is answered by a Machine of the simulator; everything else (the runtime directory,
procfs) is the real system's.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rdtd.simulator.lastcmd import RefusedError
from rdtd.simulator.machine import Machine
from rdtd.simulator.state import Group
from rdtd.simulator.tasks import Caller
from rdtd.simulator.tree import Directory

__all__ = ["ROOT", "SYSFS", "Fcntl", "Files"]

ROOT = "/sys/fs/resctrl"
SYSFS = f"{ROOT}/.simulator/sys"
_ROOT_CALLER = Caller()


@dataclass
class _Open:
    path: str
    owner: Group | None = None
    left: bytes | None = None  # what has not been read
    directory: bool = False


class _Entry:
    """What os.scandir() yields."""

    def __init__(self, name: str, mode: int) -> None:
        self.name = name
        self._mode = mode

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return stat.S_ISDIR(self._mode)


class _Path:
    """os.path, with the machine's files in it."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def __getattr__(self, name: str) -> Any:
        return getattr(os.path, name)

    def exists(self, path: str) -> bool:
        inside = self._files.inside(path)
        return os.path.exists(path) if inside is None else self._files.found(inside)

    def isdir(self, path: str) -> bool:
        inside = self._files.inside(path)
        return os.path.isdir(path) if inside is None else self._files.found(inside, Directory)


class Files:
    """os, for one process at a time: its descriptors are closed at its end."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.mounted = True
        self.mounts = 1  # how often resctrl was mounted
        self.path = _Path(self)
        self.locked_by_others = 0  # how often rdtd will find the lock taken
        self.longest_hold = 0.0  # seconds of work that rdtd did with it
        self._locked: dict[int, float] = {}  # the descriptors that hold it, and since when
        self._open: dict[int, _Open] = {}
        self._real: set[int] = set()  # descriptors of the real system
        self._numbers = itertools.count(1 << 20)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def end(self) -> None:
        """What the kernel does for a process that ended."""
        for fd in list(self._open):
            self.close(fd)
        for fd in list(self._real):
            os.close(fd)
        self._real.clear()

    def inside(self, path: Any) -> str | None:
        """The path below the mount point, None for one that is elsewhere."""
        if not isinstance(path, str) or not path.startswith(ROOT):
            return None
        rest = path[len(ROOT) :].rstrip("/")
        return rest or "/" if not rest or rest.startswith("/") else None

    def found(self, inside: str, kind: type | None = None) -> bool:
        try:
            node = self._node(inside)
        except OSError:
            return False
        return kind is None or isinstance(node, kind)

    def _node(self, inside: str) -> Any:
        if self.mounted:
            return self._ask(self.machine.lookup, inside)
        if inside == "/":
            return Directory()
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), ROOT + inside)

    @staticmethod
    def _ask(operation: Callable[..., Any], inside: str, *arguments: Any) -> Any:
        """The simulator's refusals as Python's own errors: FileNotFoundError and its kin."""
        try:
            return operation(inside, *arguments)
        except RefusedError as error:
            raise OSError(error.errno, os.strerror(error.errno), ROOT + inside) from None

    def open(self, path: Any, flags: int, mode: int = 0o777, **options: Any) -> int:
        inside = self.inside(path)
        if inside is None:
            fd = os.open(path, flags, mode, **options)
            self._real.add(fd)
            return fd
        node = self._node(inside)
        if isinstance(node, Directory):
            found = _Open(inside, directory=True)
        elif flags & os.O_DIRECTORY:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        else:
            found = _Open(inside, self._ask(self.machine.open, inside, bool(flags & os.O_ACCMODE)))
        number = next(self._numbers)
        self._open[number] = found
        return number

    def read(self, fd: int, size: int) -> bytes:
        found = self._open.get(fd)
        if found is None:
            return os.read(fd, size)
        self._check_mounted()
        if found.left is None:
            text = self._ask(self.machine.read, found.path, found.owner)
            found.left = text.encode("utf-8", "surrogateescape")
        piece, found.left = found.left[:size], found.left[size:]
        return piece

    def write(self, fd: int, data: bytes) -> int:
        found = self._open.get(fd)
        if found is None:
            return os.write(fd, data)
        self._check_mounted()
        text = data.decode("utf-8", "surrogateescape")
        try:
            self._ask(self.machine.write, found.path, text, _ROOT_CALLER, len(data), found.owner)
        finally:
            self.written(found.path)
        return len(data)

    def close(self, fd: int) -> None:
        if self._open.pop(fd, None) is None:
            self._real.discard(fd)
            os.close(fd)
        else:
            since = self._locked.pop(fd, None)
            if since is not None:
                self.longest_hold = max(self.longest_hold, time.thread_time() - since)

    def opener(self, file: Any, *arguments: Any, **options: Any) -> Any:
        """open(), for files of the real system."""
        if isinstance(file, int):
            self._real.discard(file)  # the file object closes it
        return open(file, *arguments, **options)

    def mkdir(self, path: Any, mode: int = 0o777, **options: Any) -> None:
        inside = self.inside(path)
        if inside is None:
            os.mkdir(path, mode, **options)
            return
        self._check_mounted()
        self._ask(self.machine.mkdir, inside, mode, _ROOT_CALLER)
        self.changed_directory(inside)

    def rmdir(self, path: Any, **options: Any) -> None:
        inside = self.inside(path)
        if inside is None:
            os.rmdir(path, **options)
            return
        self._check_mounted()
        self._ask(self.machine.rmdir, inside)
        self.changed_directory(inside)

    def listdir(self, path: Any = ".") -> list[str]:
        inside = self.inside(path)
        if inside is None:
            return os.listdir(path)
        self._node(inside)
        return [name for name, _ in self._ask(self.machine.listing, inside)] if self.mounted else []

    @contextmanager
    def scandir(self, path: Any = ".") -> Iterator[Any]:
        inside = self.inside(path)
        if inside is None:
            with os.scandir(path) as entries:
                yield entries
            return
        self._node(inside)
        yield [_Entry(*entry) for entry in self._ask(self.machine.listing, inside)] if self.mounted else []

    def stat(self, path: Any, **options: Any) -> Any:
        found = self._open.get(path) if isinstance(path, int) else None
        inside = found.path if found is not None else self.inside(path)
        if inside is None:
            return os.stat(path, **options)
        self._node(inside)
        return os.stat_result((0o755, 1, self.mounts if self.mounted else 0, 1, 0, 0, 0, 0, 0, 0))

    def fstat(self, fd: int) -> Any:
        return self.stat(fd) if fd in self._open else os.fstat(fd)

    def flock(self, fd: int, operation: int) -> None:
        """fcntl.flock(): on the mount point there are rdtd and `others`, who want it for themselves."""
        if fd not in self._open:
            fcntl.flock(fd, operation)
            return
        if self.locked_by_others or self._locked:
            self.locked_by_others -= self.locked_by_others > 0
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        self._locked[fd] = time.thread_time()

    def _check_mounted(self) -> None:
        if not self.mounted:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))

    # What inotify would tell; tests/model/watch.py listens.

    def written(self, inside: str) -> None:
        """A file was written to, with or without success."""

    def changed_directory(self, inside: str) -> None:
        """A group came or went."""


class Fcntl:
    """fcntl, with flock() on the machine's files."""

    def __init__(self, files: Files) -> None:
        self.flock = files.flock

    def __getattr__(self, name: str) -> Any:
        return getattr(fcntl, name)
