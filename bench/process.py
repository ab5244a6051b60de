"""What the process costs: from exec to READY, resident memory, wake-ups when idle."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.figures import median, ratio, say, shown, table
from bench.growth import save_many
from bench.host import large_host
from tests.support.daemon import Daemon

MANY = 100


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory in KiB: all of it, and with shared pages divided among those who share them."""

    rss: int
    pss: int

    @classmethod
    def of(cls, pid: int) -> Memory:
        return cls(_field(f"/proc/{pid}/status", "VmRSS"), _field(f"/proc/{pid}/smaps_rollup", "Pss"))

    def row(self, title: str) -> list[str]:
        return [title, f"{self.rss / 1024:.1f} MiB", f"{self.pss / 1024:.1f} MiB"]


def _field(path: str, name: str) -> int:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0])
    raise LookupError(f"{path} has no {name}")


def report_process(starts: int, window: float) -> None:
    """`starts` starts of each kind; wake-ups are counted over `window` seconds."""
    with Daemon() as daemon:
        ready = {"2 caches, nothing to restore": _starts(daemon, starts, lambda: None)}
    with large_host() as daemon:
        daemon.start()
        fresh = Memory.of(_pid(daemon))
        idle = _wake_ups(_pid(daemon), window)
        ready["32 caches, nothing to restore"] = _starts(daemon, starts, lambda: None)
        ready[f"32 caches, {MANY} reservations, groups gone"] = _starts(daemon, starts, lambda: _lose(daemon))
        full = Memory.of(_pid(daemon))
        idle_full = _wake_ups(_pid(daemon), window)
        ready[f"32 caches, {MANY} reservations, groups there"] = _starts(daemon, starts, lambda: None)
    bare = median([_bare_start() for _ in range(starts)])
    rows = [["python -c 'import asyncio', to its end", shown(bare), "1.00"]]
    rows += [[title, shown(took), ratio(took, bare)] for title, took in ready.items()]
    table("From exec to READY", ("median", "ratio"), rows)
    rows = [
        fresh.row("after the start"),
        full.row(f"with {MANY} reservations"),
    ]
    table("Memory", ("VmRSS", "PSS"), rows)
    say()
    say(f"Wake-ups when idle, in {window:g} s: {idle}; with {MANY} reservations: {idle_full}")


def _lose(daemon: Daemon) -> None:
    """As after an unmount and a mount: the reservations are wanted, the groups are gone."""
    save_many(daemon, MANY)
    daemon.simulator.control("remount")


def _pid(daemon: Daemon) -> int:
    assert daemon.process is not None
    return daemon.process.pid


def _starts(daemon: Daemon, times: int, between: Callable[[], None]) -> int:
    """The median time of a start, each after a stop. `between` happens while rdtd is not there."""
    samples = []
    for _ in range(times):
        daemon.stop()
        between()
        begun = time.perf_counter_ns()
        daemon.start()
        samples.append(time.perf_counter_ns() - begun)
    return median(samples)


def _bare_start() -> int:
    begun = time.perf_counter_ns()
    subprocess.run([sys.executable, "-c", "import asyncio"], check=True)
    return time.perf_counter_ns() - begun


def _wake_ups(pid: int, window: float) -> int:
    """How often its threads went to sleep again within that many seconds: each time they had been woken."""
    before = _switches(pid)
    for _ in range(20):
        # What the start has set going is over first.
        time.sleep(0.5)
        earlier, before = before, _switches(pid)
        if before == earlier:
            break
    time.sleep(window)
    return _switches(pid) - before


def _switches(pid: int) -> int:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(_field(f"{thread}/status", "voluntary_ctxt_switches") for thread in threads)
