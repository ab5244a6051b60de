"""What was wanted when rdtd last ran, and the files that make sure that only one rdtd wants it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable

from rdtd.core.errors import KernelRefused, NotMounted
from rdtd.core.model import Snapshot, Wanted
from rdtd.core.rebuild import rebuild
from rdtd.resctrl.filesystem import Resctrl
from rdtd.resctrl.lock import LockedError
from rdtd.store import Store, StoreDamagedError, StoreNewerError

__all__ = ["StartError", "claim", "restore"]


class StartError(Exception):
    """rdtd cannot start. One line that says why."""


def claim(directory: str) -> int:
    """Makes the runtime directory and takes it for this process, until the descriptor is closed."""
    try:
        os.makedirs(directory, mode=0o755, exist_ok=True)
        fd = os.open(os.path.join(directory, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartError(f"cannot use the runtime directory {directory}: {error.strerror}") from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise StartError(f"another rdtd is running: it has {directory}") from None
    return fd


def restore(store: Store, mount: Resctrl, warn: Callable[[str], None]) -> Wanted:
    """What was wanted. Where the state file is lost or damaged, what the groups that rdtd made tell of it."""
    try:
        wanted = store.load()
        if wanted is not None:
            return wanted
        lost = f"{store.path} is missing"
    except StoreDamagedError as error:
        lost = _set_aside(store, error)
        warn(lost)
    except StoreNewerError as error:
        raise StartError(f"{error}; start that version, or move the file away") from None
    except OSError as error:
        raise StartError(f"cannot read {store.path}: {error.strerror}") from None
    try:
        wanted = rebuild(_observe(mount), time.time_ns() // 1000)
    except NotMounted:
        return Wanted()  # and no groups either
    except KernelRefused as error:
        raise StartError(f"{lost}, and it cannot be rebuilt from the groups: {error}") from None
    if not wanted.reservations:
        return Wanted()
    names = ", ".join(sorted(wanted.reservations))
    warn(f"the state ({store.path}) is rebuilt from the groups in {mount.root}, as root's: {names}")
    return wanted


def _set_aside(store: Store, error: StoreDamagedError) -> str:
    try:
        aside = store.set_aside(time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    except OSError as failure:
        raise StartError(
            f"the state is damaged ({error}) and cannot be set aside: {failure.strerror}"
        ) from None
    return f"the state is damaged ({error}) and was set aside as {aside}"


def _observe(mount: Resctrl) -> Snapshot:
    deadline = time.monotonic() + 5
    while True:
        try:
            with mount.locked(exclusive=False):
                return mount.observe()
        except LockedError:
            if time.monotonic() > deadline:
                raise StartError(
                    f"another program holds the lock on {mount.root}; gave up after 5 s"
                ) from None
            time.sleep(0.01)
