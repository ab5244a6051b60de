"""The machines that the suite runs on, and a fresh mount for each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.conformance import real, simulated
from tests.conformance.drivers import Driver
from tests.conformance.hosts import Host
from tests.conformance.inotify import Inotify
from tests.conformance.needs import ABILITIES
from tests.conformance.resctrl import Resctrl
from tests.conformance.threads import Process, Worker

IS_REAL = os.environ.get("RDTD_RESCTRL") == "real"


_HOSTS = pytest.StashKey[list[Host]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"needs(ability, ...): only machines with {', '.join(sorted(ABILITIES))}"
    )
    config.stash[_HOSTS] = list(real.hosts() if IS_REAL else simulated.hosts())
    if not config.stash[_HOSTS]:
        raise pytest.UsageError(f"RDTD_RESCTRL=real: resctrl cannot be mounted at {real.MOUNT_POINT}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "host" in metafunc.fixturenames:
        hosts = metafunc.config.stash[_HOSTS]
        metafunc.parametrize("host", hosts, ids=[host.name for host in hosts], scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test is not there for a machine that lacks what it needs: it is not a skipped one either."""
    items[:] = [item for item in items if _is_possible(item)]


def _is_possible(item: pytest.Item) -> bool:
    needed = {ability for mark in item.iter_markers("needs") for ability in mark.args}
    if not needed:
        return True
    assert isinstance(item, pytest.Function)
    host = item.callspec.params["host"]
    assert isinstance(host, Host)
    return needed <= host.abilities


@pytest.fixture(scope="session")
def driver_of() -> Iterator[Callable[[Host], Driver]]:
    """The driver of a host. One is kept for every machine that was met, until the end."""
    drivers: dict[tuple[str, str], Driver] = {}

    def find(host: Host) -> Driver:
        key = ("real", "") if host.is_real else simulated.process_of(host)
        if key not in drivers:
            drivers[key] = real.Real() if host.is_real else simulated.Simulated(host)
        return drivers[key]

    yield find
    for driver in drivers.values():
        driver.close()


@pytest.fixture(scope="session")
def driver(host: Host, driver_of: Callable[[Host], Driver]) -> Driver:
    return driver_of(host)


@pytest.fixture
def resctrl(host: Host, driver: Driver) -> Resctrl:
    """A fresh mount on that machine, with every CPU online."""
    driver.reset(host.options)
    return Resctrl(host, driver)


@pytest.fixture
def worker() -> Iterator[Worker]:
    """A thread of this process that does what it is told."""
    with Worker() as worker:
        yield worker


@pytest.fixture
def process() -> Iterator[Process]:
    """A process that starts threads and children when it is told to."""
    with Process() as process:
        yield process


@pytest.fixture
def inotify() -> Iterator[Inotify]:
    with Inotify() as inotify:
        yield inotify
