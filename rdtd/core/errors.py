"""What a request can fail with.

Every text is for the person who asked: what was asked, what was found and, where it helps, what to do.
The bus layer gives each class its D-Bus error name (rdtd/bus/errors.py); nothing here knows of D-Bus.
"""


class RdtdError(Exception):
    """The base of every error that a caller is told in full. Anything else that is raised is a fault of rdtd."""


class NoSpace(RdtdError):  # noqa: N818 - the names are those of the D-Bus errors
    """The ways asked for are not free. Also when a single free run is too short though the sum would do."""


class NoClosid(RdtdError):  # noqa: N818
    """The hardware has no class of service (CLOSID) left for another resource group."""


class Exists(RdtdError):  # noqa: N818
    """The name is taken: by a reservation with other regions or another owner, or by a foreign group."""


class NotFound(RdtdError):  # noqa: N818
    """There is no such reservation, cache, thread or CPU."""


class Unsupported(RdtdError):  # noqa: N818
    """This host cannot do it as it is set up now: code and data without CDP, a level without allocation."""


class NotMounted(RdtdError):  # noqa: N818
    """resctrl is not mounted where rdtd looks for it."""


class Busy(RdtdError):  # noqa: N818
    """Another program held the lock on resctrl longer than rdtd waits."""


class KernelRefused(RdtdError):  # noqa: N818
    """The kernel refused a write that rdtd held to be valid. The text has the kernel's last_cmd_status."""


class InvalidRequest(RdtdError):  # noqa: N818
    """The request itself is wrong: a bad name, an unknown key, a wrong type, contradicting regions."""


class AccessDenied(RdtdError):  # noqa: N818
    """The caller may not do this."""


class LimitsExceeded(RdtdError):  # noqa: N818
    """The request is over one of rdtd's own limits: regions in a call, reservations of a user."""


class NotReady(RdtdError):  # noqa: N818
    """rdtd is starting or stopping and has not taken the request up."""
