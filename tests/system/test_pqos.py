"""pqos beside rdtd.

pqos wants every class of service for itself: when it starts it makes a group of each, with all ways that any
group has, and fails if one cannot be made. So it cannot run while somebody else has a group. What it leaves
then overlaps what is reserved: a mkdir by anyone does. rdtd keeps its own masks and shows who has them too.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.caller import RDTD_ERROR, BusError
from tests.system.conftest import Host, mask_of
from tests.system.machine import RESCTRL, run

TRIES = 20


@pytest.fixture(autouse=True)
def no_classes_are_left(host: Host) -> Iterator[None]:
    yield
    _remove_classes()
    host.caller.call("Reconcile")


def _remove_classes() -> None:
    for group in RESCTRL.glob("COS*"):
        group.rmdir()


def _pqos(host: Host, *arguments: str) -> str:
    """What it prints; "" if all went well.

    It gives up after 100 ms when somebody else has the lock. On an emulated CPU rdtd can take as long to look
    at the groups that pqos makes, so it is called again then.
    """
    printed = ""
    for _ in range(TRIES):
        host.caller.call("Reconcile")
        done = run("pqos", "-I", *arguments, check=False)
        printed = done.stdout + done.stderr
        if done.returncode == 0:
            return ""
        if "Failed to create resctrl group" in printed:
            break
    return printed


def _classes(host: Host) -> list[str]:
    return [group for group in host.mount.groups() if group.startswith("COS")]


def _shown(host: Host) -> dict[str, Any]:
    """The first cache in `rdtctl map`."""
    caches = json.loads(run("rdtctl", "--json", "map").stdout)["caches"]
    [shown] = [one for one in caches if one["cache_id"] == host.caches[0].cache_id]
    found: dict[str, Any] = shown
    return found


def test_a_reservation_and_then_pqos(host: Host) -> None:
    cache = host.caches[0]
    mine = mask_of(host.caller.reserve("a", cache.spec(2)))
    assert "Failed to create resctrl group" in _pqos(host, "-e", "llc:1=0x3")
    host.caller.call("Reconcile")
    assert host.masks("rdtd.a", cache) == {mine}
    theirs = 0
    for group in _classes(host):
        for mask in host.masks(group, cache):
            theirs |= mask
    shown = _shown(host)
    assert (shown["reserved_mask"], shown["foreign_mask"]) == (mine, theirs)
    assert theirs & mine == mine
    assert "reserved, but another group has it too" in run("rdtctl", "--color", "never", "map").stdout
    with pytest.raises(BusError) as caught:
        host.caller.reserve("b", cache.spec(1))
    assert caught.value.name in {RDTD_ERROR + "NoClosid", RDTD_ERROR + "NoSpace"}
    _remove_classes()
    host.caller.call("Reconcile")
    assert host.masks("rdtd.a", cache) == {mine}
    assert _shown(host)["foreign_mask"] == 0


def test_pqos_and_then_a_reservation(host: Host) -> None:
    """Its classes are set to the same two ways, and two of them are given up: there is room for rdtd."""
    cache = host.caches[0]
    number = host.caller.get("ClosidsTotal")
    assert not _pqos(host, "-e", ";".join(f"llc:{index}=0x3" for index in range(1, number)))
    host.caller.call("Reconcile")
    with pytest.raises(BusError) as caught:
        host.caller.reserve("a", cache.spec(1))
    assert caught.value.name == RDTD_ERROR + "NoClosid"
    (RESCTRL / f"COS{number - 1}").rmdir()
    mine = mask_of(host.caller.reserve("a", cache.spec(2)))
    assert mine & 0x3 == 0
    assert host.masks("COS1", cache) == {0x3}
    shown = _shown(host)
    assert (shown["reserved_mask"], shown["foreign_mask"]) == (mine, 0x3)
    assert "a" in run("rdtctl", "list").stdout
    for arguments in (("-e", "llc:1=0xf"), ("-R",)):
        assert "Failed to create resctrl group" in _pqos(host, *arguments)
        assert host.masks("rdtd.a", cache) == {mine}
        assert host.masks("COS1", cache) == {0x3}


def test_pqos_takes_back_all_that_it_set(host: Host) -> None:
    """`pqos -R` writes the default group's masks too. When its groups are gone, rdtd grants as before."""
    cache = host.caches[0]
    mine = mask_of(host.caller.reserve("a", cache.spec(2)))
    host.caller.release("a")
    assert not _pqos(host, "-e", "llc:0=0x3;llc:1=0x3")
    assert not _pqos(host, "-R")
    assert host.masks("", cache) == {(1 << cache.ways) - 1}
    _remove_classes()
    host.caller.call("Reconcile")
    assert mask_of(host.caller.reserve("a", cache.spec(2))) == mine
