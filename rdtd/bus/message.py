"""A D-Bus message: its header to bytes and back, and its body left in bytes until somebody wants it.

The header is written and read here, not by dbus-next, for three reasons: an unknown header field has to be
skipped where the library fails on it, a message that is too large has to be answered from its header alone,
and the header is most of what a small message costs. The format is in the D-Bus specification, "Message
Format".
"""

import struct
from enum import IntEnum
from functools import lru_cache
from typing import Any, NamedTuple

from rdtd.bus.wire import EMPTY, LITTLE_ENDIAN, Encoded, WireError, decode, skip_variant

NO_REPLY_EXPECTED = 1
ALLOW_INTERACTIVE_AUTHORIZATION = 4

PROTOCOL_VERSION = 1


class Kind(IntEnum):
    """The message types."""

    CALL = 1
    RETURN = 2
    ERROR = 3
    SIGNAL = 4


# Header fields: their codes and types. Codes from 10 on are not defined yet and are skipped.
_PATH, _INTERFACE, _MEMBER, _ERROR_NAME, _REPLY_SERIAL, _DESTINATION, _SENDER, _SIGNATURE, _UNIX_FDS = range(
    1, 10
)
_TYPES = {1: "o", 2: "s", 3: "s", 4: "s", 5: "u", 6: "s", 7: "s", 8: "g", 9: "u"}
_REQUIRED = {
    Kind.CALL: (_PATH, _MEMBER),
    Kind.RETURN: (_REPLY_SERIAL,),
    Kind.ERROR: (_ERROR_NAME, _REPLY_SERIAL),
    Kind.SIGNAL: (_PATH, _INTERFACE, _MEMBER),
}


class Message(NamedTuple):
    """A received message. A header field that it does not have is "" (reply_serial: 0).

    `too_large`: the body was over the framer's limit and is not in `frame`.
    """

    kind: Kind
    flags: int
    serial: int
    path: str
    interface: str
    member: str
    error_name: str
    reply_serial: int
    destination: str
    sender: str
    signature: str
    frame: bytes
    body_offset: int
    too_large: bool = False

    @property
    def reply_expected(self) -> bool:
        return self.kind is Kind.CALL and not self.flags & NO_REPLY_EXPECTED

    def body(self, limit: int | None = None) -> list[Any]:
        """The values of the body; see wire.decode for the limit and the errors."""
        return decode(self.signature, self.frame, self.body_offset, limit)


def parse(frame: bytes, too_large: bool = False) -> Message | None:
    """Read the header of a whole message. None for a message type that is not defined yet: to be ignored.

    Raises WireError if the header is malformed.
    """
    try:
        fields, end = _fields(frame)
        kind = Kind(frame[1]) if 1 <= frame[1] <= 4 else None
    except WireError:
        raise
    except Exception as error:
        raise WireError(f"malformed header: {error}") from error
    if kind is None:
        if frame[1] == 0:
            raise WireError("0 is not a message type")
        return None
    for field in _REQUIRED[kind]:
        if not fields.get(field):
            raise WireError(f"a {kind.name} without header field {field}")
    serial: int = struct.unpack_from("<I" if frame[0] == LITTLE_ENDIAN else ">I", frame, 8)[0]
    if not serial:
        raise WireError("0 is not a serial number")
    return Message(
        kind,
        frame[2],
        serial,
        fields.get(_PATH, ""),
        fields.get(_INTERFACE, ""),
        fields.get(_MEMBER, ""),
        fields.get(_ERROR_NAME, ""),
        fields.get(_REPLY_SERIAL, 0),
        fields.get(_DESTINATION, ""),
        fields.get(_SENDER, ""),
        fields.get(_SIGNATURE, ""),
        frame,
        (end + 7) & ~7,
        too_large,
    )


def _fields(frame: bytes) -> tuple[dict[int, Any], int]:
    """The header fields that are known, by code, and the offset where the array of fields ends."""
    u32 = struct.Struct("<I" if frame[0] == LITTLE_ENDIAN else ">I").unpack_from
    end = 16 + u32(frame, 12)[0]
    offset = 16
    fields: dict[int, Any] = {}
    while offset < end:
        offset = (offset + 7) & ~7
        code = frame[offset]
        if code not in _TYPES:
            if code == 0:
                raise WireError("0 is not a header field")
            offset = skip_variant(frame, offset + 1)
            continue
        # A known field is: code, the variant's signature as length, one character, NUL; then the value.
        if frame[offset + 1 : offset + 4] != b"\1%c\0" % _TYPES[code].encode():
            raise WireError(f"header field {code} has the wrong type")
        offset += 4
        if code in (_REPLY_SERIAL, _UNIX_FDS):
            fields[code] = u32(frame, offset)[0]
            offset += 4
        else:
            if code == _SIGNATURE:
                length = frame[offset]
                offset += 1
            else:
                length = u32(frame, offset)[0]
                offset += 4
            if offset + length >= end:
                raise WireError(f"header field {code} is longer than the header")
            fields[code] = str(frame[offset : offset + length], "utf-8")
            offset += length + 1
    if offset != end:
        raise WireError("the header fields end behind the header")
    return fields, end


def call(
    serial: int,
    destination: str,
    path: str,
    interface: str,
    member: str,
    body: Encoded = EMPTY,
    flags: int = 0,
) -> bytes:
    """A method call as bytes. Names and paths are not checked here, nor are those of signals."""
    names = _names((_PATH, path), (_INTERFACE, interface), (_MEMBER, member), (_DESTINATION, destination))
    return _frame(Kind.CALL, flags, serial, names, body)


def signal(
    serial: int, path: str, interface: str, member: str, body: Encoded = EMPTY, destination: str = ""
) -> bytes:
    """A signal as bytes: a broadcast unless there is a destination."""
    names = _names((_PATH, path), (_INTERFACE, interface), (_MEMBER, member), (_DESTINATION, destination))
    return _frame(Kind.SIGNAL, NO_REPLY_EXPECTED, serial, names, body)


def answer(serial: int, to: Message, body: Encoded = EMPTY) -> bytes:
    """The reply to a call as bytes."""
    return _frame(Kind.RETURN, NO_REPLY_EXPECTED, serial, _reply_to(to), body)


def error(serial: int, to: Message, name: str, body: Encoded = EMPTY) -> bytes:
    """An error reply to a call as bytes."""
    return _frame(
        Kind.ERROR, NO_REPLY_EXPECTED, serial, _aligned(_reply_to(to)) + _names((_ERROR_NAME, name)), body
    )


def _reply_to(to: Message) -> bytes:
    # Every field starts at a multiple of 8: code, type and serial fill exactly that.
    return b"\5\1u\0" + struct.pack("<I", to.serial) + _names((_DESTINATION, to.sender))


@lru_cache(maxsize=256)
def _names(*fields: tuple[int, str]) -> bytes:
    """Header fields that are strings or paths, one behind the other; empty ones left out."""
    written = b""
    for code, text in fields:
        if text:
            raw = text.encode()
            written = _aligned(written) + b"%c\1%c\0" % (code, _TYPES[code].encode())
            written += struct.pack("<I", len(raw)) + raw + b"\0"
    return written


def _frame(kind: Kind, flags: int, serial: int, fields: bytes, body: Encoded) -> bytes:
    if body.signature:
        raw = body.signature.encode()
        fields = _aligned(fields) + b"\x08\1g\0%c%s\0" % (len(raw), raw)
    head = struct.pack(
        "<BBBBIII", LITTLE_ENDIAN, kind, flags, PROTOCOL_VERSION, len(body.data), serial, len(fields)
    )
    return head + _aligned(fields) + body.data


def _aligned(fields: bytes) -> bytes:
    return fields + bytes(-len(fields) % 8)
