"""polkit's answer to "may this caller do that": asked over the bus, and waited for without blocking.

The subject is the caller's unique bus name, which polkit resolves itself: a process ID could be another's by
the time that polkit looks. The reply cannot be forged: a system bus passes only replies that were asked for.
See polkit(8) and org.freedesktop.PolicyKit1.Authority.

Whatever goes wrong means no. polkit serves the whole system, so nobody can make rdtd flood it: of each user
only a few questions are with polkit at a time, and of questions to a person there may be no more.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING

from rdtd.bus.caller import Callers
from rdtd.bus.connection import Connection
from rdtd.bus.dispatch import Call
from rdtd.bus.errors import FREEDESKTOP, LIMITS_EXCEEDED, BusError, BusTimeout, Refused
from rdtd.core.errors import AccessDenied

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Authority"]

_NAME = "org.freedesktop.PolicyKit1"
_PATH = "/org/freedesktop/PolicyKit1/Authority"
_INTERFACE = "org.freedesktop.PolicyKit1.Authority"
_ALLOW_USER_INTERACTION = 1

ANSWER = 10.0  # seconds that polkit has where no person is asked
PERSON = 120.0  # seconds that a person has to enter a password
AT_ONCE = 4  # questions of one user that are with polkit at a time

_ids = count(1)  # a cancellation ID is never used twice


class Authority:
    """polkit, as one connection to the bus reaches it."""

    def __init__(self, connection: Connection, callers: Callers) -> None:
        self._connection = connection
        self._callers = callers
        self._slots: dict[int, asyncio.Semaphore] = {}
        self._waiting: Counter[int] = Counter()
        self._asked: Counter[int] = Counter()

    async def check(self, call: Call, action: str, details: Mapping[str, str], *, ask: bool = True) -> None:
        """Returns if the caller may. With `ask`, and if the call lets it, a person may be asked first.

        Raises AccessDenied, or Refused: InteractiveAuthorizationRequired where a password would do,
        LimitsExceeded for too many questions to a person. What is raised for polkit that is away, slow or
        talks nonsense is AccessDenied too.
        """
        if not (ask and call.interactive):
            async with self._slot(call.uid):
                allowed, challenge = await self._ask(call, action, details, interactive=False)
        elif self._asked[call.uid] >= AT_ONCE:
            raise Refused(
                LIMITS_EXCEEDED,
                f"{AT_ONCE} calls of yours wait for a password: answer those, or call without interaction",
            )
        else:
            async with AsyncExitStack() as stack:
                self._asked[call.uid] += 1
                stack.callback(self._asked.subtract, {call.uid: 1})
                await stack.enter_async_context(self._while_here(call.sender))
                allowed, challenge = await self._ask(call, action, details, interactive=True)
        if allowed:
            return
        if challenge and not call.interactive:
            raise Refused(
                FREEDESKTOP + "InteractiveAuthorizationRequired",
                f"user {call.uid} must authenticate for {action}, and the call does not let anybody be asked",
            )
        why = "nobody authenticated" if challenge else "polkit says no"
        raise AccessDenied(f"user {call.uid} may not do this ({action}): {why}")

    @asynccontextmanager
    async def _slot(self, uid: int) -> AsyncIterator[None]:
        """Waits until fewer of the user's questions are with polkit."""
        slot = self._slots.setdefault(uid, asyncio.Semaphore(AT_ONCE))
        self._waiting[uid] += 1
        try:
            async with slot:
                yield
        finally:
            self._waiting[uid] -= 1
            if not self._waiting[uid]:
                del self._waiting[uid], self._slots[uid]

    @asynccontextmanager
    async def _while_here(self, sender: str) -> AsyncIterator[None]:
        """Cancels the block when the caller leaves: a dialog that nobody waits for goes away."""
        task = asyncio.current_task()
        assert task is not None

        def leave(_: str) -> None:
            task.cancel()

        watch = await self._callers.on_left(sender, leave)
        try:
            yield
        finally:
            watch.remove()

    async def _ask(
        self, call: Call, action: str, details: Mapping[str, str], *, interactive: bool
    ) -> tuple[bool, bool]:
        """Whether the caller is allowed, and whether it would be after authentication."""
        cancellation = f"rdtd-{next(_ids)}" if interactive else ""
        subject = ["system-bus-name", {"name": ("s", call.sender)}]
        flags = _ALLOW_USER_INTERACTION if interactive else 0
        answer: object = None
        try:
            answer = await self._connection.call(
                *(_NAME, _PATH, _INTERFACE, "CheckAuthorization", "(sa{sv})sa{ss}us"),
                [subject, action, dict(details), flags, cancellation],
                timeout=PERSON if interactive else ANSWER,
            )
        except BusError as error:
            answer = error
            raise _unanswered(call.uid, action, error.text or error.name) from None
        except BusTimeout as error:
            raise _unanswered(call.uid, action, str(error)) from None
        finally:
            if cancellation and answer is None:
                self._connection.tell(
                    _NAME, _PATH, _INTERFACE, "CancelCheckAuthorization", "s", [cancellation]
                )
        match answer:
            case [[bool(allowed), bool(challenge), dict()]]:
                return allowed, challenge
        raise _unanswered(call.uid, action, "it answered with something else than a result")


def _unanswered(uid: int, action: str, why: str) -> AccessDenied:
    return AccessDenied(
        f"user {uid} may not do this ({action}): polkit, which decides it, gave no answer ({why}); root may"
    )
