"""A plain, synchronous client: what a command-line program needs, and quick to import.

It shares the message code with the daemon's connection but needs no event loop, which would take longer to
import than a call takes. One thread, one thing at a time: a call waits for its answer, and signals that come
meanwhile are kept until `next_signal` asks for them.
"""

import socket
import time
from collections import deque
from types import TracebackType
from typing import Any, Self

from rdtd.bus import message as messages
from rdtd.bus.address import HANDSHAKE_TIMEOUT, MAX_LINE, Handshake, endpoints, new_socket, refused
from rdtd.bus.errors import FREEDESKTOP, INVALID_ARGS, BusError, BusGone, BusTimeout, NoBus
from rdtd.bus.framing import MAX_MESSAGE, Framer, FramingError
from rdtd.bus.message import Kind, Message
from rdtd.bus.rules import BUS_NAME, BUS_PATH, Rule, Signal, is_exact
from rdtd.bus.wire import WireError, encode, plain

__all__ = ["BusError", "BusGone", "BusTimeout", "Client", "NoBus", "Rule", "Signal"]

_PROPERTIES = "org.freedesktop.DBus.Properties"


class Client:
    """A connection to a bus. Values that come back are plain: no variants.

    In arguments a variant is a pair of its signature and its value: `{"ways": ("u", 4)}`.
    """

    def __init__(self, sock: socket.socket) -> None:
        """Take over a connected and authenticated socket; `open` makes one."""
        self._socket = sock
        self._framer = Framer(MAX_MESSAGE)
        self._serial = 0
        self._rules: list[Rule] = []
        self._signals: deque[Signal] = deque()
        self._owners: dict[str, str] = {}
        self.unique_name = ""

    @classmethod
    def open(cls, bus: str) -> "Client":
        """Connect to `system`, `session` or a D-Bus address. Raises NoBus, whose text is one clear line."""
        failures = []
        for endpoint in endpoints(bus):
            sock = new_socket()
            try:
                _authenticate(sock, endpoint.address)
                client = cls(sock)
                [client.unique_name] = client.call(BUS_NAME, BUS_PATH, BUS_NAME, "Hello")
            except OSError as error:  # TimeoutError is one
                failures.append((endpoint, error))
                sock.close()
            except (BusError, BusGone, BusTimeout) as error:
                sock.close()
                raise NoBus(f"the bus at {endpoint.text} did not greet us: {error}") from error
            except BaseException:
                sock.close()
                raise
            else:
                return client
        raise refused(bus, failures)

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def fileno(self) -> int:
        """For select and poll. `next_signal(timeout=0)` may have one although nothing is readable."""
        return self._socket.fileno()

    def call(
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        *arguments: Any,
        timeout: float = 25.0,
        interactive: bool = False,
    ) -> list[Any]:
        """Call a method and wait for its answer. Raises BusError (an error reply), BusTimeout or BusGone.

        Arguments that the signature does not describe, which no service could be sent, are a BusError too:
        InvalidArgs, as the service's answer would be.
        """
        self._serial += 1
        serial = self._serial
        flags = messages.ALLOW_INTERACTIVE_AUTHORIZATION if interactive else 0
        try:
            body = encode(signature, arguments)
        except WireError as error:
            raise BusError(INVALID_ARGS, f"{member} cannot be called with that: {error}") from error
        self._send(messages.call(serial, destination, path, interface, member, body, flags))
        end = time.monotonic() + timeout
        while True:
            message = self._receive(end)
            if message is None:
                raise BusTimeout(f"{destination} did not answer {member} within {timeout:g} s")
            answers = message.kind in (Kind.RETURN, Kind.ERROR) and message.reply_serial == serial
            if answers and (not is_exact(destination) or message.sender == destination):
                break
            self._take(message)
        try:
            values: list[Any] = plain(message.body())
        except WireError as error:
            raise BusError(FREEDESKTOP + "InconsistentMessage", str(error)) from error
        if message.kind is Kind.ERROR:
            raise BusError(message.error_name, values[0] if values and isinstance(values[0], str) else "")
        return values

    def get(self, destination: str, path: str, interface: str, name: str) -> Any:
        """The value of a property."""
        return self.call(destination, path, _PROPERTIES, "Get", "ss", interface, name)[0]

    def get_all(self, destination: str, path: str, interface: str) -> dict[str, Any]:
        """All properties of an interface, by name."""
        values: dict[str, Any] = self.call(destination, path, _PROPERTIES, "GetAll", "s", interface)[0]
        return values

    def subscribe(self, rule: Rule) -> None:
        """Let signals that match come in, from now on and across restarts of the sender."""
        if rule.sender and not is_exact(rule.sender) and rule.sender not in self._owners:
            self._follow(rule.sender)
        self._rules.append(rule)
        self.call(BUS_NAME, BUS_PATH, BUS_NAME, "AddMatch", "s", str(rule))

    def next_signal(self, timeout: float | None = None) -> Signal | None:
        """The next signal that was subscribed to, or None when the time (seconds) is over. Raises BusGone."""
        end = None if timeout is None else time.monotonic() + timeout
        while not self._signals:
            message = self._receive(end)
            if message is None:
                return None
            self._take(message)
        return self._signals.popleft()

    def _follow(self, name: str) -> None:
        """Know who owns a well-known name, so that nobody else's signals pass for its own."""
        self._owners[name] = ""
        rule = Rule(BUS_NAME, BUS_NAME, "NameOwnerChanged", BUS_PATH, arg0=name)
        self.call(BUS_NAME, BUS_PATH, BUS_NAME, "AddMatch", "s", str(rule))
        try:
            [self._owners[name]] = self.call(BUS_NAME, BUS_PATH, BUS_NAME, "GetNameOwner", "s", name)
        except BusError:
            self._owners[name] = ""  # it may come later

    def _take(self, message: Message) -> None:
        """Keep what is not the answer that is waited for: a signal. Calls to us are refused."""
        if message.reply_expected:
            self._serial += 1
            text = encode("s", ["this is a client, it has no objects"])
            self._send(messages.error(self._serial, message, FREEDESKTOP + "UnknownObject", text))
        if message.kind is not Kind.SIGNAL:
            return
        try:
            arguments = plain(message.body())
        except WireError:
            return
        signal = Signal(message.sender, message.path, message.interface, message.member, arguments)
        if signal.sender == BUS_NAME and signal.member == "NameOwnerChanged" and arguments[0] in self._owners:
            self._owners[arguments[0]] = arguments[2]
        if any(self._wanted(rule, message, arguments) for rule in self._rules):
            self._signals.append(signal)

    def _wanted(self, rule: Rule, message: Message, arguments: list[Any]) -> bool:
        if rule.sender in self._owners and message.sender != self._owners[rule.sender]:
            return False
        return rule.matches(message) and rule.accepts(arguments)

    def _send(self, frame: bytes) -> None:
        self._socket.settimeout(None)
        try:
            self._socket.sendall(frame)
        except OSError as error:
            raise BusGone(f"cannot write to the bus: {error.strerror}") from error

    def _receive(self, end: float | None) -> Message | None:
        """The next message; None when the time is over. What is malformed is dropped."""
        while True:
            try:
                frame = self._framer.next()
                if frame is not None:
                    message = messages.parse(frame.data)
                    if message is not None:
                        return message
                    continue
            except WireError:
                continue
            except FramingError as error:
                raise BusGone(f"the bus sent nonsense: {error}") from error
            try:
                # A timeout of 0 would make the socket non-blocking, which is another kind of error.
                self._socket.settimeout(None if end is None else max(end - time.monotonic(), 1e-6))
                data = self._socket.recv(256 << 10)
            except TimeoutError:
                return None
            except OSError as error:
                raise BusGone(f"cannot read from the bus: {error.strerror}") from error
            if not data:
                raise BusGone("the bus closed the connection")
            self._framer.feed(data)


def _authenticate(sock: socket.socket, address: bytes) -> None:
    handshake = Handshake()
    sock.settimeout(HANDSHAKE_TIMEOUT)
    sock.connect(address)
    sock.sendall(handshake.greeting())
    line = b""
    while not line.endswith(b"\r\n"):
        data = sock.recv(MAX_LINE - len(line))
        if not data:
            raise ConnectionResetError(0, "it closed the connection during authentication")
        line += data
    sock.sendall(handshake.answer(line))
