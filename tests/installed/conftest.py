"""The machine as it was booted; every test finds rdtd running and leaves the boot's reservation alone."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rdtd.bus.client import Rule
from tests.installed.units import BOOT, Units
from tests.support.caller import NAME, Caller
from tests.support.mount import Mount
from tests.system import machine
from tests.system.machine import run, systemctl

IS_HERE = Path("/usr/src/files/before-boot").exists() and os.environ.get("RDTD_RESCTRL") == "real"

#: Elsewhere there is no machine that may be had.
collect_ignore_glob = [] if IS_HERE else ["test_*.py"]


@dataclass(frozen=True)
class Kernel:
    """The mount as tests/support/mount.py wants it."""

    root: str = str(machine.RESCTRL)


@pytest.fixture
def mount() -> Mount:
    return Mount(Kernel())


@pytest.fixture
def caller() -> Iterator[Caller]:
    """Root on the system bus. Afterwards the boot's reservation is the only one, and no fault was logged."""
    systemctl("start", "rdtd.service")
    with Caller("system") as caller:
        caller.subscribe()
        bus = "org.freedesktop.DBus"
        caller.client.subscribe(Rule(bus, bus, "NameOwnerChanged", arg0=NAME))
        yield caller
        for name in caller.names():
            if name != BOOT:
                caller.release(name)
        assert caller.names() == [BOOT]
    told = run("journalctl", "--unit=rdtd.service", "--boot", "--output=cat").stdout
    assert "Traceback" not in told, told


@pytest.fixture
def units() -> Iterator[Units]:
    """Units of a test, which are gone behind it."""
    units = Units()
    yield units
    units.remove()
