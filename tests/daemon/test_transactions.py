"""Single operations of the kernel fail: nothing is left behind, or the next turn puts it right."""

import pytest

from tests.daemon.conftest import Host
from tests.daemon.refusal import refused
from tests.daemon.simulated import with_faults
from tests.support.caller import RDTD_ERROR, BusError
from tests.support.threads import Threads

pytestmark = with_faults

REFUSED = RDTD_ERROR + "KernelRefused"
FULL = 0x7FF

STEPS = [
    ("fail mkdir rdtd.b EBUSY 1 not now", "mkdir 'rdtd.b'"),
    ("fail write schemata EINVAL 1 not now", "to schemata of the default group"),
    ("fail write rdtd.b/schemata EINVAL 1 not now", "to schemata of group 'rdtd.b'"),
    ("fail write rdtd.b/cpus_list EINVAL 1 not now", "to cpus_list of group 'rdtd.b'"),
    ("fail write rdtd.b/tasks EINVAL 1 not now", "to tasks of group 'rdtd.b'"),
]


@pytest.mark.parametrize(("fault", "what"), STEPS)
def test_a_failed_step_of_reserve(host: Host, threads: Threads, fault: str, what: str) -> None:
    host.caller.reserve("a", "size=2ways")
    host.control(fault)
    with refused(host, REFUSED, what, "last_cmd_status: not now", threads=tuple(threads.ids)):
        host.caller.reserve("b", "size=2ways", cpus=("s", "3"), tasks=("au", threads.ids))
    assert host.caller.reserve("b", "size=2ways", cpus=("s", "3"), tasks=("au", threads.ids))


def test_out_of_closids_at_mkdir(host: Host) -> None:
    host.control("fail mkdir rdtd.b ENOSPC 1 Out of CLOSIDs")
    with refused(host, RDTD_ERROR + "NoClosid", "last_cmd_status: Out of CLOSIDs"):
        host.caller.reserve("b", "size=2ways")


@pytest.mark.parametrize(
    ("fault", "what", "reason"),
    [
        # rmdir leaves last_cmd_status alone: what stands there is about something else.
        ("fail rmdir rdtd.a EBUSY 1 not now", "rmdir 'rdtd.a'", "the kernel gave no reason"),
        (
            "fail write schemata EINVAL 1 not now",
            "to schemata of the default group",
            "last_cmd_status: not now",
        ),
    ],
)
def test_a_failed_step_of_release(host: Host, threads: Threads, fault: str, what: str, reason: str) -> None:
    host.caller.reserve("a", "size=2ways", cpus=("s", "3"))
    host.control(fault)
    with refused(host, REFUSED, what, reason, threads=tuple(threads.ids)):
        host.caller.release("a")
    host.caller.release("a")


@pytest.mark.parametrize(
    "fault",
    ["fail write schemata EINVAL 1 not now", "fail write rdtd.a/schemata EINVAL 1 not now"],
)
@pytest.mark.parametrize("ways", [1, 4])
def test_a_failed_step_of_resize(host: Host, fault: str, ways: int) -> None:
    host.caller.reserve("a", "size=2ways")
    host.control(fault)
    with refused(host, REFUSED, "last_cmd_status: not now"):
        host.caller.call("Resize", "saa{sv}a{sv}", "a", [{"ways": ("u", ways)}], {})


def test_a_failed_step_of_attach(host: Host, threads: Threads) -> None:
    host.caller.reserve("a", "size=2ways", cpus=("s", "1"))
    host.control("fail write rdtd.a/tasks EINVAL 1 not now")
    with refused(host, REFUSED, "not now", threads=tuple(threads.ids)):
        host.caller.attach("a", cpus=("s", "2-3"), processes=("au", [threads.pid]))


def test_a_failed_step_of_detach(host: Host, threads: Threads) -> None:
    host.caller.reserve("a", "size=2ways", cpus=("s", "1"), processes=("au", [threads.pid]))
    host.control("fail write tasks EINVAL 1 not now")
    with refused(host, REFUSED, "not now", threads=tuple(threads.ids)):
        host.caller.detach("a", cpus=("s", "1"), processes=("au", [threads.pid]))


def test_the_way_back_fails_too(host: Host) -> None:
    """The group stays for the moment; the next turn, which nobody has to ask for, removes it."""
    before = host.mount.dump()
    host.caller.signals_so_far()
    host.control("fail write rdtd.b/schemata EINVAL 1 first")
    host.control("fail rmdir rdtd.b EBUSY 1 second")
    with pytest.raises(BusError, match="last_cmd_status: first"):
        host.caller.reserve("b", "size=2ways")
    assert host.caller.reservations() == []
    drift = host.caller.signal("Drift")
    assert drift.arguments[:2] == ["rdtd.b", "leftover"]
    assert host.mount.dump() == before


def test_what_cannot_be_put_right_is_tried_again_with_pauses(host: Host) -> None:
    host.caller.reserve("a", "size=2ways")
    before = host.mount.dump()
    host.caller.signals_so_far()
    host.control("fail write rdtd.a/schemata EINVAL 4 not now")
    host.mount.forget_operations()
    (host.mount.root / "rdtd.a").rmdir()
    drift = host.caller.signal("Drift")
    assert drift.arguments[:2] == ["rdtd.a", "removed"]
    assert host.mount.dump() == before
    # Two failures a turn, the way there and the way back, and then one that works.
    assert host.mount.changes()["mkdir"] <= 4
    log = host.daemon.log.read_text()
    assert log.count("cannot put resctrl right now: write 'L3:0=3;1=3' to schemata of group 'rdtd.a'") == 1


def test_a_state_that_cannot_be_saved(host: Host) -> None:
    """As with a full disk: nothing is begun that a restart would not know of."""
    host.caller.reserve("a", "size=2ways")
    obstacle = host.daemon.state_file.with_name("state.json.new")
    obstacle.mkdir()
    try:
        with refused(host, REFUSED, "cannot save the state", "state.json", "Is a directory"):
            host.caller.reserve("b", "size=2ways")
    finally:
        obstacle.rmdir()
    host.caller.reserve("b", "size=2ways")


def test_a_mount_that_cannot_be_read(host: Host) -> None:
    host.caller.reserve("a", "size=2ways")
    host.control("fail read schemata EIO 2")
    groups = host.mount.groups()
    with pytest.raises(BusError) as caught:
        host.caller.reserve("b", "size=2ways")
    assert caught.value.name == REFUSED
    assert "cannot read" in caught.value.text
    host.control("clear")
    assert host.mount.groups() == groups
    assert host.caller.names() == ["a"]
    host.caller.reserve("b", "size=2ways")
