"""info/last_cmd_status, and how a refusal fills it (rdt_last_cmd_* in the kernel's rdtgroup.c)."""

from __future__ import annotations

import errno
import os

#: The kernel's buffer; a text that fills it is cut.
BUFFER_SIZE = 512


class RefusedError(OSError):
    """An operation that the kernel would refuse with `errno`."""

    errno: int

    def __init__(self, code: int) -> None:
        super().__init__(code, os.strerror(code))


class LastCommand:
    """The text of the last command. Empty reads as "ok".

    The kernel clears it when it starts on a command, and adds lines when it refuses it. A refusal that
    comes before the clearing (a missing newline) or without a line (an unknown domain) leaves the
    older text, or "ok". Some commands do not clear it: rmdir, and on older kernels mkdir and cpus.
    """

    def __init__(self) -> None:
        self._text = ""

    def clear(self) -> None:
        self._text = ""

    def say(self, text: str) -> None:
        """Adds a text as it is: the kernel's lines end with a newline, but for one that forgot it."""
        self._text = (self._text + text)[: BUFFER_SIZE - 1]

    def refuse(self, text: str, code: int = errno.EINVAL) -> RefusedError:
        """Adds a line and gives the error to raise."""
        self.say(text + "\n")
        return RefusedError(code)

    def __str__(self) -> str:
        return self._text or "ok\n"
