"""What files of the configuration make the service do: mount resctrl, keep a reservation, follow a unit."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import machine
from tests.system.conftest import Host
from tests.system.machine import group_of, run, systemctl

SETTINGS = Path("/etc/rdtd/rdtd.conf.d/system-test.conf")
RESERVATION = Path("/etc/rdtd/reservations.d/system-test.conf")
UNIT = "rdtd-system-test.service"


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, ""]))
    systemctl("reload", "rdtd.service")


@pytest.fixture
def configured(host: Host) -> Iterator[Host]:
    """The host, without files of this test afterwards."""
    yield host
    for path in (SETTINGS, RESERVATION):
        path.unlink(missing_ok=True)
    systemctl("reload", "rdtd.service")


@pytest.fixture
def unit() -> Iterator[None]:
    """A unit whose main process has a child."""
    run("systemd-run", f"--unit={UNIT}", "sh", "-c", "sleep infinity & exec sleep infinity")
    yield
    run("systemctl", "stop", UNIT)


def test_it_is_mounted_again(configured: Host) -> None:
    write(SETTINGS, "[Manager]", "Mount=yes")
    configured.caller.reserve("a", configured.everywhere(1))
    configured.caller.signals_so_far()
    machine.unmount()
    try:
        configured.wait_for_state("unmounted")
        configured.wait_for_state("ready")
        assert machine.RESCTRL.is_mount()  # in the mount namespace of everybody
        assert (machine.RESCTRL / "rdtd.a").is_dir()
    finally:
        configured.caller.release("a")
        SETTINGS.unlink()
        systemctl("restart", "rdtd.service")  # which is done when it is done, unlike a reload
        if machine.RESCTRL.is_mount():
            machine.unmount()
        machine.mount(configured.options)
        configured.caller.call("Reconcile")


def processes() -> list[int]:
    group = systemctl("show", "--property=ControlGroup", "--value", UNIT)
    return [int(line) for line in Path(f"/sys/fs/cgroup{group}/cgroup.procs").read_text().split()]


def wait_until_inside() -> None:
    """Returns when the unit has two processes and both are in the reservation's group."""
    while True:
        try:
            if [group_of(process) for process in processes()] == ["rdtd.unit"] * 2:
                return
        except FileNotFoundError:
            continue  # one has ended


@pytest.mark.usefixtures("unit")
def test_a_unit_that_runs_and_that_starts_again(configured: Host) -> None:
    write(RESERVATION, "[Reservation]", "Name=unit", f"Regions={configured.everywhere(1)}", f"Units={UNIT}")
    wait_until_inside()
    systemctl("restart", UNIT)
    wait_until_inside()
