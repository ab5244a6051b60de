"""Cutting a stream of bytes into messages. Pure: bytes go in, whole messages come out.

A message says its own length in its first 16 bytes: byte order, type, flags, protocol version, length of the
body, serial, length of the header fields. The fields are padded to a multiple of 8, then the body follows.
"""

import struct
from typing import NamedTuple

from rdtd.bus.message import PROTOCOL_VERSION

# The specification's largest message.
MAX_MESSAGE = 128 << 20
# Far more than a header needs: its longest strings have 255 bytes, object paths are ours.
MAX_HEADER = 64 << 10

_FIXED = 16
_ORDERS = {ord("l"): "<", ord("B"): ">"}


class FramingError(Exception):
    """The stream makes no sense any more: where the next message starts cannot be known."""


class Frame(NamedTuple):
    """A message in bytes; of one whose body is over the limit, the header alone."""

    data: bytes
    too_large: bool = False


class Framer:
    """Takes bytes as they come and gives out messages.

    It never holds more than one incomplete message within the limits and what was fed to it at once: the
    body of a message over `max_body` bytes is thrown away as it arrives, and so is a whole message whose
    header is over MAX_HEADER (nobody can be answered then; `skipped` counts them).
    """

    def __init__(self, max_body: int) -> None:
        self._max_body = max_body
        self._buffer = bytearray()
        self._start = 0
        self._discard = 0
        self.skipped = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        del self._buffer[: self._start]
        self._start = 0
        dropped = min(self._discard, len(data))
        self._discard -= dropped
        self._buffer += memoryview(data)[dropped:]

    def next(self) -> Frame | None:
        """The next message that is complete, None if there is none yet. Raises FramingError."""
        while (sizes := self._sizes()) is not None:
            header, body = sizes
            if header > MAX_HEADER:
                self._drop(header + body)
                self.skipped += 1
            elif body > self._max_body:
                if self._available < header:
                    return None
                frame = Frame(self._take(header), too_large=True)
                self._drop(body)
                return frame
            elif self._available < header + body:
                return None
            else:
                return Frame(self._take(header + body))
        return None

    @property
    def _available(self) -> int:
        return len(self._buffer) - self._start

    def _sizes(self) -> tuple[int, int] | None:
        """The lengths of the next message's header (padded) and body, None until they are known."""
        if self._available < _FIXED:
            return None
        order = _ORDERS.get(self._buffer[self._start])
        if order is None:
            raise FramingError(f"byte order {self._buffer[self._start]}")
        if self._buffer[self._start + 3] != PROTOCOL_VERSION:
            raise FramingError(f"protocol version {self._buffer[self._start + 3]}")
        body, _serial, fields = struct.unpack_from(f"{order}III", self._buffer, self._start + 4)
        header = _FIXED + fields + -fields % 8
        if header + body > MAX_MESSAGE:
            raise FramingError(f"a message of {header + body} bytes")
        return header, body

    def _take(self, length: int) -> bytes:
        data = bytes(memoryview(self._buffer)[self._start : self._start + length])
        self._start += length
        return data

    def _drop(self, length: int) -> None:
        dropped = min(length, self._available)
        self._start += dropped
        self._discard = length - dropped
