"""Reading and writing the small files of sysfs, procfs and resctrl, and what a failure there means."""

from __future__ import annotations

import errno
import os
from enum import Enum

from rdtd.core.errors import KernelRefused, NoClosid, NoRmid, NotMounted, RdtdError

__all__ = ["MONITORS", "READ", "TASKS", "Told", "explain", "read_text", "write_text"]

READ = ("schemata", "mode", "cpus_list")
"""The files of a group that a snapshot is made of."""

MONITORS = "mon_groups"
"""A directory of a group; those of own groups are in snapshots too, as far as they were heard of."""

TASKS = "tasks"
"""Heard of and not in snapshots: the threads of a group that matter are looked for apart."""

# The kernel's handler ran and set last_cmd_status. With any other error the request did not get that far,
# and the text that stands there is about an older command.
_TOLD = {errno.EINVAL, errno.ENOSPC, errno.ESRCH, errno.ERANGE, errno.EBUSY, errno.EPERM, errno.EOPNOTSUPP}
_GONE = {errno.ENOENT, errno.ENODEV, errno.ENOTCONN, errno.ESTALE, errno.ENOTDIR}


def read_text(path: str) -> str:
    """The whole file. Names of groups may be any bytes, so what is no UTF-8 is kept as surrogates."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        pieces = []
        while piece := os.read(fd, 65536):
            pieces.append(piece)
    finally:
        os.close(fd)
    return b"".join(pieces).decode("utf-8", "surrogateescape")


def write_text(path: str, text: str) -> None:
    """One write, as the kernel wants it: a command is never split."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_TRUNC)
    try:
        os.write(fd, text.encode("utf-8", "surrogateescape"))
    finally:
        os.close(fd)


class Told(Enum):
    """What last_cmd_status holds after a command was refused."""

    ALL = "all"  # the command cleared it first: every line is about it
    LAST = "last"  # up to 6.12 mkdir and the cpus files only add a line
    NOTHING = "nothing"  # rmdir says nothing there


def explain(root: str, what: str, error: OSError, told: Told = Told.ALL) -> RdtdError:
    """The error to raise for a change that the kernel did not take, with its own words for the reason."""
    if error.errno in _GONE and not os.path.exists(os.path.join(root, "schemata")):
        return NotMounted(f"{what}: resctrl is not mounted at {root} any more")
    if error.errno == errno.EROFS:
        return KernelRefused(f"{what}: resctrl is mounted read-only at {root}; remount it with -o rw")
    status = _last_cmd_status(root, told) if error.errno in _TOLD else ""
    reason = f"last_cmd_status: {status}" if status else "the kernel gave no reason in last_cmd_status"
    text = f"{what}: {error.strerror} ({errno.errorcode.get(error.errno or 0, error.errno)}); {reason}"
    if error.errno == errno.ENOSPC and "CLOSID" in status:
        return NoClosid(text)
    if error.errno == errno.EBUSY and "RMID" in status:
        # alloc_rmid() in the kernel's monitor.c: the IDs of removed groups are kept until their lines of
        # cache are gone, at which it looks once a second.
        return NoRmid(f"{text}; the kernel still keeps those of removed groups: try again in a second")
    return KernelRefused(text)


def _last_cmd_status(root: str, told: Told) -> str:
    if told is Told.NOTHING:
        return ""
    try:
        lines = read_text(os.path.join(root, "info", "last_cmd_status")).splitlines()
    except OSError:
        return ""
    lines = [line.strip() for line in lines if line.strip() not in ("", "ok")]
    return "; ".join(lines if told is Told.ALL else lines[-1:])
