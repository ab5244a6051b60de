"""The threads of the host, from procfs; see proc_pid_stat(5)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rdtd.core.errors import AccessDenied, InvalidRequest, NotFound
from rdtd.core.members import Thread

__all__ = ["Threads"]

_KERNEL_THREAD = 0x00200000  # PF_KTHREAD, include/linux/sched.h
_UIDS = re.compile(rb"^Uid:\t(\d+)\t(\d+)\t(\d+)\t", re.MULTILINE)  # real, effective, saved


class Threads:
    """Looks at threads and processes. Nothing here changes any."""

    def __init__(self, procfs: str = "/proc") -> None:
        self._procfs = procfs

    def check(self, thread: int) -> None:
        """Raises NotFound when the thread is gone, InvalidRequest when it is one of the kernel's."""
        name, fields = self._stat(thread)
        if int(fields[6]) & _KERNEL_THREAD:
            shown = name.decode("utf-8", "replace")
            raise InvalidRequest(f"thread {thread} ({shown}) is a kernel thread; it serves the whole host")

    def started(self, thread: int) -> int | None:
        """When the thread, or process, that has the ID now started: see Thread. None when it is gone."""
        try:
            return int(self._stat(thread)[1][19])
        except NotFound:
            return None

    def identify(self, ids: Iterable[int]) -> frozenset[Thread]:
        """Which threads, or processes, these IDs stand for now; without those that are gone."""
        found = ((one, self.started(one)) for one in ids)
        return frozenset(Thread(one, started) for one, started in found if started is not None)

    def identify_process(self, process: int) -> frozenset[Thread]:
        """The threads that a process has now; none when it is gone."""
        return self.identify(self.of_process(process))

    def children(self, thread: int) -> frozenset[int]:
        """The processes that this thread has started and that have not lost it as their parent.

        None where the kernel was built without CONFIG_PROC_CHILDREN.
        """
        path = os.path.join(self._procfs, str(thread), "task", str(thread), "children")
        try:
            with open(path, "rb") as file:
                return frozenset(map(int, file.read().split()))
        except (FileNotFoundError, ProcessLookupError):
            return frozenset()

    def _stat(self, thread: int) -> tuple[bytes, list[bytes]]:
        """The name of the command, and the fields behind it: the first is the third of proc_pid_stat(5)."""
        try:
            with open(os.path.join(self._procfs, str(thread), "stat"), "rb") as file:
                stat = file.read()
        except (FileNotFoundError, ProcessLookupError):
            raise NotFound(f"there is no thread {thread}") from None
        # The name stands in parentheses and can hold anything, more parentheses included.
        name, _, rest = stat.partition(b"(")[2].rpartition(b")")
        return name, rest.split()

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
