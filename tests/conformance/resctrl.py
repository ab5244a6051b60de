"""The object that the tests drive: a mounted resctrl, file by file and write by write."""

from __future__ import annotations

import errno
import functools
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conformance.drivers import Driver
from tests.conformance.hosts import Host, Schemata, parse_schemata

#: For how long a kernel may keep the RMIDs of removed groups, seconds (far longer than it does).
RMID_PATIENCE = 60.0


@dataclass(frozen=True)
class Resctrl:
    """A fresh mount on a host. Paths are relative to its root; "" is the default group."""

    host: Host
    driver: Driver

    @property
    def root(self) -> Path:
        return self.driver.root

    def path(self, *parts: str) -> str:
        return os.path.join(self.root, *parts)

    def read(self, *parts: str) -> str:
        with open(self.path(*parts), encoding="utf-8") as file:
            return file.read()

    def write(self, text: str, *parts: str) -> None:
        """One write(2) of this text, as it is."""
        fd = os.open(self.path(*parts), os.O_WRONLY)
        try:
            written = os.write(fd, text.encode())
        finally:
            os.close(fd)
        assert written == len(text.encode())

    def echo(self, text: str, *parts: str) -> None:
        """One write with a newline at the end."""
        self.write(f"{text}\n", *parts)

    def names(self, *parts: str) -> set[str]:
        return set(os.listdir(self.path(*parts)))

    def mkdir(self, *parts: str) -> str:
        """Makes a group and returns its path from the root.

        The RMIDs of removed groups come back when their data has left the cache, which the kernel looks for
        once a second; meanwhile it answers EBUSY where none is left. Nothing tells when that is over.
        """
        until = time.monotonic() + RMID_PATIENCE
        while True:
            try:
                os.mkdir(self.path(*parts))
                return os.path.join(*parts)
            except OSError as error:
                if not self.host.is_real or error.errno != errno.EBUSY or time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def rmdir(self, *parts: str) -> None:
        os.rmdir(self.path(*parts))

    @property
    def status(self) -> str:
        """info/last_cmd_status, without the newline at its end (some texts have none)."""
        return self.read("info/last_cmd_status").removesuffix("\n")

    def fail_before(self) -> str:
        """Fails a command, so that a later one that leaves the status alone can be told. Returns its text."""
        with self.refused(errno.EINVAL, "Missing ':'"):
            self.echo("nothing", "schemata")
        return "Missing ':'"

    @contextmanager
    def refused(self, code: int, status: str | None = None) -> Iterator[None]:
        """Expects an error, and this text as the status afterwards (None: whatever it is)."""
        with pytest.raises(OSError, match="Errno") as caught:
            yield
        assert errno.errorcode[caught.value.errno or 0] == errno.errorcode[code]
        if status is not None:
            assert self.status == status

    def outcome(self, text: str, *parts: str) -> str:
        """What comes of echo: "EINVAL", or "fine", and the status afterwards."""
        try:
            self.echo(text, *parts)
        except OSError as error:
            return f"{errno.errorcode[error.errno or 0]}: {self.status}"
        return f"fine: {self.status}"

    # schemata

    def schemata(self, group: str = "") -> Schemata:
        return parse_schemata(self.read(group, "schemata"))

    def masks(self, group: str = "", line: str | None = None) -> dict[int, int]:
        """The masks of a line, that of the host's first cache line by default."""
        values = self.schemata(group)[line or self.host.cache.name]
        return {domain: int(value, 16) for domain, value in values.items()}

    def mask(self, group: str = "", line: str | None = None) -> int:
        """The mask in the first domain."""
        return self.masks(group, line)[self.host.domains[0]]

    def set_mask(self, mask: int, group: str = "", *, lines: Sequence[str] = ()) -> None:
        """Writes a mask for all domains of some cache lines, of every one by default."""
        text = ""
        for cache in self.host.caches:
            if cache.name in (lines or [each.name for each in self.host.caches]):
                cells = ";".join(f"{domain}={mask:x}" for domain in cache.domains)
                text += f"{cache.name}:{cells}\n"
        self.write(text, group, "schemata")

    def make_exclusive(self, mask: int, rest: int, name: str = "ex") -> str:
        """A group in exclusive mode with this mask everywhere, beside a default group with `rest`."""
        self.set_mask(rest)
        self.mkdir(name)
        self.set_mask(mask, name)
        self.echo("exclusive", name, "mode")
        return name

    # CPUs

    def online_cpus(self) -> set[int]:
        return parse_list((self.driver.sysfs / "devices/system/cpu/online").read_text())

    def cpus(self, group: str = "") -> set[int]:
        return parse_list(self.read(group, "cpus_list"))

    def cpus_of_domain(self, domain: int) -> set[int]:
        """The CPUs that share a cache of the first cache line's level."""
        return _caches(self.driver, self.host.cache.level)[domain].cpus

    def cache_size(self) -> int:
        """Of one of these caches, bytes."""
        return _caches(self.driver, self.host.cache.level)[self.host.domains[0]].size

    # Tasks

    def tasks(self, group: str = "") -> list[int]:
        return [int(line) for line in self.read(group, "tasks").splitlines()]

    def move(self, thread: int, group: str = "") -> None:
        self.echo(str(thread), group, "tasks")


class _Cache(NamedTuple):
    cpus: set[int]
    size: int


@functools.cache
def _caches(driver: Driver, level: int) -> dict[int, _Cache]:
    """What sysfs tells of the caches of a level, by their IDs. Asked for while every CPU is online."""
    found = {}
    for index in (driver.sysfs / "devices/system/cpu").glob("cpu[0-9]*/cache/index[0-9]*"):
        values = {name: (index / name).read_text() for name in ("level", "id", "shared_cpu_list", "size")}
        if int(values["level"]) == level:
            size = int(values["size"].removesuffix("K\n")) * 1024
            found[int(values["id"])] = _Cache(parse_list(values["shared_cpu_list"]), size)
    return found


def parse_list(text: str) -> set[int]:
    """0-3,8 as a set."""
    cpus: set[int] = set()
    for part in text.strip().split(","):
        if part:
            low, _, high = part.partition("-")
            cpus.update(range(int(low), int(high or low) + 1))
    return cpus
