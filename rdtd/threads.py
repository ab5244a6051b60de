"""The threads of the host, from procfs; see proc_pid_stat(5)."""

from __future__ import annotations

import os

from rdtd.core.errors import InvalidRequest, NotFound

__all__ = ["Threads"]

_KERNEL_THREAD = 0x00200000  # PF_KTHREAD, include/linux/sched.h


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
