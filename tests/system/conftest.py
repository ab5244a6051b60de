"""The service on this machine, with each option of mount that it has; every test finds it as it was."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from rdtd.bus.client import Rule
from tests.support.caller import MANAGER, NAME, PATH, Caller, Granted
from tests.support.mount import Mount
from tests.support.threads import Threads
from tests.system import machine

IS_REAL = os.environ.get("RDTD_RESCTRL") == "real"

#: Without being asked to, nobody's machine is taken over: see __init__.py.
collect_ignore_glob = [] if IS_REAL else ["test_*.py"]

_OPTIONS = pytest.StashKey[list[machine.Options]]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "mounted" in metafunc.fixturenames:
        stash = metafunc.config.stash
        found = stash.setdefault(_OPTIONS, [])
        if not found:
            found += machine.mount_options()
        ids = ["-".join(("real", *options)) for options in found]
        metafunc.parametrize("mounted", list(found), ids=ids, indirect=True, scope="session")


@dataclass(frozen=True)
class Cache:
    """A cache that has ways to reserve."""

    level: int
    cache_id: int
    ways: int
    cpus: str  # a list, `0-1`

    @property
    def path(self) -> str:
        return f"{PATH}/cache/l{self.level}_{self.cache_id}"

    def spec(self, ways: int, kind: str = "both") -> str:
        return f"type={kind},size={ways}ways,cache-id={self.cache_id},level={self.level}"


@dataclass(frozen=True)
class Kernel:
    """The mount as tests/support/mount.py wants it."""

    root: str = str(machine.RESCTRL)


@dataclass(frozen=True)
class Host:
    """rdtd as a service, a caller of it on the system bus, and what it owns."""

    caller: Caller
    mount: Mount
    caches: tuple[Cache, ...]
    options: tuple[str, ...]

    @property
    def resources(self) -> tuple[str, ...]:
        """The names of the lines of schemata: L3, or L3CODE and L3DATA."""
        level = self.caches[0].level
        return (f"L{level}CODE", f"L{level}DATA") if self.options else (f"L{level}",)

    def everywhere(self, ways: int) -> str:
        """A region on every cache."""
        return f"size={ways}ways,level={self.caches[0].level}"

    def masks(self, group: str, cache: Cache) -> set[int]:
        """What the kernel has: one mask, or that of code and that of data where they differ."""
        return {self.mount.masks(group, resource)[cache.cache_id] for resource in self.resources}

    def wait_for_state(self, state: str) -> None:
        """Returns when rdtd tells that its State is that."""
        while True:
            signal = self.caller.signal("PropertiesChanged", machine.PATIENCE)
            if signal.path == PATH and signal.arguments[0] == MANAGER:
                changed: dict[str, Any] = signal.arguments[1]
                if changed.get("State") == state:
                    return

    def wait_for_owner(self) -> None:
        """Returns when the bus tells that somebody has the name org.rdtd1."""
        while not self.caller.signal("NameOwnerChanged", machine.PATIENCE).arguments[2]:
            pass


@pytest.fixture(scope="session")
def mounted(request: pytest.FixtureRequest) -> Iterator[tuple[str, ...]]:
    """resctrl mounted so, and the service started."""
    options: tuple[str, ...] = request.param
    machine.mount(options)
    machine.patient_service()
    machine.systemctl("start", "rdtd.service")
    yield options
    machine.systemctl("stop", "rdtd.service")
    machine.unmount()
    shutil.rmtree(machine.STATE, ignore_errors=True)


@pytest.fixture
def host(mounted: tuple[str, ...]) -> Iterator[Host]:
    """Afterwards nothing of the test may be left: no group, no narrowed mask, no fault in the journal."""
    mount = Mount(Kernel())
    before = mount.dump()
    told_before = len(_journal())
    with Caller("system") as caller:
        caller.subscribe()
        bus = "org.freedesktop.DBus"
        caller.client.subscribe(Rule(bus, bus, "NameOwnerChanged", arg0=NAME))
        yield Host(caller, mount, _caches(caller), mounted)
        for name in caller.names():
            caller.release(name)
        assert mount.dump() == before
    told = _journal()[told_before:]
    assert "Traceback" not in told, told


@pytest.fixture
def room_for_two(host: Host) -> None:
    """Skips where the hardware has classes of service for the default group and one more: L2 with CDP."""
    if host.caller.get("ClosidsTotal") < 3:
        pytest.skip("there is one class of service beside the default group's")


def _journal() -> str:
    return machine.run("journalctl", "--unit=rdtd.service", "--boot", "--output=cat").stdout


def _caches(caller: Caller) -> tuple[Cache, ...]:
    found = []
    for level, cache_id, *_ in caller.free():
        path = f"{PATH}/cache/l{level}_{cache_id}"
        ways, cpus = (caller.get(name, path, f"{NAME}.Cache") for name in ("Ways", "CpuList"))
        found.append(Cache(level, cache_id, ways, cpus))
    return tuple(found)


@pytest.fixture
def threads() -> Iterator[Threads]:
    """A process with four threads."""
    with Threads() as running:
        yield running


def mask_of(granted: Granted) -> int:
    """The mask of what was granted in one region."""
    [region] = granted
    mask: int = region["mask"]
    return mask
