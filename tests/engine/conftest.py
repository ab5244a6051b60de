"""An engine over a simulated resctrl, in this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rdtd.core.allocator import release, reserve
from rdtd.core.model import Owner, Reservation, Snapshot, Wanted
from rdtd.core.space import Policy
from rdtd.core.spec import parse_spec
from rdtd.engine import Decide, Engine
from rdtd.observer import Observer
from rdtd.resctrl.filesystem import Resctrl
from rdtd.resctrl.watch import Watch
from rdtd.simulator.process import SimulatorProcess
from rdtd.store import Store
from rdtd.threads import Threads
from tests.support.mount import Mount


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess(["--ways", "20"]) as running:
        yield running


@pytest.fixture
def mount(simulator: SimulatorProcess) -> Iterator[Mount]:
    """The simulated host, without groups and faults before and after."""
    yield Mount(simulator)
    simulator.control("clear")
    simulator.control("remount")


@pytest.fixture
def resctrl(simulator: SimulatorProcess, mount: Mount) -> Resctrl:
    return Resctrl(simulator.root, simulator.sysfs)


@pytest.fixture
def watch(simulator: SimulatorProcess) -> Iterator[Watch]:
    found = Watch(simulator.root)
    yield found
    found.close()


@pytest.fixture
def engine(resctrl: Resctrl, watch: Watch, tmp_path: Path) -> Engine:
    """An engine that has seen the host once."""
    mount = Resctrl(resctrl.root, resctrl.sysfs, watch.follow)
    observer = Observer(mount, Threads(), watch.drain, watch.unmounted)
    found = Engine(mount, Store(str(tmp_path)), Policy(), Wanted(), observer)
    found.turn(nothing)
    return found


def nothing(wanted: Wanted, _: Snapshot) -> Wanted:
    """Decides that all stays as it is."""
    return wanted


def reserving(name: str, spec: str) -> Decide:
    asked = Reservation(name, parse_spec(spec), (), Owner(0))
    return lambda wanted, snapshot: reserve(wanted, snapshot, Policy(), asked)


def releasing(name: str) -> Decide:
    return lambda wanted, _: release(wanted, name)
