"""The synchronous client, against a service in another thread."""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from rdtd.bus import message as messages
from rdtd.bus.client import BusError, BusGone, BusTimeout, Client, NoBus, Rule
from rdtd.bus.connection import Connection
from rdtd.bus.dispatch import Call
from rdtd.bus.interface import parse
from rdtd.bus.objects import ObjectTree
from rdtd.bus.rules import BUS_NAME, BUS_PATH
from rdtd.bus.wire import encode
from tests.bus import fake_bus as fake
from tests.support.private_bus import PrivateBus

NAME = "org.test.Box"
(BOX,) = parse(
    f"""<node><interface name="{NAME}">
    <method name="Open">
      <arg name="options" type="a{{sv}}"/>
      <arg name="seen" type="a{{sv}}" direction="out"/>
    </method>
    <method name="Shout"/>
    <method name="Wait"/>
    <signal name="Noise"><arg name="number" type="u"/></signal>
    <property name="Size" type="(ut)" access="read"/>
    </interface></node>"""
)


class Box:
    size = (1, 2)

    def __init__(self, tree: ObjectTree) -> None:
        self.tree = tree

    def open(self, call: Call, options: dict[str, Any]) -> tuple[dict[str, Any]]:
        return (options,)

    def shout(self, call: Call) -> None:
        for number in range(3):
            self.tree.emit("/box", NAME, "Noise", number)

    async def wait(self, call: Call) -> None:
        await asyncio.Event().wait()


class Service:
    """The box on the bus, in a thread of its own, until `stop`."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        connection = await Connection.open(self._address)
        tree = ObjectTree("/")
        tree.add("/box", Box(tree), BOX)
        tree.attach(connection)
        await connection.request_name(NAME)
        self._ready.set()
        await self._stop.wait()
        await tree.close()
        await connection.close()


@pytest.fixture
def service(bus: PrivateBus) -> Iterator[Service]:
    running = Service(bus.address)
    yield running
    running.stop()


@pytest.fixture
def client(bus: PrivateBus) -> Iterator[Client]:
    with Client.open(bus.address) as opened:
        yield opened


@pytest.mark.usefixtures("service")
def test_values_are_plain(client: Client) -> None:
    options = {"n": ("u", 4), "list": ("aa{sv}", [{"x": ("s", "y")}])}
    assert client.call(NAME, "/box", NAME, "Open", "a{sv}", options) == [{"n": 4, "list": [{"x": "y"}]}]
    assert client.get(NAME, "/box", NAME, "Size") == [1, 2]
    assert client.get_all(NAME, "/box", NAME) == {"Size": [1, 2]}


@pytest.mark.usefixtures("service")
def test_errors(client: Client) -> None:
    with pytest.raises(BusError, match="no object /nowhere") as caught:
        client.call(NAME, "/nowhere", NAME, "Open", "a{sv}", {})
    assert caught.value.name == "org.freedesktop.DBus.Error.UnknownObject"
    with pytest.raises(BusTimeout, match="did not answer Wait"):
        client.call(NAME, "/box", NAME, "Wait", timeout=0.01)
    assert client.get(NAME, "/box", NAME, "Size") == [1, 2]


@pytest.mark.usefixtures("service")
def test_signals_during_a_call_are_kept(client: Client) -> None:
    client.subscribe(Rule(NAME, NAME))
    client.call(NAME, "/box", NAME, "Shout")
    client.get(NAME, "/box", NAME, "Size")
    heard = [client.next_signal() for _ in range(3)]
    assert [signal.arguments for signal in heard if signal] == [[0], [1], [2]]
    assert client.next_signal(timeout=0) is None


def test_signals_come_across_a_restart_of_the_sender(bus: PrivateBus, client: Client) -> None:
    client.subscribe(Rule(NAME, NAME))
    for _ in range(2):
        service = Service(bus.address)
        client.call(NAME, "/box", NAME, "Shout")
        assert [signal.arguments for signal in map(client.next_signal, [None] * 3) if signal] == [
            [0],
            [1],
            [2],
        ]
        service.stop()


@pytest.mark.usefixtures("service")
def test_signals_of_others_do_not_pass_for_the_services(bus: PrivateBus, client: Client) -> None:
    client.subscribe(Rule(NAME, NAME))
    with Client.open(bus.address) as liar:
        liar._send(messages.signal(5, "/box", NAME, "Noise", encode("u", [666]), client.unique_name))
        liar.call(BUS_NAME, BUS_PATH, BUS_NAME, "GetId")
    client.call(NAME, "/box", NAME, "Shout")
    heard = [client.next_signal() for _ in range(3)]
    assert [signal.arguments for signal in heard if signal] == [[0], [1], [2]]
    assert client.next_signal(timeout=0) is None


def test_a_client_refuses_calls(bus: PrivateBus, client: Client) -> None:
    with Client.open(bus.address) as other:
        answer = threading.Thread(target=lambda: client.next_signal(timeout=0.5))
        answer.start()
        with pytest.raises(BusError, match="it has no objects"):
            other.call(client.unique_name, "/", "a.b", "C")
        answer.join()


def test_a_call_does_not_pass_for_an_answer() -> None:
    ours, bus = socket.socketpair()
    with Client(ours) as client, bus:
        bus.sendall(fake.call("/", "a.b", "C", "", b"", 1, fake.field(fake.REPLY_SERIAL, 1)))
        fields = [fake.field(fake.REPLY_SERIAL, 1), fake.field(fake.SIGNATURE, "u")]
        bus.sendall(fake.message(2, fields, b"\7\0\0\0"))
        assert client.call("org.test", "/", "a.b", "C") == [7]


def test_a_lost_bus() -> None:
    bus = PrivateBus()
    with Client.open(bus.address) as client:
        bus.stop()
        with pytest.raises(BusGone):
            client.get("a.b", "/", "a.b", "C")
    with pytest.raises(NoBus, match="cannot connect to the bus at unix:path="):
        Client.open(bus.address)


def test_the_client_needs_no_event_loop() -> None:
    slow = ("asyncio", "dataclasses", "dbus_next", "inspect")
    code = f"import sys, rdtd.bus.client; print([name for name in {slow} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_the_library_can_still_be_imported_whole() -> None:
    code = "import rdtd.bus.library as ours, dbus_next; print(dbus_next.Variant is ours.Variant)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "True"


def test_arguments_that_cannot_be_sent_are_refused_in_one_line(bus: PrivateBus) -> None:
    with Client.open(bus.address) as client:
        for signature, value in (("s", 7), ("u", -1), ("o", "no path"), ("s", "a\0b"), ("as", "x\0")):
            with pytest.raises(BusError, match="GetId cannot be called with that") as caught:
                client.call(BUS_NAME, BUS_PATH, BUS_NAME, "GetId", signature, value)
            assert caught.value.name == "org.freedesktop.DBus.Error.InvalidArgs"
        assert client.call(BUS_NAME, BUS_PATH, BUS_NAME, "GetId")
