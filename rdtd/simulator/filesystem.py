"""The FUSE side: what the kernel asks, answered by a Machine."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass

import mfusepy  # type: ignore[import-untyped]

from rdtd.simulator.lastcmd import RefusedError
from rdtd.simulator.machine import Machine
from rdtd.simulator.mounting import SimulatorError
from rdtd.simulator.state import Group
from rdtd.simulator.tasks import Caller
from rdtd.simulator.tree import Directory


@dataclass
class _OpenFile:
    """An open file or directory. Its content is made anew whenever it is read from the start (seq_file)."""

    path: str
    owner: Group | None = None
    content: bytes | None = None


class Filesystem:
    """One mount. Runs in one thread, so operations come one after the other, as under the kernel's lock.

    Nothing is cached in the kernel (init_with_config), so that what a control command changes is seen
    at once. Files have the size 0, as in kernfs; direct_io lets them be read nevertheless.
    """

    use_ns = True

    def __init__(self, machine: Machine, on_ready: Callable[[], None]) -> None:
        self._machine = machine
        self._on_ready = on_ready
        self._open: dict[int, _OpenFile] = {}
        self._fixed = dict.fromkeys(("st_atime", "st_mtime", "st_ctime"), time.time_ns()) | {"st_size": 0}
        self._next_handle = 1

    def init_with_config(
        self, _connection: mfusepy.fuse_conn_info | None, config: mfusepy.fuse_config | None
    ) -> None:
        assert config is not None
        config.direct_io = 1
        config.entry_timeout = config.negative_timeout = config.attr_timeout = 0.0
        config.nullpath_ok = 1
        self._on_ready()

    def getattr(self, path: str | None, fh: int | None = None) -> dict[str, int]:
        node = self._machine.lookup(self._path(path, fh))
        links = node.links() if isinstance(node, Directory) else 1
        own = {"st_mode": node.mode, "st_nlink": links, "st_uid": node.uid, "st_gid": node.gid}
        return own | self._fixed

    def opendir(self, path: str) -> int:
        return self._handle(_OpenFile(path))

    def readdir(self, path: str | None, fh: int) -> list[tuple[str, int, int]]:
        fixed = [(".", stat.S_IFDIR, 0), ("..", stat.S_IFDIR, 0)]
        return fixed + [(name, mode, 0) for name, mode in self._machine.listing(self._path(path, fh))]

    def releasedir(self, path: str | None, fh: int) -> int:
        return self.release(path, fh)

    def open(self, path: str, flags: int) -> int:
        return self._handle(_OpenFile(path, self._machine.open(path, bool(flags & os.O_ACCMODE))))

    def release(self, path: str | None, fh: int) -> int:
        del self._open[fh]
        return 0

    def read(self, path: str | None, size: int, offset: int, fh: int) -> bytes:
        file = self._open[fh]
        if offset == 0 or file.content is None:
            text = self._machine.read(file.path, file.owner)
            file.content = text.encode(errors="surrogateescape")
        return file.content[offset : offset + size]

    def write(self, path: str | None, data: bytes, offset: int, fh: int) -> int:
        file = self._open[fh]
        text = data.decode(errors="surrogateescape")
        self._machine.write(file.path, text, _caller(), size=len(data), owner=file.owner)
        return len(data)

    def truncate(self, path: str | None, length: int, fh: int | None = None) -> int:
        if path is not None:  # ftruncate: the file was opened for writing
            self._machine.truncate(path)
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        self._machine.mkdir(path, mode & 0o7777, _caller())
        return 0

    def rmdir(self, path: str) -> int:
        self._machine.rmdir(path)
        return 0

    def rename(self, old: str, new: str) -> int:
        self._machine.rename(old, new)
        return 0

    def chmod(self, path: str, mode: int) -> int:
        self._machine.chmod(path, mode)
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        self._machine.chown(path, uid, gid)
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        return 0

    # The directories of kernfs know mkdir, rmdir and rename, so the VFS refuses the rest like this.

    def create(self, path: str, mode: int, fi: object = None) -> int:
        raise RefusedError(errno.EACCES)

    def mknod(self, path: str, mode: int, dev: int) -> int:
        raise RefusedError(errno.EPERM)

    def unlink(self, path: str) -> int:
        raise RefusedError(errno.EPERM)

    def symlink(self, target: str, source: str) -> int:
        raise RefusedError(errno.EPERM)

    def link(self, target: str, source: str) -> int:
        raise RefusedError(errno.EPERM)

    def _handle(self, file: _OpenFile) -> int:
        handle = self._next_handle
        self._next_handle += 1
        self._open[handle] = file
        return handle

    def _path(self, path: str | None, handle: int | None) -> str:
        """libfuse leaves the path out where it has an open file (nullpath_ok)."""
        if path is not None:
            return path
        assert handle is not None
        return self._open[handle].path


def _caller() -> Caller:
    uid, gid, thread = mfusepy.fuse_get_context()
    return Caller(uid=uid, gid=gid, thread=thread)


def mount(machine: Machine, directory: str, on_ready: Callable[[], None]) -> None:
    """Mounts and serves until it is unmounted. on_ready is called once it answers.

    Raises SimulatorError if it cannot be mounted, with what libfuse said about it.
    """
    everybody = {"allow_other": True} if os.geteuid() == 0 else {}
    with _StandardError() as standard_error:

        def ready() -> None:
            standard_error.restore()
            on_ready()

        try:
            mfusepy.FUSE(
                Filesystem(machine, ready),
                directory,
                foreground=True,
                nothreads=True,
                fsname="resctrl",
                subtype="rdtd-simulator",
                default_permissions=True,
                **everybody,
            )
        except RuntimeError:
            reason = standard_error.text()
            if "fusermount3" in reason:  # libfuse's way out where mount(2) is not allowed
                reason += " (needs CAP_SYS_ADMIN, or fusermount3)"
            raise SimulatorError(f"{directory}: cannot mount: {reason}") from None


class _StandardError:
    """Keeps what libfuse writes to standard error while it mounts, so that it can be told as one line."""

    def __enter__(self) -> _StandardError:
        self._kept = os.memfd_create("stderr")
        self._saved = os.dup(2)
        self._diverted = True
        os.dup2(self._kept, 2)
        return self

    def restore(self) -> None:
        if self._diverted:
            os.dup2(self._saved, 2)
            self._diverted = False

    def text(self) -> str:
        lines = os.pread(self._kept, 4096, 0).decode(errors="replace").split("\n")
        return "; ".join(line for line in lines if line) or "libfuse does not say why"

    def __exit__(self, *_: object) -> None:
        self.restore()
        os.close(self._saved)
        os.close(self._kept)
