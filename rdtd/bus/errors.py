"""Errors of the bus layer, and the one table from exceptions to D-Bus error names."""

from rdtd.core import errors as core

FREEDESKTOP = "org.freedesktop.DBus.Error."
RDTD = "org.rdtd1.Error."

INVALID_ARGS = FREEDESKTOP + "InvalidArgs"
LIMITS_EXCEEDED = FREEDESKTOP + "LimitsExceeded"
INTERNAL = RDTD + "Internal"


class BusError(Exception):
    """An error reply to one of our calls: its D-Bus error name and what it says to a person."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name
        self.text = text


class Refused(Exception):  # noqa: N818 - what happened, not a fault
    """A call to us cannot be carried out: the D-Bus error name and text of the reply to it."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name
        self.text = text


class BusTimeout(Exception):  # noqa: N818
    """No reply came in time."""


class BusGone(Exception):  # noqa: N818
    """The connection to the bus is closed, or was before the reply came."""


class NoBus(Exception):  # noqa: N818
    """There is no bus to connect to. The text is one line for the person who started the program."""


class NameTaken(Exception):  # noqa: N818
    """Another connection owns the bus name."""


# The most specific class counts: a subclass that is not listed has its base's name.
NAMES: dict[type[BaseException], str] = {
    core.NoSpace: RDTD + "NoSpace",
    core.NoClosid: RDTD + "NoClosid",
    core.Exists: RDTD + "Exists",
    core.NotFound: RDTD + "NotFound",
    core.Unsupported: RDTD + "Unsupported",
    core.NotMounted: RDTD + "NotMounted",
    core.Busy: RDTD + "Busy",
    core.KernelRefused: RDTD + "KernelRefused",
    core.NotReady: RDTD + "NotReady",
    core.InvalidRequest: INVALID_ARGS,
    core.AccessDenied: FREEDESKTOP + "AccessDenied",
    core.LimitsExceeded: LIMITS_EXCEEDED,
    BusGone: RDTD + "NotReady",
    BusTimeout: RDTD + "NotReady",
    core.RdtdError: FREEDESKTOP + "Failed",
}


def error_reply(exception: BaseException) -> tuple[str, str]:
    """The D-Bus error name and the text with which a call that raised this is answered.

    What is not in the table is a fault of rdtd. Its text may show what is nobody's business and helps
    no caller, so they are sent to the journal.
    """
    if isinstance(exception, Refused):
        return exception.name, exception.text
    for ancestor in type(exception).__mro__:
        if ancestor in NAMES:
            return NAMES[ancestor], str(exception)
    return INTERNAL, "rdtd failed to carry out this call; the details are in its journal (journalctl -u rdtd)"
