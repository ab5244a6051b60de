"""Groups of others: over free ways, over reserved ones, and in possession of every CLOSID."""

import pytest

from tests.recovery.conftest import Host
from tests.support.caller import CACHE, PATH, RDTD_ERROR, BusError

FULL = 0x7FF


def test_a_group_over_reserved_ways(host: Host) -> None:
    """A plain mkdir gives it every way. Whole again when it is narrowed, and when it goes."""
    host.caller.reserve("a", "size=2ways,cache-id=0")
    host.caller.signals_so_far()
    other = host.mount.root / "other"
    other.mkdir()
    try:
        details = host.drift("other", "foreign")
        assert details["found"] == "it has L3 cache 0 ways 3 of reservation 'a'"
        host.until("degraded")
        assert host.lacks("a") == "L3 cache 0: group 'other' has ways 3 of it"
        host.mount.set_masks("L3:0=7f0", "other")
        host.until("ready")
        assert host.lacks("a") == ""
        host.mount.set_masks("L3:0=001", "other")
        host.until("degraded")
        assert host.lacks("a") == "L3 cache 0: group 'other' has ways 1 of it"
    finally:
        other.rmdir()
    host.until("ready")
    assert "reservation a is whole again" in host.log()


def test_a_group_over_free_ways(host: Host) -> None:
    cache = f"{PATH}/cache/l3_1"
    (host.mount.root / "other").mkdir()
    try:
        host.mount.set_masks("L3:1=00f", "other")
        while host.caller.get("FreeMask", cache, CACHE) & 0xF or not host.caller.get(
            "FreeMask", cache, CACHE
        ):
            host.caller.signal("PropertiesChanged")
        assert host.caller.get("State") == "ready"
    finally:
        (host.mount.root / "other").rmdir()
    while not host.caller.get("FreeMask", cache, CACHE) & 0xF:
        host.caller.signal("PropertiesChanged")


def test_the_last_closid_is_taken(host: Host) -> None:
    host.caller.reserve("a", "size=1ways,cache-id=0")
    host.caller.signals_so_far()
    others = [host.mount.root / f"other{number}" for number in range(host.caller.get("ClosidsFree"))]
    for other in others:
        other.mkdir()
        host.mount.set_masks("L3:0=400;1=400", other.name)
    last = host.mount.root / "last"
    # Nobody else can make a group between the two.
    host.control("delay read schemata 0.2")
    (host.mount.root / "rdtd.a").rmdir()
    last.mkdir()
    host.mount.set_masks("L3:0=400;1=400", "last")
    try:
        host.until("degraded")
        while not host.lacks("a").startswith("its group 'rdtd.a' is not there: mkdir 'rdtd.a'"):
            host.caller.signal("PropertiesChanged")
        assert "Out of CLOSIDs" in host.lacks("a")
        with pytest.raises(BusError) as caught:
            host.caller.reserve("b", "size=1ways,cache-id=1")
        assert caught.value.name == RDTD_ERROR + "NoClosid"
        assert host.caller.get("ClosidsFree") == 0
    finally:
        last.rmdir()
        for other in others[1:]:
            other.rmdir()
    host.until("ready")
    assert host.mount.masks("rdtd.a")[0].bit_count() == 1
    others[0].rmdir()


def test_the_default_group_is_set_in_several_domains(host: Host) -> None:
    """Each domain by itself; refused where too little is left beside the reservations."""
    host.caller.reserve("a", "size=2ways,cache-id=0")
    host.caller.reserve("b", "size=3ways,cache-id=1")
    host.caller.signals_so_far()
    host.mount.set_masks("L3:0=00f;1=03f")
    assert host.drift("", "baseline")["found"] == "L3:0=f;1=3f"
    assert host.mount.masks() == {0: 0b1100, 1: 0b111000}
    host.mount.set_masks("L3:0=003;1=0ff")
    assert host.drift("", "baseline")["found"] == "L3:1=ff"
    assert host.drift("", "masks")["done"].startswith("too little is left beside the reservations")
    assert host.mount.masks() == {0: 0b1100, 1: 0b11111000}
    host.caller.release("a")
    host.caller.release("b")
    assert host.mount.masks() == {0: 0xF, 1: 0xFF}
    host.mount.set_masks(f"L3:0={FULL:x};1={FULL:x}")
    host.drift("", "baseline")
