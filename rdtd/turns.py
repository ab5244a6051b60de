"""Turns of the engine in the event loop, which never waits for the kernel: one at a time, in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar

from rdtd.core.drift import Drift
from rdtd.core.errors import Busy, NoRmid
from rdtd.engine import Decide, Engine, Outcome, Work
from rdtd.public import Describer, Public, Published
from rdtd.resctrl.lock import LockedError

__all__ = ["LOCK_WAIT", "Turns"]

LOCK_WAIT = 5.0  # seconds for which a turn waits for other users of resctrl
_PAUSES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)  # seconds between tries; the last is repeated

_RMID_PAUSE = 0.2

T = TypeVar("T")


class Turns:
    """Runs turns, and after each of them tells what it changed."""

    def __init__(
        self,
        engine: Engine,
        lock_wait: float,
        weigh: Callable[[tuple[Drift, ...]], tuple[Drift, ...]],
        left_undone: Callable[[Published], None],
    ) -> None:
        """`lock_wait`: seconds, see Busy. `weigh` says what is told of what a turn found; `left_undone` is
        called after each turn, before the listeners.
        """
        self.public = Public(reservations=engine.wanted.reservations)
        self.lock_wait = lock_wait
        self.one_at_a_time = asyncio.Lock()
        self.listeners: list[Callable[[Published], None]] = []
        self._engine = engine
        self._weigh = weigh
        self._left_undone = left_undone
        self._describer = Describer(engine)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="resctrl")

    async def turn(
        self, decide: Decide, work: Work | None = None, *, reason: str = "released", fresh: bool = False
    ) -> Outcome:
        """A turn. Once begun it is never left half-way, and its outcome stands when the call is cancelled.

        Raises what the engine's turn raises, and Busy when others have the lock for too long. Where no RMID
        is free it is tried again for as long: the kernel looks for some once a second.
        """
        deadline = asyncio.get_running_loop().time() + self.lock_wait
        while True:
            try:
                return await self._one_turn(decide, work, reason, fresh=fresh)
            except NoRmid as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise NoRmid(f"{error}; gave up after {self.lock_wait:g} s") from error
            await asyncio.sleep(_RMID_PAUSE)

    async def _one_turn(self, decide: Decide, work: Work | None, reason: str, *, fresh: bool) -> Outcome:
        async with self.one_at_a_time:
            begin = partial(self._engine.turn, decide, work, fresh=fresh)
            turn = asyncio.ensure_future(self._whole_turn(begin, reason))
            while not turn.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([turn])
            return turn.result()

    async def _whole_turn(self, begin: Callable[[], Outcome], reason: str) -> Outcome:
        try:
            outcome = await self._unlocked(begin)
            while not outcome.done:
                outcome = await self._unlocked(self._engine.resume)
            return outcome
        except Exception:
            await self._in_thread(self._engine.abandon)
            raise
        finally:
            await self._publish(reason)

    async def read(self, job: Callable[[], T]) -> T:
        """A job that changes nothing, between two turns."""
        async with self.one_at_a_time:
            try:
                return await self._unlocked(job)
            finally:
                await self._publish("released")

    async def aside(self, job: Callable[[], T]) -> T:
        """A job between two turns that needs no lock on resctrl and no engine."""
        async with self.one_at_a_time:
            return await self._in_thread(job)

    async def close(self) -> None:
        """Waits for the turn that is under way, then ends the thread."""
        async with self.one_at_a_time:
            self._thread.shutdown(wait=False)

    async def _unlocked(self, job: Callable[[], T]) -> T:
        """Runs the job as soon as nobody else has the lock on resctrl. Raises Busy after `lock_wait`."""
        deadline = asyncio.get_running_loop().time() + self.lock_wait
        tries = 0
        while True:
            try:
                return await self._in_thread(job)
            except LockedError:
                if asyncio.get_running_loop().time() > deadline:
                    raise Busy(
                        f"another program holds the lock on {self._engine.mount.root}; "
                        f"gave up after {self.lock_wait:g} s"
                    ) from None
            await asyncio.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
            tries += 1

    async def _in_thread(self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, job)

    async def _publish(self, reason: str) -> None:
        """Tells what the turn changed."""
        before, drifts = self.public, self._weigh(self._engine.take_drifts())
        self.public = await self._in_thread(partial(self._describer.describe, before))
        published = Published(before, self.public, drifts, reason)
        self._left_undone(published)
        if drifts or self.public != before:
            for listener in self.listeners:
                listener(published)
