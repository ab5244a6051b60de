"""Where a bus is, and how a connection to it begins: address, socket, authentication. No event loop here."""

import os
import re
import socket
from typing import NamedTuple

from rdtd.bus.errors import NoBus
from rdtd.bus.library import AuthError, AuthExternal

_SYSTEM = "unix:path=/run/dbus/system_bus_socket"
_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")

# More than any authentication line needs.
MAX_LINE = 16 << 10
# Seconds in which the bus has to answer the authentication.
HANDSHAKE_TIMEOUT = 10.0


class Endpoint(NamedTuple):
    """One socket that may lead to the bus: its address as it was written, and as socket.connect takes it."""

    text: str
    address: bytes


def describe(bus: str) -> str:
    """A bus in words, for a message to a person."""
    return f"the {bus} bus" if bus in ("system", "session") else "the bus"


def endpoints(bus: str) -> list[Endpoint]:
    """The sockets to try in turn for `system`, `session` or a D-Bus address (several are separated by `;`).

    Raises NoBus if there is nothing to try.
    """
    address = bus
    if bus == "system":
        address = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS", _SYSTEM)
    elif bus == "session":
        address = os.environ.get("DBUS_SESSION_BUS_ADDRESS", "")
        if not address and "XDG_RUNTIME_DIR" in os.environ:
            address = f"unix:path={os.environ['XDG_RUNTIME_DIR']}/bus"
        if not address:
            raise NoBus("no session bus: neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set")
    found = []
    problem = "it is empty"
    for text in filter(None, address.split(";")):
        try:
            found.append(Endpoint(text, _socket_address(text)))
        except ValueError as error:
            problem = str(error)
    if not found:
        raise NoBus(f"{address!r} is no address of a bus that rdtd can use: {problem}")
    return found


def _socket_address(text: str) -> bytes:
    transport, colon, rest = text.partition(":")
    if not colon:
        raise ValueError("a transport and ':' are missing (such as unix:path=/run/dbus/system_bus_socket)")
    if transport != "unix":
        raise ValueError(f"transport {transport!r} is not supported, only unix is")
    options = dict(option.partition("=")[::2] for option in rest.split(","))
    if path := options.get("path"):
        return _unescape(path)
    if abstract := options.get("abstract"):
        return b"\0" + _unescape(abstract)
    raise ValueError(f"{text!r} has neither path= nor abstract=")


def _unescape(value: str) -> bytes:
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), os.fsencode(value))


def refused(bus: str, failures: list[tuple[Endpoint, OSError]]) -> NoBus:
    """The error that says why none of the endpoints led to a bus."""
    reasons = "; ".join(f"{endpoint.text}: {error.strerror or error}" for endpoint, error in failures)
    return NoBus(f"cannot connect to {describe(bus)} at {reasons}")


def new_socket() -> socket.socket:
    """The kind of socket that a bus listens on; close-on-exec, as all of Python's are."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)


class Handshake:
    """The authentication, as lines to send and lines to be fed: the user is who the kernel says it is.

    File descriptors are not negotiated, so the bus passes none on to us.
    """

    def __init__(self) -> None:
        self._external = AuthExternal()

    def greeting(self) -> bytes:
        """What to send first."""
        return b"\0" + self._external._authentication_start().encode() + b"\r\n"

    def answer(self, line: bytes) -> bytes:
        """What to send after the bus's line; messages follow at once. Raises NoBus if it said no."""
        try:
            return self._external._receive_line(line.decode("ascii", "replace").strip()).encode() + b"\r\n"
        except (AuthError, ValueError) as error:
            raise NoBus(f"the bus refused us: {error}") from error
