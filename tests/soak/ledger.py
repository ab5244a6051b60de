"""What callers were told, to be compared with what is there."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from tests.soak.figures import Figures, ViolationError

__all__ = ["Ledger"]


class Ledger:
    """The reservations that were acknowledged, and those of which nobody was told how it ended."""

    def __init__(self, figures: Figures) -> None:
        self.granted: dict[str, Hashable] = {}  # whatever tells one grant from another
        self.clients: dict[str, str] = {}  # reservation -> the client with which it ends
        self._figures = figures
        self._unknown: dict[str, tuple[bool, str]] = {}  # name -> whether it must be there, and its client

    def reserved(self, name: str, granted: Hashable, client: str = "") -> None:
        """`client`: the one with which it ends, if it does."""
        self.granted[name] = granted
        if client:
            self.clients[name] = client

    def resized(self, name: str, granted: Hashable) -> None:
        if name in self.granted:  # else it has ended with its client meanwhile
            self.granted[name] = granted

    def released(self, name: str) -> None:
        self.granted.pop(name, None)
        self.clients.pop(name, None)

    def left(self, client: str) -> None:
        """The client is off the bus: what was its own ends."""
        for name in [name for name, owner in self.clients.items() if owner == client]:
            self.released(name)
        for name, (_, owner) in list(self._unknown.items()):
            if owner == client:
                self._unknown[name] = False, ""

    def unknown(self, name: str, *, stays: bool, client: str = "") -> None:
        """A request of which nobody was told how it ended. `stays`: it takes no reservation away.

        `client`: the one with which a new reservation ends.
        """
        stayed = self._unknown.get(name, (True, ""))[0]
        known = name in self.granted
        self._unknown[name] = stayed and stays and known, self.clients.get(name, "") if known else client

    @property
    def in_doubt(self) -> set[str]:
        """The names that may be there or not."""
        return set(self._unknown)

    def compare(self, found: Mapping[str, Hashable]) -> None:
        """Raises ViolationError. What had ended with its client must be gone by now."""
        for name, (stays, client) in self._unknown.items():
            if name in found:
                self.reserved(name, found[name], client)
            elif not stays:
                self.released(name)
        self._unknown.clear()
        lost = [name for name, granted in self.granted.items() if found.get(name) != granted]
        if lost:
            self._figures.lost += len(lost)
            raise ViolationError(f"lost: {lost}; there are {dict(found)}, acknowledged were {self.granted}")
        if beside := found.keys() - self.granted.keys():
            raise ViolationError(f"nobody was told of {sorted(beside)}")
