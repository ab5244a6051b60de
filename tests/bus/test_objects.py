"""Objects served from XML: calls, properties, signals, and what is said about what is not there."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from rdtd.bus import message as messages
from rdtd.bus.connection import Connection
from rdtd.bus.dispatch import Call, CallLimits
from rdtd.bus.errors import BusError
from rdtd.bus.interface import parse
from rdtd.bus.objects import ObjectTree
from rdtd.bus.rules import Rule, Signal
from rdtd.bus.wire import WireError, encode, plain
from rdtd.bus.work import Bound
from rdtd.core.errors import NoSpace
from tests.bus.conftest import Connect

(THING,) = parse(
    """<node><interface name="org.test.Thing">
    <method name="Add">
      <arg name="left" type="u" direction="in"/><arg name="right" type="u" direction="in"/>
      <arg name="sum" type="t" direction="out"/>
    </method>
    <method name="WhoAmI"><arg name="call" type="as" direction="out"/></method>
    <method name="Kept"><arg name="text" type="s" direction="out"/></method>
    <method name="Wait"/>
    <method name="Fail"><arg name="how" type="s" direction="in"/></method>
    <signal name="Happened"><arg name="what" type="s"/></signal>
    <property name="Number" type="u" access="read"/>
    <property name="Broken" type="s" access="read"/>
    <property name="Mistyped" type="s" access="read"/>
    <property name="Fixed" type="s" access="read">
      <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="const"/>
    </property>
    <property name="Big" type="as" access="read">
      <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="invalidates"/>
    </property>
    <property name="Silent" type="u" access="read">
      <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="false"/>
    </property>
    </interface></node>"""
)
NAME = "org.test.Thing"
PROPERTIES = "org.freedesktop.DBus.Properties"
FREEDESKTOP = "org.freedesktop.DBus.Error."


@dataclass
class Thing:
    number: int = 5
    fixed: str = "stone"
    big: list[str] = field(default_factory=lambda: ["a", "b"])
    silent: int = 1
    mistyped: Any = 3
    arrived: "asyncio.Queue[str]" = field(default_factory=asyncio.Queue)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def broken(self) -> str:
        raise RuntimeError("the getter's own business")

    def add(self, call: Call, left: int, right: int) -> tuple[int]:
        return (left + right,)

    async def who_am_i(self, call: Call) -> tuple[list[str]]:
        return ([call.sender, call.path, call.interface, call.member, str(call.interactive)],)

    def kept(self, call: Call) -> object:
        return encode("s", ["kept"])

    async def wait(self, call: Call) -> None:
        self.arrived.put_nowait(call.sender)
        await self.go.wait()

    async def fail(self, call: Call, how: str) -> Any:
        if how == "known":
            raise NoSpace("7 ways asked, 3 are free")
        if how == "fault":
            raise KeyError("a secret")
        if how == "wrong body":
            return encode("s", ["of another type than the XML says"])
        return ("a result where there should be none",)


@dataclass
class Served:
    tree: ObjectTree
    thing: Thing
    service: str
    caller: Connection
    faults: list[str]

    async def call(
        self, member: str, signature: str = "", *body: Any, path: str = "/a/thing", on: str = NAME
    ) -> Any:
        return plain(await self.caller.call(self.service, path, on, member, signature, body))

    async def error(
        self, member: str, signature: str = "", *body: Any, path: str = "/a/thing", on: str = NAME
    ) -> str:
        """The name and text of the error that a call gets."""
        with pytest.raises(BusError) as caught:
            await self.call(member, signature, *body, path=path, on=on)
        return f"{caught.value.name}: {caught.value.text}"


@pytest_asyncio.fixture
async def served(connect: Connect) -> AsyncIterator[Served]:
    connection = await connect()
    faults: list[str] = []
    tree = ObjectTree(
        "/a",
        limits=CallLimits(Bound(3, 30_000), Bound(9, 90_000), Bound(2, 20_000)),
        on_fault=lambda error, where: faults.append(f"{where}: {error!r}"),
    )
    thing = Thing()
    tree.add("/a", object())
    tree.add("/a/thing", thing, THING)
    tree.attach(connection)
    faults.clear()
    yield Served(tree, thing, connection.unique_name, await connect(), faults)
    await tree.close()


async def test_a_call_and_its_answer(served: Served) -> None:
    assert await served.call("Add", "uu", 2**32 - 1, 1) == [2**32]
    assert await served.call("Kept") == ["kept"]
    assert await served.call("Add", "uu", 1, 2, on="") == [3]


async def test_the_handler_learns_who_calls(served: Served) -> None:
    [seen] = await served.call("WhoAmI")
    assert seen == [served.caller.unique_name, "/a/thing", NAME, "WhoAmI", "False"]
    [seen] = await served.caller.call(served.service, "/a/thing", NAME, "WhoAmI", interactive=True)
    assert seen[-1] == "True"


async def test_what_is_not_there_is_named(served: Served) -> None:
    assert await served.error("Add", path="/b") == FREEDESKTOP + "UnknownObject: there is no object /b"
    assert (
        await served.error("Add", on="a.b") == FREEDESKTOP + "UnknownInterface: /a/thing has no interface a.b"
    )
    assert await served.error("Sub") == FREEDESKTOP + "UnknownMethod: org.test.Thing has no method Sub"
    assert await served.error("Sub", on="") == FREEDESKTOP + "UnknownMethod: /a/thing has no method Sub"
    expected = FREEDESKTOP + "InvalidArgs: the call is Add(u left, u right), not (us)"
    assert await served.error("Add", "us", 1, "x") == expected


async def test_errors_are_mapped_and_faults_stay_here(served: Served) -> None:
    assert await served.error("Fail", "s", "known") == "org.rdtd1.Error.NoSpace: 7 ways asked, 3 are free"
    assert served.faults == []
    for how in ("fault", "wrong result", "wrong body"):
        text = await served.error("Fail", "s", how)
        assert text.startswith("org.rdtd1.Error.Internal: ")
        assert "secret" not in text
        assert "journal" in text
    assert "a secret" in served.faults[0]
    assert "org.test.Thing.Fail" in served.faults[0]
    assert len(served.faults) == 3


async def test_a_cancelled_call_is_answered(served: Served) -> None:
    waiting = asyncio.create_task(served.error("Wait"))
    await served.thing.arrived.get()
    await served.tree.close()
    assert (await waiting).startswith("org.rdtd1.Error.NotReady")


@pytest.mark.parametrize("uid", [0, 1])
async def test_calls_at_once_are_limited_by_user_unless_it_is_root(connect: Connect, uid: int) -> None:
    async def user_of(_: str) -> int:
        return uid

    tree, thing = ObjectTree("/a", limits=CallLimits(per_user=Bound(1, 1000)), user_of=user_of), Thing()
    tree.add("/a", thing, THING)
    connection = await connect()
    tree.attach(connection)
    callers = [await connect() for _ in range(2)]
    waiting = [asyncio.create_task(each.call(connection.unique_name, "/a", NAME, "Wait")) for each in callers]
    await thing.arrived.get()
    if uid == 0:
        await thing.arrived.get()
    else:
        [refused], _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert "1 of your user's calls are at work; 1 are the most" in str(refused.exception())
    thing.go.set()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert done.count([]) == (2 if uid == 0 else 1)
    await callers[0].call(connection.unique_name, "/a", NAME, "Wait")
    assert not tree._dispatcher._per_user._calls


async def test_calls_at_once_are_limited_by_sender_and_in_total(served: Served, connect: Connect) -> None:
    others = [await connect() for _ in range(2)]
    calls = [served.caller, served.caller, others[0]]
    waiting = [asyncio.create_task(each.call(served.service, "/a/thing", NAME, "Wait")) for each in calls]
    for _ in range(3):
        await served.thing.arrived.get()
    assert "2 of your connection's calls are at work; 2 are the most" in await served.error("Wait")
    with pytest.raises(BusError, match="3 of all calls are at work; 3 are the most") as caught:
        await others[1].call(served.service, "/a/thing", NAME, "Wait")
    assert caught.value.name == FREEDESKTOP + "LimitsExceeded"
    served.thing.go.set()
    assert await asyncio.gather(*waiting) == [[], [], []]
    assert await served.call("Wait") == []
    assert not served.tree._dispatcher._per_sender._calls


async def test_properties(served: Served) -> None:
    assert await served.call("Get", "ss", NAME, "Number", on=PROPERTIES) == [5]
    assert await served.call("Get", "ss", "", "Number", on=PROPERTIES) == [5]
    expected = {"Number": 5, "Fixed": "stone", "Big": ["a", "b"], "Silent": 1}
    for interface in (NAME, ""):
        served.faults.clear()
        assert await served.call("GetAll", "s", interface, on=PROPERTIES) == [expected]
        assert [fault.split(":")[0] for fault in served.faults] == [
            "property Broken of /a/thing",
            "property Mistyped of /a/thing",
        ]
    assert await served.call("GetAll", "s", "org.freedesktop.DBus.Peer", on=PROPERTIES) == [{}]


async def test_wrong_requests_for_properties(served: Served) -> None:
    async def error(member: str, *body: Any) -> str:
        signature = {1: "s", 2: "ss", 3: "ssv"}[len(body)]
        return (await served.error(member, signature, *body, on=PROPERTIES)).removeprefix(FREEDESKTOP)

    assert await error("Get", NAME, "X") == "UnknownProperty: /a/thing has no property 'X' of org.test.Thing"
    assert await error("Get", "", "X") == "UnknownProperty: /a/thing has no property 'X'"
    assert await error("Get", "a.b", "X") == "UnknownInterface: /a/thing has no interface 'a.b'"
    assert await error("GetAll", "a.b") == "UnknownInterface: /a/thing has no interface 'a.b'"
    assert await error("Set", NAME, "Number", ("u", 1)) == "PropertyReadOnly: property Number is read-only"
    assert (await error("Set", NAME, "X", ("u", 1))).startswith("UnknownProperty")
    assert "Internal" in await error("Get", NAME, "Broken")


async def signals(served: Served, rule: Rule) -> "asyncio.Queue[Signal]":
    queue: asyncio.Queue[Signal] = asyncio.Queue()
    await served.caller.on_signal(rule, queue.put_nowait)
    return queue


async def test_changed_properties_are_announced_as_the_xml_says(served: Served) -> None:
    queue = await signals(served, Rule(served.service, member="PropertiesChanged"))
    served.tree.changed("/a/thing", NAME, ["Silent"])
    served.thing.number = 6
    served.tree.changed("/a/thing", NAME, ["Number", "Big", "Silent", "Broken"])
    signal = await queue.get()
    assert (signal.path, signal.interface) == ("/a/thing", PROPERTIES)
    assert plain(signal.arguments) == [NAME, {"Number": 6}, ["Big", "Broken"]]
    with pytest.raises(ValueError, match="constant"):
        served.tree.changed("/a/thing", NAME, ["Fixed"])
    assert queue.empty()


async def test_signals_are_checked_against_the_xml(served: Served) -> None:
    queue = await signals(served, Rule(served.service, NAME))
    served.tree.emit("/a/thing", NAME, "Happened", "this")
    assert (await queue.get()).arguments == ["this"]
    for wrong in [(1,), (), ("a", "b")]:
        with pytest.raises(WireError):
            served.tree.emit("/a/thing", NAME, "Happened", *wrong)


async def test_the_object_manager_speaks_from_its_own_path(served: Served) -> None:
    manager = "org.freedesktop.DBus.ObjectManager"
    queue = await signals(served, Rule(served.service, manager))
    shown = {NAME: {"Number": 5, "Fixed": "stone", "Big": ["a", "b"], "Silent": 1}}
    assert await served.call("GetManagedObjects", path="/a", on=manager) == [{"/a/thing": shown}]

    served.tree.add("/a/other/one", Thing(), THING)
    added = await queue.get()
    assert (added.path, added.member) == ("/a", "InterfacesAdded")
    assert plain(added.arguments) == ["/a/other/one", shown]
    served.thing.number = 7
    served.tree.changed("/a/thing", NAME, ["Number"])
    [managed] = await served.call("GetManagedObjects", path="/a", on=manager)
    assert sorted(managed) == ["/a/other/one", "/a/thing"]
    assert managed["/a/thing"][NAME]["Number"] == 7

    served.tree.remove("/a/other/one")
    removed = await queue.get()
    assert (removed.path, removed.member, removed.arguments) == (
        "/a",
        "InterfacesRemoved",
        ["/a/other/one", [NAME]],
    )
    assert sorted((await served.call("GetManagedObjects", path="/a", on=manager))[0]) == ["/a/thing"]
    assert "UnknownObject" in await served.error("Add", path="/a/other")
    assert "UnknownInterface" in await served.error("GetManagedObjects", on=manager)


async def test_many_managed_objects_are_shown_without_missing_one(served: Served) -> None:
    for number in range(300):
        served.tree.add(f"/a/many/n{number}", Thing(mistyped=""), THING)
    asking = asyncio.create_task(
        served.call("GetManagedObjects", path="/a", on="org.freedesktop.DBus.ObjectManager")
    )
    [managed] = await asking
    assert len(managed) == 301
    assert managed["/a/many/n299"][NAME]["Number"] == 5


async def test_peer_answers_on_every_path(served: Served) -> None:
    peer = "org.freedesktop.DBus.Peer"
    for path in ("/", "/a", "/a/thing", "/nowhere"):
        assert await served.call("Ping", path=path, on=peer) == []
    [machine] = await served.call("GetMachineId", on=peer)
    assert len(machine) == 32


async def test_the_tree_can_be_walked_by_introspection(served: Served) -> None:
    async def children(path: str) -> list[str]:
        [xml] = await served.call("Introspect", path=path, on="org.freedesktop.DBus.Introspectable")
        return [line.split('"')[1] for line in xml.splitlines() if "<node name" in line]

    assert await children("/") == ["a"]
    assert await children("/a") == ["thing"]
    assert await children("/a/thing") == []
    # The answer is kept, and made anew when objects come and go.
    served.tree.add("/a/other", object())
    assert await children("/a") == ["other", "thing"]
    served.tree.remove("/a/other")
    assert await children("/a") == ["thing"]


async def test_no_reply_where_none_is_wanted(served: Served) -> None:
    raw = messages.call(900, served.service, "/a/thing", NAME, "Fail", encode("s", ["known"]), flags=1)
    replies = []
    take = served.caller._transport._receive
    served.caller._transport._receive = lambda message: (replies.append(message), take(message))[1]  # type: ignore[func-returns-value]
    served.caller._transport.send(raw)
    await served.call("Kept")
    assert [reply.reply_serial for reply in replies if reply.reply_serial == 900] == []
    assert len([reply for reply in replies if reply.reply_serial]) == 1


async def test_an_object_must_have_what_its_interfaces_say(served: Served) -> None:
    with pytest.raises(TypeError, match="object has no add for org"):
        served.tree.add("/a/x", object(), THING)
    for path in ("/a/thing", "no path", "/a/"):
        with pytest.raises(ValueError, match="object path"):
            served.tree.add(path, Thing(), THING)


async def test_the_tree_survives_its_connection(served: Served, connect: Connect) -> None:
    second = await connect()
    served.tree.attach(second)
    assert await served.caller.call(second.unique_name, "/a/thing", NAME, "Kept") == ["kept"]
    await second.close()
    served.tree.emit("/a/thing", NAME, "Happened", "unheard")
    third = await connect()
    served.tree.attach(third)
    assert await served.caller.call(third.unique_name, "/a/thing", NAME, "Kept") == ["kept"]
