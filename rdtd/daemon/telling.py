"""What the log and the service manager are told."""

from __future__ import annotations

import logging

from rdtd.core.errors import NotMounted, RdtdError
from rdtd.manager import Manager, Published
from rdtd.notify import notify

__all__ = ["cannot_repair", "fault", "status", "tell"]

log = logging.getLogger("rdtd")


def status(manager: Manager) -> str:
    """The line that `systemctl status` shows."""
    public = manager.public
    if public.state == "unmounted":
        return f"Waiting for resctrl at {manager.root}"
    number = len(public.reservations)
    return f"{number} reservation{'' if number == 1 else 's'}, {public.closids_free} more possible"


def tell(manager: Manager, published: Published) -> None:
    """Tells of what an administrator wants to know."""
    for drift in published.drifts:
        where = f"group {drift.group!r}" if drift.group else "the default group"
        log.warning(
            "%s was not as it should be (%s): %s; %s",
            where,
            drift.kind,
            drift.details["found"],
            drift.details["done"],
        )
    unmounted = [public.state == "unmounted" for public in (published.before, published.after)]
    if unmounted == [False, True]:
        log.warning("resctrl is not mounted at %s any more; waiting for it", manager.root)
    elif unmounted == [True, False]:
        log.info("resctrl is mounted at %s", manager.root)
    for name, reason in published.after.degraded.items() if not unmounted[1] else ():
        if published.before.degraded.get(name) != reason:
            log.warning("reservation %s is not whole: %s", name, reason)
    notify(f"STATUS={status(manager)}")


def cannot_repair(error: Exception) -> None:
    """Tells why resctrl is not as it should be, after a turn that nobody waits for."""
    if isinstance(error, NotMounted):
        return  # told when it went away
    if isinstance(error, RdtdError):
        log.warning("cannot put resctrl right now: %s", error)
    else:
        fault(error, "looking at resctrl")


def fault(error: BaseException, where: str) -> None:
    """Tells of a fault of rdtd itself."""
    log.error("a fault of rdtd in %s", where, exc_info=error)
