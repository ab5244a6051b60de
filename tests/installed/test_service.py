"""The service is started, stopped, killed and stuck, and nothing that was promised is lost."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.installed.units import BOOT, Units, property_of, wait_for_owner
from tests.support.caller import Caller
from tests.support.mount import Mount
from tests.support.threads import Threads
from tests.system import machine
from tests.system.machine import run, systemctl


def _stop_and_call(caller: Caller) -> None:
    """A call starts what was stopped."""
    systemctl("stop", "rdtd.service")
    assert property_of("rdtd.service", "ActiveState") == "inactive"
    called = run("busctl", "call", "org.rdtd1", "/org/rdtd1", "org.rdtd1.Manager", "ListReservations")
    assert called.stdout.startswith("a(soaa{sv}a{sv}) 2 ")
    assert property_of("rdtd.service", "ActiveState") == "active"


def _restart(caller: Caller) -> None:
    systemctl("restart", "rdtd.service")


def _kill(caller: Caller) -> None:
    caller.signals_so_far()
    systemctl("kill", "--signal=KILL", "rdtd.service")
    wait_for_owner(caller)


def _stick(caller: Caller) -> None:
    """A process that gives no sign of life is ended and started again."""
    caller.signals_so_far()
    systemctl("kill", f"--signal={signal.SIGSTOP.name}", "--kill-whom=main", "rdtd.service")
    wait_for_owner(caller)
    ended = run("journalctl", "--unit=rdtd.service", "--boot", "--output=cat").stdout
    assert "Watchdog timeout" in ended


@pytest.mark.parametrize("end", [_stop_and_call, _restart, _kill, _stick])
def test_nothing_is_lost(end: Callable[[Caller], None], caller: Caller, mount: Mount) -> None:
    with Threads() as threads:
        caller.reserve("a", "size=3ways", processes=("au", [threads.pid]), cpus=("s", "2"))
        before, rows = mount.dump(threads.ids), caller.reservations()
        process = machine.main_pid()
        end(caller)
        assert machine.main_pid() not in (0, process)
        assert mount.dump(threads.ids) == before
        assert caller.reservations() == rows
        assert caller.get("State") == "ready"


def test_reload_takes_what_was_written(caller: Caller) -> None:
    """Nothing is lost by it, and rdtd is the same process."""
    file = Path("/etc/rdtd/reservations.d/late.conf")
    process, before = machine.main_pid(), caller.reservations()
    try:
        caller.signals_so_far()
        file.write_text("[Reservation]\nRegions=size=1ways\n")
        systemctl("reload", "rdtd.service")
        assert caller.signal("ReservationAdded", machine.PATIENCE).arguments[0] == "late"
    finally:
        file.unlink()
    systemctl("reload", "rdtd.service")
    assert [row for row in caller.reservations() if row[0] == BOOT] == before
    assert machine.main_pid() == process


def test_it_cannot_mount_for_the_host_and_sees_what_others_mount(caller: Caller, mount: Mount) -> None:
    """Its mount namespace is its own: what is mounted later comes in. With CDP too."""
    caller.reserve("a", "size=3ways")
    before = mount.dump()
    for options in ((), ("cdp",), ()):
        caller.signals_so_far()
        machine.unmount()
        _wait_for_state(caller, "unmounted")
        machine.mount(options)
        _wait_for_state(caller, "ready")
        assert caller.get("Cdp") is bool(options)
        assert {"rdtd.a", "rdtd.boot"} <= {path.name for path in mount.root.iterdir()}
    assert mount.dump() == before


def _wait_for_state(caller: Caller, state: str) -> None:
    while caller.get("State") != state:
        caller.signal("PropertiesChanged", machine.PATIENCE)


def test_a_start_without_resctrl(caller: Caller, mount: Mount, units: Units) -> None:
    """The mount can be masked; rdtd waits for whoever mounts."""
    before = mount.dump()
    systemctl("stop", "rdtd.service")
    systemctl("mask", "--runtime", "sys-fs-resctrl.mount")
    try:
        machine.unmount()
        systemctl("start", "rdtd.service")
        assert caller.get("State") == "unmounted"
        caller.signals_so_far()
        machine.mount(())
        _wait_for_state(caller, "ready")
    finally:
        systemctl("unmask", "--runtime", "sys-fs-resctrl.mount")
    assert mount.dump() == before
