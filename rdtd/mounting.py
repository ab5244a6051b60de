"""Mounts resctrl where nobody else has, if that is configured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from rdtd.core.errors import RdtdError
from rdtd.manager import Manager, Published, cancelled
from rdtd.resctrl.mounting import MountError, choices

__all__ = ["Mounting"]

# Seconds before another try: twice as long each time, until a mount has lasted.
_FIRST_PAUSE, _LAST_PAUSE = 1.0, 60.0


class Mounting:
    """Keeps resctrl mounted while `wanted`. `cdp`: with code and data prioritization, where there is any."""

    def __init__(
        self,
        manager: Manager,
        mount: Callable[[str], Awaitable[None]],
        report: Callable[[str], None],
    ) -> None:
        """`mount` mounts it with these options, or raises MountError. `report` is told once why it failed."""
        self.wanted = False
        self.cdp = False
        self._manager = manager
        self._mount = mount
        self._report = report
        self._reported: str | None = None
        self._unmounted = asyncio.Event()
        manager.subscribe(self._look)

    async def once(self) -> bool:
        """Mounts it with the best options that the kernel takes. False where it takes none."""
        problem = ""
        for options in choices(cdp=self.cdp):
            try:
                await self._mount(options)
            except MountError as error:
                problem = problem or str(error)
                continue
            self._tell(None)
            return True
        self._tell(problem)
        return False

    def check(self) -> None:
        """Says that there may be something to do."""
        if self.wanted and self._manager.public.state == "unmounted":
            self._unmounted.set()

    def _look(self, _: Published) -> None:
        self.check()

    async def run(self) -> None:
        """Mounts it whenever it is not, until it is cancelled."""
        pause, tried = _FIRST_PAUSE, time.monotonic()
        while not cancelled():
            await self._unmounted.wait()
            self._unmounted.clear()
            if time.monotonic() - tried > _LAST_PAUSE:
                pause = _FIRST_PAUSE
            else:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LAST_PAUSE)
            if not self.wanted or self._manager.public.state != "unmounted":
                continue
            if await self.once():
                with suppress(RdtdError):  # another program has the lock: the manager's own turn will come
                    await self._manager.reconcile()
            tried = time.monotonic()
            self.check()

    def _tell(self, problem: str | None) -> None:
        if problem != self._reported:
            self._reported = problem
            if problem is not None:
                self._report(problem)
