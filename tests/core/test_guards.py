"""What must hold of the state when a turn decides."""

import pytest

from rdtd.core.errors import AccessDenied, LimitsExceeded
from rdtd.core.guards import belongs_to, room_for
from rdtd.core.limits import Limits
from rdtd.core.model import Owner, Reservation, Wanted

LIMITS = Limits(reservations=5, reservations_per_user=2)


def wanted(*owners: int) -> Wanted:
    """Reservations r0, r1 ... of these users."""
    return Wanted(
        {f"r{number}": Reservation(f"r{number}", (), (), Owner(uid)) for number, uid in enumerate(owners)}
    )


def test_the_owner_is_still_the_same() -> None:
    belongs_to("r1", 7)(wanted(0, 7))
    belongs_to("gone", 7)(wanted(0, 7))
    with pytest.raises(AccessDenied, match="'r0' is another user's since the call came"):
        belongs_to("r0", 7)(wanted(0, 7))


def test_reservations_of_one_user() -> None:
    room_for("new", 7, LIMITS)(wanted(7, 0, 0))
    with pytest.raises(LimitsExceeded, match=r"user 7 has 2 reservations, and 2 are the most.*PerUser="):
        room_for("new", 7, LIMITS)(wanted(7, 7))
    room_for("r1", 7, LIMITS)(wanted(7, 7))  # the same again
    room_for("new", 0, LIMITS)(wanted(0, 0, 0))  # root


@pytest.mark.parametrize("uid", [0, 8])
def test_reservations_of_all(uid: int) -> None:
    with pytest.raises(
        LimitsExceeded, match=r"there are 5 reservations, and 5 are the most.*MaxReservations="
    ):
        room_for("new", uid, LIMITS)(wanted(7, 7, 0, 0, 0))
