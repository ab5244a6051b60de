"""Reservations as units, and services inside them."""

import subprocess
from pathlib import Path

from tests.installed.units import Units, groups_of, main_pid, property_of, start
from tests.support.caller import Caller
from tests.system.machine import systemctl

THREADED = f"/usr/bin/python3 {Path(__file__).with_name('threaded.py')}"
"""A service with four threads that tells when they run."""
SPEC = '[Service]\nEnvironment="SPEC=size=3ways"\n'
INSIDE = "[Unit]\nRequires=rdtd-reservation@web-1.service\nAfter=rdtd-reservation@web-1.service\n"


def _service(lines: str) -> str:
    return f"{INSIDE}[Service]\nType=notify\nNotifyAccess=all\n{lines}\n"


def test_a_unit_that_another_one_requires(caller: Caller, units: Units) -> None:
    """It is there while the unit is, and outlives rdtd's restarts."""
    units.add("rdtd-reservation@web-1.service.d/spec.conf", SPEC)
    units.add("web.service", f"{INSIDE}[Service]\nExecStart=sleep infinity\n")
    start("web.service")
    [row] = [row for row in caller.reservations() if row[0] == "web-1"]
    systemctl("restart", "rdtd.service")
    assert row in caller.reservations()
    assert property_of("web.service", "ActiveState") == "active"
    systemctl("stop", "rdtd-reservation@web-1.service")
    assert "web-1" not in caller.names()
    assert property_of("web.service", "ActiveState") == "inactive"


def test_without_room_nothing_starts(caller: Caller, units: Units) -> None:
    units.add("rdtd-reservation@web-1.service.d/spec.conf", SPEC.replace("3ways", "4096ways"))
    units.add("web.service", f"{INSIDE}[Service]\nExecStart=sleep infinity\n")
    started = subprocess.run(["systemctl", "start", "web.service"], capture_output=True, check=False)
    assert started.returncode != 0
    assert property_of("web.service", "ActiveState") == "inactive"
    assert property_of("rdtd-reservation@web-1.service", "ActiveState") == "failed"
    assert "web-1" not in caller.names()


def test_a_service_inside_from_its_first_instruction_on(caller: Caller, units: Units) -> None:
    """By `rdtctl run` in its command: the main thread, and all that it starts."""
    units.add("rdtd-reservation@web-1.service.d/spec.conf", SPEC)
    units.add("web.service", _service(f"ExecStart=/usr/bin/rdtctl run --name=web-1 -- {THREADED}"))
    start("web.service")
    assert groups_of(main_pid("web.service")) == ["rdtd.web-1"] * 4


def test_a_service_that_is_attached_when_it_has_started(caller: Caller, units: Units) -> None:
    """By ExecStartPost=, with the threads that it has by then; as any user."""
    units.add("rdtd-reservation@web-1.service.d/spec.conf", SPEC)
    units.add(
        "web.service",
        _service(
            f"User=nobody\nExecStart={THREADED}\n"
            "ExecStartPost=+/usr/bin/rdtctl attach web-1 --process=${MAINPID}"
        ),
    )
    start("web.service")
    assert groups_of(main_pid("web.service")) == ["rdtd.web-1"] * 4


def test_a_transient_unit(caller: Caller) -> None:
    """`systemd-run rdtctl run`: the reservation ends with the command."""
    inside = subprocess.run(
        [
            *("systemd-run", "--wait", "--pipe", "--quiet", "--"),
            *("rdtctl", "run", "--name=mine", "size=1ways", "--", "cat", "/proc/self/cpu_resctrl_groups"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert inside.stdout.startswith("res:rdtd.mine\n")
    assert "mine" not in caller.names()
