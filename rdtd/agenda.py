"""When rdtd looks without being called: on hints, when something was left undone, and as a last resort."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from contextlib import suppress

from rdtd.core.drift import Drift
from rdtd.core.patience import Patience

__all__ = ["LOOK_EVERY", "Agenda", "Hinted"]

LOOK_EVERY = 300.0  # seconds after which everything is looked at, whatever the hints say
# Seconds before what could not be put right is tried again: twice as long each time.
_FIRST_RETRY, _LAST_RETRY = 0.1, 60.0
_HINT_RETRY = 1.0  # a hint can mean that it would be taken now: it waits no longer than this

Hinted = Callable[[Collection[str]], bool]
"""Whether there are hints that no turn has seen, about other groups than these."""


class Agenda:
    """Due are what cannot wait, hints unless they are of a contest, retries, and the slow timer."""

    def __init__(
        self,
        hinted: Hinted,
        look_every: float = LOOK_EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.patience = Patience()
        self._hinted = hinted
        self._look_every = look_every
        self._clock = clock
        self._wake = asyncio.Event()
        self._urgent = False
        self._look_at = clock() + look_every
        self._retry_at: float | None = None
        self._pause = 0.0
        self._failed_at = 0.0
        self._unread = False  # hints that the turn which failed has not even read

    def poke(self) -> None:
        """Something may have changed, of which no hint tells."""
        self._urgent = True
        self._wake.set()

    def hint(self) -> None:
        """There may be hints."""
        self._wake.set()

    def undone(self) -> None:
        """A turn left something undone."""
        if self._retry_at is None:
            self._retry_at = self._clock() + self._pause
        self._wake.set()

    def weigh(self, drifts: tuple[Drift, ...]) -> tuple[Drift, ...]:
        """Of what a turn found, what is to be told."""
        return self.patience.weigh(drifts, self._clock())

    def succeeded(self) -> None:
        """The turn that was due put everything right."""
        self._pause, self._failed_at = 0.0, 0.0

    def failed(self, *, again: bool) -> None:
        """The turn that was due did not. `again`: it is tried again, though nothing may have changed."""
        self._pause = min(max(2 * self._pause, _FIRST_RETRY), _LAST_RETRY)
        self._failed_at = self._clock()
        self._unread = self._hinted(())
        self._retry_at = self._failed_at + self._pause if again else None

    async def due(self) -> bool:
        """Waits until a turn is due, which it is supposed to take then; whether everything is to be read."""
        while True:
            self._wake.clear()
            now = self._clock()
            at = self._at()
            if at <= now:
                fresh = self._look_at <= now
                if fresh:
                    self._look_at = now + self._look_every
                self._urgent, self._unread, self._retry_at = False, False, None
                return fresh
            with suppress(TimeoutError):
                async with asyncio.timeout(at - now):
                    await self._wake.wait()

    def _at(self) -> float:
        if self._urgent:
            return 0.0
        times = [self._look_at, self._retry_at, self.patience.ends()]
        self._unread = self._unread and self._hinted(())
        if self._unread:
            pass  # resctrl is not there, or another has the lock: what comes now can be read no better
        elif self._hinted(self.patience.contested):
            times.append(self._failed_at + min(self._pause, _HINT_RETRY))
        elif self._hinted(()):
            times.append(self.patience.wait_until())
        return min(time for time in times if time is not None)
