"""Who may change something: root and rdtd's own user. Anyone may look."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rdtd.bus.client import BusError
from tests.daemon.conftest import IS_REAL, real_daemon
from tests.support.caller import ACCESS_DENIED, MANAGER, NAME, PATH, RESERVATION, Caller
from tests.support.daemon import Daemon, DaemonProcess
from tests.support.mount import Mount

POLICY = Path(__file__).parents[2] / "dbus/org.rdtd1.conf"
NOBODY = 65534
OBJECT = f"{PATH}/reservation/a"
WISH = [{"ways": ("u", 1)}]
CPU = {"cpus": ("s", "1")}

CHANGES: list[tuple[Any, ...]] = [
    (PATH, MANAGER, "ReserveSpec", "ssa{sv}", "b", "size=1ways", {}),
    (PATH, MANAGER, "ReserveSpec", "ssa{sv}", "a", "size=1ways", {}),
    (PATH, MANAGER, "ReserveSpec", "ssa{sv}", "b", "size=1ways", {"dry-run": ("b", True)}),
    (PATH, MANAGER, "Reserve", "saa{sv}a{sv}", "b", WISH, {}),
    (PATH, MANAGER, "Release", "sa{sv}", "a", {}),
    (PATH, MANAGER, "Resize", "saa{sv}a{sv}", "a", [{"ways": ("u", 2)}], {}),
    (PATH, MANAGER, "Attach", "sa{sv}", "a", CPU),
    (PATH, MANAGER, "Detach", "sa{sv}", "a", CPU),
    (PATH, MANAGER, "Reconcile"),
    (OBJECT, RESERVATION, "Release", "a{sv}", {}),
    (OBJECT, RESERVATION, "Attach", "a{sv}", CPU),
    (OBJECT, RESERVATION, "Detach", "a{sv}", CPU),
]

LOOKS = [
    ("call", NAME, PATH, MANAGER, "ListFree"),
    ("call", NAME, PATH, MANAGER, "ListReservations"),
    ("call", NAME, PATH, MANAGER, "GetReservation", "s", "a"),
    ("get-property", NAME, PATH, MANAGER, "State"),
    ("introspect", NAME, OBJECT),
    ("tree", NAME),
]


@pytest.fixture(scope="module")
def strict(request: pytest.FixtureRequest) -> Iterator[DaemonProcess]:
    """rdtd on a bus with its policy file, where what no policy allows is forbidden."""
    new = real_daemon(request.getfixturevalue("kernel")) if IS_REAL else Daemon(policies=(POLICY,))
    with new as daemon:
        with Caller(daemon.address) as caller:
            caller.reserve("a", "size=1ways", cpus=("s", "1"))
        yield daemon


@pytest.fixture
def nobody(strict: DaemonProcess) -> Iterator[Caller]:
    """A caller whom the bus knows as the user nobody: what counts is who connects."""
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        caller = Caller(strict.address)
    finally:
        os.setresuid(0, 0, 0)
    with caller:
        yield caller


@pytest.mark.parametrize("change", CHANGES, ids=range(len(CHANGES)))
def test_nobody_may_change_anything(strict: DaemonProcess, nobody: Caller, change: tuple[Any, ...]) -> None:
    mount = Mount(strict)
    before, rows = mount.dump(), nobody.reservations()
    if not IS_REAL:
        mount.forget_operations()
    with pytest.raises(BusError) as caught:
        nobody.call_of(*change)
    assert caught.value.name == ACCESS_DENIED, caught.value.text
    if not IS_REAL:  # where polkit decides, the text is another
        assert caught.value.text == f"user {NOBODY} may look but not change; root and user 0 may"
        assert mount.changes() == {}
    assert (mount.dump(), nobody.reservations()) == (before, rows)


@pytest.mark.parametrize("look", LOOKS, ids=range(len(LOOKS)))
def test_anyone_may_look(strict: DaemonProcess, look: tuple[str, ...]) -> None:
    user = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    bus = "--system" if IS_REAL else f"--address={strict.address}"
    command = [*user, "busctl", bus, "--no-pager", *look]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_root_may_change_and_is_told_of_it(strict: DaemonProcess, nobody: Caller) -> None:
    nobody.subscribe()
    with Caller(strict.address) as root:
        root.reserve("b", "size=1ways")
        root.release("b")
    assert nobody.signal("ReservationAdded").arguments[0] == "b"
    assert nobody.signal("ReservationRemoved").arguments[0] == "b"


def test_nobody_may_have_the_name(nobody: Caller) -> None:
    bus = "org.freedesktop.DBus"
    with pytest.raises(BusError, match="not allowed to own") as caught:
        nobody.client.call(bus, "/", bus, "RequestName", "su", NAME, 0)
    assert caught.value.name == ACCESS_DENIED
