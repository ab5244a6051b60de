"""The host that rdtd is measured on: the largest of the simulator's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.daemon import Daemon

CACHES, WAYS, CLOSIDS = 32, 32, 256
_TMPFS = "/dev/shm"  # noqa: S108 - a directory of our own is made there


@contextmanager
def large_host() -> Iterator[Daemon]:
    """rdtd there, not started yet. Its state is on a tmpfs where there is one, as it is in /run."""
    where = _TMPFS if os.path.isdir(_TMPFS) else None
    with TemporaryDirectory(prefix="rdtd-bench-", dir=where) as directory:
        daemon = Daemon(("--preset", "large"))
        try:
            daemon.directory = Path(directory)
            yield daemon
        finally:
            daemon.close()
