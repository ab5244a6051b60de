"""rdtctl status and check, with the exit statuses that monitoring goes by."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import StartDaemon
from tests.rdtctl.conftest import Rdtctl


@contextmanager
def nothing_can_be_repaired(rdtctl: Rdtctl) -> Iterator[None]:
    """Somebody reads resctrl under its lock: rdtd may look meanwhile, and changes nothing."""
    lock = os.open(rdtctl.daemon.root, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield
    finally:
        os.close(lock)


def test_status(rdtctl: Rdtctl) -> None:
    shown = rdtctl.ok("status").splitlines()
    assert shown[0].startswith("rdtd:         version ")
    assert shown[0].endswith(", ready")
    assert shown[1:4] == [
        f"resctrl:      {rdtctl.daemon.root}, without code and data prioritization (CDP)",
        "CLOSIDs:      7 of 8 free",
        "Reservations: 0",
    ]
    rdtctl.ok("reserve", "vm", "size=1ways")
    rdtctl.ok("reserve", "rt", "size=1ways,cache-id=0")
    rdtctl.daemon.simulator.control("offline L3 1")
    rdtctl.ok("reconcile")
    shown = rdtctl.ok("status").splitlines()
    assert shown[0].endswith(", degraded")
    assert shown[2:5] == [
        "CLOSIDs:      5 of 8 free",
        "Reservations: 2",
        "  vm is degraded: L3 cache 1 is offline",
    ]
    assert any(line.startswith("vm  ") and "degraded" in line for line in shown)
    assert any(line.startswith("L3 0") for line in shown)
    document = rdtctl.json("status")
    assert document["closids_free"] == 5
    assert [one["name"] for one in document["reservations"]] == ["rt", "vm"]
    assert document["reservations"][1]["state_reason"] == "L3 cache 1 is offline"
    assert [one["cache_id"] for one in document["caches"]] == [0]


def test_status_without_resctrl(start_daemon: StartDaemon, tmp_path: Path) -> None:
    rdtctl = Rdtctl(start_daemon(options=["--root", str(tmp_path)]))
    assert rdtctl.ok("status").splitlines()[1] == f"resctrl:      {tmp_path}, not mounted"


def test_check(rdtctl: Rdtctl) -> None:
    rdtctl.ok("reserve", "vm", "size=2ways,cache-id=0")
    assert rdtctl.ok("check") == "everything is as it should be\n"
    assert rdtctl.json("check") == {"differences": []}
    with nothing_can_be_repaired(rdtctl):
        Path(rdtctl.daemon.root, "rdtd.vm", "schemata").write_text("L3:0=4\n")
        outcome = rdtctl("check")
        assert (outcome.status, outcome.err) == (1, "")
        assert outcome.out == "group 'rdtd.vm': masks: L3:0=4; to be done: set to L3:0=3\n"
        assert rdtctl("--json", "check").status == 1
    rdtctl.ok("reconcile")
    assert rdtctl("check").status == 0


def test_what_cannot_be_checked(rdtctl: Rdtctl) -> None:
    rdtctl.daemon.simulator.control("fail read schemata EIO always")
    outcome = rdtctl("check")
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("rdtctl: cannot read ")
    rdtctl.daemon.simulator.control("clear")
    assert rdtctl("check").status == 0
    rdtctl.daemon.stop()
    assert rdtctl("check").status == 2
