"""Method calls: from a message to the function that carries it out, and exactly one reply back.

What is wrong with a call is found before any function runs, and before the body is read as far as possible.
A plain function is called on the spot; an `async` one becomes a task, which first learns whose call it is.
The reply is sent from the task's done callback, which runs however the task ends: with a result, with an
exception, or cancelled before its start.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, Protocol

from rdtd.bus.connection import Connection
from rdtd.bus.errors import (
    FREEDESKTOP,
    INTERNAL,
    INVALID_ARGS,
    LIMITS_EXCEEDED,
    RDTD,
    Refused,
    error_reply,
)
from rdtd.bus.interface import Interface, Method
from rdtd.bus.message import ALLOW_INTERACTIVE_AUTHORIZATION, Message
from rdtd.bus.standard import PEER
from rdtd.bus.wire import Encoded, TooManyValues, WireError, encode
from rdtd.bus.work import Account, Bound


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls what. `interactive`: the caller lets the user be asked for a password.

    `uid` is the caller's user ID; -1 for plain functions, for which the bus is not asked.
    """

    sender: str
    path: str
    interface: str
    member: str
    interactive: bool
    uid: int = -1


class CallLimits(NamedTuple):
    """What may be at work at once; a call over a limit is answered with LimitsExceeded.

    No user gets all of what there is for all. Root is not bound as a user.
    """

    total: Bound = Bound(4000, 64 << 20)
    per_user: Bound = Bound(1200, 16 << 20)
    per_sender: Bound = Bound(100, 4 << 20)


class Objects(Protocol):
    """What the dispatcher needs to know of the objects."""

    def interfaces(self, path: str) -> dict[str, Interface]: ...
    def function(self, path: str, interface: str, member: str) -> Callable[..., Any]: ...
    def fault(self, error: BaseException, where: str) -> None: ...
    def refused(self, caller: str, member: str, text: str) -> None: ...


# Refusals that an administrator may want to know of: rights, and limits that can be set.
_FOR_THE_ADMINISTRATOR = (FREEDESKTOP + "AccessDenied", LIMITS_EXCEEDED)

UserOf = Callable[[str], Awaitable[int]]
"""The user ID behind a unique bus name. Raises AccessDenied if nobody can tell."""


class Dispatcher:
    def __init__(self, objects: Objects, limits: CallLimits, user_of: UserOf) -> None:
        self._objects = objects
        self._user_of = user_of
        self._running: set[asyncio.Task[Any]] = set()
        self._total = Account(limits.total, "all")
        self._per_user = Account(limits.per_user, "your user's")
        self._per_sender = Account(limits.per_sender, "your connection's")

    async def cancel(self) -> None:
        """Cancel what is running, and wait until it has ended and the replies are sent."""
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def handle(self, connection: Connection, message: Message) -> None:
        """Carry out a call and answer it on the connection that it came from. Never raises."""
        try:
            interface, method = self._resolve(message)
            if message.signature != method.signature:
                raise Refused(INVALID_ARGS, f"the call is {method.usage}, not ({message.signature})")
            function = self._objects.function(message.path, interface, method.name)
            interactive = bool(message.flags & ALLOW_INTERACTIVE_AUTHORIZATION)
            call = Call(message.sender, message.path, interface, method.name, interactive)
            if inspect.iscoroutinefunction(function):
                self._start(connection, message, method, call, function)
            else:
                self._answer(connection, message, method, function(call, *_arguments(connection, message)))
        except Exception as error:
            self._fail(connection, message, error)

    def _start(
        self,
        connection: Connection,
        message: Message,
        method: Method,
        call: Call,
        function: Callable[..., Awaitable[Any]],
    ) -> None:
        size = len(message.frame)
        self._per_sender.begin(call.sender, size)
        try:
            self._total.begin(None, size)
            try:
                arguments = _arguments(connection, message)
                task = asyncio.create_task(self._run(call, function, arguments, size))
            except BaseException:
                self._total.end(None, size)
                raise
        except BaseException:
            self._per_sender.end(call.sender, size)
            raise
        self._running.add(task)
        # The answer needs no more of the message than its header.
        task.add_done_callback(partial(self._done, connection, message._replace(frame=b""), method, size))

    async def _run(
        self, call: Call, function: Callable[..., Awaitable[Any]], arguments: list[Any], size: int
    ) -> Any:
        uid = await self._user_of(call.sender)
        call = replace(call, uid=uid)
        if uid == 0:
            return await function(call, *arguments)
        self._per_user.begin(uid, size)
        try:
            return await function(call, *arguments)
        finally:
            self._per_user.end(uid, size)

    def _resolve(self, message: Message) -> tuple[str, Method]:
        interfaces = self._objects.interfaces(message.path)
        if message.interface == PEER.name:
            interfaces = {PEER.name: PEER}  # which object is pinged does not matter, says the specification
        if not interfaces:
            raise Refused(FREEDESKTOP + "UnknownObject", f"there is no object {message.path}")
        if message.interface and message.interface not in interfaces:
            text = f"{message.path} has no interface {message.interface}"
            raise Refused(FREEDESKTOP + "UnknownInterface", text)
        for name in [message.interface] if message.interface else interfaces:
            if method := interfaces[name].methods.get(message.member):
                return name, method
        where = message.interface or message.path
        raise Refused(FREEDESKTOP + "UnknownMethod", f"{where} has no method {message.member}")

    def _done(
        self, connection: Connection, message: Message, method: Method, size: int, task: asyncio.Task[Any]
    ) -> None:
        self._running.discard(task)
        self._total.end(None, size)
        self._per_sender.end(message.sender, size)
        if task.cancelled():
            connection.reply_error(message, RDTD + "NotReady", "the call was given up: rdtd is stopping")
        elif error := task.exception():
            self._fail(connection, message, error)
        else:
            try:
                self._answer(connection, message, method, task.result())
            except Exception as error:
                self._fail(connection, message, error)

    def _answer(self, connection: Connection, message: Message, method: Method, result: Any) -> None:
        body = result if isinstance(result, Encoded) else encode(method.result_signature, result or ())
        if body.signature != method.result_signature:
            raise WireError(f"{method.name} gives ({method.result_signature}), not ({body.signature})")
        connection.reply(message, body)

    def _fail(self, connection: Connection, message: Message, error: BaseException) -> None:
        name, text = error_reply(error)
        if name == INTERNAL:
            self._objects.fault(error, f"{message.interface}.{message.member} of {message.path}")
        elif name in _FOR_THE_ADMINISTRATOR:
            self._objects.refused(message.sender, message.member, text)
        connection.reply_error(message, name, text)


def _arguments(connection: Connection, message: Message) -> list[Any]:
    try:
        return message.body(connection.limits.values)
    except TooManyValues:
        text = f"the arguments of {message.member} have more than {connection.limits.values} values"
        raise Refused(LIMITS_EXCEEDED, text) from None
    except WireError as error:
        raise Refused(INVALID_ARGS, f"the arguments of {message.member} are malformed: {error}") from None
