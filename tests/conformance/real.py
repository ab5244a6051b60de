"""The kernel that this runs on. Nobody may need its groups: everything is unmounted and reset."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.conformance.hosts import Host, Vendor, Version, describe

MOUNT_POINT = Path("/sys/fs/resctrl")
SYSFS = Path("/sys")
CPUS = SYSFS / "devices/system/cpu"

#: Options of mount that are tried on every machine.
OPTIONS: tuple[tuple[str, ...], ...] = ((), ("cdp",), ("cdpl2",))

#: The coarsest unit in which CPUs count the bytes in their caches.
COUNTER_BYTES = 65536

_libc = ctypes.CDLL(None, use_errno=True)


def mount(options: Sequence[str]) -> None:
    """mount(2), for its errno: mount(8) tells a text and its own status."""
    data = ",".join(options).encode()
    _checked(_libc.mount(b"resctrl", os.fsencode(MOUNT_POINT), b"resctrl", 0, data))


def unmount() -> None:
    _checked(_libc.umount2(os.fsencode(MOUNT_POINT), 0))


def _checked(result: int) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(MOUNT_POINT))


def is_mounted() -> bool:
    return os.path.ismount(MOUNT_POINT)


def hosts() -> Iterator[Host]:
    """This machine with each of the mount options that it has. Leaves nothing mounted."""
    if is_mounted():
        unmount()
    found = [host for options in OPTIONS if (host := _mounted(options, partial(_describe, options)))]
    cdp_levels = frozenset(host.cache.level for host in found if host.options)
    return (replace(host, cdp_levels=cdp_levels) for host in found)


def _mounted(options: tuple[str, ...], look: Callable[[], Host]) -> Host | None:
    """What `look` sees with these options; None where they cannot be mounted."""
    try:
        mount(options)
    except OSError:
        return None
    try:
        return look()
    finally:
        unmount()


def _describe(options: tuple[str, ...]) -> Host:
    return describe(
        name="-".join(("real", *options)),
        kernel=_kernel(),
        vendor=_vendor(),
        options=options,
        cdp_levels=frozenset(),
        is_real=True,
        cpus=os.cpu_count() or 1,
        read=lambda path: (MOUNT_POINT / path).read_text(),
    )


def _kernel() -> Version:
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int(minor)


def _vendor() -> Vendor:
    return "amd" if "AuthenticAMD" in Path("/proc/cpuinfo").read_text() else "intel"


class Real:
    """A Driver.

    For a mount the kernel patches its own code (static branches in the scheduler), which takes long where
    the CPU is emulated. So a mount is tidied up, not made anew, if it has the options that are wanted.
    """

    root = MOUNT_POINT
    sysfs = SYSFS

    def __init__(self) -> None:
        self._options: tuple[str, ...] | None = None
        self._schemata = ""

    def mount(self, options: Sequence[str]) -> None:
        self._unmount()
        mount(options)
        self._options = tuple(options)
        self._schemata = (MOUNT_POINT / "schemata").read_text()
        # The RMID of a removed group comes back when less than this is left of it in the cache. On a CPU with
        # coarse counters the kernel may round it down to nothing, and the RMID never does.
        threshold = MOUNT_POINT / "info/L3_MON/max_threshold_occupancy"
        if threshold.exists() and threshold.read_text() == "0\n":
            threshold.write_text(f"{COUNTER_BYTES}\n")

    def _unmount(self) -> None:
        if is_mounted():
            unmount()
        self._options = None

    def offline(self, cpus: Collection[int]) -> None:
        for cpu in cpus:
            (CPUS / f"cpu{cpu}/online").write_text("0")

    def online(self, cpus: Collection[int]) -> None:
        for cpu in cpus:
            (CPUS / f"cpu{cpu}/online").write_text("1")

    def reset(self, options: Sequence[str]) -> None:
        for switch in CPUS.glob("cpu[0-9]*/online"):  # CPU 0 may have none: it cannot be switched off
            if switch.read_text() == "0\n":
                switch.write_text("1")
        if self._options == tuple(options):
            self._tidy_up()
        else:
            self.mount(options)

    def close(self) -> None:
        self._unmount()

    def _tidy_up(self) -> None:
        for directory in (MOUNT_POINT, MOUNT_POINT / "mon_groups"):
            for group in directory.glob("*/tasks"):
                group.parent.rmdir()
        (MOUNT_POINT / "mode").write_text("shareable\n")
        (MOUNT_POINT / "schemata").write_text(self._schemata)
