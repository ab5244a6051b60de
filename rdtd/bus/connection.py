"""A connection to the bus for asyncio that stays up whatever its peers send.

Theory of operation. Everything happens in callbacks of the event loop; no task is kept. `_read` takes bytes
from the socket, cuts them into messages and hands each one on, for at most Limits.turn seconds; if messages
are left it comes back in the next turn of the loop, so that a flood delays others but never stops them.
`_send` writes at once what the socket takes and keeps the rest for when it is writable again. While more than
Limits.pause bytes wait to be written nothing more is read: who does not take our answers gets to ask no more.
Over Limits.queue the connection is given up, which bounds the memory.

Losing the bus is an event, `disconnected`, and final: the owner opens a new connection.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from rdtd.bus import message as messages
from rdtd.bus.address import HANDSHAKE_TIMEOUT, MAX_LINE, Handshake, endpoints, new_socket, refused
from rdtd.bus.errors import FREEDESKTOP, LIMITS_EXCEEDED, BusError, BusGone, BusTimeout, NameTaken, NoBus
from rdtd.bus.framing import Framer, FramingError
from rdtd.bus.message import Kind, Message
from rdtd.bus.rules import BUS_NAME, BUS_PATH, Rule, Signal, is_exact
from rdtd.bus.wire import EMPTY, Encoded, WireError, encode

_CHUNK = 64 << 10
_DO_NOT_QUEUE = 4
_PRIMARY_OWNER, _ALREADY_OWNER = 1, 4


@dataclass(frozen=True, slots=True)
class Limits:
    """What peers can make us spend. Bytes, but for `values` (in one body) and `turn` (seconds)."""

    body: int = 1 << 20
    values: int = 20_000
    pause: int = 1 << 20
    queue: int = 32 << 20
    turn: float = 0.005


Handler = Callable[[Message], None]


class Subscription:
    """A match rule with its callback, until `remove`."""

    def __init__(self, connection: "Connection", rule: Rule, callback: Callable[[Signal], None]) -> None:
        self._connection = connection
        self.rule = rule
        self.callback = callback

    async def remove(self) -> None:
        """Take the rule back. Without effect if that was done already or the bus is gone."""
        await self._connection._unsubscribe(self)


class Connection:
    """See the module. `open` makes one; it serves no objects until `serve` is called."""

    def __init__(self, sock: socket.socket, limits: Limits = Limits()) -> None:
        """Take over a connected and authenticated socket. For tests; others call `open`."""
        sock.setblocking(False)
        self.limits = limits
        self.unique_name = ""
        self.malformed = 0
        """How many messages were dropped because they were none."""
        self._loop = asyncio.get_running_loop()
        self.disconnected: asyncio.Future[str] = self._loop.create_future()
        """Done, with the reason, when the connection has ended."""
        self._socket = sock
        self._framer = Framer(limits.body)
        self._output = bytearray()
        self._paused = False
        self._watching = False
        self._reading_on: asyncio.Handle | None = None
        self._serial = 0
        self._pending: dict[int, tuple[str, asyncio.Future[list[Any]]]] = {}
        self._subscriptions: list[Subscription] = []
        self._handler: Handler | None = None
        self._watch(True)

    @classmethod
    async def open(cls, bus: str, limits: Limits = Limits()) -> "Connection":
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
        """Send what the socket still takes, and end."""
        if not self.disconnected.done():
            self._write()
        self._end("closed")

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
        encoded = encode(signature, body)
        flags = messages.ALLOW_INTERACTIVE_AUTHORIZATION if interactive else 0
        serial = self._next_serial()
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        self._pending[serial] = (destination, future)
        try:
            self._send(
                messages.call(serial, destination, path, interface, member, encoded, flags), strict=True
            )
            async with asyncio.timeout(timeout):
                return await future
        except TimeoutError as error:
            raise BusTimeout(f"{destination} did not answer {member} within {timeout:g} s") from error
        finally:
            del self._pending[serial]

    async def call_bus(self, member: str, signature: str = "", *arguments: Any) -> list[Any]:
        """Call a method of the bus itself."""
        return await self.call(BUS_NAME, BUS_PATH, BUS_NAME, member, signature, arguments)

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
            self._subscriptions.remove(subscription)
            raise
        return subscription

    async def _unsubscribe(self, subscription: Subscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
            if not self.disconnected.done():
                with suppress(BusGone):
                    await self.call_bus("RemoveMatch", "s", str(subscription.rule))

    def send_signal(
        self, path: str, interface: str, member: str, body: Encoded = EMPTY, destination: str = ""
    ) -> None:
        """Send a signal. Without effect if the bus is gone."""
        self._send(messages.signal(self._next_serial(), path, interface, member, body, destination))

    def reply(self, to: Message, body: Encoded = EMPTY) -> None:
        """Answer a call, if it wants an answer. Without effect if the bus is gone."""
        if to.reply_expected:
            self._send(messages.answer(self._next_serial(), to, body))

    def reply_error(self, to: Message, name: str, text: str) -> None:
        """Answer a call with an error, if it wants an answer. Without effect if the bus is gone."""
        if to.reply_expected:
            sendable = text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
            self._send(messages.error(self._next_serial(), to, name, encode("s", [sendable])))

    def _next_serial(self) -> int:
        self._serial = self._serial % 0xFFFFFFFF + 1
        return self._serial

    # Output

    def _send(self, frame: bytes, *, strict: bool = False) -> None:
        if self.disconnected.done():
            if strict:
                raise BusGone(f"the connection to the bus has ended: {self.disconnected.result()}")
            return
        idle = not self._output
        self._output += frame
        if idle:
            self._write()
        if len(self._output) > self.limits.queue:
            self._end("the bus does not read what we send")

    def _write(self) -> None:
        try:
            with memoryview(self._output) as view:
                sent = self._socket.send(view) if view else 0
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._end(f"cannot write to the bus: {error.strerror}")
            return
        del self._output[:sent]
        if self._output:
            self._loop.add_writer(self._socket, self._write)
        else:
            self._loop.remove_writer(self._socket)
        if self._paused and len(self._output) < self.limits.pause // 2:
            self._paused = False
            self._read_on()

    # Input

    def _read(self) -> None:
        self._reading_on = None
        end = time.monotonic() + self.limits.turn
        drained = False
        try:
            while not self.disconnected.done():
                frame = self._framer.next()
                if frame is not None:
                    self._take(frame.data, frame.too_large)
                elif drained:
                    self._watch(True)
                    return
                else:
                    data = self._socket.recv(_CHUNK)
                    if not data:
                        self._end("the bus closed the connection")
                        return
                    drained = len(data) < _CHUNK
                    self._framer.feed(data)
                if len(self._output) > self.limits.pause:
                    self._paused = True
                    self._watch(False)
                    return
                if time.monotonic() > end:
                    self._read_on()
                    return
        except BlockingIOError:
            self._watch(True)
        except FramingError as error:
            self._end(f"the bus sent nonsense: {error}")
        except OSError as error:
            self._end(f"cannot read from the bus: {error.strerror}")

    def _watch(self, readable: bool) -> None:
        """Be called when the socket has something to read, or not."""
        if readable is not self._watching:
            self._watching = readable
            if readable:
                self._loop.add_reader(self._socket, self._read)
            else:
                self._loop.remove_reader(self._socket)

    def _read_on(self) -> None:
        """Read in the next turn, whether or not the socket has more: whole messages may be waiting here."""
        self._watch(False)
        if self._reading_on is None:
            self._reading_on = self._loop.call_soon(self._read)

    def _take(self, data: bytes, too_large: bool) -> None:
        try:
            message = messages.parse(data, too_large)
        except WireError:
            self.malformed += 1
            return
        if message is None:
            return
        if message.kind is Kind.CALL:
            self._take_call(message)
        elif message.kind is Kind.SIGNAL:
            self._take_signal(message)
        else:
            self._take_reply(message)

    def _take_call(self, call: Message) -> None:
        if call.too_large:
            text = f"the arguments of {call.member} are larger than {self.limits.body} bytes"
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
            self.malformed += 1
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
        if self.disconnected.done():
            return
        self.disconnected.set_result(reason)
        self._watch(False)
        self._loop.remove_writer(self._socket)
        if self._reading_on is not None:
            self._reading_on.cancel()
        self._socket.close()
        self._output.clear()
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
