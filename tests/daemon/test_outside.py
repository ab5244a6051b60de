"""Others change resctrl while rdtd runs: it is seen without a call, put right and told."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from rdtd.bus import message as messages
from rdtd.bus.wire import encode
from tests.daemon.conftest import Host
from tests.daemon.refusal import refused
from tests.daemon.simulated import simulated, with_counts
from tests.support.caller import CACHE, MANAGER, NAME, PATH, RDTD_ERROR, Signal
from tests.support.threads import Threads

hotplug = simulated(
    "rdtd is asked to look; where it sees CPUs come and go by itself, tests/system has the test"
)


def drift(host: Host, group: str) -> Signal:
    """The next Drift signal, which is of that group."""
    signal = host.caller.signal("Drift")
    assert signal.arguments[0] == group
    return signal


@contextmanager
def lock_held(host: Host, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    """As libvirt or pqos holds it."""
    handle = os.open(host.mount.root, os.O_RDONLY)
    try:
        fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)


def test_an_own_group_is_removed(host: Host) -> None:
    host.caller.reserve("a", "size=2ways", cpus=("s", "3"))
    before = host.mount.dump()
    host.caller.signals_so_far()
    (host.mount.root / "rdtd.a").rmdir()
    _, kind, details = drift(host, "rdtd.a").arguments
    assert (kind, details) == ("removed", {"found": "the group is not there", "done": "made again"})
    assert host.mount.dump() == before
    assert host.caller.get("State") == "ready"


def test_an_own_mask_is_changed(host: Host) -> None:
    host.caller.reserve("a", "size=2ways,cache-id=0")
    before = host.mount.dump()
    host.caller.signals_so_far()
    full = f"L3:0={host.machine.full:x}"
    host.mount.set_masks(full, "rdtd.a")
    _, kind, details = drift(host, "rdtd.a").arguments
    assert (kind, details) == ("masks", {"found": full, "done": "set to L3:0=3"})
    assert host.mount.dump() == before


def test_own_cpus_are_taken(host: Host) -> None:
    host.caller.reserve("a", "size=2ways", cpus=("s", "2-3"))
    before = host.mount.dump()
    host.caller.signals_so_far()
    (host.mount.root / "rdtd.a/cpus_list").write_text("3\n")
    _, kind, details = drift(host, "rdtd.a").arguments
    assert (kind, details) == ("cpus", {"found": "3", "done": "set to 2-3"})
    assert host.mount.dump() == before


def test_the_default_group_is_the_administrators(host: Host) -> None:
    host.caller.reserve("a", "size=2ways,cache-id=0")
    host.caller.signals_so_far()
    host.mount.set_masks("L3:0=0fc;1=0ff")
    _, kind, details = drift(host, "").arguments
    assert (kind, details["found"]) == ("baseline", "L3:0=fc;1=ff")
    assert details["done"] == "it is the new baseline, without the reserved ways"
    others = host.machine.everywhere(host.machine.full)
    assert host.mount.masks() == others | {0: 0xFC, 1: 0xFF}
    assert host.mount.masks("rdtd.a") == others | {0: 0b11, 1: 0xFF}
    host.caller.release("a")
    assert host.mount.masks() == others | {0: 0xFC, 1: 0xFF}
    host.mount.set_masks(host.machine.line(host.machine.full))
    drift(host, "")


def test_a_new_baseline_over_reserved_ways_is_told_once(host: Host) -> None:
    host.caller.reserve("a", "size=2ways,cache-id=0")
    host.mount.set_masks("L3:0=0f0")
    drift(host, "")
    full = host.machine.full
    host.mount.set_masks(f"L3:0={full:x}")
    drift(host, "")
    assert host.caller.call("Reconcile") == [0]
    assert [signal for signal in host.caller.signals_so_far() if signal.member == "Drift"] == []
    assert host.mount.masks() == host.machine.everywhere(full) | {0: full & ~0b11}


def test_a_foreign_group_comes_and_goes(host: Host) -> None:
    cache = f"{PATH}/cache/l3_0"
    total = host.caller.get("ClosidsFree")
    host.caller.signals_so_far()
    group = host.mount.root / "qemu-1-vm"
    group.mkdir()
    host.mount.set_masks("L3:0=00f;1=001", "qemu-1-vm")
    while host.caller.get("ForeignMask", cache, CACHE) != 0xF:
        host.caller.signal("PropertiesChanged")
    row = host.caller.free()[0]
    assert row[7]["foreign-mask"] == 0xF
    assert row[6] & 0xF == 0
    assert host.caller.get("ClosidsFree") == total - 1
    [granted] = host.caller.reserve("a", "size=2ways,cache-id=0")
    assert granted["mask"] & 0xF == 0
    group.rmdir()
    while host.caller.get("ForeignMask", cache, CACHE) != 0:
        host.caller.signal("PropertiesChanged")
    assert host.caller.get("ClosidsFree") == total - 1
    assert host.mount.groups() == ["rdtd.a"]


def test_a_group_with_our_prefix_that_nobody_reserved(host: Host) -> None:
    host.caller.signals_so_far()
    (host.mount.root / "rdtd.x").mkdir()
    assert drift(host, "rdtd.x").arguments[1] == "leftover"
    assert host.mount.groups() == []


def test_a_foreign_group_whose_name_is_not_utf_8(host: Host) -> None:
    host.caller.signals_so_far()
    name = os.fsencode(host.mount.root) + b"/\xff\xfe"
    os.mkdir(name)
    try:
        while host.caller.get("ClosidsFree") != host.machine.closids - 2:
            host.caller.signal("PropertiesChanged")
        with open(name + b"/schemata", "w") as schemata:
            schemata.write(f"{host.machine.line(1)}\n")
        host.caller.call("Reconcile")
        host.caller.reserve("a", "size=1ways")
        with refused(host, RDTD_ERROR + "NoSpace", r"group '\udcff\udcfe' 1"):
            host.caller.reserve("b", f"size={host.machine.ways - 1}ways")
    finally:
        os.rmdir(name)
    while host.caller.get("ClosidsFree") != host.machine.closids - 2:
        host.caller.signal("PropertiesChanged")


@hotplug
def test_a_domain_goes_and_comes_back_with_full_masks(host: Host) -> None:
    host.caller.reserve("a", "size=2ways")
    before = host.mount.dump()
    host.caller.signals_so_far()
    host.control("offline L3 1")
    host.caller.call("Reconcile")
    assert host.caller.get("State") == "degraded"
    assert host.caller.get("State", f"{PATH}/reservation/a", "org.rdtd1.Reservation") == "degraded"
    reason = host.caller.get("StateReason", f"{PATH}/reservation/a", "org.rdtd1.Reservation")
    assert reason
    assert [row[3]["state-reason"] for row in host.caller.reservations() if row[0] == "a"] == [reason]
    assert [row[1] for row in host.caller.free()] == [0]
    members = [signal.member for signal in host.caller.signals_so_far()]
    assert members.count("InterfacesRemoved") == 1
    host.control("online L3 1")
    assert host.mount.masks("rdtd.a")[1] == host.machine.full
    host.caller.call("Reconcile")
    assert host.mount.dump() == before
    assert host.caller.get("State") == "ready"
    assert [row[1] for row in host.caller.free()] == [0, 1]


@hotplug
def test_a_cpu_of_a_reservation_goes_and_comes_back(host: Host) -> None:
    host.caller.reserve("a", "size=2ways,cache-id=0", cpus=("s", "3-4"))
    host.control("offline cpu 4")
    host.caller.reserve("b", "size=1ways")
    host.control("online cpu 4")
    assert host.mount.cpus("rdtd.a") == "3"
    host.caller.release("b")
    assert host.mount.cpus("rdtd.a") == "3-4"


def test_the_lock_of_others_delays_changes_and_nothing_else(host: Host) -> None:
    body = encode("ssa{sv}", ["a", "size=1ways", {}])
    with lock_held(host):
        host.caller.client._send(messages.call(4000, NAME, PATH, MANAGER, "ReserveSpec", body))
        assert len(host.caller.free()) == len(host.machine.cache_ids)
        assert host.caller.reservations() == []
        assert host.mount.groups() == []
    assert host.caller.signal("ReservationAdded").arguments[0] == "a"


def test_readers_of_resctrl_delay_changes_but_no_dry_run(host: Host) -> None:
    with lock_held(host, fcntl.LOCK_SH):
        assert host.caller.reserve("a", "size=1ways", dry_run=("b", True))
    assert host.caller.reserve("a", "size=1ways")


@with_counts
def test_no_turn_is_left_over(host: Host, threads: Threads) -> None:
    """After whatever happened, an idle rdtd does nothing."""
    host.caller.reserve("a", "size=1ways", processes=("au", [threads.pid]))
    host.caller.release("a")
    host.mount.forget_operations()
    for _ in range(3):
        host.caller.signals_so_far()
    assert host.mount.operations() == {}


@pytest.mark.parametrize("number", range(3))
def test_changes_in_a_burst(host: Host, number: int) -> None:
    host.caller.reserve("a", "size=2ways")
    host.caller.reserve("b", "size=2ways")
    before = host.mount.dump()
    for _ in range(10):
        host.mount.set_masks(f"L3:0={host.machine.full:x}", "rdtd.a")
        with suppress(FileExistsError):
            (host.mount.root / "rdtd.x").mkdir()
        host.mount.set_masks("L3:1=1", "rdtd.b")
    host.caller.call("Reconcile")
    assert host.mount.dump() == before
