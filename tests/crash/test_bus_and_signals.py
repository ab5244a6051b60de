"""The bus goes away and SIGTERM comes while rdtd is at work: answered or not, nothing is half done."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from rdtd.bus import message as messages
from rdtd.bus.client import BusGone, Rule
from rdtd.bus.wire import EMPTY, Encoded, encode
from tests.conftest import StartDaemon
from tests.support.caller import MANAGER, NAME, PATH, Caller
from tests.support.daemon import Daemon
from tests.support.mount import Mount
from tests.support.patience import PATIENCE
from tests.support.threads import Threads

BUS = "org.freedesktop.DBus"
OBJECTS = "org.freedesktop.DBus.ObjectManager"
SERIAL = 4711

Body = Callable[[Threads], list[object]]


def processes(threads: Threads) -> dict[str, object]:
    return {"processes": ("au", [threads.pid])}


REGIONS = [{"ways": ("u", 4), "cache-id": ("u", 1)}]
# What is sent, and what becomes slow so that it is still under way when the other thing happens.
OPERATIONS: dict[str, tuple[str, str, Body, str]] = {
    "Reserve": ("ReserveSpec", "ssa{sv}", lambda _: ["x", "size=2ways", {}], "write rdtd.x/schemata"),
    "Reserve with a process": (
        "ReserveSpec",
        "ssa{sv}",
        lambda threads: ["x", "size=1ways", processes(threads)],
        "write rdtd.x/tasks",
    ),
    "Release": ("Release", "sa{sv}", lambda _: ["a", {}], "rmdir rdtd.a"),
    "Resize": ("Resize", "saa{sv}a{sv}", lambda _: ["a", REGIONS, {}], "write rdtd.a/schemata"),
    "Attach": ("Attach", "sa{sv}", lambda threads: ["a", processes(threads)], "write rdtd.a/tasks"),
    "Reconcile": ("Reconcile", "", lambda _: [], "mkdir rdtd.b"),
}


class Pending:
    """A call of which the answer is still to come."""

    def __init__(self, caller: Caller, member: str, signature: str, body: list[object]) -> None:
        self._client = caller.client
        self._answers: dict[int, str] = {}
        self._send(member, encode(signature, body))

    def _send(self, member: str, body: Encoded) -> int:
        serial = SERIAL + len(self._answers)
        self._answers[serial] = ""
        self._client._send(messages.call(serial, NAME, PATH, MANAGER, member, body))
        return serial

    def is_taken_up(self) -> None:
        """Returns when rdtd has the call: it has answered one that came behind it."""
        self._wait_for(self._send("ListFree", EMPTY))

    def error(self) -> str:
        """The name of the error with which the call was answered; empty when it was done."""
        return self._wait_for(SERIAL)

    def _wait_for(self, serial: int) -> str:
        while self._answers[serial] == "":
            reply = self._client._receive(None)
            assert reply is not None, "the call was not answered"
            if reply.reply_serial in self._answers:
                self._answers[reply.reply_serial] = reply.error_name or "done"
        return self._answers[serial].removesuffix("done")


@pytest.fixture
def filled(start_daemon: StartDaemon) -> Daemon:
    daemon = start_daemon()
    with Caller(daemon.address) as caller:
        caller.reserve("a", "size=3ways,cache-id=0")
        caller.reserve("b", "size=2ways,cache-id=1", cpus=("s", "3"))
    return daemon


def begin(daemon: Daemon, name: str, caller: Caller, threads: Threads) -> Pending:
    """The operation, under way: rdtd is in the middle of a call that takes long."""
    member, signature, body, slow = OPERATIONS[name]
    if name == "Reconcile":
        (Mount(daemon.simulator).root / "rdtd.b").rmdir()
    daemon.simulator.control(f"delay {slow} 0.3")
    pending = Pending(caller, member, signature, body(threads))
    pending.is_taken_up()
    return pending


def is_whole(caller: Caller, daemon: Daemon) -> None:
    """Every reservation that is told is there, and nothing else."""
    mount = Mount(daemon.simulator)
    caller.call("Reconcile")
    assert caller.call("Reconcile") == [0]
    rows = {row[0]: row for row in caller.reservations()}
    assert {f"rdtd.{name}" for name in rows} == set(mount.groups())
    assert {"a", "b"} - rows.keys() <= {"a"}, "only Release was asked for, and only of a"
    for name, _, granted, details in rows.values():
        assert details["state"] == "active"
        for one in granted:
            assert mount.masks(f"rdtd.{name}")[one["cache-id"]] == one["mask"]
            assert not mount.masks()[one["cache-id"]] & one["mask"]


@pytest.fixture
def threads() -> Iterator[Threads]:
    """A process with four threads."""
    with Threads() as running:
        yield running


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_bus_goes_away(name: str, filled: Daemon, threads: Threads) -> None:
    """Whoever waits gets an error, what was begun is done, and everything is on the next bus."""
    with Caller(filled.address) as caller:
        begin(filled, name, caller, threads)
        filled.bus.end()
        with pytest.raises(BusGone):
            caller.call("ListReservations")
    filled.simulator.control("clear")
    filled.bus.start()
    with Caller(filled.address) as caller:
        wait_for_rdtd(caller)
        caller.subscribe()
        is_whole(caller, filled)
        names = caller.names()
        objects = caller.call_of(PATH, OBJECTS, "GetManagedObjects")[0]
        assert {path for path in objects if "/reservation/" in path} == {
            f"{PATH}/reservation/{one}" for one in names
        }
        assert len([path for path in objects if "/cache/" in path]) == 2
        caller.reserve("late", "size=1ways", lifetime=("s", "client"))
        assert caller.signal("ReservationAdded").arguments[0] == "late"
        caller.release("late")
        assert caller.signal("ReservationRemoved").arguments[::2] == ["late", "released"]
    assert filled.stop() == 0
    assert "Traceback" not in filled.log.read_text()


def test_the_bus_goes_away_again_and_again(filled: Daemon) -> None:
    for _ in range(3):
        filled.bus.end()
        filled.bus.start()
        with Caller(filled.address) as caller:
            wait_for_rdtd(caller)
            assert caller.names() == ["a", "b"]
    assert "Traceback" not in filled.log.read_text()


@pytest.mark.parametrize("name", OPERATIONS)
def test_told_to_stop(name: str, filled: Daemon, threads: Threads) -> None:
    """The call is answered before rdtd ends, and what was answered is there when it is back."""
    with Caller(filled.address) as caller:
        pending = begin(filled, name, caller, threads)
        assert filled.process is not None
        filled.process.terminate()
        error = pending.error()
        assert filled.process.wait(PATIENCE) == 0
        filled.process = None
    filled.simulator.control("clear")
    mount = Mount(filled.simulator)
    left = mount.dump(threads.ids)
    filled.start()
    with Caller(filled.address) as caller:
        if not error and name != "Reconcile":
            assert mount.dump(threads.ids) == left, "the start had nothing to do"
        is_whole(caller, filled)
        names = set(caller.names())
        done = {"Reserve": {"a", "b", "x"}, "Reserve with a process": {"a", "b", "x"}, "Release": {"b"}}
        assert names == (done.get(name, {"a", "b"}) if not error else {"a", "b"})
    assert "Traceback" not in filled.log.read_text()


def wait_for_rdtd(caller: Caller) -> None:
    """Returns when its name is on the bus."""
    caller.client.subscribe(Rule(BUS, BUS, "NameOwnerChanged", arg0=NAME))
    if not caller.client.call(BUS, "/", BUS, "NameHasOwner", "s", NAME)[0]:
        caller.signal("NameOwnerChanged")
