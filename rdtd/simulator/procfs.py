"""The threads of the real machine, from /proc."""

from __future__ import annotations

import os


class ProcThreads:
    """Implements tasks.Threads. What dies while it is read counts as not there."""

    def snapshot(self) -> dict[int, int]:
        threads: dict[int, int] = {}
        for name in sorted((name for name in os.listdir("/proc") if name.isdigit()), key=int):
            process = int(name)
            try:
                members = os.listdir(f"/proc/{name}/task")
            except OSError:
                continue
            for member in members:
                threads[int(member)] = process
        return threads

    def parent_of(self, process: int) -> int:
        fields = _stat(process)
        return int(fields[1]) if fields else 0

    def start_of(self, thread: int) -> int:
        fields = _stat(thread)
        return int(fields[19]) if fields else -1

    def users_of(self, thread: int) -> tuple[int, int] | None:
        try:
            with open(f"/proc/{thread}/status", encoding="ascii", errors="replace") as status:
                for line in status:
                    if line.startswith("Uid:"):
                        real, _effective, saved, _fs = line.split()[1:]
                        return int(real), int(saved)
        except OSError:
            pass
        return None


def _stat(thread: int) -> list[bytes]:
    """The fields of /proc/N/stat from the state on: [1] is the parent, [19] the start time. Empty if gone."""
    try:
        with open(f"/proc/{thread}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()
    except OSError:
        return []
