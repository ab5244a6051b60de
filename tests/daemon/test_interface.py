"""The running daemon against dbus/*.xml, and against busctl."""

import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from rdtd.bus.connection import Connection
from tests.conformance.resctrl import parse_list
from tests.daemon.conftest import Host
from tests.support.caller import CACHE, MANAGER, NAME, PATH, RESERVATION

DBUS = Path(__file__).parents[2] / "dbus"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
PROPERTIES = "org.freedesktop.DBus.Properties"
INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"

RESERVED = f"{PATH}/reservation/VM_2dA_2evcpu_2d2"
INTERFACES = {PATH: MANAGER, f"{PATH}/cache/l3_0": CACHE, RESERVED: RESERVATION}


@pytest.fixture
def filled(host: Host) -> Host:
    host.caller.reserve("VM-A.vcpu-2", "type=both,size=10mb,cacheid=0", cpus=("s", "2"))
    return host


def introspected(host: Host, path: str) -> ElementTree.Element:
    [text] = host.caller.call_of(path, INTROSPECTABLE, "Introspect")
    return ElementTree.fromstring(text)


def all_interfaces(host: Host) -> dict[str, str]:
    """With every cache of the machine."""
    return INTERFACES | {f"{PATH}/cache/l3_{cache_id}": CACHE for cache_id in host.machine.cache_ids}


def walk(host: Host, path: str = "/") -> list[str]:
    """Every node at and below a path, as the daemon tells them."""
    found = [path]
    for node in introspected(host, path).findall("node"):
        found += walk(host, f"{path.rstrip('/')}/{node.attrib['name']}")
    return found


def contract(element: ElementTree.Element) -> Any:
    """Everything that an interface says, but for the order of its members and the white space."""
    attributes = dict(element.attrib)
    if element.tag == "arg" and attributes.get("direction") is None:
        attributes["direction"] = ""
    children = [contract(child) for child in element]
    return (
        element.tag,
        attributes,
        children if element.tag in ("method", "signal") else sorted(children, key=str),
    )


def test_the_tree(filled: Host) -> None:
    nodes = [
        "/",
        "/org",
        PATH,
        f"{PATH}/cache",
        f"{PATH}/reservation",
        *(set(all_interfaces(filled)) - {PATH}),
    ]
    assert sorted(walk(filled)) == sorted(nodes)


@pytest.mark.parametrize("path", INTERFACES)
def test_introspection_is_the_xml(filled: Host, path: str) -> None:
    interface = INTERFACES[path]
    [written] = ElementTree.parse(DBUS / f"{interface}.xml").iter("interface")
    told = {element.attrib["name"]: element for element in introspected(filled, path).findall("interface")}
    assert contract(told[interface]) == contract(written)
    standard = {PROPERTIES, INTROSPECTABLE, "org.freedesktop.DBus.Peer"}
    assert told.keys() == standard | {interface} | ({OBJECT_MANAGER} if path == PATH else set())


@pytest.mark.parametrize("path", INTERFACES)
async def test_properties_have_the_declared_types(filled: Host, path: str) -> None:
    interface = INTERFACES[path]
    [written] = ElementTree.parse(DBUS / f"{interface}.xml").iter("interface")
    declared = {each.attrib["name"]: each.attrib["type"] for each in written.findall("property")}
    connection = await Connection.open(filled.daemon.address)
    try:
        [values] = await connection.call(NAME, path, PROPERTIES, "GetAll", "s", [interface])
        assert {name: value.signature for name, value in values.items()} == declared
        for name, value in values.items():
            [single] = await connection.call(NAME, path, PROPERTIES, "Get", "ss", [interface, name])
            assert single == value
    finally:
        await connection.close()


def test_managed_objects(filled: Host) -> None:
    [objects] = filled.caller.call_of(PATH, OBJECT_MANAGER, "GetManagedObjects")
    client = filled.caller.client
    assert objects == {
        path: {interface: client.get_all(NAME, path, interface)}
        for path, interface in all_interfaces(filled).items()
        if path != PATH
    }


def test_managed_objects_are_never_stale(filled: Host) -> None:
    path = f"{PATH}/cache/l3_0"
    [before] = filled.caller.call_of(PATH, OBJECT_MANAGER, "GetManagedObjects")
    filled.caller.reserve("b", "size=1ways")
    [after] = filled.caller.call_of(PATH, OBJECT_MANAGER, "GetManagedObjects")
    assert after[path][CACHE] == filled.caller.client.get_all(NAME, path, CACHE)
    assert after[path] != before[path]
    assert f"{PATH}/reservation/b" in after


def test_a_caches_properties(filled: Host) -> None:
    properties = filled.caller.client.get_all(NAME, f"{PATH}/cache/l3_0", CACHE)
    machine = filled.machine
    reserved = (1 << machine.ways_for(10 << 20)) - 1
    free = machine.full >> 1 & ~reserved
    assert parse_list(properties.pop("CpuList")) == machine.cpus[0]
    assert properties == {
        "Level": 3,
        "CacheId": 0,
        "Size": machine.size,
        "WaySize": machine.way_size,
        "Ways": machine.ways,
        "MinWays": machine.min_ways,
        "FreeMask": free,
        "ReservedMask": reserved,
        "SharedMask": machine.full & ~reserved,
        "ForeignMask": 0,
        "ShareableMask": machine.shareable,
        "Largest": machine.bytes_of(free.bit_count()),
    }


def test_a_reservations_properties(filled: Host) -> None:
    properties = filled.caller.client.get_all(NAME, RESERVED, RESERVATION)
    assert properties.pop("CreatedUSec") > 1_700_000_000_000_000
    assert properties == {
        "Name": "VM-A.vcpu-2",
        "Regions": [{"type": "both", "level": 3, "cache-id": 0, "size": 10 << 20}],
        "Granted": filled.caller.reservations()[0][2],
        "Owner": 0,
        "Lifetime": "persistent",
        "State": "active",
        "StateReason": "",
        "Cpus": "2",
    }


def busctl(host: Host, *arguments: str) -> str:
    bus = "--system" if host.daemon.address == "system" else f"--address={host.daemon.address}"
    command = ["busctl", bus, "--no-pager", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_busctl_tree(filled: Host) -> None:
    lines = [line.strip("├└─│ ") for line in busctl(filled, "tree", NAME).splitlines()]
    expected = {"/org", PATH, f"{PATH}/cache", f"{PATH}/reservation", *all_interfaces(filled)}
    assert set(lines) - {"/"} == expected


def test_busctl_introspect(filled: Host) -> None:
    lines = busctl(filled, "introspect", NAME, PATH).splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines}
    assert rows[".Reserve"] == ["method", "saa{sv}a{sv}", "oaa{sv}", "-"]
    assert rows[".NReservations"] == ["property", "u", "1", "emits-change"]
    assert rows[".Version"][-1] == "const"
    assert rows[".ReservationRemoved"] == ["signal", "sos", "-", "-"]
    lines = busctl(filled, "introspect", NAME, RESERVED).splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines}
    assert rows[".State"] == ["property", "s", '"active"', "emits-change"]


def test_busctl_call(filled: Host) -> None:
    manager = (NAME, PATH, MANAGER)
    answer = busctl(filled, "call", *manager, "ReserveSpec", "ssa{sv}", "b", "size=2ways,cache-id=1", "0")
    assert answer.startswith('oaa{sv} "/org/rdtd1/reservation/b" 1 6 "type" s "both"')
    machine = filled.machine
    caches = f"{len(machine.cache_ids)} 3 0 {machine.size} {machine.way_size} "
    assert busctl(filled, "call", *manager, "ListFree").startswith(f"a(uuttttta{{sv}}) {caches}")
    attach = ("Attach", "sa{sv}", "b", "1", "cpus", "s", "0-1,3")
    assert busctl(filled, "call", *manager, *attach) == ""
    assert busctl(filled, "get-property", *manager, "NReservations") == "u 2\n"
    assert busctl(filled, "call", *manager, "Release", "sa{sv}", "b", "0") == ""
