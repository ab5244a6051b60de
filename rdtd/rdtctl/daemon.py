"""The daemon as rdtctl sees it: each call of the interface with its values, every failure a Failure.

The one module that knows rdtd.bus.client. The interface is in dbus/org.rdtd1.Manager.xml.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from rdtd.bus.client import BusError, BusGone, BusTimeout, Client, NoBus, Rule, Signal
from rdtd.rdtctl.exits import Failure, Unreachable, status_of
from rdtd.rdtctl.values import Cache, Difference, Granted, Picture, Reservation, Status, granted_from

NAME = "org.rdtd1"
PATH = "/org/rdtd1"
MANAGER = "org.rdtd1.Manager"
CACHE = "org.rdtd1.Cache"
RESERVATION = "org.rdtd1.Reservation"
_BUS = "org.freedesktop.DBus"
_OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
_STANDARD = "org.freedesktop.DBus.Error."

# Errors by which a bus says that nobody is there to answer, besides those of a failed activation.
_ABSENT = {"ServiceUnknown", "NameHasNoOwner", "NoReply", "NoServer", "Disconnected", "TimedOut"}

_AUTHENTICATE = _STANDARD + "InteractiveAuthorizationRequired"
_PATIENCE = 600.0  # seconds for a call that lets people be asked, perhaps more than once

Values = Mapping[str, tuple[str, Any]]
"""An a{sv}: each value with its signature."""


class Daemon:
    """A connection to a bus on which rdtd is, or is expected. To be closed, or used in `with`."""

    def __init__(self, bus: str, *, ask: bool = False) -> None:
        """Connect to `system`, `session` or an address; `ask`: a password may be asked for.

        Raises Unreachable.
        """
        self._ask = ask
        try:
            self._client = Client.open(bus)
        except NoBus as error:
            raise Unreachable(str(error)) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    # Calls that change something

    def reserve(self, name: str, spec: str, options: Values) -> tuple[str, tuple[Granted, ...]]:
        """Reserve by a line of text; the reservation's object path and what it got."""
        path, granted = self._call("ReserveSpec", "ssa{sv}", name, spec, options)
        return path, granted_from(granted)

    def release(self, name: str) -> None:
        self._call("Release", "sa{sv}", name, {})

    def resize(self, name: str, regions: Sequence[Values], options: Values) -> tuple[Granted, ...]:
        [granted] = self._call("Resize", "saa{sv}a{sv}", name, regions, options)
        return granted_from(granted)

    def attach(self, name: str, targets: Values) -> None:
        self._call("Attach", "sa{sv}", name, targets)

    def detach(self, name: str, targets: Values) -> None:
        self._call("Detach", "sa{sv}", name, targets)

    def reconcile(self) -> int:
        [changes] = self._call("Reconcile")
        return int(changes)

    # Calls that look

    def caches(self) -> list[Cache]:
        [rows] = self._call("ListFree")
        return [Cache.from_row(row) for row in rows]

    def reservations(self) -> list[Reservation]:
        [rows] = self._call("ListReservations")
        return [Reservation.from_row(row) for row in rows]

    def reservation(self, name: str) -> Reservation:
        """Raises Failure NOT_FOUND with the daemon's text if there is none."""
        [path] = self._call("GetReservation", "s", name)
        with _explained():
            properties = self._client.get_all(NAME, path, RESERVATION)
        return Reservation.from_properties(path, properties)

    def picture(self) -> Picture:
        """All caches (the highest level first) and reservations (by name), all of one moment."""
        with _explained():
            [objects] = self._client.call(NAME, PATH, _OBJECT_MANAGER, "GetManagedObjects")
        caches, reservations = [], []
        for path, interfaces in objects.items():
            if CACHE in interfaces:
                caches.append(Cache.from_properties(interfaces[CACHE]))
            elif RESERVATION in interfaces:
                reservations.append(Reservation.from_properties(path, interfaces[RESERVATION]))
        return Picture(
            tuple(sorted(caches, key=lambda cache: (-cache.level, cache.cache_id))),
            tuple(sorted(reservations, key=lambda reservation: reservation.name)),
        )

    def status(self) -> Status:
        """What the daemon says of itself, with its caches and reservations."""
        with _explained():
            properties = self._client.get_all(NAME, PATH, MANAGER)
        picture = self.picture()
        return Status(
            properties["Version"],
            properties["State"],
            properties["Root"],
            properties["Cdp"],
            properties["ClosidsTotal"],
            properties["ClosidsFree"],
            picture.reservations,
            picture.caches,
        )

    def check(self) -> list[Difference]:
        """Every difference between what the daemon wants and what is there."""
        [rows] = self._call("Check")
        return [Difference.from_row(row) for row in rows]

    # Signals

    def subscribe(self) -> None:
        """Have the daemon's signals come in, and news of its arrivals and departures."""
        with _explained():
            self._client.subscribe(Rule(_BUS, _BUS, "NameOwnerChanged", arg0=NAME))
            self._client.subscribe(Rule(NAME, path_namespace=PATH))

    def wait(self, timeout: float | None = None) -> Signal | None:
        """The next signal, None if none comes in time (seconds). Raises Unreachable when the bus is gone."""
        with _explained():
            return self._client.next_signal(timeout)

    def _call(self, member: str, signature: str = "", *arguments: Any) -> list[Any]:
        call = (NAME, PATH, MANAGER, member, signature, *arguments)
        with _explained():
            try:
                return self._client.call(*call)
            except BusError as error:
                if error.name != _AUTHENTICATE or not self._ask:
                    raise
            from rdtd.rdtctl.agent import at_this_terminal

            with at_this_terminal():
                return self._client.call(*call, interactive=True, timeout=_PATIENCE)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what the client raises into the Failure that rdtctl ends with."""
    try:
        yield
    except BusError as error:
        raise _failure(error) from None
    except (BusGone, BusTimeout) as error:
        raise Unreachable(str(error)) from None


def _failure(error: BusError) -> Failure:
    kind = error.name.removeprefix(_STANDARD)
    if kind in ("ServiceUnknown", "NameHasNoOwner"):
        return Unreachable("rdtd is not running on this bus (nobody owns the name org.rdtd1)")
    if kind in _ABSENT or kind.startswith("Spawn."):
        return Unreachable(f"rdtd does not answer: {error.text}")
    return Failure(error.text or error.name, status_of(error.name))
