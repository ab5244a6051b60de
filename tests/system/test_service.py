"""The service: restarts, kills, who may do what, and the programs that people use."""

import json

import pytest

from tests.support.threads import Threads
from tests.system import machine
from tests.system.conftest import Host
from tests.system.machine import group_of, run, systemctl


def _reserve(host: Host, threads: Threads) -> None:
    host.caller.reserve("a", host.everywhere(1), cpus=("s", "1"), tasks=("au", threads.ids[:1]))
    host.caller.reserve("b", host.caches[-1].spec(2))


@pytest.mark.usefixtures("room_for_two")
def test_a_restart_keeps_everything(host: Host, threads: Threads) -> None:
    _reserve(host, threads)
    before, rows = host.mount.dump(threads.ids), host.caller.reservations()
    systemctl("restart", "rdtd.service")
    assert host.mount.dump(threads.ids) == before
    assert host.caller.reservations() == rows


@pytest.mark.usefixtures("room_for_two")
def test_a_kill_keeps_everything(host: Host, threads: Threads) -> None:
    _reserve(host, threads)
    before, rows = host.mount.dump(threads.ids), host.caller.reservations()
    killed = machine.main_pid()
    host.caller.signals_so_far()
    systemctl("kill", "--signal=KILL", "rdtd.service")
    host.wait_for_owner()
    assert machine.main_pid() != killed
    assert host.mount.dump(threads.ids) == before
    assert host.caller.reservations() == rows
    assert host.caller.get("State") == "ready"


@pytest.mark.usefixtures("room_for_two")
def test_what_is_changed_while_rdtd_is_away_is_put_right(host: Host, threads: Threads) -> None:
    _reserve(host, threads)
    before = host.mount.dump()
    systemctl("stop", "rdtd.service")
    (host.mount.root / "rdtd.b").rmdir()
    cache = host.caches[0]
    for resource in host.resources:
        host.mount.set_masks(f"{resource}:{cache.cache_id}={(1 << cache.ways) - 1:x}", "rdtd.a")
    systemctl("start", "rdtd.service")
    assert host.mount.dump() == before
    assert group_of(threads.pid) == "rdtd.a"


@pytest.mark.usefixtures("room_for_two")
def test_what_is_changed_while_rdtd_runs_is_put_right(host: Host, threads: Threads) -> None:
    _reserve(host, threads)
    before = host.mount.dump()
    host.caller.signals_so_far()
    (host.mount.root / "rdtd.b").rmdir()
    assert host.caller.signal("Drift", machine.PATIENCE).arguments[:2] == ["rdtd.b", "removed"]
    assert host.mount.dump() == before
    cache, resource = host.caches[0], host.resources[0]
    host.mount.set_masks(f"{resource}:{cache.cache_id}={(1 << cache.ways) - 1:x}", "rdtd.a")
    assert host.caller.signal("Drift", machine.PATIENCE).arguments[:2] == ["rdtd.a", "masks"]
    assert host.mount.dump() == before


def test_an_ordinary_user_may_look_but_not_change(host: Host) -> None:
    host.caller.reserve("a", host.everywhere(1))
    before = host.mount.dump()
    nobody = ("runuser", "-u", "nobody", "--")
    assert "a" in run(*nobody, "rdtctl", "list").stdout
    for change in (("reserve", "b", host.everywhere(1)), ("release", "a"), ("attach", "a", "--cpus", "1")):
        refused = run(*nobody, "rdtctl", *change, check=False)
        assert (refused.returncode, refused.stdout) == (4, ""), refused
        assert len(refused.stderr.splitlines()) == 1
    call = (*nobody, "busctl", "call", "org.rdtd1", "/org/rdtd1", "org.rdtd1.Manager")
    assert run(*call, "ListReservations").stdout.startswith("a(soaa{sv}a{sv}) 1 ")
    assert run(*call, "Release", "sa{sv}", "a", "0", check=False).returncode != 0
    assert run(*nobody, "busctl", "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "RequestName",
               "su", "org.rdtd1", "0", check=False).returncode != 0  # fmt: skip
    assert host.mount.dump() == before


@pytest.mark.usefixtures("room_for_two")
def test_rdtctl(host: Host) -> None:
    before = host.mount.dump()
    cache = host.caches[0]
    reserved = json.loads(run("rdtctl", "--json", "reserve", "a", cache.spec(2)).stdout)
    [granted] = reserved["granted"]
    assert host.masks("rdtd.a", cache) == {granted["mask"]}
    [listed] = json.loads(run("rdtctl", "--json", "list").stdout)["reservations"]
    assert (listed["name"], listed["granted"]) == ("a", [granted])
    for verb in (("list",), ("show", "a"), ("map",), ("free",)):
        assert run("rdtctl", *verb).stdout
    free = json.loads(run("rdtctl", "--json", "free").stdout)["caches"]
    assert free[0]["reserved_mask"] == granted["mask"]
    inside = run("rdtctl", "run", "--name", "b", cache.spec(1), "--", "cat", "/proc/self/cpu_resctrl_groups")
    assert inside.stdout.startswith("res:rdtd.b\n")
    assert json.loads(run("rdtctl", "--json", "reconcile").stdout) == {"changes": 0}
    run("rdtctl", "release", "a")
    assert host.mount.dump() == before


def test_busctl(host: Host) -> None:
    host.caller.reserve("a.b", host.everywhere(1))
    tree = run("busctl", "tree", "org.rdtd1").stdout
    assert "/org/rdtd1/reservation/a_2eb" in tree
    assert all(cache.path in tree for cache in host.caches)
    shown = run("busctl", "introspect", "org.rdtd1", "/org/rdtd1/reservation/a_2eb").stdout
    assert "org.rdtd1.Reservation" in shown
    root = run("busctl", "get-property", "org.rdtd1", "/org/rdtd1", "org.rdtd1.Manager", "Root").stdout
    assert root == 's "/sys/fs/resctrl"\n'
