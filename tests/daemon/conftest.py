"""One rdtd for each module, found by every test as the test before found it.

It runs over a simulator, on a bus of its own. With RDTD_RESCTRL=real it runs over the kernel's resctrl, on
the system bus, as root: whatever is mounted at /sys/fs/resctrl is unmounted first, and groups are lost. A
guest of tests/vm is the place for that. What only a simulator can do is marked (see simulated.py), and is not
collected there.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from tests.conformance.real import Real
from tests.daemon.machine import Machine, read_machine
from tests.support.caller import Caller
from tests.support.daemon import Daemon, DaemonProcess
from tests.support.mount import Mount
from tests.support.threads import Threads

IS_REAL = os.environ.get("RDTD_RESCTRL") == "real"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "simulated(reason): only over the simulator, for this reason")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if IS_REAL:
        dropped = [item for item in items if item.get_closest_marker("simulated")]
        items[:] = [item for item in items if item not in dropped]
        config.hook.pytest_deselected(items=dropped)


@dataclass
class Host:
    """A running rdtd, a caller of it, what it owns, and what the machine has."""

    daemon: DaemonProcess
    caller: Caller
    mount: Mount
    machine: Machine

    def control(self, command: str) -> None:
        """Tells the simulator what to do, in tests that are marked with `simulated`."""
        assert isinstance(self.daemon, Daemon)
        self.daemon.simulator.control(command)

    def clean(self) -> None:
        """Releases what a test reserved and takes back its faults."""
        if isinstance(self.daemon, Daemon):
            self.control("clear")
        for name in self.caller.names():
            self.caller.release(name)


@pytest.fixture(scope="module")
def simulator_options() -> Sequence[str]:
    """The simulated host of a module; modules have fixtures of this name for another."""
    return ()


@pytest.fixture(scope="module")
def mount_options() -> Sequence[str]:
    """With what the kernel's resctrl is mounted for a module."""
    return ()


@pytest.fixture(scope="session")
def kernel() -> Iterator[Real]:
    """This machine's resctrl. Nobody else can serve org.rdtd1 on its bus: systemd starts no rdtd."""
    unit = "rdtd.service"
    subprocess.run(("systemctl", "mask", "--quiet", "--runtime", "--now", unit), check=True)
    driver = Real()
    yield driver
    driver.close()
    subprocess.run(("systemctl", "unmask", "--quiet", "--runtime", unit), check=True)


def real_daemon(kernel: Real, options: Sequence[str] = ()) -> DaemonProcess:
    """rdtd on the system bus, over a fresh mount with these options; it is to be started."""
    kernel.reset(options)
    return DaemonProcess("system", str(kernel.root), str(kernel.sysfs))


@pytest.fixture(scope="module")
def shared_daemon(
    simulator_options: Sequence[str], mount_options: Sequence[str], request: pytest.FixtureRequest
) -> Iterator[DaemonProcess]:
    if IS_REAL:
        kernel: Real = request.getfixturevalue("kernel")
        with real_daemon(kernel, mount_options) as running:
            yield running
    else:
        with Daemon(simulator_options) as running:
            yield running


@pytest.fixture(scope="module")
def machine(shared_daemon: DaemonProcess) -> Machine:
    return read_machine(shared_daemon.root, shared_daemon.sysfs)


@pytest.fixture
def host(shared_daemon: DaemonProcess, machine: Machine) -> Iterator[Host]:
    """The module's rdtd. Afterwards nothing of the test may be left: no group, no narrowed mask, no fault."""
    mount = Mount(shared_daemon)
    before = mount.dump()
    with Caller(shared_daemon.address) as caller:
        found = Host(shared_daemon, caller, mount, machine)
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
