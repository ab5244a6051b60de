"""The daemon's log: lines on stderr, with the priorities of sd-daemon(3) where the journal reads them.

Lines go through a queue to a thread of their own, so that a journal which stops reading stops nothing else.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import queue
import sys

__all__ = ["LEVELS", "start_logging"]

LEVELS = ("debug", "info", "warning", "error")
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
_LONGEST_QUEUE = 10_000


class _Formatter(logging.Formatter):
    """`<4>text` for the journal, `rdtd: warning: text` for a person. Line breaks would make new entries."""

    def __init__(self, journal: bool) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if self._journal:
            prefix = f"<{_PRIORITIES.get(record.levelno, 6)}>"
            return "\n".join(prefix + line for line in text.splitlines())
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        return f"rdtd: {level}{text}"


class _Queue(logging.handlers.QueueHandler):
    """Drops lines rather than wait when nobody reads them."""

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            return


def start_logging(level: str) -> logging.handlers.QueueListener:
    """Sends the log of the package `rdtd` to stderr. The listener's stop() writes what still waits."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(journal="JOURNAL_STREAM" in os.environ))
    waiting: queue.Queue[logging.LogRecord] = queue.Queue(_LONGEST_QUEUE)
    logger = logging.getLogger("rdtd")
    logger.setLevel(level.upper())
    logger.handlers = [_Queue(waiting)]
    logger.propagate = False
    listener = logging.handlers.QueueListener(waiting, handler)
    listener.start()
    return listener
