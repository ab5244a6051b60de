"""A running rdtd over the simulator, to which things are done from outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pytest

from tests.support.caller import MANAGER, PATH, RESERVATION, Caller
from tests.support.daemon import Daemon
from tests.support.mount import Mount


@dataclass
class Host:
    """rdtd, a caller that hears every signal, and the mount."""

    daemon: Daemon
    caller: Caller
    mount: Mount

    def control(self, command: str) -> None:
        self.daemon.simulator.control(command)

    def drift(self, group: str, kind: str) -> Mapping[str, str]:
        """Waits for the Drift signal of that group and kind; its details."""
        while True:
            found = self.caller.signal("Drift").arguments
            if found[:2] == [group, kind]:
                details: Mapping[str, str] = found[2]
                return details

    def drifts_so_far(self) -> list[tuple[str, str]]:
        signals = self.caller.signals_so_far()
        return [(one.arguments[0], one.arguments[1]) for one in signals if one.member == "Drift"]

    def lacks(self, name: str) -> str:
        """Why a reservation is degraded, "" when it is whole."""
        path = f"{PATH}/reservation/{name}"
        reason: str = self.caller.get("StateReason", path, RESERVATION)
        return reason

    def until(self, state: str) -> None:
        """Waits for the manager's state."""
        while self.caller.get("State", PATH, MANAGER) != state:
            self.caller.signal("PropertiesChanged")

    def log(self) -> str:
        return self.daemon.log.read_text()


@pytest.fixture(scope="module")
def simulator_options() -> Sequence[str]:
    """The simulated host of a module; modules have fixtures of this name for another."""
    return ()


@pytest.fixture(scope="module")
def rdtd_options() -> Sequence[str]:
    return ()


@pytest.fixture(scope="module")
def shared_daemon(simulator_options: Sequence[str], rdtd_options: Sequence[str]) -> Iterator[Daemon]:
    with Daemon(simulator_options, options=rdtd_options) as running:
        yield running


@pytest.fixture
def host(shared_daemon: Daemon) -> Iterator[Host]:
    """The module's rdtd. Afterwards nothing of a test may be left."""
    mount = Mount(shared_daemon)
    before = mount.dump()
    with Caller(shared_daemon.address) as caller:
        caller.subscribe()
        found = Host(shared_daemon, caller, mount)
        yield found
        found.control("clear")
        for name in caller.names():
            caller.release(name)
        assert mount.dump() == before
        assert "Traceback" not in found.log()
