"""A client of rdtd for tests: each member of its interfaces in one call, and the signals that it sends."""

from types import TracebackType
from typing import Any, Self

from rdtd.bus.client import BusError, Client, Rule, Signal
from tests.support.patience import PATIENCE

NAME = "org.rdtd1"
PATH = "/org/rdtd1"
MANAGER = "org.rdtd1.Manager"
RESERVATION = "org.rdtd1.Reservation"
CACHE = "org.rdtd1.Cache"
RDTD_ERROR = "org.rdtd1.Error."
INVALID_ARGS = "org.freedesktop.DBus.Error.InvalidArgs"
ACCESS_DENIED = "org.freedesktop.DBus.Error.AccessDenied"

Granted = list[dict[str, Any]]


class Caller:
    """A connection to the bus of a test. Values come back without their variants."""

    def __init__(self, address: str) -> None:
        self.client = Client.open(address)

    def call(self, member: str, signature: str = "", *arguments: Any) -> list[Any]:
        """A method of the manager."""
        return self.client.call(NAME, PATH, MANAGER, member, signature, *arguments)

    def call_of(
        self, path: str, interface: str, member: str, signature: str = "", *arguments: Any
    ) -> list[Any]:
        """A method of any object."""
        return self.client.call(NAME, path, interface, member, signature, *arguments)

    def reserve(self, name: str, spec: str, **options: tuple[str, Any]) -> Granted:
        """ReserveSpec; `_` in an option's name stands for `-`."""
        given = {key.replace("_", "-"): value for key, value in options.items()}
        granted: Granted = self.call("ReserveSpec", "ssa{sv}", name, spec, given)[1]
        return granted

    def reserve_regions(
        self, name: str, regions: list[dict[str, Any]], options: dict[str, Any] | None = None
    ) -> list[Any]:
        return self.call("Reserve", "saa{sv}a{sv}", name, regions, options or {})

    def release(self, name: str) -> None:
        self.call("Release", "sa{sv}", name, {})

    def attach(self, name: str, **targets: tuple[str, Any]) -> None:
        self.call("Attach", "sa{sv}", name, targets)

    def detach(self, name: str, **targets: tuple[str, Any]) -> None:
        self.call("Detach", "sa{sv}", name, targets)

    def reservations(self) -> list[Any]:
        """The rows of ListReservations."""
        rows: list[Any] = self.call("ListReservations")[0]
        return rows

    def names(self) -> list[str]:
        return [row[0] for row in self.reservations()]

    def free(self) -> list[Any]:
        """The rows of ListFree."""
        rows: list[Any] = self.call("ListFree")[0]
        return rows

    def get(self, name: str, path: str = PATH, interface: str = MANAGER) -> Any:
        return self.client.get(NAME, path, interface, name)

    def subscribe(self) -> None:
        """Lets every signal of rdtd come in."""
        self.client.subscribe(Rule(NAME))

    def signal(self, member: str, patience: float = PATIENCE) -> Signal:
        """The next signal of that name; those that come before it are dropped. Raises AssertionError."""
        while True:
            signal = self.client.next_signal(patience)
            assert signal is not None, f"no signal {member}"
            if signal.member == member:
                return signal

    def signals_so_far(self) -> list[Signal]:
        """What rdtd has sent until now: a call's answer comes behind every signal sent before it."""
        self.call("ListReservations")
        found = []
        while (signal := self.client.next_signal(0)) is not None:
            found.append(signal)
        return found

    def close(self) -> None:
        self.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


__all__ = [
    "ACCESS_DENIED",
    "CACHE",
    "INVALID_ARGS",
    "MANAGER",
    "NAME",
    "PATH",
    "RDTD_ERROR",
    "RESERVATION",
    "BusError",
    "Caller",
    "Granted",
    "Signal",
]
