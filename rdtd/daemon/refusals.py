"""Tells of calls that were refused: who may not, and whose limit is reached."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from rdtd.log import entry
from rdtd.messages import Message

__all__ = ["Refusals"]

log = logging.getLogger("rdtd")

# Everybody may call: nobody shall fill the journal with that.
_MOST, _PERIOD = 10, 60.0  # entries in so many seconds


class Refusals:
    """To be called with the unique name of the caller, the method and what the caller was told."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._told = 0
        self._untold = 0

    def __call__(self, caller: str, member: str, text: str) -> None:
        now = self._clock()
        if now - self._since >= _PERIOD:
            if self._untold:
                log.info("%s more calls were refused", self._untold, extra=entry(Message.REFUSED))
            self._since, self._told, self._untold = now, 0, 0
        if self._told >= _MOST:
            self._untold += 1
            return
        self._told += 1
        extra = entry(Message.REFUSED, caller=caller, method=member, reason=text)
        log.info("%s was refused to %s: %s", member, caller, text, extra=extra)
