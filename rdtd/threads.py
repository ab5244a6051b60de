"""The threads of the host, from procfs; see proc_pid_stat(5)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from rdtd.core.errors import AccessDenied, InvalidRequest, NotFound

__all__ = ["Threads"]

_KERNEL_THREAD = 0x00200000  # PF_KTHREAD, include/linux/sched.h
_UIDS = re.compile(rb"^Uid:\t(\d+)\t(\d+)\t(\d+)\t", re.MULTILINE)  # real, effective, saved


class Threads:
    """Looks at threads and processes. Nothing here changes any."""

    def __init__(self, procfs: str = "/proc") -> None:
        self._procfs = procfs

    def check(self, thread: int) -> None:
        """Raises NotFound when the thread is gone, InvalidRequest when it is one of the kernel's."""
        try:
            with open(os.path.join(self._procfs, str(thread), "stat"), "rb") as file:
                stat = file.read()
        except (FileNotFoundError, ProcessLookupError):
            raise NotFound(f"there is no thread {thread}") from None
        # The name of the command stands in parentheses and can hold anything, more parentheses included.
        name, _, rest = stat.partition(b"(")[2].rpartition(b")")
        if int(rest.split()[6]) & _KERNEL_THREAD:
            shown = name.decode("utf-8", "replace")
            raise InvalidRequest(f"thread {thread} ({shown}) is a kernel thread; it serves the whole host")

    def of_process(self, process: int) -> frozenset[int]:
        """The threads that a process has now; none when it is gone."""
        try:
            return frozenset(
                int(name) for name in os.listdir(os.path.join(self._procfs, str(process), "task"))
            )
        except (FileNotFoundError, ProcessLookupError):
            return frozenset()

    @contextmanager
    def of_user(self, thread: int, uid: int | None) -> Iterator[None]:
        """A block in which the ID stands for one thread, and that is this user's; None: whoever's.

        Raises NotFound when it is gone and AccessDenied when it is another user's, before the block or behind
        it. A directory of procfs that was opened stays that thread's: if it can still be read behind the
        block, nobody else had the ID meanwhile. A program that runs set-user-ID is not its user's.
        """
        if uid is None:
            yield
            return
        try:
            directory = os.open(os.path.join(self._procfs, str(thread)), os.O_PATH | os.O_DIRECTORY)
        except FileNotFoundError:
            raise NotFound(f"there is no thread {thread}") from None
        try:
            _check_user(directory, thread, uid)
            yield
            _check_user(directory, thread, uid)
        finally:
            os.close(directory)


def _check_user(directory: int, thread: int, uid: int) -> None:
    try:
        status = os.open("status", os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
        with open(status, "rb") as file:
            found = _UIDS.search(file.read())
    except (FileNotFoundError, ProcessLookupError):
        raise NotFound(f"there is no thread {thread}") from None
    if found is None or any(int(one) != uid for one in found.groups()):
        raise AccessDenied(f"thread {thread} is not of user {uid}, who may attach only threads of its own")
