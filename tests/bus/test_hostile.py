"""What must not harm the connection. With dbus-next alone each drops the bus or stops the loop."""

import asyncio
import os
import socket
import threading

import pytest

from rdtd.bus import message as messages
from rdtd.bus.client import Client
from rdtd.bus.dispatch import Call
from rdtd.bus.errors import BusError
from rdtd.bus.interface import parse as parse_interfaces
from rdtd.bus.objects import ObjectTree
from rdtd.bus.rules import BUS_NAME
from rdtd.bus.transport import Limits
from rdtd.bus.wire import encode
from tests.bus.conftest import Connect
from tests.bus.fake_bus import (
    INTERFACE,
    MEMBER,
    PATH,
    PING,
    REPLY_SERIAL,
    SENDER,
    SIGNATURE,
    FakeBus,
    call,
    field,
    message,
)
from tests.support.private_bus import PrivateBus

SERVICE = "org.test.Service"
(ECHO,) = parse_interfaces(
    """<node><interface name="org.test.Echo">
    <method name="Echo"><arg name="text" type="s"/><arg name="text" type="s" direction="out"/></method>
    <method name="Count"><arg name="values" type="au"/><arg name="n" type="u" direction="out"/></method>
    <method name="Blob"><arg name="n" type="u"/><arg name="blob" type="ay" direction="out"/></method>
    </interface></node>"""
)


class Echo:
    def echo(self, call: Call, text: str) -> tuple[str]:
        return (text,)

    async def count(self, call: Call, values: list[int]) -> tuple[int]:
        return (len(values),)

    def blob(self, call: Call, n: int) -> tuple[bytes]:
        return (bytes(n),)


async def served(fake: FakeBus) -> None:
    """Check that the connection still answers."""
    await fake.send(call("/", "org.freedesktop.DBus.Peer", "Ping", "", b"", 4711))
    while (await fake.receive()).reply_serial != 4711:
        pass


def tree_on(fake: FakeBus) -> ObjectTree:
    tree = ObjectTree("/")
    tree.add("/echo", Echo(), ECHO)
    tree.attach(fake.connection)
    return tree


async def test_a_burst_of_signals_is_sent_whole() -> None:
    async with FakeBus() as fake:
        for number in range(20_000):
            fake.connection.send_signal(f"/n{number}", "org.test.Echo", "Happened")
        for number in range(20_000):
            assert (await fake.receive()).path == f"/n{number}"


async def test_a_pipelined_burst_is_answered_whole() -> None:
    async with FakeBus() as fake:
        tree_on(fake)
        sending = asyncio.create_task(
            fake.send(
                b"".join(call("/", "org.freedesktop.DBus.Peer", "Ping", "", b"", n) for n in range(1, 5001))
            )
        )
        for number in range(1, 5001):
            assert (await fake.receive()).reply_serial == number
        await sending


async def test_an_unknown_header_field_is_ignored() -> None:
    async with FakeBus() as fake:
        tree_on(fake)
        body = b"\2\0\0\0hi\0"
        await fake.send(
            call("/echo", "org.test.Echo", "Echo", "s", body, 3, field(99, "from a newer broker", "s"))
        )
        assert (await fake.receive()).body() == ["hi"]


@pytest.mark.parametrize(
    "bad",
    [
        message(1, [field(PATH, "/")]),
        message(1, [field(PATH, "/"), b"\3\1s\0\xff\xff\xff\xff"]),
        message(1, [field(PATH, 7, "u"), field(MEMBER, "Ping")]),
        message(4, [field(PATH, "/"), field(MEMBER, "Ping")]),
        message(0, []),
        message(9, []),
        message(1, [field(SENDER, "x" * 100_000)], bytes(1000)),
    ],
    ids=["no member", "field too long", "wrong type", "no interface", "type 0", "type 9", "huge header"],
)
async def test_a_malformed_message_is_dropped_and_the_connection_kept(bad: bytes) -> None:
    async with FakeBus() as fake:
        tree_on(fake)
        await fake.send(bad)
        await served(fake)


async def test_a_malformed_body_is_answered() -> None:
    async with FakeBus() as fake:
        tree_on(fake)
        await fake.send(call("/echo", "org.test.Echo", "Echo", "s", b"\xff\xff\0\0hi\0"))
        assert (await fake.receive()).error_name == "org.freedesktop.DBus.Error.InvalidArgs"
        await served(fake)


async def test_a_malformed_signal_is_dropped() -> None:
    async with FakeBus() as fake:
        fields = [field(PATH, "/"), field(INTERFACE, "a.b"), field(MEMBER, "C"), field(SIGNATURE, "s")]
        await fake.send(message(4, fields, b"\xff\xff\0\0"))
        tree_on(fake)
        await served(fake)


async def test_a_body_over_the_limit_is_answered_without_being_read() -> None:
    async with FakeBus() as fake:
        tree_on(fake)
        body = (2 << 20).to_bytes(4, "little") + bytes((2 << 20) + 1)
        await fake.send(call("/echo", "org.test.Echo", "Echo", "s", body, 5))
        reply = await fake.receive()
        assert (reply.error_name, reply.reply_serial) == ("org.freedesktop.DBus.Error.LimitsExceeded", 5)
        assert "1048576 bytes" in reply.body()[0]
        await served(fake)


async def test_too_many_values_are_answered_without_being_read() -> None:
    async with FakeBus() as fake:
        tree_on(fake)
        body = (400_000).to_bytes(4, "little") + bytes(400_000)
        await fake.send(call("/echo", "org.test.Echo", "Count", "au", body))
        reply = await fake.receive()
        assert reply.error_name == "org.freedesktop.DBus.Error.LimitsExceeded"
        assert "20000 values" in reply.body()[0]


async def test_others_get_their_turn_while_a_flood_is_read() -> None:
    async with FakeBus(Limits(turn=0.0)) as fake:
        handled = 0
        seen_at_turns = []

        def handle(_: object) -> None:
            nonlocal handled
            handled += 1

        fake.connection.serve(handle)
        fake.socket.send(PING * 100)
        while handled < 100:
            await asyncio.sleep(0)
            seen_at_turns.append(handled)
        # With no time at all for a turn, there is one message in each: never two without the others.
        assert seen_at_turns[-100:] == list(range(1, 101))


async def test_nothing_is_read_while_answers_are_not_taken() -> None:
    async with FakeBus(Limits(pause=100_000)) as fake:
        tree_on(fake)
        asked = 0
        while not fake.connection._transport._paused:
            asked += 1
            await fake.send(
                call("/echo", "org.test.Echo", "Blob", "u", (10_000).to_bytes(4, "little"), asked)
            )
            await asyncio.sleep(0)
        await fake.send(
            call("/echo", "org.test.Echo", "Blob", "u", (10_000).to_bytes(4, "little"), asked + 1)
        )
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(fake.connection._transport._output) < 120_000
        for number in range(1, asked + 2):
            assert (await fake.receive()).reply_serial == number


async def test_a_bus_that_never_reads_is_given_up() -> None:
    async with FakeBus(Limits(queue=100_000)) as fake:
        while not fake.connection.disconnected.done():
            fake.connection.send_signal("/", "org.test.Echo", "Happened")
        assert "does not read" in fake.connection.disconnected.result()


async def test_a_bus_that_stops_reading_is_given_up_in_the_end() -> None:
    async with FakeBus(Limits(stall=0.01)) as fake:
        while not fake.connection._transport._output:
            fake.connection.send_signal("/", "org.test.Echo", "Happened")
        assert "took nothing of what we send for 0.01 s" in await fake.connection.disconnected


async def test_a_bus_that_reads_slowly_is_not_given_up() -> None:
    async with FakeBus(Limits(stall=0.2)) as fake:
        sent = 0
        while len(fake.connection._transport._output) < 100_000:
            fake.connection.send_signal(f"/n{sent}", "org.test.Echo", "Happened")
            sent += 1
        for number in range(sent):
            assert (await fake.receive()).path == f"/n{number}"
        assert fake.connection._transport._stalled is None
        await served(fake)


async def test_file_descriptors_that_come_are_closed() -> None:
    async with FakeBus() as fake:
        tree_on(fake)
        reader, writer = os.pipe()
        socket.send_fds(fake.socket, [PING], [writer])
        os.close(writer)
        await fake.receive()
        # At the end of the file nobody holds the other end any more.
        assert os.read(reader, 1) == b""
        os.close(reader)


async def test_only_who_was_asked_can_answer() -> None:
    async with FakeBus() as fake:
        asking = asyncio.create_task(fake.connection.call_bus("GetId"))
        serial = (await fake.receive()).serial
        for sender in (":1.66", BUS_NAME):
            fields = [field(REPLY_SERIAL, serial), field(SENDER, sender), field(SIGNATURE, "s")]
            raw = sender.encode()
            await fake.send(message(2, fields, len(raw).to_bytes(4, "little") + raw + b"\0"))
        assert await asking == [BUS_NAME]


async def test_nonsense_ends_the_connection_with_a_reason() -> None:
    async with FakeBus() as fake:
        await fake.send(bytes(100))
        assert "nonsense" in await fake.connection.disconnected


# The same with a real bus in between.


async def serve(connect: Connect) -> str:
    connection = await connect()
    tree = ObjectTree("/")
    tree.add("/echo", Echo(), ECHO)
    tree.attach(connection)
    return connection.unique_name


async def test_another_caller_is_served_during_a_flood(bus: PrivateBus, connect: Connect) -> None:
    service = await serve(connect)

    def flood() -> None:
        with Client.open(bus.address) as client:
            raw = messages.call(9, service, "/echo", "org.test.Echo", "Echo", encode("s", ["x"]), flags=1)
            for _ in range(30_000):
                client._send(raw)
            client.call(service, "/echo", "org.test.Echo", "Echo", "s", "the last one")

    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    caller = await connect()
    answers = 0
    while thread.is_alive():
        assert await caller.call(service, "/echo", "org.test.Echo", "Count", "au", [[1, 2]]) == [2]
        answers += 1
    thread.join()
    assert answers > 1


async def test_a_message_of_26_megabytes(bus: PrivateBus, connect: Connect) -> None:
    service = await serve(connect)

    def send() -> str:
        with Client.open(bus.address) as client, pytest.raises(BusError) as caught:
            client.call(service, "/echo", "org.test.Echo", "Echo", "s", "x" * 26_000_000)
        return caught.value.name

    assert await asyncio.to_thread(send) == "org.freedesktop.DBus.Error.LimitsExceeded"
    caller = await connect()
    assert await caller.call(service, "/echo", "org.test.Echo", "Echo", "s", ["still"]) == ["still"]


async def test_a_client_that_never_reads_its_replies(bus: PrivateBus, connect: Connect) -> None:
    service = await serve(connect)

    def ask(client: Client) -> None:
        for serial in range(2, 2000):
            client._send(
                messages.call(serial, service, "/echo", "org.test.Echo", "Blob", encode("u", [50_000]))
            )

    client = await asyncio.to_thread(Client.open, bus.address)
    with client:
        await asyncio.to_thread(ask, client)
        caller = await connect()
        for _ in range(10):
            assert await caller.call(service, "/echo", "org.test.Echo", "Echo", "s", ["served"]) == ["served"]
