"""How much of rdtd one caller may use, and all callers together."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the administrator allows; rdtd.conf(5) has an option for each field.

    The kernel's own limit comes before any of these: CPUs have 4 to 64 CLOSIDs. They are for the case that
    one user takes what others need, and for memory. Root is bound by `reservations` and by the sizes alone.
    """

    reservations: int = 256
    """Reservations of all users together: MaxReservations."""
    reservations_per_user: int = 64
    """Reservations of one user ID other than 0: MaxReservationsPerUser."""
    regions_per_call: int = 1024
    """Regions in one Reserve, ReserveSpec or Resize: MaxRegionsPerCall."""
    message_size: int = 1 << 20
    """Bytes of a message's body; a longer one is answered LimitsExceeded unread: MaxMessageSize."""
    lock_timeout: float = 5.0
    """Seconds to wait for another program's lock on resctrl, before Busy: LockTimeout."""
