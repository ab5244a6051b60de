"""Keeps the reservations that are configured: when they are loaded, and when they can be had later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from rdtd.core.configure import configure, keep_only
from rdtd.core.configured import Configured
from rdtd.core.errors import Busy, NotMounted, RdtdError
from rdtd.core.model import Lifetime, Snapshot, Wanted
from rdtd.manager import Manager, Published, cancelled

__all__ = ["Boot"]

_LAST_RESORT = 60.0  # seconds after which what is refused is tried again though nothing changed

Report = Callable[[Configured, RdtdError | None], None]


class Boot:
    """The configured reservations. What cannot be had is tried again whenever the manager publishes a change.

    `report` is told why one cannot be had, once for each reason, and None when it is there after all.
    """

    def __init__(self, manager: Manager, report: Report) -> None:
        self._manager = manager
        self._report = report
        self._asked: dict[str, Configured] = {}
        self._refused: dict[str, str] = {}
        self._unloaded = False  # the files have not had their say yet
        self._again = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        manager.subscribe(self._look)

    @property
    def refused(self) -> dict[str, str]:
        """The configured reservations that are not as configured, each with the reason."""
        return dict(self._refused)

    async def load(self, asked: Iterable[Configured]) -> None:
        """Makes these the configured reservations: reserves what is new or changed, releases what is gone."""
        async with self._one_at_a_time:
            self._asked = {one.name: one for one in asked}
            self._refused = {name: why for name, why in self._refused.items() if name in self._asked}
            there = self._manager.public.reservations.values()
            if self._asked or any(one.lifetime is Lifetime.CONFIGURED for one in there):
                self._unloaded = True
                await self._load()

    async def run(self) -> None:
        """Tries again what was refused, until it is cancelled."""
        while not cancelled():
            waiting = self._unloaded or self._refused
            try:
                async with asyncio.timeout(_LAST_RESORT if waiting else None):
                    await self._again.wait()
            except TimeoutError:
                pass
            self._again.clear()
            async with self._one_at_a_time:
                if self._unloaded or self._refused:
                    await self._load()

    def _look(self, _: Published) -> None:
        if self._unloaded or self._refused:
            self._again.set()

    async def _load(self) -> None:
        """One turn for all of them; where the kernel refuses that, one for each."""
        names = list(self._asked if self._unloaded else self._refused)
        refused: dict[str, RdtdError]
        try:
            refused = await self._turn(names)
        except (NotMounted, Busy) as error:
            refused = dict.fromkeys(names, error)
        except RdtdError:
            refused = {}
            for name in names:
                try:
                    refused |= await self._turn([name])
                except RdtdError as error:
                    refused[name] = error
        for name in names:
            self._tell(name, refused.get(name))

    async def _turn(self, names: list[str]) -> dict[str, RdtdError]:
        refused: dict[str, RdtdError] = {}

        def decide(wanted: Wanted, snapshot: Snapshot) -> Wanted:
            wanted = keep_only(wanted, self._asked)
            asked = [self._asked[name] for name in names]
            wanted, found = configure(wanted, snapshot, self._manager.policy, asked, time.time_ns() // 1000)
            refused.update(found)
            return wanted

        await self._manager.decide(decide, reason="configuration")
        self._unloaded = False
        return refused

    def _tell(self, name: str, error: RdtdError | None) -> None:
        before = self._refused.pop(name, None)
        if error is not None:
            self._refused[name] = str(error)
        if (str(error) if error else None) != before:
            self._report(self._asked[name], error)
