"""Connecting, calling, names and signals."""

import asyncio
import os
from pathlib import Path

import pytest

from rdtd.bus.address import endpoints
from rdtd.bus.connection import Connection
from rdtd.bus.errors import BusError, BusGone, BusTimeout, NameTaken, NoBus
from rdtd.bus.rules import BUS_NAME, BUS_PATH, Rule, Signal
from rdtd.bus.transport import Limits
from tests.bus.conftest import Connect
from tests.bus.fake_bus import FakeBus
from tests.support.private_bus import PrivateBus


async def test_open_and_close(connect: Connect) -> None:
    connection = await connect()
    assert connection.unique_name.startswith(":")
    assert not connection.disconnected.done()
    await connection.close()
    assert await connection.disconnected == "closed"
    with pytest.raises(BusGone, match="closed"):
        await connection.call_bus("GetId")
    connection.send_signal("/", "a.b", "C")


async def test_the_first_address_that_works_is_taken(bus: PrivateBus) -> None:
    connection = await Connection.open(f"unix:path=/nonexistent/socket;tcp:host=localhost;{bus.address}")
    await connection.close()


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (
            "unix:path=/nonexistent/socket",
            "cannot connect to the bus at unix:path=/nonexistent/socket: No such file or directory",
        ),
        (
            "unix:path=/a;unix:abstract=%62",
            "cannot connect to the bus at unix:path=/a: No such file or directory; "
            "unix:abstract=%62: Connection refused",
        ),
        ("tcp:host=localhost,port=1", "only unix is"),
        ("nonsense", "a transport and ':' are missing"),
        ("unix:tmpdir=/tmp", "neither path= nor abstract="),
        ("", "it is empty"),
    ],
)
async def test_no_bus_is_one_clear_line(address: str, text: str) -> None:
    with pytest.raises(NoBus) as caught:
        await Connection.open(address)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_the_well_known_buses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/system")
    with pytest.raises(
        NoBus, match="cannot connect to the system bus at unix:path=/nonexistent/system: No such"
    ):
        await Connection.open("system")
    monkeypatch.delenv("DBUS_SYSTEM_BUS_ADDRESS")
    assert endpoints("system")[0].address == b"/run/dbus/system_bus_socket"
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    assert endpoints("session")[0].address == b"/run/user/1/bus"
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    with pytest.raises(NoBus, match="neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR"):
        endpoints("session")


def test_addresses_are_unescaped() -> None:
    assert [each.address for each in endpoints("unix:path=/a%20b,guid=1;unix:abstract=x%2fy")] == [
        b"/a b",
        b"\0x/y",
    ]


async def listen(path: Path, answer: bytes) -> asyncio.Server:
    """A listener that is no bus: it gives one answer to whatever is said."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        await writer.drain()
        if answer.startswith(b"OK"):
            await reader.readline()
        writer.close()
        await writer.wait_closed()

    return await asyncio.start_unix_server(talk, path)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"REJECTED ANONYMOUS\r\n", "the bus refused us: authentication failed: REJECTED"),
        (b"WHAT?\r\n", "the bus refused us"),
        (b"", "it closed the connection during authentication"),
        (b"OK 1234\r\n", "did not greet us"),
        (b"x" * 20_000, "it closed the connection during authentication"),
    ],
)
async def test_what_is_no_bus_is_said_so(tmp_path: Path, answer: bytes, text: str) -> None:
    async with await listen(tmp_path / "socket", answer):
        with pytest.raises(NoBus, match=text):
            await Connection.open(f"unix:path={tmp_path}/socket")


async def test_no_socket_is_left_after_a_refusal(tmp_path: Path) -> None:
    async with await listen(tmp_path / "socket", b"REJECTED\r\n"):
        before = os.listdir("/proc/self/fd")
        for _ in range(5):
            with pytest.raises(NoBus):
                await Connection.open(f"unix:path={tmp_path}/socket")
        await asyncio.sleep(0)
        assert len(os.listdir("/proc/self/fd")) <= len(before) + 1


async def test_names(connect: Connect) -> None:
    first, second = await connect(), await connect()
    await first.request_name("org.test.Name")
    await first.request_name("org.test.Name")
    with pytest.raises(NameTaken, match=r"org\.test\.Name is taken"):
        await second.request_name("org.test.Name")
    await first.close()
    while (await second.call_bus("NameHasOwner", "s", "org.test.Name"))[0]:
        pass
    await second.request_name("org.test.Name")


async def test_an_error_reply_has_a_name_and_a_text(connect: Connect) -> None:
    with pytest.raises(BusError) as caught:
        await (await connect()).call_bus("GetNameOwner", "s", "org.test.Nobody")
    assert caught.value.name == "org.freedesktop.DBus.Error.NameHasNoOwner"
    assert "org.test.Nobody" in caught.value.text


async def test_a_call_without_an_answer_times_out() -> None:
    async with FakeBus() as fake:
        with pytest.raises(BusTimeout, match=r"org\.test did not answer Never within 0\.01 s"):
            await fake.connection.call("org.test", "/", "a.b", "Never", timeout=0.01)
        assert not fake.connection._pending


async def test_a_connection_without_objects_says_so(connect: Connect) -> None:
    first, second = await connect(), await connect()
    with pytest.raises(BusError, match="there is no object /a"):
        await first.call(second.unique_name, "/a", "a.b", "C")


async def test_texts_of_errors_are_made_sendable(connect: Connect) -> None:
    first, second = await connect(), await connect()
    second.serve(lambda call: second.reply_error(call, "a.b", "odd \0 \ud800"))
    with pytest.raises(BusError) as caught:
        await first.call(second.unique_name, "/a", "a.b", "C")
    assert caught.value.text == r"odd \0 \ud800"


async def test_only_matching_signals_come(connect: Connect) -> None:
    sender, receiver = await connect(), await connect()
    queue: asyncio.Queue[Signal] = asyncio.Queue()
    subscription = await receiver.on_signal(
        Rule(sender.unique_name, "a.b", "Want", path_namespace="/x"), queue.put_nowait
    )
    everything: asyncio.Queue[Signal] = asyncio.Queue()
    await receiver.on_signal(Rule(sender.unique_name), everything.put_nowait)
    for path, member in [("/xy", "Want"), ("/x", "Other"), ("/x", "Want"), ("/x/y", "Want")]:
        sender.send_signal(path, "a.b", member)
    assert [(await queue.get()).path for _ in range(2)] == ["/x", "/x/y"]
    assert queue.empty()

    subscription.remove()
    subscription.remove()
    sender.send_signal("/x", "a.b", "Want")
    assert [(await everything.get()).path for _ in range(5)][-1] == "/x"
    assert queue.empty()


async def test_a_bad_rule_leaves_nothing_behind(connect: Connect) -> None:
    connection = await connect()
    with pytest.raises(BusError):
        await connection.on_signal(Rule(interface="no interface"), lambda signal: None)
    assert not connection._subscriptions


async def test_a_lost_bus_is_an_event() -> None:
    bus = PrivateBus()
    connection = await Connection.open(bus.address)
    peer = await Connection.open(bus.address)
    peer.serve(lambda call: None)
    waiting = asyncio.create_task(connection.call(peer.unique_name, "/", "a.b", "Never"))
    await connection.call_bus("GetId")
    bus.stop()
    assert "closed" in await connection.disconnected
    with pytest.raises(BusGone):
        await waiting
    with pytest.raises(BusGone):
        await connection.call(BUS_NAME, BUS_PATH, BUS_NAME, "GetId")
    await peer.close()
    await connection.close()


async def test_serial_numbers_start_again(connect: Connect) -> None:
    connection = await connect()
    connection._serial = 0xFFFFFFFE
    for _ in range(3):
        await connection.call_bus("GetId")
    assert connection._serial == 2


async def test_what_was_sent_arrives_before_the_end() -> None:
    async with FakeBus() as fake:
        sent = 0
        while len(fake.connection._transport._output) < 1_000_000:
            fake.connection.send_signal(f"/n{sent}", "a.b", "C")
            sent += 1
        closing = asyncio.create_task(fake.connection.close())
        for number in range(sent):
            assert (await fake.receive()).path == f"/n{number}"
        await closing
        assert await asyncio.get_running_loop().sock_recv(fake.socket, 1) == b""


async def test_a_bus_that_does_not_read_is_not_waited_for() -> None:
    async with FakeBus(Limits(flush=0.01)) as fake:
        while not fake.connection._transport._output:
            fake.connection.send_signal("/", "a.b", "C")
        await fake.connection.close()
        assert fake.connection.disconnected.result() == "closed"
