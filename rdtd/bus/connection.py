"""A connection to the bus for asyncio: calls, signals, names, on a transport that stays up whatever comes.

Losing the bus is an event, `disconnected`, and final: the owner opens a new connection.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from rdtd.bus import message as messages
from rdtd.bus.address import HANDSHAKE_TIMEOUT, MAX_LINE, Handshake, endpoints, new_socket, refused
from rdtd.bus.errors import FREEDESKTOP, LIMITS_EXCEEDED, BusError, BusGone, BusTimeout, NameTaken, NoBus
from rdtd.bus.message import Kind, Message
from rdtd.bus.rules import BUS_NAME, BUS_PATH, Rule, Signal, is_exact
from rdtd.bus.transport import Limits, Transport
from rdtd.bus.wire import EMPTY, Encoded, WireError, encode

_DO_NOT_QUEUE = 4
_PRIMARY_OWNER, _ALREADY_OWNER = 1, 4
_LIMITS = Limits()

Handler = Callable[[Message], None]


class Subscription:
    """A match rule with its callback, until `remove`."""

    def __init__(self, connection: "Connection", rule: Rule, callback: Callable[[Signal], None]) -> None:
        self._connection = connection
        self.rule = rule
        self.callback = callback

    def remove(self) -> None:
        """Take the rule back. Without effect if that was done already or the bus is gone."""
        self._connection._unsubscribe(self)


class Connection:
    """See the module. `open` makes one; it serves no objects until `serve` is called."""

    def __init__(self, sock: socket.socket, limits: Limits = _LIMITS) -> None:
        """Take over a connected and authenticated socket. For tests; others call `open`."""
        self.limits = limits
        self.unique_name = ""
        self._loop = asyncio.get_running_loop()
        self.disconnected: asyncio.Future[str] = self._loop.create_future()
        """Done, with the reason, when the connection has ended."""
        self._serial = 0
        self._pending: dict[int, tuple[str, asyncio.Future[list[Any]]]] = {}
        self._subscriptions: list[Subscription] = []
        self._handler: Handler | None = None
        self._transport = Transport(sock, limits, self._take, self._end)

    @classmethod
    async def open(cls, bus: str, limits: Limits = _LIMITS) -> "Connection":
        """Connect to `system`, `session` or a D-Bus address. Raises NoBus."""
        failures = []
        for endpoint in endpoints(bus):
            sock = new_socket()
            sock.setblocking(False)
            try:
                async with asyncio.timeout(HANDSHAKE_TIMEOUT):
                    await _authenticate(sock, endpoint.address)
            except OSError as error:  # TimeoutError is one
                failures.append((endpoint, error))
                sock.close()
                continue
            except BaseException:
                sock.close()
                raise
            connection = cls(sock, limits)
            try:
                [connection.unique_name] = await connection.call_bus("Hello")
            except (BusError, BusTimeout, BusGone) as error:
                await connection.close()
                raise NoBus(f"the bus at {endpoint.text} did not greet us: {error}") from error
            except BaseException:
                await connection.close()
                raise
            return connection
        raise refused(bus, failures)

    async def close(self) -> None:
        """End it when what was sent is on its way, or when the bus was too slow to read that."""
        try:
            await self._transport.flush()
        finally:
            self._transport.close("closed")

    @property
    def malformed(self) -> int:
        """How many messages were dropped because they were none."""
        return self._transport.malformed

    def serve(self, handler: Handler) -> None:
        """Hand every method call to this function. It must not block nor raise."""
        self._handler = handler

    async def call(
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: list[Any] | tuple[Any, ...] = (),
        *,
        timeout: float = 25.0,  # noqa: ASYNC109 - the bound is part of every call
        interactive: bool = False,
    ) -> list[Any]:
        """Call a method and wait for its answer. Raises BusError (an error reply), BusTimeout or BusGone."""
        if self._transport.closed:
            raise BusGone(f"the connection to the bus has ended: {self._transport.closed}")
        encoded = encode(signature, body)
        flags = messages.ALLOW_INTERACTIVE_AUTHORIZATION if interactive else 0
        serial = self._next_serial()
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        self._pending[serial] = (destination, future)
        try:
            self._transport.send(messages.call(serial, destination, path, interface, member, encoded, flags))
            async with asyncio.timeout(timeout):
                return await future
        except TimeoutError as error:
            raise BusTimeout(f"{destination} did not answer {member} within {timeout:g} s") from error
        finally:
            del self._pending[serial]

    async def call_bus(self, member: str, signature: str = "", *arguments: Any) -> list[Any]:
        """Call a method of the bus itself."""
        return await self.call(BUS_NAME, BUS_PATH, BUS_NAME, member, signature, arguments)

    def tell(
        self, destination: str, path: str, interface: str, member: str, signature: str, body: list[Any]
    ) -> None:
        """Call a method and want no answer. Without effect if the bus is gone."""
        encoded, flags = encode(signature, body), messages.NO_REPLY_EXPECTED
        self._transport.send(
            messages.call(self._next_serial(), destination, path, interface, member, encoded, flags)
        )

    async def request_name(self, name: str) -> None:
        """Own a well-known name. Raises NameTaken if another connection does, BusError if policy says no."""
        [result] = await self.call_bus("RequestName", "su", name, _DO_NOT_QUEUE)
        if result not in (_PRIMARY_OWNER, _ALREADY_OWNER):
            raise NameTaken(f"the bus name {name} is taken: another instance is running")

    async def on_signal(self, rule: Rule, callback: Callable[[Signal], None]) -> Subscription:
        """Have a function called for every signal that matches. It must not block."""
        subscription = Subscription(self, rule, callback)
        self._subscriptions.append(subscription)
        try:
            await self.call_bus("AddMatch", "s", str(rule))
        except BaseException:
            subscription.remove()
            raise
        return subscription

    def _unsubscribe(self, subscription: Subscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
            self.tell(BUS_NAME, BUS_PATH, BUS_NAME, "RemoveMatch", "s", [str(subscription.rule)])

    def send_signal(
        self, path: str, interface: str, member: str, body: Encoded = EMPTY, destination: str = ""
    ) -> None:
        """Send a signal. Without effect if the bus is gone."""
        self._transport.send(messages.signal(self._next_serial(), path, interface, member, body, destination))

    def reply(self, to: Message, body: Encoded = EMPTY) -> None:
        """Answer a call, if it wants an answer. Without effect if the bus is gone."""
        if to.reply_expected:
            self._transport.send(messages.answer(self._next_serial(), to, body))

    def reply_error(self, to: Message, name: str, text: str) -> None:
        """Answer a call with an error, if it wants an answer. Without effect if the bus is gone."""
        if to.reply_expected:
            sendable = text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
            self._transport.send(messages.error(self._next_serial(), to, name, encode("s", [sendable])))

    def _next_serial(self) -> int:
        self._serial = self._serial % 0xFFFFFFFF + 1
        return self._serial

    def _take(self, message: Message) -> None:
        if message.kind is Kind.CALL:
            self._take_call(message)
        elif message.kind is Kind.SIGNAL:
            self._take_signal(message)
        else:
            self._take_reply(message)

    def _take_call(self, call: Message) -> None:
        if call.too_large:
            text = (
                f"the arguments of {call.member} are larger than {self.limits.body} bytes: "
                "send less, or have MaxMessageSize= in rdtd.conf raised"
            )
            self.reply_error(call, LIMITS_EXCEEDED, text)
        elif self._handler is None:
            self.reply_error(call, FREEDESKTOP + "UnknownObject", f"there is no object {call.path}")
        else:
            self._handler(call)

    def _take_signal(self, message: Message) -> None:
        wanted = [subscription for subscription in self._subscriptions if subscription.rule.matches(message)]
        if not wanted or message.too_large:
            return
        try:
            arguments = message.body(self.limits.values)
        except WireError:
            self._transport.malformed += 1
            return
        signal = Signal(message.sender, message.path, message.interface, message.member, arguments)
        for subscription in wanted:
            if subscription.rule.accepts(arguments):
                self._loop.call_soon(subscription.callback, signal)

    def _take_reply(self, reply: Message) -> None:
        destination, future = self._pending.get(reply.reply_serial, ("", None))
        if future is None or future.done() or (is_exact(destination) and reply.sender != destination):
            return  # too late, or from somebody who was not asked
        if reply.too_large:
            future.set_exception(
                BusError(LIMITS_EXCEEDED, f"the answer is larger than {self.limits.body} bytes")
            )
            return
        try:
            body = reply.body(self.limits.values)
        except WireError as error:
            future.set_exception(BusError(FREEDESKTOP + "InconsistentMessage", str(error)))
            return
        if reply.kind is Kind.ERROR:
            text = body[0] if body and isinstance(body[0], str) else ""
            future.set_exception(BusError(reply.error_name, text))
        else:
            future.set_result(body)

    def _end(self, reason: str) -> None:
        if not self.disconnected.done():
            self.disconnected.set_result(reason)
        for _, future in self._pending.values():
            if not future.done():
                future.set_exception(BusGone(f"the connection to the bus has ended: {reason}"))


async def _authenticate(sock: socket.socket, address: bytes) -> None:
    loop = asyncio.get_running_loop()
    handshake = Handshake()
    await loop.sock_connect(sock, address)
    await loop.sock_sendall(sock, handshake.greeting())
    line = b""
    while not line.endswith(b"\r\n"):
        data = await loop.sock_recv(sock, MAX_LINE - len(line))
        if not data:
            raise ConnectionResetError(0, "it closed the connection during authentication")
        line += data
    await loop.sock_sendall(sock, handshake.answer(line))
