"""The processes of control groups; see cgroups(7) and systemd's control group interface."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator

from rdtd.threads import Threads

__all__ = ["Cgroups"]


class Cgroups:
    """Control groups as systemd names them. Nothing here changes any."""

    def __init__(self, root: str = "/sys/fs/cgroup", threads: Threads | None = None) -> None:
        self._root = root
        self._threads = threads or Threads()

    def threads(self, cgroup: str, without: Collection[str] = ()) -> frozenset[int]:
        """The threads in a control group and all below it, but for those in `without` and below them."""
        found: set[int] = set()
        for directory in self._directories(cgroup, without):
            for process in _processes(directory):
                found |= self._threads.of_process(process)
        return frozenset(found)

    def _directories(self, cgroup: str, without: Collection[str]) -> Iterator[str]:
        if not cgroup.startswith("/") or ".." in cgroup.split("/"):
            return
        top = self._hierarchy()
        for directory, below, _ in os.walk(top + cgroup.rstrip("/")):
            below[:] = [name for name in below if os.path.join(directory, name)[len(top) :] not in without]
            yield directory

    def _hierarchy(self) -> str:
        """The unified hierarchy, or the one that systemd keeps for itself beside version 1's controllers."""
        unified = os.path.exists(os.path.join(self._root, "cgroup.controllers"))
        return self._root if unified else os.path.join(self._root, "systemd")


def _processes(directory: str) -> list[int]:
    try:
        with open(os.path.join(directory, "cgroup.procs"), encoding="ascii") as file:
            return [int(line) for line in file]
    except OSError:
        return []  # it is gone; or threaded, and then its processes are listed above it
