"""What bench/kernel.py runs in the guest, as root: rdtd as a service on the real mount, and its rivals.

A pair is one way of the first cache taken and given back: Reserve and Release; `rdtctl reserve` and `rdtctl
release`; a class of pqos narrowed and widened. The bare file operations are those of a Reserve and a Release.
"""

from __future__ import annotations

import compileall
import os
import time
from collections.abc import Callable
from pathlib import Path

import rdtd
from bench.calls import bare_files, paused
from bench.figures import percentile, ratio, say, shown, table
from rdtd.bus.client import Client
from tests.system import machine
from tests.system.machine import RESCTRL, run

ROUNDS, PAIRS, PROCESSES, SECONDS = 3, 40, 4, 30

BARE = "the bare file operations, in C"
TRIPS = "two empty calls of rdtd (Ping)"
CALLS = "Reserve + Release"
RDTCTL = "rdtctl reserve + rdtctl release"
PQOS = "pqos -I -e, twice"

_NAME, _PATH = "org.rdtd1", "/org/rdtd1"
_SPEC = "size=1ways,cache-id=0"


def main() -> None:
    compileall.compile_dir(Path(rdtd.__file__).parent, quiet=1)  # as a package does when it is installed
    machine.mount(())
    machine.patient_service()
    machine.systemctl("start", "rdtd.service")
    files = Path(os.environ["FILES"], "files")
    found: dict[str, list[int]] = {title: [] for title in (BARE, TRIPS, CALLS, RDTCTL, PQOS)}
    with Client.open("system") as client:
        _reserve_and_release(client)
        for _ in range(ROUNDS):
            with paused(str(RESCTRL), machine.main_pid()):
                found[BARE] += bare_files(files, str(RESCTRL), PAIRS, SECONDS)
            found[TRIPS] += _timed(lambda: _two_trips(client), PAIRS)
            found[CALLS] += _timed(lambda: _reserve_and_release(client), PAIRS)
            found[RDTCTL] += _timed(_rdtctl, PROCESSES)
            # pqos takes every class of service: they are given back before rdtd's turn comes. It gives up
            # after 100 ms without the lock, which rdtd would take to look at all these groups.
            with paused(str(RESCTRL), machine.main_pid()):
                _pqos()
                found[PQOS] += _timed(_pqos, PROCESSES)
            for group in RESCTRL.glob("COS*"):
                group.rmdir()
            client.call(_NAME, _PATH, f"{_NAME}.Manager", "Reconcile", timeout=machine.PATIENCE)
    _report(found)


def _timed(job: Callable[[], object], times: int) -> list[int]:
    samples = []
    for _ in range(times):
        begun = time.perf_counter_ns()
        job()
        samples.append(time.perf_counter_ns() - begun)
    return samples


def _reserve_and_release(client: Client) -> None:
    manager = (_NAME, _PATH, f"{_NAME}.Manager")
    client.call(*manager, "ReserveSpec", "ssa{sv}", "bench0", _SPEC, {}, timeout=machine.PATIENCE)
    client.call(*manager, "Release", "sa{sv}", "bench0", {}, timeout=machine.PATIENCE)


def _two_trips(client: Client) -> None:
    """The same bus and the same two processes, with nothing to do."""
    for _ in range(2):
        client.call(_NAME, _PATH, "org.freedesktop.DBus.Peer", "Ping", timeout=machine.PATIENCE)


def _rdtctl() -> None:
    run("rdtctl", "reserve", "bench0", _SPEC)
    run("rdtctl", "release", "bench0")


def _pqos() -> None:
    for mask in ("0x1", "0x3"):
        run("pqos", "-I", "-e", f"llc@0:1={mask}")


def _report(found: dict[str, list[int]]) -> None:
    medians = {title: percentile(samples, 50) for title, samples in found.items()}
    table(
        f"One way of a cache, Linux {os.uname().release}",
        ("p50", "p99", "to bare files"),
        [
            [
                title,
                shown(medians[title]),
                shown(percentile(samples, 99)),
                ratio(medians[title], medians[BARE]),
            ]
            for title, samples in found.items()
        ],
    )
    say()
    for title in (CALLS, RDTCTL):
        say(f"{title}, to pqos: {ratio(medians[title], medians[PQOS])}")


if __name__ == "__main__":
    main()
