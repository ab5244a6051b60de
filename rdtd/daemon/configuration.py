"""The configuration in force, and how another one comes into force."""

from __future__ import annotations

import time
from collections.abc import Callable

from rdtd.boot import Boot
from rdtd.bus.service import Service
from rdtd.config import Config, ConfigError
from rdtd.daemon.telling import problems, refused, status
from rdtd.log import set_level
from rdtd.manager import Manager
from rdtd.notify import notify

__all__ = ["Configuration"]


class Configuration:
    """What the administrator wants at the moment. What is wrong with it is told when it is loaded."""

    def __init__(self, load: Callable[[], Config], log_level: str | None) -> None:
        """Loads it. `log_level`: from the command line, over any LogLevel=. Raises ConfigError."""
        self._load = load
        self._log_level = log_level
        self.now = load()
        self._take(self.now)

    def _take(self, config: Config) -> None:
        self.now = config
        set_level(self._log_level or config.settings.log_level)
        problems(config.problems)

    async def reload(self, manager: Manager, boot: Boot, service: Service) -> None:
        """Loads it again and puts it in force. One that is broken is refused, and all stays as it is."""
        notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            self._take(self._load())
        except ConfigError as error:
            refused(error.problems, kept=True)
        else:
            settings = self.now.settings
            service.use(settings.limits)
            await manager.follow(settings.policy, settings.limits.lock_timeout)
            await boot.load(self.now.reservations)
        finally:
            notify(f"READY=1\nSTATUS={status(manager)}")
