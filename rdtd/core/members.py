"""Which threads belong in a reservation: what was attached, remembered so that it can be put back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Members", "Thread"]


class Thread(NamedTuple):
    """A thread, or a process by its first thread. IDs are given out anew: the start time tells them apart."""

    id: int
    started: int  # in clock ticks since the boot: proc_pid_stat(5)


@dataclass(frozen=True, slots=True)
class Members:
    """What was attached and not detached since.

    Their children inherit the group and are not in here; those whose parents are gone are lost with it.
    """

    tasks: frozenset[Thread] = frozenset()
    processes: frozenset[Thread] = frozenset()  # with every thread that they have, now and later

    def __bool__(self) -> bool:
        return bool(self.tasks or self.processes)
