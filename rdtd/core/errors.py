"""What a request can fail with.

Every text is for the person who asked: what was asked, what was found and, where it helps, what to do.
The bus layer gives each class its D-Bus error name (rdtd/bus/errors.py); nothing here knows of D-Bus.
"""

# The names are those of the D-Bus errors, which do not end in Error.
# ruff: noqa: N818


class RdtdError(Exception):
    """The base of every error that a caller is told in full. Anything else that is raised is rdtd's fault."""


class NoSpace(RdtdError):
    """The ways asked for are not free. Also when a single free run is too short though the sum would do."""


class NoClosid(RdtdError):
    """The hardware has no class of service (CLOSID) left for another resource group."""


class Exists(RdtdError):
    """The name is taken: by a reservation with other regions or another owner, or by a foreign group."""


class NotFound(RdtdError):
    """There is no such reservation, thread or CPU."""


class Unsupported(RdtdError):
    """This host cannot do it as it is set up now: code and data without CDP, a level without allocation."""


class NotMounted(RdtdError):
    """resctrl is not mounted where rdtd looks for it."""


class Busy(RdtdError):
    """Not now: another program held the lock on resctrl longer than rdtd waits, or no RMID is free yet."""


class NoRmid(Busy):
    """No ID for monitoring (RMID) is free for another group; those of removed groups come back by and by."""


class KernelRefused(RdtdError):
    """The kernel refused a write that rdtd held to be valid. The text has the kernel's last_cmd_status."""


class InvalidRequest(RdtdError):
    """The request itself is wrong: a bad name, an unknown key, a wrong type, contradicting regions."""


class AccessDenied(RdtdError):
    """The caller may not do this."""


class LimitsExceeded(RdtdError):
    """The request is over one of rdtd's own limits: regions in a call, reservations of a user."""


class NotReady(RdtdError):
    """rdtd is starting or stopping and has not taken the request up."""


def quoted(text: str) -> str:
    """A caller's text as an error shows it: quoted, and cut where it is long."""
    return repr(text if len(text) <= 60 else text[:57] + "...")
