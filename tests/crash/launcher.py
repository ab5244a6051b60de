"""rdtd as a process that kills itself: `python -m tests.crash.launcher METER OPTIONS-OF-RDTD`.

METER is a file of four numbers, shared with the test: see Meter.
"""

from __future__ import annotations

import asyncio
import builtins
import fcntl
import mmap
import os
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Any

from tests.model.calls import Facade, installed

__all__ = ["Meter"]

_FIELDS = ("kill_at", "calls", "turn_nsec", "turn_cpu_nsec")
_NUMBER = struct.Struct("q")


class Meter:
    """Numbers that two processes share.

    `kill_at`: before which system call from now rdtd dies, 0 for none. `calls`: how many it has made.
    `turn_nsec`, `turn_cpu_nsec`: the longest callback of its event loop, by the clock and in CPU time.
    """

    def __init__(self, path: Path) -> None:
        with path.open("a+b") as file:
            file.truncate(len(_FIELDS) * _NUMBER.size)
            self._memory = mmap.mmap(file.fileno(), len(_FIELDS) * _NUMBER.size)

    def __getitem__(self, field: str) -> int:
        found: int = _NUMBER.unpack_from(self._memory, _FIELDS.index(field) * _NUMBER.size)[0]
        return found

    def __setitem__(self, field: str, value: int) -> None:
        _NUMBER.pack_into(self._memory, _FIELDS.index(field) * _NUMBER.size, value)

    def arm(self, kill_at: int) -> None:
        """rdtd dies before that call from now; 0: it does not."""
        self["calls"] = 0
        self["kill_at"] = kill_at


def main() -> None:
    meter = Meter(Path(sys.argv[1]))

    def count(_name: str, _arguments: tuple[Any, ...]) -> None:
        calls = meter["calls"] = meter["calls"] + 1
        if calls == meter["kill_at"]:
            os.kill(os.getpid(), signal.SIGKILL)

    _measure_turns(meter)
    from rdtd.daemon.main import main as rdtd

    opener = Facade(builtins, count).open
    with installed(Facade(os, count), Facade(fcntl, count), opener):
        sys.exit(rdtd(sys.argv[2:]))


def _measure_turns(meter: Meter) -> None:
    handle: Any = asyncio.Handle
    run = handle._run

    def measured(self: Any) -> None:
        begin, cpu = time.perf_counter_ns(), time.thread_time_ns()
        run(self)
        meter["turn_nsec"] = max(meter["turn_nsec"], time.perf_counter_ns() - begin)
        meter["turn_cpu_nsec"] = max(meter["turn_cpu_nsec"], time.thread_time_ns() - cpu)

    handle._run = measured


if __name__ == "__main__":
    main()
