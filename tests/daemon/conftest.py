"""One rdtd for each module, found by every test as the test before found it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from tests.support.caller import Caller
from tests.support.daemon import Daemon
from tests.support.mount import Mount
from tests.support.threads import Threads


@dataclass
class Host:
    """A running rdtd, a caller of it, and what it owns."""

    daemon: Daemon
    caller: Caller
    mount: Mount

    def control(self, command: str) -> None:
        self.daemon.simulator.control(command)

    def clean(self) -> None:
        """Releases what a test reserved and takes back its faults."""
        self.control("clear")
        for name in self.caller.names():
            self.caller.release(name)


@pytest.fixture(scope="module")
def simulator_options() -> Sequence[str]:
    """The simulated host of a module; modules have fixtures of this name for another."""
    return ()


@pytest.fixture(scope="module")
def shared_daemon(simulator_options: Sequence[str]) -> Iterator[Daemon]:
    with Daemon(simulator_options) as running:
        yield running


@pytest.fixture
def host(shared_daemon: Daemon) -> Iterator[Host]:
    """The module's rdtd. Afterwards nothing of the test may be left: no group, no narrowed mask, no fault."""
    mount = Mount(shared_daemon.simulator)
    before = mount.dump()
    with Caller(shared_daemon.address) as caller:
        found = Host(shared_daemon, caller, mount)
        caller.subscribe()
        yield found
        found.clean()
        assert mount.dump() == before
        log = shared_daemon.log.read_text()
        assert "Traceback" not in log, log


@pytest.fixture
def threads() -> Iterator[Threads]:
    """A process with four threads."""
    with Threads() as running:
        yield running
