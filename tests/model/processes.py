"""Processes that a test makes up: the simulator's threads, and the procfs that shows them to rdtd."""

from __future__ import annotations

import shutil
from pathlib import Path

__all__ = ["Processes"]

_STATUS = "Name:\tmodel\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n"


class Processes:
    """Implements rdtd.simulator.tasks.Threads; `procfs` is a directory like /proc."""

    def __init__(self, procfs: Path) -> None:
        self.procfs = procfs
        self.table: dict[int, int] = {1: 1}  # thread -> its process
        self._starts: dict[int, int] = {}
        self._clock = 0

    def add(self, thread: int, process: int | None = None, uid: int = 0) -> None:
        """One more thread: a process's first, or another one of it."""
        process = thread if process is None else process
        self._clock += 1
        self.table[thread], self._starts[thread] = process, self._clock
        # Fields 2 to 22 of proc_pid_stat(5): flags are the 9th, the start time is the 22nd.
        fields = ["S", "1", *["0"] * 17, str(self._clock), *["0"] * 10]
        stat = f"{thread} (model) {' '.join(fields)}\n"
        for place in {f"{thread}", f"{process}/task/{thread}"}:
            directory = self.procfs / place
            directory.mkdir(parents=True, exist_ok=True)
            (directory / "stat").write_text(stat)
            (directory / "status").write_text(_STATUS.format(uid=uid))

    def end(self, thread: int) -> None:
        """The thread ends; with the first one its whole process does."""
        process = self.table[thread]
        gone = (
            [one for one, owner in self.table.items() if owner == process] if thread == process else [thread]
        )
        for one in gone:
            del self.table[one]
            shutil.rmtree(self.procfs / str(one))
        if thread != process:
            shutil.rmtree(self.procfs / f"{process}/task/{thread}")

    def snapshot(self) -> dict[int, int]:
        return dict(sorted(self.table.items()))

    def parent_of(self, process: int) -> int:
        return 0 if process == 1 else 1

    def start_of(self, thread: int) -> int:
        return self._starts.get(thread, 0) if thread in self.table else -1

    def users_of(self, thread: int) -> tuple[int, int] | None:
        return (0, 0) if thread in self.table else None
