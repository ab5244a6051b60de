"""Calls of rdtd beside the same calls of a service in C, and beside the bare file operations.

One client, one bus, one mount. The things compared take turns, so that what else the machine does falls on
all of them alike.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.figures import percentile, ratio, say, shown, table
from bench.host import large_host
from bench.native import Programs, samples
from rdtd.bus.connection import Connection
from rdtd.bus.exported import MANAGER_PATH
from rdtd.bus.service import BUS_NAME
from rdtd.bus.wire import Encoded, encode
from rdtd.core.model import PREFIX, Domain
from rdtd.resctrl.schemata import parse_schemata
from tests.support.daemon import Daemon

YARDSTICK = "org.rdtd1.Yardstick"
CROWD = 50  # callers at once

_MANAGER = "org.rdtd1.Manager"
_FIRST = Domain("L3", 0)
_COLUMNS = ("rdtd p50", "p99", "C p50", "p99", "ratio p50", "p99")


@dataclass(slots=True)
class Compared:
    """Samples of the same calls, of rdtd and of the service in C."""

    rdtd: list[int] = field(default_factory=list)
    yardstick: list[int] = field(default_factory=list)

    def row(self, title: str) -> list[str]:
        cells = [title]
        cells += [shown(percentile(of, at)) for of in (self.rdtd, self.yardstick) for at in (50, 99)]
        cells += [ratio(percentile(self.rdtd, at), percentile(self.yardstick, at)) for at in (50, 99)]
        return cells


def compare_calls(programs: Programs, rounds: int, lists: int, pairs: int, seconds: int) -> None:
    """ListFree and Reserve with Release: up to `lists` and `pairs` samples of each in each round.

    `seconds`: after which a round of one of them ends with fewer.
    """
    kinds = {"list": Compared(), "reserve": Compared()}
    crowds = {"list": Compared(), "reserve": Compared()}
    files: list[int] = []
    with large_host() as daemon, yardstick(programs, daemon.address):
        daemon.start()
        replies = asyncio.run(_replies(daemon.address))
        for _ in range(rounds):
            for kind, number in (("list", lists), ("reserve", pairs)):
                for callers, found in ((1, kinds[kind]), (CROWD, crowds[kind])):
                    how = (kind, str(callers), str(max(number, 2 * callers)), str(seconds))
                    found.rdtd += samples(programs.client, daemon.address, BUS_NAME, *how)
                    found.yardstick += samples(programs.client, daemon.address, YARDSTICK, *how)
            with paused(daemon.root, process_of(daemon)):
                files += bare_files(programs.files, daemon.root, pairs, seconds)
    _report(kinds, crowds, files, replies)


def _report(
    kinds: dict[str, Compared], crowds: dict[str, Compared], files: list[int], replies: dict[str, str]
) -> None:
    table(
        "Calls over D-Bus, 32 caches",
        _COLUMNS,
        [
            kinds["list"].row("ListFree"),
            crowds["list"].row(f"ListFree, {CROWD} callers"),
            kinds["reserve"].row("Reserve + Release"),
            crowds["reserve"].row(f"Reserve + Release, {CROWD} callers"),
        ],
    )
    for member, equal in replies.items():
        say(f"{member}: {equal}")
    rdtd, bus = kinds["reserve"].rdtd, kinds["reserve"].yardstick
    rows = [["the bare file operations, in C", *(shown(percentile(files, at)) for at in (50, 99)), "1.00"]]
    # Two round trips for each call: the caller's, and the one to ask the bus who that is.
    share = [percentile(files, at) + 2 * percentile(bus, at) for at in (50, 99)]
    for title, both in (
        ("these and two round trips for each call: the aim", share),
        ("rdtd", [percentile(rdtd, at) for at in (50, 99)]),
    ):
        rows.append([title, *map(shown, both), ratio(both[0], percentile(files, 50))])
    table("Reserve + Release against the kernel's share", ("p50", "p99", "ratio p50"), rows)
    say(f"rdtd against the aim: {ratio(percentile(rdtd, 50), share[0])}")


@contextmanager
def yardstick(programs: Programs, address: str) -> Iterator[None]:
    """The service in C, on that bus."""
    service = subprocess.Popen([programs.service, address, YARDSTICK], stdout=subprocess.PIPE)
    try:
        assert service.stdout is not None
        if service.stdout.readline() != b"ready\n":
            raise RuntimeError("the service in C did not start")
        yield
    finally:
        service.terminate()
        service.communicate()


def process_of(daemon: Daemon) -> int:
    """The process ID of a daemon that runs."""
    assert daemon.process is not None
    return daemon.process.pid


@contextmanager
def paused(mount: str, pid: int) -> Iterator[None]:
    """rdtd stands still, without the lock on resctrl. What it finds afterwards is as it was before."""
    root = os.open(mount, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # With the lock here rdtd cannot have it when it stops.
        fcntl.flock(root, fcntl.LOCK_EX)
        os.kill(pid, signal.SIGSTOP)
    finally:
        os.close(root)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def bare_files(program: Path, root: str, count: int, seconds: int) -> list[int]:
    """The operations that rdtd would do there for a Reserve of one way of cache 0 and its Release.

    Reservations that hold nothing of cache 0 have there what the default group has: they are written too.
    """
    masks = {name: _masks(root, name) for name in ("", *_reservations(root))}
    shared = masks.pop("")[_FIRST]
    # Always possible: the default group of these hosts shares several ways.
    taken = shared & -shared
    own = ";".join(
        f"{domain.cache_id}={mask:x}" for domain, mask in {**_masks(root, ""), _FIRST: taken}.items()
    )
    lines = (f"L3:0={shared & ~taken:x}", f"L3:{own}", f"L3:0={shared:x}")
    sharing = [name for name, found in masks.items() if found[_FIRST] == shared]
    return samples(program, root, "bench", str(count), str(seconds), *lines, *sharing)


def _reservations(root: str) -> list[str]:
    return sorted(path.name for path in Path(root).iterdir() if path.name.startswith(PREFIX))


def _masks(root: str, group: str) -> dict[Domain, int]:
    return parse_schemata(Path(root, group, "schemata").read_text())


async def _replies(address: str) -> dict[str, str]:
    """Whether the service in C answers as rdtd does, by method."""
    connection = await Connection.open(address)
    try:
        bodies: dict[str, list[Encoded]] = {"ListFree": [], "Reserve": []}
        region = {"cache-id": ("u", 0), "ways": ("u", 1)}
        for name in (BUS_NAME, YARDSTICK):
            where = (name, MANAGER_PATH, _MANAGER)
            free = await connection.call(*where, "ListFree")
            bodies["ListFree"].append(encode("a(uuttttta{sv})", free))
            granted = await connection.call(*where, "Reserve", "saa{sv}a{sv}", ["bench0", [region], {}])
            bodies["Reserve"].append(encode("oaa{sv}", granted))
            await connection.call(*where, "Release", "sa{sv}", ["bench0", {}])
    finally:
        await connection.close()
    return {member: _compared(*both) for member, both in bodies.items()}


def _compared(rdtd: Encoded, other: Encoded) -> str:
    if rdtd.data == other.data:
        return f"both answer with the same {len(rdtd.data)} bytes"
    return f"rdtd answers with {len(rdtd.data)} bytes, the service in C with {len(other.data)} others"
