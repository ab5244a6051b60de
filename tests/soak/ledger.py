"""What callers were told, to be compared with what is there."""

from __future__ import annotations

from collections.abc import Mapping

from rdtd.core.model import Granted, Lifetime, Reservation
from tests.soak.figures import Figures, ViolationError

__all__ = ["Ledger"]


class Ledger:
    """The reservations that were acknowledged, and those of which nobody was told how it ended."""

    def __init__(self, figures: Figures) -> None:
        self.granted: dict[str, tuple[Granted, ...]] = {}
        self.clients: dict[str, str] = {}  # reservation -> the client with which it ends
        self._figures = figures
        self._unknown: dict[str, bool] = {}  # name -> whether it must be there in any case

    def reserved(self, reservation: Reservation) -> None:
        self.granted[reservation.name] = reservation.granted
        if reservation.lifetime is Lifetime.CLIENT:
            self.clients[reservation.name] = reservation.owner.client

    def resized(self, name: str, granted: tuple[Granted, ...]) -> None:
        self.granted[name] = granted

    def released(self, name: str) -> None:
        self.granted.pop(name, None)
        self.clients.pop(name, None)

    def left(self, client: str) -> None:
        """The client is off the bus: what was its own ends."""
        for name in [name for name, owner in self.clients.items() if owner == client]:
            self.released(name)

    def unknown(self, name: str, *, stays: bool) -> None:
        """A request of which nobody was told how it ended; `stays`: the reservation is there either way."""
        self._unknown[name] = self._unknown.get(name, True) and stays and name in self.granted

    def compare(self, found: Mapping[str, Reservation], gone: set[str]) -> None:
        """Raises ViolationError. `gone`: the clients that are off the bus, of whom nothing may be left."""
        for name, stays in self._unknown.items():
            reservation = found.get(name)
            if reservation is not None and reservation.owner.client not in gone:
                self.reserved(reservation)
            elif not stays:
                self.released(name)
        self._unknown.clear()
        lost = [
            name
            for name, granted in self.granted.items()
            if getattr(found.get(name), "granted", None) != granted
        ]
        if lost:
            self._figures.lost += len(lost)
            raise ViolationError(f"lost: {lost}; there are {dict(found)}")
        if beside := found.keys() - self.granted.keys():
            raise ViolationError(f"nobody was told of {sorted(beside)}")
