"""resctrl is unmounted, mounted anew with CDP or without, mounted over, and made read-only."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from rdtd.simulator.process import SimulatorProcess
from tests.support.caller import PATH, RDTD_ERROR, RESERVATION, BusError, Caller
from tests.support.daemon import DaemonProcess
from tests.support.mount import Mount
from tests.support.private_bus import PrivateBus
from tests.support.threads import Threads


class Machine:
    """rdtd, and a mount point where a simulator comes and goes."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        self.root = root
        self.simulator: SimulatorProcess | None = None
        stack.callback(self.unmount)
        self.mount_it()
        self.mount: Mount = Mount(self.running)
        address = stack.enter_context(PrivateBus()).address
        sysfs = str(root / ".simulator/sys")
        self.daemon = stack.enter_context(DaemonProcess(address, str(root), sysfs))
        self.caller = stack.enter_context(Caller(address))
        self.caller.subscribe()

    @property
    def running(self) -> SimulatorProcess:
        assert self.simulator is not None
        return self.simulator

    def mount_it(self, options: Sequence[str] = ()) -> None:
        self.simulator = SimulatorProcess(options, self.root)
        self.simulator.start()

    def unmount(self) -> None:
        if self.simulator is not None:
            self.simulator.stop()
            self.simulator = None

    def until(self, *states: str) -> None:
        while self.caller.get("State") not in states:
            self.caller.signal("PropertiesChanged")

    def remount(self, *options: str) -> None:
        """Waits until rdtd has seen that it is gone, and that it is back."""
        self.unmount()
        self.until("unmounted")
        self.mount_it(options)
        self.until("ready", "degraded")

    def lacks(self, name: str) -> str:
        reason: str = self.caller.get("StateReason", f"{PATH}/reservation/{name}", RESERVATION)
        return reason

    def command(self, *words: str) -> None:
        subprocess.run([*words, str(self.root)], check=True)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    root = tmp_path / "resctrl"
    root.mkdir()
    with ExitStack() as stack:
        made = Machine(root, stack)
        yield made
        assert "Traceback" not in made.daemon.log.read_text()


def test_a_mount_that_goes_and_another_that_comes(machine: Machine) -> None:
    """Groups, CPUs and threads are back, and the full masks of a new mount are nobody's wish."""
    machine.mount.set_masks("L3:0=0ff;1=0ff")
    machine.caller.signal("Drift")
    with Threads(2) as threads:
        processes = ("au", [threads.pid])
        machine.caller.reserve("a", "size=2ways", cpus=("s", "3"), processes=processes)
        before = machine.mount.dump(threads.ids)
        machine.remount()
        assert machine.mount.dump(threads.ids) == before
        machine.caller.release("a")
    assert machine.mount.masks() == {0: 0xFF, 1: 0xFF}
    machine.remount()
    assert machine.mount.masks() == {0: 0xFF, 1: 0xFF}


def test_cdp_is_switched_on_and_off_again(machine: Machine) -> None:
    machine.mount.set_masks("L3:0=0ff;1=0ff")
    machine.caller.signal("Drift")
    [granted] = machine.caller.reserve("a", "size=2ways,cache-id=0")
    before, shared = machine.mount.dump(), machine.mount.masks()
    machine.remount("--cdp")
    assert machine.caller.get("Cdp") is True
    for resource in ("L3CODE", "L3DATA"):
        assert machine.mount.masks("rdtd.a", resource)[0] == granted["mask"]
        assert machine.mount.masks("", resource) == shared
    machine.caller.reserve("b", "type=code,size=1ways,cache-id=0;type=data,size=2ways,cache-id=0")
    with_b = machine.mount.dump()
    machine.remount()
    assert machine.lacks("a") == ""
    assert machine.lacks("b") == "L3 cache 0 has no CDP now"
    assert machine.mount.masks("rdtd.a")[0] == granted["mask"]
    machine.remount("--cdp")
    assert machine.lacks("b") == ""
    assert machine.mount.dump() == with_b
    machine.caller.release("b")
    machine.remount()
    assert machine.mount.dump() == before


def test_a_host_that_is_at_home_with_cdp(tmp_path: Path, machine: Machine) -> None:
    machine.remount("--cdp")
    machine.caller.reserve("a", "type=code,size=1ways,cache-id=0;type=data,size=2ways,cache-id=0")
    machine.caller.reserve("b", "size=1ways,cache-id=0")
    before = machine.mount.dump()
    machine.remount()
    assert machine.lacks("a") == "L3 cache 0 has no CDP now"
    assert machine.mount.masks("rdtd.b")[0] & machine.mount.masks()[0] == 0
    machine.remount("--cdp")
    assert machine.caller.get("State") == "ready"
    assert machine.mount.dump() == before


def test_something_is_mounted_over_it(machine: Machine) -> None:
    machine.caller.reserve("a", "size=2ways")
    before = machine.mount.dump()
    machine.command("mount", "-t", "tmpfs", "over")
    try:
        machine.until("unmounted")
        assert machine.lacks("a") == "resctrl is not mounted"
    finally:
        machine.command("umount")
    machine.until("ready")
    assert machine.mount.dump() == before


def test_it_is_made_read_only(machine: Machine) -> None:
    machine.caller.reserve("a", "size=2ways,cache-id=0")
    before = machine.mount.dump()
    machine.running.control("kernel-change rdtd.a L3:0=7ff")  # no event tells of it
    machine.command("mount", "-o", "remount,bind,ro")
    with pytest.raises(BusError) as caught:
        machine.caller.call("Reconcile")
    assert caught.value.name == RDTD_ERROR + "KernelRefused"
    assert machine.lacks("a").endswith(
        f"resctrl is mounted read-only at {machine.root}; remount it with -o rw"
    )
    assert machine.caller.get("State") == "degraded"
    machine.command("mount", "-o", "remount,bind,rw")
    machine.until("ready")
    assert machine.mount.dump() == before
