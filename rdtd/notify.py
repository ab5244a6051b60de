"""What the service manager is told, and its watchdog; see sd_notify(3) and sd_watchdog_enabled(3)."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

__all__ = ["notify", "watchdog_interval", "watchdog_loop"]


def notify(state: str) -> None:
    """Tells the service manager, where there is one. One that does not listen is no error."""
    if "NOTIFY_SOCKET" not in os.environ:
        return
    # Imported where it is used: a start by hand needs none of it.
    from systemd.daemon import notify as sd_notify

    with suppress(OSError):  # a socket that is stale
        sd_notify(state)


def watchdog_interval() -> float | None:
    """Seconds between two signs of life: half of what the service manager waits. None without a watchdog."""
    try:
        usec = int(os.environ.get("WATCHDOG_USEC", ""))
        pid = int(os.environ.get("WATCHDOG_PID", os.getpid()))
    except ValueError:
        return None
    return usec / 2_000_000 if usec > 0 and pid == os.getpid() else None


async def watchdog_loop(interval: float) -> None:
    """Gives signs of life from the event loop, so that a loop that stands still gives none."""
    while True:
        notify("WATCHDOG=1")
        await asyncio.sleep(interval)
