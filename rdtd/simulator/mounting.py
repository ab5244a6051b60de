"""Mounting and unmounting: what the command and the process that supervises it have in common."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess

MNT_DETACH = 2


class SimulatorError(Exception):
    """The simulator cannot run. The text is one line for a user."""


def check_mountable(directory: str) -> None:
    """Raises SimulatorError if FUSE or the directory cannot be used."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        hint = " (modprobe fuse)" if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO) else ""
        raise SimulatorError(f"cannot use /dev/fuse: {error.strerror}{hint}") from None
    try:
        os.listdir(directory)
    except OSError as error:
        # What a simulator that was killed has left behind.
        hint = " (umount it first)" if error.errno == errno.ENOTCONN else ""
        raise SimulatorError(f"{directory}: {error.strerror}{hint}") from None
    if os.path.ismount(directory):
        raise SimulatorError(f"{directory}: something is mounted there already")


def unmount(directory: str) -> None:
    """Unmounts at once, even where a file below is open. It is no error if nothing is mounted."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.umount2(os.fsencode(directory), MNT_DETACH)
    else:
        subprocess.run(
            ["fusermount3", "-u", "-z", "-q", "--", directory], check=False, stderr=subprocess.DEVNULL
        )
