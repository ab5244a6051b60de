"""Exit statuses, and what each D-Bus error means for them."""

from __future__ import annotations

DONE = 0
FAILED = 1
USAGE = 2
NOT_FOUND = 3
DENIED = 4
NO_SPACE = 5
EXISTS = 6
UNREACHABLE = 7
PASSING = 8
INTERRUPTED = 130

# What `run` answers in place of its command's own status, as env(1) does.
RUN_FAILED = 125
CANNOT_EXECUTE = 126
NO_SUCH_COMMAND = 127

EXPLAINED = """\
exit status:
  0    done
  1    failed in another way than those below
  2    wrong usage, or the daemon refused an argument (InvalidArgs)
  3    no such reservation, thread or CPU (NotFound)
  4    not allowed (AccessDenied, InteractiveAuthorizationRequired)
  5    not enough free cache, or no class of service left (NoSpace, NoClosid)
  6    the name is taken (Exists)
  7    the daemon or the bus cannot be reached
  8    not now: resctrl is locked or not mounted, or the daemon is starting
       (Busy, NotMounted, NotReady)
  130  interrupted
'run' ends with its command's status (128+N if signal N killed it), or with 125
if rdtctl failed before the command, 126 if it cannot be executed, 127 if there
is no such command.
'check' ends with 0 if all is as it should be, 1 if something differs, 2 if that
cannot be told.
"""

# By the last part of the error's name: the standard errors and rdtd's own do not clash.
_STATUSES = {
    "InvalidArgs": USAGE,
    "NotFound": NOT_FOUND,
    "AccessDenied": DENIED,
    "InteractiveAuthorizationRequired": DENIED,
    "NoSpace": NO_SPACE,
    "NoClosid": NO_SPACE,
    "Exists": EXISTS,
    "Busy": PASSING,
    "NotMounted": PASSING,
    "NotReady": PASSING,
}


class Failure(Exception):  # noqa: N818 - the end of the program, with its one line for stderr
    """Ends rdtctl: the text goes to stderr behind `rdtctl: `, the status to the caller."""

    def __init__(self, text: str, status: int = FAILED) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


class Usage(Failure):
    """The arguments are wrong."""

    def __init__(self, text: str) -> None:
        super().__init__(text, USAGE)


class Unreachable(Failure):
    """The daemon or the bus cannot be reached."""

    def __init__(self, text: str) -> None:
        super().__init__(text, UNREACHABLE)


def status_of(error_name: str) -> int:
    """The exit status for a D-Bus error, such as org.rdtd1.Error.NoSpace."""
    return _STATUSES.get(error_name.rpartition(".")[2], FAILED)
