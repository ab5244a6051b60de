"""What the log and the service manager are told."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from rdtd.core.configured import Configured
from rdtd.core.drift import Drift
from rdtd.core.errors import NotMounted, RdtdError
from rdtd.core.ini import Problem
from rdtd.core.model import PREFIX, Lifetime, Reservation
from rdtd.log import entry
from rdtd.manager import Manager, Public, Published
from rdtd.messages import Message
from rdtd.notify import notify

__all__ = [
    "cannot_mount",
    "cannot_repair",
    "fault",
    "no_units",
    "problems",
    "refused",
    "skipped",
    "status",
    "tell",
]

log = logging.getLogger("rdtd")

_DRIFTS = {
    "baseline": Message.BASELINE,
    "contested": Message.CONTESTED,
    "foreign": Message.OVERLAP,
    "mon-group": Message.OVERLAP,
}


def status(manager: Manager) -> str:
    """The line that `systemctl status` shows."""
    public = manager.public
    if public.state == "unmounted":
        return f"Waiting for resctrl at {manager.root}"
    number = len(public.reservations)
    return f"{number} reservation{'' if number == 1 else 's'}, {public.closids_free} more possible"


def tell(manager: Manager, published: Published) -> None:
    """Tells of what an administrator wants to know."""
    before, after = published.before, published.after
    for drift in published.drifts:
        _tell_drift(drift)
    if after.state == "unmounted" != before.state:
        log.warning(
            "resctrl is not mounted at %s any more; waiting for it",
            manager.root,
            extra=entry(Message.UNMOUNTED),
        )
    elif before.state == "unmounted" != after.state:
        log.info("resctrl is mounted at %s", manager.root, extra=entry(Message.MOUNTED))
    if after.state != "unmounted":
        _tell_degraded(before, after)
    _tell_changes(published)
    notify(f"STATUS={status(manager)}")


def _tell_drift(drift: Drift) -> None:
    reservation = drift.group.removeprefix(PREFIX) if drift.group.startswith(PREFIX) else ""
    left_alone = drift.kind in ("contested", "foreign", "mon-group")
    log.warning(
        "%s %s(%s): %s; %s",
        f"group {drift.group!r}" if drift.group else "the default group",
        "" if left_alone else "was not as it should be ",
        drift.kind,
        drift.details["found"],
        drift.details["done"],
        extra=entry(
            _DRIFTS.get(drift.kind, Message.REPAIRED),
            group=drift.group,
            reservation=reservation,
            drift=drift.kind,
            **drift.details,
        ),
    )


def _tell_degraded(before: Public, after: Public) -> None:
    for name, reason in after.degraded.items():
        if before.degraded.get(name) != reason:
            extra = entry(Message.DEGRADED, reservation=name, reason=reason)
            log.warning("reservation %s is not whole: %s", name, reason, extra=extra)
    if before.state == "unmounted":
        return  # all of them were away, and all that are not named above are back
    for name in before.degraded.keys() & after.reservations.keys() - after.degraded.keys():
        log.info("reservation %s is whole again", name, extra=entry(Message.WHOLE, reservation=name))


def _tell_changes(published: Published) -> None:
    before, after = published.before.reservations, published.after.reservations
    for name in before.keys() - after.keys():
        if before[name].lifetime is Lifetime.CONFIGURED and published.reason == "released":
            log.info(
                "configured reservation %s was released by a call; it returns with the next reload",
                name,
                extra=entry(Message.RESERVATION_RELEASED, reservation=name),
            )
    if not log.isEnabledFor(logging.DEBUG):
        return
    for name in before.keys() - after.keys():
        extra = entry(Message.CHANGED, reservation=name, change=published.reason)
        log.debug("reservation %s is gone (%s)", name, published.reason, extra=extra)
    for name, one in after.items():
        known = before.get(name)
        if known is None or known.granted != one.granted:
            _tell_granted(one, "reserved" if known is None else "resized")


def _tell_granted(one: Reservation, change: str) -> None:
    grants = [f"{granted.key} {granted.kind} {granted.mask:x}" for granted in one.granted]
    log.debug(
        "reservation %s of user %s is %s: %s",
        one.name,
        one.owner.uid,
        change,
        ", ".join(grants),
        extra=entry(
            Message.CHANGED,
            reservation=one.name,
            group=one.group,
            change=change,
            owner=one.owner.uid,
            caller=one.owner.client,
            cache=",".join(str(granted.key) for granted in one.granted),
            mask=",".join(f"{granted.mask:x}" for granted in one.granted),
        ),
    )


def problems(found: Iterable[Problem]) -> None:
    """Tells what is wrong with a configuration that is used nevertheless."""
    for one in found:
        fields = {"file": one.path, "line": one.line or ""}
        if one.fatal:
            extra = entry(Message.RESERVATION_SKIPPED, **fields)
            log.error("%s; this reservation is skipped", one, extra=extra)
        else:
            log.warning("%s", one, extra=entry(Message.CONFIGURATION_DOUBTFUL, **fields))


def refused(found: Iterable[Problem], *, kept: bool) -> None:
    """Tells why a configuration is not used. `kept`: there is another, which stays in force."""
    for one in found:
        extra = entry(Message.CONFIGURATION_REFUSED, file=one.path, line=one.line or "")
        rest = "; the configuration stays as it was" if kept else ""
        log.error("%s%s", one, rest, extra=extra)


def skipped(one: Configured, error: RdtdError | None) -> None:
    """Tells that a configured reservation cannot be had, or can be after all."""
    if isinstance(error, NotMounted):
        return  # told for all of them at once
    fields = {"reservation": one.name, "file": one.path, "line": one.line}
    if error is None:
        log.info("%s: reservation %s is in place", one.where, one.name, extra=entry(Message.WHOLE, **fields))
    else:
        extra = entry(Message.RESERVATION_SKIPPED, **fields, reason=error)
        log.error(
            "%s: reservation %s cannot be had now: %s; it is tried again when something changes",
            one.where,
            one.name,
            error,
            extra=extra,
        )


def cannot_mount(reason: str) -> None:
    """Tells why resctrl could not be mounted; it is tried again."""
    log.warning("cannot mount resctrl: %s", reason, extra=entry(Message.CANNOT_MOUNT, reason=reason))


def no_units(reason: str) -> None:
    """Tells why the processes of units do not come into their reservations."""
    log.warning("units are not followed: %s", reason, extra=entry(Message.NO_UNITS, reason=reason))


def cannot_repair(error: Exception) -> None:
    """Tells why resctrl is not as it should be, after a turn that nobody waits for."""
    if isinstance(error, NotMounted):
        return  # told when it went away
    if isinstance(error, RdtdError):
        log.warning("cannot put resctrl right now: %s", error, extra=entry(Message.CANNOT_REPAIR))
    else:
        fault(error, "looking at resctrl")


def fault(error: BaseException, where: str) -> None:
    """Tells of a fault of rdtd itself."""
    log.error("a fault of rdtd in %s", where, exc_info=error, extra=entry(Message.FAULT))
