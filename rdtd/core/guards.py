"""Guards: what must hold of the state when a turn decides, whatever was true when its caller asked.

Between a call and its turn others have theirs, and a user may take minutes over a password. So what depends
on the state is checked where the state is: in the turn, before it decides.
"""

from __future__ import annotations

from collections.abc import Callable

from rdtd.core.errors import AccessDenied, LimitsExceeded
from rdtd.core.limits import Limits
from rdtd.core.model import Wanted

__all__ = ["Guard", "belongs_to", "nothing", "room_for"]

Guard = Callable[[Wanted], None]
"""Raises what the caller is told, if what is wanted now does not allow what was asked for."""

_ROOT = 0


def nothing(_: Wanted) -> None:
    """Guards nothing."""


def belongs_to(name: str, uid: int) -> Guard:
    """The reservation is still this user's, for whom the caller was allowed to act. Raises AccessDenied.

    A reservation that is gone passes: what is asked for then fails with NotFound.
    """

    def guard(wanted: Wanted) -> None:
        known = wanted.reservations.get(name)
        if known is not None and known.owner.uid != uid:
            raise AccessDenied(
                f"reservation {name!r} is another user's since the call came; look at it, and call again"
            )

    return guard


def room_for(name: str, uid: int, limits: Limits) -> Guard:
    """One more reservation of this user is within the limits. Raises LimitsExceeded.

    One that is there already passes: it is no new one. Root is bound by the number of all alone.
    """

    def guard(wanted: Wanted) -> None:
        if name in wanted.reservations:
            return
        used = len(wanted.reservations)
        if used >= limits.reservations:
            raise LimitsExceeded(
                f"there are {used} reservations, and {limits.reservations} are the most: "
                "release one, or have MaxReservations= in rdtd.conf raised"
            )
        own = sum(1 for one in wanted.reservations.values() if one.owner.uid == uid)
        if uid != _ROOT and own >= limits.reservations_per_user:
            raise LimitsExceeded(
                f"user {uid} has {own} reservations, and {limits.reservations_per_user} are the most: "
                "release one, or have MaxReservationsPerUser= in rdtd.conf raised"
            )

    return guard
