"""The other end of a connection, in the test's hands: raw bytes to send what no real bus would pass on."""

import asyncio
import socket
import struct
from typing import Self

from rdtd.bus.connection import Connection
from rdtd.bus.framing import MAX_MESSAGE, Framer
from rdtd.bus.message import Message, parse
from rdtd.bus.transport import Limits

LIMITS = Limits()

PATH, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, DESTINATION, SENDER, SIGNATURE = range(1, 9)


def field(code: int, value: str | int, type_: str = "") -> bytes:
    """A header field; the type is the right one for the code unless another is given."""
    type_ = type_ or {PATH: "o", REPLY_SERIAL: "u", SIGNATURE: "g"}.get(code, "s")
    start = bytes([code, 1]) + type_.encode() + b"\0"
    if isinstance(value, int):
        return start + struct.pack("<I", value)
    raw = value.encode()
    length = bytes([len(raw)]) if type_ == "g" else struct.pack("<I", len(raw))
    return start + length + raw + b"\0"


def message(kind: int, fields: list[bytes], body: bytes = b"", serial: int = 1, flags: int = 0) -> bytes:
    """A message in little-endian bytes, right or wrong."""
    written = b""
    for each in fields:
        written += bytes(-len(written) % 8) + each
    head = struct.pack("<BBBBIII", ord("l"), kind, flags, 1, len(body), serial, len(written))
    return head + written + bytes(-len(written) % 8) + body


def call(
    path: str,
    interface: str,
    member: str,
    signature: str = "",
    body: bytes = b"",
    serial: int = 1,
    *more: bytes,
) -> bytes:
    """A call from the peer :1.7."""
    fields = [
        field(PATH, path),
        field(INTERFACE, interface),
        field(MEMBER, member),
        field(SENDER, ":1.7"),
        *more,
    ]
    if signature:
        fields.append(field(SIGNATURE, signature))
    return message(1, fields, body, serial)


PING = call("/", "org.freedesktop.DBus.Peer", "Ping")


class FakeBus:
    """A connection of rdtd's and the socket at its other end. An async context."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        ours, self.socket = socket.socketpair()
        self.socket.setblocking(False)
        self.connection = Connection(ours, limits)
        self._framer = Framer(MAX_MESSAGE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.connection.close()
        self.socket.close()

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def receive(self) -> Message:
        """The next message that the connection sends."""
        while True:
            frame = self._framer.next()
            if frame is not None:
                received = parse(frame.data)
                assert received is not None
                return received
            self._framer.feed(await asyncio.get_running_loop().sock_recv(self.socket, 1 << 16))
