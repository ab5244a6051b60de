"""Bodies of messages: values to bytes and back, by dbus-next's marshaller, with what it leaves open closed.

Values are Python's own: int, bool, float, str, bytes for `ay`, list (or tuple) for arrays and structs,
dict for dictionaries. A variant is read as a `Variant`, with `signature` and `value`; it is written as
one or as a pair `(signature, value)`.

The values that this and the next modules deal in are named tuples: making data classes takes a command-line
program longer than the rest of its start.
"""

import struct
from collections.abc import Iterable
from typing import Any, NamedTuple

from rdtd.bus.library import Marshaller, SignatureTree, SignatureType, Unmarshaller, Variant
from rdtd.bus.paths import is_object_path

LITTLE_ENDIAN = ord("l")

_FORMATS = {
    order: {code: struct.Struct(mark + code) for code in "hHiIqQd"}
    for order, mark in ((ord("l"), "<"), (ord("B"), ">"))
}


class WireError(Exception):
    """Bytes that are no message, or values that a signature does not describe."""


class TooManyValues(WireError):  # noqa: N818 - what happened, not a fault
    """The body has more values than the reader was allowed to look at."""


class Encoded(NamedTuple):
    """A body that is marshalled already (little-endian). An answer that is asked for often is kept as one."""

    signature: str
    data: bytes


def encode(signature: str, values: list[Any] | tuple[Any, ...]) -> Encoded:
    """Marshal a body. Raises WireError if the values are not what the signature says."""
    if not signature and not values:
        return EMPTY
    try:
        return Encoded(signature, _Writer(signature, values).marshalled())
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, struct.error) as error:
        raise WireError(f"cannot write {values!r:.200} as {signature!r}: {error}") from error


def decode(signature: str, frame: bytes, offset: int, limit: int | None = None) -> list[Any]:
    """Read a body that starts at this offset of a whole message (values are aligned to its start).

    A body with more than `limit` values is not read to its end: TooManyValues. Raises WireError if the bytes
    do not match the signature. The library spends microseconds on a value, and a message of 1 MiB can have
    a hundred thousand.
    """
    reader = _Reader(frame, offset, limit)
    try:
        return [reader.read_argument(type_) for type_ in signature_tree(signature).types]
    except WireError:
        raise
    except Exception as error:  # whatever the library runs into on bytes that are wrong
        raise WireError(f"not a body of the type {signature!r}: {error}") from error


def skip_variant(frame: bytes, offset: int) -> int:
    """The offset behind a variant that starts here."""
    reader = _Reader(frame, offset, 1000)
    reader.read_variant()
    return reader.offset


def signature_tree(signature: str) -> SignatureTree:
    """The library's parsed signature. Raises its InvalidSignatureError."""
    return SignatureTree._get(signature)


def plain(value: Any) -> Any:
    """A value with every variant in it replaced by what the variant holds."""
    if isinstance(value, Variant):
        return plain(value.value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def join(arrays: Iterable[Encoded]) -> Encoded:
    """One array from several of the same type, whose elements are structs or dictionary entries.

    A row of a long answer that did not change need not be marshalled again: such elements start at
    multiples of 8, so their bytes are the same wherever they stand. Raises ValueError if there is no array.
    """
    signature = ""
    data = bytearray(8)
    for array in arrays:
        signature = array.signature
        data += bytes(-len(data) % 8) + array.data[8:]
    if signature[:2] not in ("a(", "a{"):
        raise ValueError(f"cannot join arrays of the type {signature!r}")
    struct.pack_into("<I", data, 0, len(data) - 8)
    return Encoded(signature, bytes(data))


class _Writer(Marshaller):
    """The library's marshaller, checking each value as it is written instead of in a pass of its own.

    A string with a NUL byte or a bad object path would make the bus close the connection.
    """

    def __init__(self, signature: str, values: list[Any] | tuple[Any, ...]) -> None:
        super().__init__("", [])
        self.signature_tree = signature_tree(signature)
        self.body = values
        self.writers["o"] = self.write_path
        if len(values) != len(self.signature_tree.types):
            raise ValueError(f"{len(self.signature_tree.types)} values expected, not {len(values)}")

    def marshalled(self) -> bytes:
        return bytes(self.marshall())

    def write_string(self, value: str, _: Any = None) -> int:
        if "\0" in value:
            raise ValueError("a string holds a NUL byte")
        return super().write_string(value)

    def write_path(self, value: str, _: Any = None) -> int:
        if not is_object_path(value):
            raise ValueError(f"{value!r} is not an object path")
        return self.write_string(value)

    def write_variant(self, variant: Variant | tuple[str, Any], _: Any = None) -> int:
        if isinstance(variant, Variant):
            signature, value, type_ = variant.signature, variant.value, variant.type
        else:
            signature, value = variant
            [type_] = signature_tree(signature).types
        return self.write_signature(signature) + self.write_single(type_, value)

    def write_boolean(self, value: bool, _: Any = None) -> int:
        if not isinstance(value, bool):
            raise TypeError(f"{value!r} is not a bool")
        return super().write_boolean(value)

    def write_struct(self, values: list[Any], type_: SignatureType) -> int:
        if len(values) != len(type_.children):
            raise ValueError(f"a struct of {len(type_.children)} values expected, not {len(values)}")
        return super().write_struct(values, type_)


class _Reader(Unmarshaller):
    """The library's unmarshaller on a whole message in memory, with a limit on the work."""

    def __init__(self, frame: bytes, offset: int, limit: int | None) -> None:
        super().__init__(None)
        self.buf = frame
        self.offset = offset
        self.formats = _FORMATS[frame[0]]
        self.left = limit if limit is not None else len(frame)

    def read(self, n: int, prefetch: bool = False) -> int:
        start: int = self.offset
        if start + n > len(self.buf):
            raise WireError("the message ends too early")
        self.offset = start + n
        return start

    def read_ctype(self, fmt: str, size: int) -> Any:
        start = -(-self.offset // size) * size
        self.offset = start + size
        return self.formats[fmt].unpack_from(self.buf, start)[0]

    def read_argument(self, type_: SignatureType) -> Any:
        self.left -= 1
        if self.left < 0:
            raise TooManyValues("the message has too many values")
        return self.readers[type_.token](type_)

    def read_variant(self, _: Any = None) -> Variant:
        """As the library's, but without checking the value that was just read against its type again."""
        tree = signature_tree(self.read_signature())
        if len(tree.types) != 1:
            raise WireError("a variant holds one value")
        variant = Variant.__new__(Variant)
        variant.type = tree.types[0]
        variant.signature = tree.signature
        variant.value = self.read_argument(variant.type)
        return variant


EMPTY = Encoded("", b"")
