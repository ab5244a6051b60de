"""Reserve, Release, Resize: what is answered, what the kernel has, what is told."""

import pytest

from tests.daemon.conftest import Host
from tests.daemon.machine import Machine
from tests.daemon.refusal import nothing_written, refused
from tests.daemon.simulated import with_counts
from tests.support.caller import MANAGER, PATH, RDTD_ERROR, BusError


def test_a_reservation_is_a_group_with_ways_of_its_own(host: Host) -> None:
    granted = host.caller.reserve("VM-A.vcpu-2", "type=both,size=5mb,cacheid=0")
    machine = host.machine
    ways = machine.ways_for(5 << 20)
    mask = (1 << ways) - 1
    assert granted == [
        {
            "type": "both",
            "level": 3,
            "cache-id": 0,
            "mask": mask,
            "size": machine.bytes_of(ways),
            "ways": ways,
        }
    ]
    assert host.mount.groups() == ["rdtd.VM-A.vcpu-2"]
    assert host.mount.masks("rdtd.VM-A.vcpu-2") == machine.everywhere(machine.full) | {0: mask}
    assert host.mount.masks() == machine.everywhere(machine.full) | {0: machine.full & ~mask}


def test_reserve_takes_regions_as_dictionaries(host: Host) -> None:
    path, granted = host.caller.reserve_regions(
        "two",
        [
            {"type": ("s", "both"), "level": ("u", 3), "cache-id": ("u", 1), "ways": ("u", 2)},
            {"cache-id": ("u", 0), "percent": ("u", 15)},
        ],
    )
    assert path == f"{PATH}/reservation/two"
    machine = host.machine
    ways = -(-15 * machine.ways // 100)
    assert [(one["cache-id"], one["ways"]) for one in granted] == [(0, ways), (1, 2)]
    masks = {0: (1 << ways) - 1, 1: 0b11}
    assert host.mount.masks("rdtd.two") == machine.everywhere(machine.full) | masks


def test_without_a_cache_id_every_cache_of_the_level(host: Host) -> None:
    granted = host.caller.reserve("all", "size=2ways")
    assert [(one["cache-id"], one["mask"]) for one in granted] == [
        (cache_id, 0b11) for cache_id in host.machine.cache_ids
    ]


def test_any_takes_the_cache_where_it_fits(host: Host) -> None:
    host.caller.reserve("first", f"size={host.machine.ways - 2}ways,cache-id=0")
    [one] = host.caller.reserve_regions("any", [{"cache-id": ("s", "any"), "ways": ("u", 4)}])[1]
    assert one["cache-id"] == 1


def test_release_gives_everything_back(host: Host) -> None:
    before = host.mount.dump()
    host.caller.reserve("a", "size=4ways")
    host.caller.release("a")
    assert host.mount.dump() == before
    assert host.caller.reservations() == []


def test_the_objects_own_release(host: Host) -> None:
    host.caller.reserve("a", "size=4ways")
    host.caller.call_of(f"{PATH}/reservation/a", "org.rdtd1.Reservation", "Release", "a{sv}", {})
    assert host.mount.groups() == []


def test_release_of_what_is_not_there(host: Host) -> None:
    with pytest.raises(BusError) as caught:
        host.caller.release("nobody")
    assert caught.value.name == RDTD_ERROR + "NotFound"
    assert "'nobody'" in caught.value.text


def test_resize_keeps_the_place_and_answers_what_is_granted(host: Host) -> None:
    host.caller.reserve("a", "size=2ways,cache-id=0")
    [granted] = host.caller.call(
        "Resize", "saa{sv}a{sv}", "a", [{"cache-id": ("u", 0), "ways": ("u", 5)}], {}
    )
    assert [one["mask"] for one in granted] == [0b11111]
    assert host.mount.masks("rdtd.a")[0] == 0b11111
    assert host.mount.masks()[0] == host.machine.full & ~0b11111
    assert host.caller.get("Granted", f"{PATH}/reservation/a", "org.rdtd1.Reservation") == granted


def test_the_same_call_again_gets_the_same_answer_and_writes_nothing(host: Host) -> None:
    first = host.caller.reserve_regions("a", [{"ways": ("u", 2)}])
    with nothing_written(host):
        assert host.caller.reserve_regions("a", [{"ways": ("u", 2)}]) == first


@pytest.mark.parametrize(
    ("spec", "options", "text"),
    [
        ("size=3ways", {}, "other regions"),
        ("size=2ways", {"lifetime": ("s", "client")}, "belongs to another user or client"),
    ],
)
def test_a_name_that_is_taken(host: Host, spec: str, options: dict[str, tuple[str, str]], text: str) -> None:
    host.caller.reserve("a", "size=2ways")
    before = host.mount.dump()
    with pytest.raises(BusError, match=text) as caught:
        host.caller.reserve("a", spec, **options)
    assert caught.value.name == RDTD_ERROR + "Exists"
    assert host.mount.dump() == before


def test_a_dry_run_answers_and_changes_nothing(host: Host) -> None:
    with nothing_written(host):
        path, granted = host.caller.reserve_regions("a", [{"ways": ("u", 4)}], {"dry-run": ("b", True)})
    assert host.caller.reservations() == []
    assert host.caller.reserve_regions("a", [{"ways": ("u", 4)}]) == [path, granted]


def test_a_dry_run_of_resize(host: Host) -> None:
    host.caller.reserve("a", "size=2ways")
    before = host.mount.dump()
    wish = [{"ways": ("u", 5)}]
    [granted] = host.caller.call("Resize", "saa{sv}a{sv}", "a", wish, {"dry-run": ("b", True)})
    assert {one["ways"] for one in granted} == {5}
    assert host.mount.dump() == before
    assert host.caller.call("Resize", "saa{sv}a{sv}", "a", wish, {}) == [granted]


def test_the_largest_that_is_told_is_granted_and_one_way_more_is_not(host: Host) -> None:
    host.caller.reserve("a", "size=3ways,cache-id=0")
    largest = host.caller.free()[0][5]
    ways = host.machine.ways - 4
    assert largest == host.machine.bytes_of(ways)
    with refused(
        host,
        RDTD_ERROR + "NoSpace",
        f"L3 cache 0: {ways + 1} ways (",
        f" asked, the largest free run is {ways} ways",
        "reservations hold 3, the default group keeps 1",
    ):
        host.caller.reserve("b", f"size={largest + 1},cache-id=0")
    host.caller.reserve("b", f"size={largest},cache-id=0")


def test_signals_of_a_reservations_life(host: Host) -> None:
    host.caller.signals_so_far()
    host.caller.reserve("a.b", "size=2ways,cache-id=0")
    path = f"{PATH}/reservation/a_2eb"
    signals = {signal.member: signal for signal in host.caller.signals_so_far()}
    assert signals["ReservationAdded"].arguments == ["a.b", path]
    assert signals["InterfacesAdded"].arguments[0] == path
    assert signals["InterfacesAdded"].arguments[1]["org.rdtd1.Reservation"]["Name"] == "a.b"
    host.caller.release("a.b")
    signals = {signal.member: signal for signal in host.caller.signals_so_far()}
    assert signals["ReservationRemoved"].arguments == ["a.b", path, "released"]
    assert signals["InterfacesRemoved"].arguments == [path, ["org.rdtd1.Reservation"]]


def free_mask(machine: Machine, reserved: int) -> int:
    """What is free beside the lowest ways: all but the highest way, which the default group keeps."""
    return machine.full >> 1 & ~reserved


def test_properties_that_change_are_told(host: Host) -> None:
    machine = host.machine
    host.caller.signals_so_far()
    host.caller.reserve("a", "size=2ways,cache-id=0")
    changed = {
        signal.path: signal.arguments[1]
        for signal in host.caller.signals_so_far()
        if signal.member == "PropertiesChanged"
    }
    assert changed == {
        PATH: {"NReservations": 1, "ClosidsFree": host.caller.get("ClosidsFree")},
        f"{PATH}/cache/l3_0": {
            "FreeMask": free_mask(machine, 0b11),
            "ReservedMask": 0b11,
            "SharedMask": machine.full & ~0b11,
            "Largest": machine.bytes_of(machine.ways - 3),
        },
    }
    host.caller.call("Resize", "saa{sv}a{sv}", "a", [{"cache-id": ("u", 0), "ways": ("u", 3)}], {})
    told = [signal for signal in host.caller.signals_so_far() if signal.path.endswith("/reservation/a")]
    assert [(signal.arguments[0], set(signal.arguments[1])) for signal in told] == [
        ("org.rdtd1.Reservation", {"Regions", "Granted"})
    ]


def test_list_free_has_a_row_for_each_cache(host: Host) -> None:
    host.caller.reserve("a", "size=2ways,cache-id=0")
    machine = host.machine

    def row(cache_id: int, reserved: int) -> list[object]:
        mask = free_mask(machine, reserved)
        free = machine.bytes_of(mask.bit_count())
        more = {"reserved-mask": reserved, "foreign-mask": 0}
        more |= {"shared-mask": machine.full & ~reserved, "shareable-mask": machine.shareable}
        return [3, cache_id, machine.size, machine.way_size, free, free, mask, more]

    held = machine.everywhere(0) | {0: 0b11}
    assert host.caller.free() == [row(cache_id, reserved) for cache_id, reserved in held.items()]


def test_list_reservations_and_get_reservation(host: Host) -> None:
    granted = host.caller.reserve("b", "size=10%,cache-id=0", cpus=("s", "1-2"))
    host.caller.reserve("a", "size=1ways")
    rows = host.caller.reservations()
    assert [row[0] for row in rows] == ["a", "b"]
    name, path, regions, details = rows[1]
    assert (name, path, regions) == ("b", f"{PATH}/reservation/b", granted)
    assert details.pop("created-usec") > 1_700_000_000_000_000
    assert details == {
        "owner": 0,
        "lifetime": "persistent",
        "state": "active",
        "cpus": "1-2",
        "regions": [{"type": "both", "level": 3, "cache-id": 0, "percent": 10}],
    }
    assert host.caller.call("GetReservation", "s", "b") == [path]
    with pytest.raises(BusError) as caught:
        host.caller.call("GetReservation", "s", "c")
    assert caught.value.name == RDTD_ERROR + "NotFound"


def test_reconcile_finds_nothing_to_do(host: Host) -> None:
    host.caller.reserve("a", "size=1ways")
    with nothing_written(host):
        assert host.caller.call("Reconcile") == [0]


@with_counts
def test_own_writes_cause_no_second_round(host: Host) -> None:
    host.caller.reserve("a", "size=1ways")
    host.mount.forget_operations()
    host.caller.reserve("b", "size=1ways,cache-id=0")
    after = host.mount.operations()
    host.caller.signals_so_far()
    assert host.mount.operations() == after
    # The new group and the default group were written and read back, and no cache was looked at again.
    assert after == {
        "mkdir": 1,
        "write schemata": 2,
        "read schemata": 3,
        "read mode": 1,
        "read cpus_list": 1,
    }


def test_the_managers_properties(host: Host) -> None:
    properties = host.caller.client.get_all("org.rdtd1", PATH, MANAGER)
    total = properties["ClosidsTotal"]
    assert properties == {
        "Version": properties["Version"],
        "Root": host.daemon.root,
        "State": "ready",
        "Cdp": False,
        "ClosidsTotal": host.machine.closids,
        "ClosidsFree": total - 1,
        "NReservations": 0,
    }
