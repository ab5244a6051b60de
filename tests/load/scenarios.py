"""What a crowd does to rdtd. Each scenario asserts that everybody was answered and nothing is left.

They run at the size that they are given: small in `make test`, large with `python -m tests.load`.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from rdtd.bus import message as messages
from rdtd.bus.client import Client
from rdtd.bus.message import Kind, Message
from rdtd.bus.wire import encode
from tests.support.caller import MANAGER, NAME, PATH, Caller
from tests.support.daemon import Daemon
from tests.support.users import NOBODY, as_user

DBUS = Path(__file__).parents[2] / "dbus"
POLICIES = (DBUS / "org.rdtd1.conf", Path(__file__).with_name("many-connections.conf"))
ERROR = "org.freedesktop.DBus.Error."


def memory(daemon: Daemon) -> int:
    """What rdtd has in memory now: kibibytes."""
    assert daemon.process is not None
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    match = re.search(r"^VmRSS:\s*(\d+) kB", status, re.MULTILINE)
    assert match is not None
    return int(match[1])


def send(client: Client, member: str, signature: str = "", *arguments: Any, flags: int = 0) -> int:
    """Sends a call and does not wait; its serial."""
    client._serial += 1
    body = encode(signature, arguments)
    client._send(messages.call(client._serial, NAME, PATH, MANAGER, member, body, flags))
    return client._serial


def answers(client: Client, number: int) -> list[Message]:
    """The next answers to what was sent."""
    found: list[Message] = []
    while len(found) < number:
        message = client._receive(None)
        assert message is not None
        if message.kind in (Kind.RETURN, Kind.ERROR):
            found.append(message)
    return found


@contextmanager
def clients(daemon: Daemon, number: int, uid: int = 0) -> Iterator[list[Client]]:
    with ExitStack() as stack:
        with as_user(uid) if uid else nullcontext():
            opened = [stack.enter_context(Client.open(daemon.address)) for _ in range(number)]
        yield opened


@contextmanager
def somebody_else(daemon: Daemon) -> Iterator[Callable[[], int]]:
    """A caller who reserves and releases all the time; tells how often that went well, once it is over."""
    served, failed, over = 0, list[BaseException](), threading.Event()

    def work() -> None:
        nonlocal served
        try:
            with Caller(daemon.address) as caller:
                while not over.is_set():
                    caller.reserve("other", "size=1ways,cache-id=0")
                    caller.release("other")
                    served += 1
        except BaseException as error:
            failed.append(error)

    def count() -> int:
        over.set()
        thread.join()
        assert not failed, failed
        return served

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield count
    finally:
        over.set()
        thread.join()


def at_once(daemon: Daemon, size: int) -> Counter[str]:
    """Clients that all reserve at the same moment: as many get a group as the hardware has."""
    with clients(daemon, size) as crowd:
        for number, client in enumerate(crowd):
            send(client, "ReserveSpec", "ssa{sv}", f"c{number}", "size=1ways,cache-id=0", {})
        results = Counter(answers(client, 1)[0].error_name for client in crowd)
        with Caller(daemon.address) as caller:
            names = caller.names()
            assert results[""] == len(names) > 0
            for name in names:
                caller.release(name)
            assert caller.names() == []
    return results


def clients_that_leave(daemon: Daemon, size: int) -> Counter[str]:
    """Clients that reserve for as long as they are there, and go before they are answered."""
    with Caller(daemon.address) as caller:
        free = caller.free()
        for number in range(size):
            with Client.open(daemon.address) as client:
                options = {"lifetime": ("s", "client")}
                send(client, "ReserveSpec", "ssa{sv}", f"c{number}", "size=1ways,cache-id=0", options)
        while caller.names() or caller.free() != free:
            caller.call("Reconcile")  # a turn after those that are due
    return Counter({"left": size})


def burst(daemon: Daemon, size: int) -> Counter[str]:
    """One client with everything at once: as many changes are at work as it may have, reads are answered."""
    with clients(daemon, 1) as [client]:
        for _ in range(size):
            send(client, "ListFree")
            send(client, "Reconcile")
        results = Counter(answer.error_name for answer in answers(client, 2 * size))
    assert set(results) <= {"", ERROR + "LimitsExceeded"}
    assert results[""] >= size, results
    return results


BAD: list[tuple[str, str, tuple[Any, ...]]] = [
    ("NoSuchMethod", "", ()),
    ("ReserveSpec", "s", ("a",)),
    ("ReserveSpec", "ssa{sv}", ("a", "size=1ways", {})),
    ("Reserve", "saa{sv}a{sv}", ("a", [{"ways": ("u", 1)}] * 900, {})),
    ("Reserve", "saa{sv}a{sv}", ("a", [{"nonsense": ("as", ["x"] * 100)}], {})),
    ("Attach", "sa{sv}", ("a", {"tasks": ("au", list(range(19_000)))})),
    ("Attach", "sa{sv}", ("a", {"tasks": ("au", list(range(30_000)))})),
    ("ReserveSpec", "ssa{sv}", ("a", "x" * 900_000, {})),
    ("ReserveSpec", "ssa{sv}", ("a", "x" * 1_100_000, {})),
    ("Release", "sa{sv}", ("\n" * 1000, {})),
]


def flood(daemon: Daemon, size: int) -> Counter[str]:
    """An unprivileged user sends what is wrong or forbidden as fast as it can, on several connections."""
    results: Counter[str] = Counter()

    def attack(client: Client) -> None:
        for _ in range(size):
            for member, signature, arguments in BAD:
                send(client, member, signature, *arguments)
            results.update(answer.error_name for answer in answers(client, len(BAD)))

    with clients(daemon, 4, NOBODY) as crowd, somebody_else(daemon) as count:
        attackers = [threading.Thread(target=attack, args=(client,)) for client in crowd]
        for attacker in attackers:
            attacker.start()
        for attacker in attackers:
            attacker.join()
        served = count()
    assert served > 0
    assert "" not in results
    assert sum(results.values()) == 4 * size * len(BAD)
    return results + Counter({"somebody else was served": served})


def deaf(daemon: Daemon, size: int) -> Counter[str]:
    """Clients that ask for long answers and never read them; the bus keeps those, and rdtd goes on."""
    with clients(daemon, 4, NOBODY) as crowd, somebody_else(daemon) as count:
        for client in crowd:
            for _ in range(size):
                client._serial += 1
                introspect = messages.call(
                    client._serial, NAME, PATH, "org.freedesktop.DBus.Introspectable", "Introspect"
                )
                client._send(introspect)
        with Caller(daemon.address) as caller:
            caller.reservations()
        served = count()
    assert served > 0
    return Counter({"asked": 4 * size, "somebody else was served": served})


SCENARIOS: dict[str, tuple[Callable[[Daemon, int], Counter[str]], int, int]] = {
    "at once": (at_once, 60, 1000),
    "clients that leave": (clients_that_leave, 20, 500),
    "burst": (burst, 300, 5000),
    "flood": (flood, 5, 100),
    "deaf": (deaf, 200, 3000),
}
"""By name: the scenario, its size in `make test`, its size in full."""
