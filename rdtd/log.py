"""The daemon's log: structured entries where the journal reads stderr, else lines.

Entries go through a queue to a thread of their own, so that a journal which stops reading stops nothing else.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import queue
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rdtd.messages import Message

__all__ = ["entry", "set_level", "start_logging"]

_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
_LONGEST_QUEUE = 10_000
_PATIENCE = 5.0  # seconds that the end waits for entries to be taken

Send = Callable[..., object]
"""systemd.journal.send()."""


def entry(message: Message | None = None, **fields: object) -> dict[str, Any]:
    """The `extra` of a log call: the kind of message, and fields of the journal's entry.

    `reservation="web"` becomes RDTD_RESERVATION=web; a field that is None or "" is left out.
    """
    found = {f"RDTD_{name.upper()}": str(value) for name, value in fields.items() if value not in (None, "")}
    if message is not None:
        found["MESSAGE_ID"] = message.value
    return {"journal": found}


class Line(logging.Formatter):
    """`rdtd: warning: text` for a person."""

    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        return f"rdtd: {level}{super().format(record)}"


class Journal(logging.Handler):
    """Entries of the journal, with their fields; see systemd.journal-fields(7)."""

    def __init__(self, send: Send) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, str] = getattr(record, "journal", {})
        with suppress(OSError):  # nobody takes it, and there is nobody to tell
            self._send(
                _printable(self.format(record)),
                CODE_FILE=record.pathname,
                CODE_LINE=record.lineno,
                CODE_FUNC=record.funcName,
                SYSLOG_IDENTIFIER="rdtd",
                PRIORITY=str(_PRIORITIES.get(record.levelno, 6)),
                **{name: _printable(value) for name, value in fields.items()},
            )


def _printable(text: str) -> str:
    """The journal takes UTF-8; names of groups may be any bytes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class Queue(logging.handlers.QueueHandler):
    """Drops entries rather than wait when nobody takes them."""

    def enqueue(self, record: logging.LogRecord) -> None:
        with suppress(queue.Full):
            self.queue.put_nowait(record)


class Listener(logging.handlers.QueueListener):
    """Hands entries on, in a thread."""

    def stop(self) -> None:
        """Has what still waits written; gives up when nobody takes it."""
        thread = self._thread
        if thread is not None:
            with suppress(queue.Full):
                self.enqueue_sentinel()
                thread.join(_PATIENCE)
            self._thread = None


def start_logging(level: str) -> Listener:
    """Sends the log of the package `rdtd` to the journal, or to stderr. stop() writes what still waits."""
    waiting: queue.Queue[logging.LogRecord] = queue.Queue(_LONGEST_QUEUE)
    logger = logging.getLogger("rdtd")
    logger.handlers = [Queue(waiting)]
    logger.propagate = False
    set_level(level)
    listener = Listener(waiting, _handler())
    listener.start()
    return listener


def set_level(level: str) -> None:
    """Logs this and whatever is more important from now on: `debug`, `info`, `warning` or `error`."""
    logging.getLogger("rdtd").setLevel(level.upper())


def _handler() -> logging.Handler:
    if _stderr_is_the_journal():
        from systemd.journal import send

        return Journal(send)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Line())
    return handler


def _stderr_is_the_journal() -> bool:
    """Whether it is the very stream that the service manager made: see $JOURNAL_STREAM in systemd.exec(5)."""
    try:
        there = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{there.st_dev}:{there.st_ino}"
