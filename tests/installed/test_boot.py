"""What the boot has left: everything is in place, in the order in which it was wanted."""

import json
from pathlib import Path

from tests.installed.units import BOOT, groups_of, main_pid, property_of
from tests.support.caller import Caller
from tests.support.mount import Mount
from tests.system.machine import run, systemctl


def test_nothing_failed() -> None:
    assert systemctl("list-units", "--failed", "--plain", "--no-legend") == ""


def test_resctrl_was_mounted_for_it() -> None:
    assert property_of("sys-fs-resctrl.mount", "ActiveState") == "active"
    assert property_of("rdtd.service", "ActiveState") == "active"


def test_a_unit_that_is_ordered_after_rdtd_found_its_reservation() -> None:
    [found] = json.loads(Path("/var/lib/finds.json").read_text())["reservations"]
    assert (found["name"], found["state"], found["cpus"]) == (BOOT, "active", "1")
    schemata = Path("/var/lib/finds.schemata").read_text()
    for granted in found["granted"]:
        values = next(line for line in schemata.splitlines() if line.strip().startswith("L3"))
        masks = dict(value.split("=") for value in values.partition(":")[2].split(";"))
        assert int(masks[str(granted["cache_id"])], 16) == granted["mask"]


def test_a_service_is_inside_and_again_after_a_restart(caller: Caller, mount: Mount) -> None:
    assert groups_of(main_pid("followed.service")) == ["rdtd.boot"]
    systemctl("restart", "followed.service")
    pid = main_pid("followed.service")
    while groups_of(pid) != ["rdtd.boot"]:
        run("busctl", "call", "org.rdtd1", "/org/rdtd1", "org.rdtd1.Manager", "Reconcile")
    assert pid in mount.tasks("rdtd.boot")


def test_what_cannot_be_had_was_skipped_and_said() -> None:
    """With the file and the line, in the journal's fields."""
    printed = run("journalctl", "--unit=rdtd.service", "--boot", "--output=json").stdout
    messages = [json.loads(line)["MESSAGE"] for line in printed.splitlines()]
    for name in ("broken.conf", "no-such-cache.conf"):
        assert any(f"/etc/rdtd/reservations.d/{name}:" in message for message in messages), messages


def test_it_started_once() -> None:
    assert property_of("rdtd.service", "NRestarts") == "0"


def test_exposure() -> None:
    run("systemd-analyze", "security", "--threshold=15", "rdtd.service")
