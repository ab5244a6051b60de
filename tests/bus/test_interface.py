"""The XML files: what they promise, what Introspect makes of them, and what the bus policy lets through."""

import asyncio
import os
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from rdtd.bus import interface as interfaces
from rdtd.bus.connection import Connection
from rdtd.bus.dispatch import Call
from rdtd.bus.errors import BusError
from rdtd.bus.interface import introspect, load, parse, snake_case
from rdtd.bus.objects import ObjectTree
from rdtd.bus.standard import INTROSPECTABLE, OBJECT_MANAGER, PEER, PROPERTIES
from tests.support.private_bus import PrivateBus

DBUS = Path(__file__).parents[2] / "dbus"
OURS = ["org.rdtd1.Manager", "org.rdtd1.Reservation", "org.rdtd1.Cache"]


@pytest.mark.parametrize("name", OURS)
def test_introspection_says_what_the_file_says(name: str) -> None:
    text = introspect([load(name), PEER], ["child"])
    assert parse(text) == [load(name), PEER]
    assert text.startswith("<!DOCTYPE node PUBLIC")
    assert [node.attrib for node in ElementTree.fromstring(text).findall("node")] == [{"name": "child"}]


@pytest.mark.parametrize("name", OURS)
def test_every_property_says_how_it_changes_and_every_argument_has_a_name(name: str) -> None:
    root = ElementTree.parse(DBUS / f"{name}.xml").getroot()
    for property_ in root.iter("property"):
        annotations = [child.attrib["name"] for child in property_.findall("annotation")]
        assert annotations[0] == interfaces.EMITS_CHANGED, property_.attrib["name"]
        assert annotations[1:] in ([], [interfaces.ACTION]), property_.attrib["name"]
    arguments = list(root.iter("arg"))
    assert all(argument.get("name") for argument in arguments)


def test_every_file_is_installed() -> None:
    assert sorted(file.name for file in DBUS.glob("*.xml")) == sorted(f"{name}.xml" for name in OURS)
    for name in OURS:
        assert load(name).name == name


def test_usage_is_what_a_person_would_write() -> None:
    assert load("org.rdtd1.Manager").methods["Release"].usage == "Release(s name, a{sv} options)"
    assert load("org.rdtd1.Manager").methods["ListFree"].usage == "ListFree()"


@pytest.mark.parametrize(
    ("member", "name"),
    [
        ("ListFree", "list_free"),
        ("CreatedUSec", "created_usec"),
        ("NReservations", "n_reservations"),
        ("Cdp", "cdp"),
        ("GetAll", "get_all"),
    ],
)
def test_members_have_python_names(member: str, name: str) -> None:
    assert snake_case(member) == name


def test_names_are_escaped_in_introspection() -> None:
    [strange] = parse('<node><interface name="a.b"><method name="&lt;&quot;&amp;"/></interface></node>')
    assert parse(introspect([strange], [])) == [strange]


def test_a_writable_property_is_refused() -> None:
    text = '<node><interface name="a.b"><property name="X" type="u" access="readwrite"/></interface></node>'
    with pytest.raises(ValueError, match="property X"):
        parse(text)


class Everything:
    """Stands for any object: has every member, methods without effect and properties of any value."""

    def __init__(self, name: str) -> None:
        for method in load(name).methods:
            setattr(self, snake_case(method), self.nothing)
        for property_ in load(name).properties.values():
            value = {"s": "nothing", "b": False, "aa{sv}": []}.get(property_.type, 0)
            setattr(self, snake_case(property_.name), value)

    def nothing(self, call: Call, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def system_bus() -> Iterator[PrivateBus]:
    with PrivateBus((DBUS / "org.rdtd1.conf",)) as bus:
        yield bus


@pytest_asyncio.fixture
async def connection(system_bus: PrivateBus) -> AsyncIterator[Connection]:
    opened = await Connection.open(system_bus.address)
    yield opened
    await opened.close()


ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


def busctl_as_nobody(bus: PrivateBus, *arguments: str) -> str:
    command = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "busctl",
        f"--address={bus.address}",
    ]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@ROOT
async def test_the_policy_lets_anyone_call_us_and_only_root_be_us(
    system_bus: PrivateBus, connection: Connection
) -> None:
    tree = ObjectTree("/org/rdtd1")
    tree.add("/org/rdtd1", Everything("org.rdtd1.Manager"), load("org.rdtd1.Manager"))
    tree.attach(connection)
    await connection.request_name("org.rdtd1")

    def ask(*arguments: str) -> "asyncio.Future[str]":
        return asyncio.ensure_future(
            asyncio.to_thread(busctl_as_nobody, system_bus, "call", "org.rdtd1", "/org/rdtd1", *arguments)
        )

    assert await ask("org.rdtd1.Manager", "Release", "sa{sv}", "x", "0") == ""
    for each in (INTROSPECTABLE, OBJECT_MANAGER, PEER, PROPERTIES):
        member = next(iter(each.methods.values()))
        reply = await ask(each.name, member.name, *([member.signature, "", ""] if member.signature else []))
        assert "denied" not in reply.lower(), each.name
    assert "denied" in (await ask("org.rdtd1.Other", "Do")).lower()
    denied = await asyncio.to_thread(
        busctl_as_nobody,
        system_bus,
        *("call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "RequestName", "su", "org.rdtd1", "4"),
    )
    assert "denied" in denied.lower()


@ROOT
async def test_busctl_shows_it_all(system_bus: PrivateBus, connection: Connection) -> None:
    tree = ObjectTree("/org/rdtd1")
    for path, name in [
        ("/org/rdtd1", OURS[0]),
        ("/org/rdtd1/reservation/a", OURS[1]),
        ("/org/rdtd1/cache/l3_0", OURS[2]),
    ]:
        tree.add(path, Everything(name), load(name))
    tree.attach(connection)
    await connection.request_name("org.rdtd1")

    shown = await asyncio.to_thread(busctl_as_nobody, system_bus, "tree", "--list", "org.rdtd1")
    assert shown.split() == [
        *("/", "/org", "/org/rdtd1", "/org/rdtd1/cache", "/org/rdtd1/cache/l3_0"),
        *("/org/rdtd1/reservation", "/org/rdtd1/reservation/a"),
    ]
    shown = await asyncio.to_thread(busctl_as_nobody, system_bus, "introspect", "org.rdtd1", "/org/rdtd1")
    rows = [line.split() for line in shown.splitlines()]
    assert [".ListFree", "method", "-", "a(uuttttta{sv})", "-"] in rows
    assert [".ReservationAdded", "signal", "so", "-", "-"] in rows
    assert [".State", "property", "s", '"nothing"', "emits-change"] in rows
    assert [".Version", "property", "s", '"nothing"', "const"] in rows


@ROOT
async def test_a_name_that_policy_forbids(connection: Connection) -> None:
    with pytest.raises(BusError, match="not allowed to own") as caught:
        await connection.request_name("org.rdtd2")
    assert caught.value.name == "org.freedesktop.DBus.Error.AccessDenied"


def test_a_bus_that_cannot_start_says_why(tmp_path: Path) -> None:
    broken = tmp_path / "broken.conf"
    broken.write_text("<busconfig>")
    with pytest.raises(RuntimeError, match=r"did not start: .*broken\.conf"):
        PrivateBus((broken,))
