"""rdtd is stopped or killed while idle and started again."""

import json
import os
import stat

import pytest

from tests.daemon.conftest import Host
from tests.daemon.refusal import nothing_written
from tests.daemon.simulated import simulated
from tests.support.caller import Caller
from tests.support.daemon import DaemonProcess
from tests.support.threads import Threads


def fill(caller: Caller, threads: Threads) -> None:
    """Reservations of several kinds."""
    caller.reserve("one", "size=3ways,cache-id=0", processes=("au", [threads.pid]))
    caller.reserve("all", "size=10%", cpus=("s", "0,2-3"))
    caller.reserve_regions("any", [{"cache-id": ("s", "any"), "ways": ("u", 2)}])
    caller.reserve("gone", "size=1ways")
    caller.release("gone")


@pytest.fixture
def filled(host: Host, threads: Threads) -> DaemonProcess:
    """An rdtd with reservations, and nothing in its log."""
    fill(host.caller, threads)
    os.truncate(host.daemon.log, 0)
    for aside in host.daemon.state_file.parent.glob("state.json.*"):
        aside.unlink()
    return host.daemon


def test_a_clean_stop_changes_nothing_and_neither_does_the_start(
    host: Host, filled: DaemonProcess, threads: Threads
) -> None:
    mount = host.mount
    before = mount.dump(threads.ids)
    rows = host.caller.reservations()
    with nothing_written(host):
        assert filled.stop() == 0
        assert mount.dump(threads.ids) == before
        filled.start()
    assert host.caller.reservations() == rows
    assert mount.dump(threads.ids) == before
    for name in host.caller.names():
        host.caller.release(name)
    assert mount.masks() == host.machine.everywhere(host.machine.full)


def test_killed_while_idle(host: Host, filled: DaemonProcess, threads: Threads) -> None:
    before = host.mount.dump(threads.ids)
    rows = host.caller.reservations()
    with nothing_written(host):
        filled.kill()
        filled.start()
    assert host.caller.reservations() == rows
    assert host.mount.dump(threads.ids) == before


def test_what_was_destroyed_meanwhile_is_put_back(host: Host, filled: DaemonProcess) -> None:
    mount = host.mount
    before = mount.dump()
    filled.stop()
    (mount.root / "rdtd.one").rmdir()
    mount.set_masks(f"L3:0={host.machine.full:x}", "rdtd.all")
    filled.start()
    assert mount.dump() == before


def test_groups_that_nobody_reserved_are_removed(host: Host, filled: DaemonProcess) -> None:
    mount = host.mount
    before = mount.dump()
    filled.kill()
    (mount.root / "rdtd.leftover").mkdir()
    filled.start()
    assert mount.dump() == before


def test_the_default_group_set_while_rdtd_was_down_is_a_new_baseline(
    host: Host, filled: DaemonProcess
) -> None:
    mount = host.mount
    filled.stop()
    full = host.machine.full
    mount.set_masks(f"L3:0=ff;1={full:x}")
    filled.start()
    with Caller(filled.address) as caller:
        for name in caller.names():
            caller.release(name)
        assert mount.masks() == host.machine.everywhere(full) | {0: 0xFF}
        mount.set_masks(f"L3:0={full:x}")
        caller.call("Reconcile")


def test_the_state_file_is_json_and_private(host: Host, filled: DaemonProcess) -> None:
    document = json.loads(filled.state_file.read_text())
    assert {one["name"] for one in document["reservations"]} == {"one", "all", "any"}
    assert stat.S_IMODE(filled.state_file.stat().st_mode) == 0o600
    assert sorted(path.name for path in filled.state_file.parent.iterdir()) == ["lock", "state.json"]


@pytest.mark.parametrize(
    "damage",
    [
        b"{",
        *(
            pytest.param(damage, marks=simulated("to the kernel one damaged file is like another"))
            for damage in (b"", b"\xff\xfe", b"[]", b"{}", b'{"version":0}', b"[" * 100_000, b"null", b'"x"')
        ),
    ],
    ids=range(9),
)
def test_a_damaged_state_file(host: Host, filled: DaemonProcess, damage: bytes) -> None:
    mount = host.mount
    before = mount.dump()
    with Caller(filled.address) as caller:
        granted = {row[0]: row[2] for row in caller.reservations()}
        filled.stop()
        filled.state_file.write_bytes(damage)
        filled.start()
        assert {row[0]: row[2] for row in caller.reservations()} == granted
        assert mount.dump() == before
        [aside] = filled.state_file.parent.glob("state.json.damaged-*")
        assert aside.read_bytes() == damage
        log = filled.log.read_text()
        assert f"was set aside as {aside}" in log
        assert "is rebuilt from the groups" in log
        assert "all, any, one" in log
        assert "Traceback" not in log
        # What was rebuilt is kept, and gives back what it took.
        filled.stop()
        filled.start()
        assert {row[0]: row[2] for row in caller.reservations()} == granted
        for name in caller.names():
            caller.release(name)
    assert mount.masks() == host.machine.everywhere(host.machine.full)


def test_a_missing_state_file(host: Host, filled: DaemonProcess) -> None:
    mount = host.mount
    before = mount.dump()
    filled.kill()
    filled.state_file.unlink()
    filled.start()
    with Caller(filled.address) as caller:
        assert caller.names() == ["all", "any", "one"]
        assert mount.dump() == before
    log = filled.log.read_text()
    assert f"the state ({filled.state_file}) is rebuilt from the groups in {filled.root}, as root's" in log
