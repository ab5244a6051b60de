"""Check: every difference between what is wanted and what is there; nothing is changed by it."""

import fcntl

from tests.daemon.conftest import Host
from tests.daemon.simulated import simulated
from tests.daemon.test_outside import lock_held

hotplug = simulated("takes domains offline")


def differences(host: Host) -> dict[str, tuple[str, dict[str, str]]]:
    rows = host.caller.call("Check")[0]
    return {group: (kind, details) for group, kind, details in rows}


def test_nothing_differs(host: Host) -> None:
    host.caller.reserve("a", "size=1ways")
    before = host.mount.dump()
    assert differences(host) == {}
    assert host.mount.dump() == before


def test_what_differs_is_told_and_left_alone(host: Host) -> None:
    """Readers of resctrl let rdtd look, and keep it from repairing what it sees."""
    host.caller.reserve("a", "size=2ways,cache-id=0")
    host.caller.reserve("b", "size=1ways,cache-id=0")
    before = host.mount.dump()
    with lock_held(host, fcntl.LOCK_SH):
        wanted = host.mount.masks("rdtd.a")[0]
        host.mount.set_masks("L3:0=1", "rdtd.a")
        (host.mount.root / "rdtd.b").rmdir()
        found = differences(host)
        assert {group: kind for group, (kind, _) in found.items()} == {"rdtd.a": "masks", "rdtd.b": "removed"}
        assert found["rdtd.a"][1] == {"found": "L3:0=1", "done": f"set to L3:0={wanted:x}"}
        assert host.mount.masks("rdtd.a")[0] == 1
        assert host.mount.groups() == ["rdtd.a"]
    host.caller.call("Reconcile")
    assert host.mount.dump() == before
    assert differences(host) == {}


@hotplug
def test_what_a_reservation_lacks(host: Host) -> None:
    host.caller.reserve("a", "size=2ways")
    host.control("offline L3 1")
    found = differences(host)
    assert found["rdtd.a"] == ("degraded", {"found": "L3 cache 1 is offline"})
    host.control("online L3 1")
    host.caller.call("Reconcile")
    assert differences(host) == {}
