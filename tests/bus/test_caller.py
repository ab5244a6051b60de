"""Who calls, and when they leave."""

import asyncio
import os

import pytest

from rdtd.bus.caller import _KNOWN, Callers, Credentials
from rdtd.bus.rules import BUS_NAME, BUS_PATH
from rdtd.bus.wire import encode
from rdtd.core.errors import AccessDenied
from tests.bus.conftest import Connect
from tests.bus.fake_bus import (
    INTERFACE,
    MEMBER,
    PATH,
    REPLY_SERIAL,
    SENDER,
    SIGNATURE,
    FakeBus,
    field,
    message,
)


async def test_credentials_are_asked_for_once(connect: Connect) -> None:
    connection, peer = await connect(), await connect()
    callers = Callers(connection)
    expected = Credentials(os.getuid(), os.getpid())
    assert await callers.credentials(peer.unique_name) == expected
    asked = connection._serial
    assert await callers.credentials(peer.unique_name) == expected
    assert connection._serial == asked


async def test_a_name_that_left_has_no_credentials(connect: Connect) -> None:
    callers = Callers(await connect())
    with pytest.raises(AccessDenied, match=r"who :1\.99999 is"):
        await callers.credentials(":1.99999")


async def test_only_so_many_are_kept(connect: Connect) -> None:
    connection, peer = await connect(), await connect()
    callers = Callers(connection)
    for number in range(_KNOWN):
        callers._known[f":2.{number}"] = Credentials(number, 0)
    await callers.credentials(":2.0")
    await callers.credentials(peer.unique_name)
    assert len(callers._known) == _KNOWN
    assert ":2.0" in callers._known
    assert ":2.1" not in callers._known


async def test_a_caller_that_leaves_is_noticed_once(connect: Connect) -> None:
    connection, peer = await connect(), await connect()
    callers = Callers(connection)
    await callers.credentials(peer.unique_name)
    left: asyncio.Queue[str] = asyncio.Queue()
    await callers.on_left(peer.unique_name, left.put_nowait)
    assert left.empty()
    await peer.close()
    assert await left.get() == peer.unique_name
    assert peer.unique_name not in callers._known
    assert not connection._subscriptions
    await connection.call_bus("GetId")
    assert left.empty()


async def test_another_callers_departure_is_not_taken_for_it(connect: Connect) -> None:
    connection, stays, leaves = await connect(), await connect(), await connect()
    left: asyncio.Queue[str] = asyncio.Queue()
    for peer in (stays, leaves):
        await Callers(connection).on_left(peer.unique_name, left.put_nowait)
    await leaves.close()
    assert await left.get() == leaves.unique_name
    await connection.call_bus("GetId")
    assert left.empty()


async def test_a_caller_that_left_before_is_noticed(connect: Connect) -> None:
    connection = await connect()
    left: list[str] = []
    await Callers(connection).on_left(":1.99999", left.append)
    assert left == [":1.99999"]
    assert not connection._subscriptions


async def test_a_fake_departure_is_not_believed(connect: Connect) -> None:
    connection, peer, liar = await connect(), await connect(), await connect()
    left: list[str] = []
    watch = await Callers(connection).on_left(peer.unique_name, left.append)
    body = encode("sss", [peer.unique_name, peer.unique_name, ""])
    liar.send_signal(BUS_PATH, BUS_NAME, "NameOwnerChanged", body, connection.unique_name)
    await liar.call_bus("GetId")
    # The bus delivers in order: what the liar sent before has come when its next message has.
    heard: asyncio.Queue[str] = asyncio.Queue()
    connection.serve(lambda call: heard.put_nowait(call.member))
    liar_call = asyncio.create_task(liar.call(connection.unique_name, "/", "a.b", "Done", timeout=5))
    assert await heard.get() == "Done"
    liar_call.cancel()
    await asyncio.sleep(0)
    assert left == []
    watch.remove()


async def test_a_caller_that_leaves_while_the_watch_is_armed_is_noticed_once() -> None:
    async with FakeBus() as fake:
        left: list[str] = []
        arming = asyncio.create_task(Callers(fake.connection).on_left(":1.7", left.append))
        add_match = await fake.receive()
        fields = [field(PATH, BUS_PATH), field(INTERFACE, BUS_NAME), field(MEMBER, "NameOwnerChanged")]
        body = encode("sss", [":1.7", ":1.7", ""]).data
        await fake.send(message(4, [*fields, field(SENDER, BUS_NAME), field(SIGNATURE, "sss")], body))
        await fake.send(message(2, [field(REPLY_SERIAL, add_match.serial), field(SENDER, BUS_NAME)]))
        has_owner = await fake.receive()
        reply = [field(REPLY_SERIAL, has_owner.serial), field(SENDER, BUS_NAME), field(SIGNATURE, "b")]
        await fake.send(message(2, reply, bytes(4)))
        await arming
        assert left == [":1.7"]
        assert not fake.connection._subscriptions


async def test_a_watch_can_be_ended(connect: Connect) -> None:
    connection, peer = await connect(), await connect()
    left: list[str] = []
    watch = await Callers(connection).on_left(peer.unique_name, left.append)
    watch.remove()
    await peer.close()
    while (await connection.call_bus("NameHasOwner", "s", peer.unique_name))[0]:
        pass
    assert left == []
