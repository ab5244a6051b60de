"""The configuration in force, and how another one comes into force."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rdtd.config import Config, ConfigError
from rdtd.daemon.telling import problems, refused, status
from rdtd.log import entry, set_level
from rdtd.manager import Manager
from rdtd.messages import Message
from rdtd.notify import notify

__all__ = ["Configuration"]

log = logging.getLogger("rdtd")


class Configuration:
    """What the administrator wants at the moment. What is wrong with it is told when it is loaded."""

    def __init__(self, load: Callable[[], Config], log_level: str | None) -> None:
        """Loads it. `log_level`: from the command line, over any LogLevel=. Raises ConfigError."""
        self._load = load
        self._log_level = log_level
        self._lacks_cdp = False
        self.now = load()
        self._take(self.now)

    def _take(self, config: Config) -> None:
        self.now = config
        set_level(self._log_level or config.settings.log_level)
        problems(config.problems)

    @contextmanager
    def reloading(self, manager: Manager) -> Iterator[bool]:
        """Loads it again: whether that gave another one, to be put in force. One that is broken is refused.

        The service manager waits for the end of the block.
        """
        notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            try:
                self._take(self._load())
            except ConfigError as error:
                refused(error.problems, kept=True)
                yield False
            else:
                yield True
        finally:
            notify(f"READY=1\nSTATUS={status(manager)}")

    def check_cdp(self, manager: Manager) -> None:
        """Warns when resctrl is mounted without the code and data prioritization that is configured."""
        public = manager.public
        lacks = self.now.settings.cdp and public.state != "unmounted" and not public.cdp
        if lacks and not self._lacks_cdp:
            log.warning(
                "resctrl is mounted at %s without code and data prioritization, and Cdp=yes is configured; "
                "it stays as it is",
                manager.root,
                extra=entry(Message.NO_CDP),
            )
        self._lacks_cdp = lacks
