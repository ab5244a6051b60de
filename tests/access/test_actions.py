"""Which action each call needs: rdtd with a polkit that allows what the test says."""

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rdtd.bus.client import BusError
from tests.access.conftest import ROOT, As
from tests.access.fake_authority import AuthorityThread
from tests.support.caller import ACCESS_DENIED, MANAGER, NAME, PATH, RDTD_ERROR, RESERVATION, Caller
from tests.support.daemon import Daemon
from tests.support.users import NOBODY, SOMEBODY, as_user

pytestmark = ROOT

RESERVE, RELEASE_OWN, MANAGE_OTHERS, ATTACH_OWN, ATTACH_OTHERS, VIEW_OWNERS, RECONCILE = (
    f"org.rdtd1.{name}"
    for name in (
        *("reserve", "release-own", "manage-others", "attach-own"),
        *("attach-others", "view-owners", "reconcile"),
    )
)
REGIONS = [{"ways": ("u", 1)}]
Options = dict[str, tuple[str, Any]]
NONE: Options = {}
OBJECT = f"{PATH}/reservation/vm"


class Sleeper:
    """A process of that user's, which waits until it is closed."""

    def __init__(self, uid: int) -> None:
        with as_user(uid):
            self.process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        # Popen returns shortly before the new program has given up the saved user ID, which is root's.
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        self.process.stdout.readline()

    @property
    def target(self) -> dict[str, tuple[str, Any]]:
        return {"processes": ("au", [self.process.pid])}

    def close(self) -> None:
        if self.process.returncode is None:
            self.process.communicate()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def own() -> Iterator[Sleeper]:
    sleeper = Sleeper(NOBODY)
    yield sleeper
    sleeper.close()


@pytest.fixture
def others() -> Iterator[Sleeper]:
    sleeper = Sleeper(0)
    yield sleeper
    sleeper.close()


def denied(client: Caller, *call: Any) -> str:
    """The text of the AccessDenied that a call gets."""
    with pytest.raises(BusError) as caught:
        client.call_of(*call)
    assert caught.value.name == ACCESS_DENIED, caught.value.text
    return caught.value.text


def is_allowed(client: Caller, *call: Any) -> None:
    """A call that may fail, but not for want of a permission."""
    name = ""
    try:
        client.call_of(*call)
    except BusError as error:
        name = error.name
    assert name != ACCESS_DENIED


def actions(polkit: AuthorityThread) -> list[str]:
    """What was asked, and forgotten with that."""
    found = [question.action for question in polkit.asked]
    polkit.asked.clear()
    return found


def manager(member: str, signature: str, *arguments: Any) -> tuple[Any, ...]:
    return (PATH, MANAGER, member, signature, *arguments)


def reserve(name: str = "vm", options: Options = NONE) -> tuple[Any, ...]:
    return manager("ReserveSpec", "ssa{sv}", name, "size=1ways", options)


CPU = {"cpus": ("s", "1")}
OWN = [
    (RELEASE_OWN, manager("Release", "sa{sv}", "vm", {})),
    (RELEASE_OWN, (OBJECT, RESERVATION, "Release", "a{sv}", {})),
    (RESERVE, manager("Resize", "saa{sv}a{sv}", "vm", [{"ways": ("u", 2)}], {})),
    (ATTACH_OTHERS, manager("Attach", "sa{sv}", "vm", CPU)),
    (ATTACH_OTHERS, (OBJECT, RESERVATION, "Attach", "a{sv}", CPU)),
    (ATTACH_OTHERS, manager("Detach", "sa{sv}", "vm", CPU)),
    (ATTACH_OTHERS, (OBJECT, RESERVATION, "Detach", "a{sv}", CPU)),
    (ATTACH_OWN, manager("Detach", "sa{sv}", "vm", {"tasks": ("au", [4_000_000])})),
]


@pytest.mark.parametrize(
    "call",
    [
        reserve(),
        manager("ReserveSpec", "ssa{sv}", "vm", "size=1ways", {"dry-run": ("b", True)}),
        manager("Reserve", "saa{sv}a{sv}", "vm", REGIONS, {}),
    ],
)
def test_reserving(caller: As, polkit: AuthorityThread, call: tuple[Any, ...]) -> None:
    user = caller(NOBODY)
    assert denied(user, *call) == f"user {NOBODY} may not do this ({RESERVE}): polkit says no"
    polkit.answer(RESERVE)
    user.call_of(*call)
    [question] = polkit.asked
    assert question.action == RESERVE
    assert question.subject == user.client.unique_name
    assert question.details == {"reservation": "vm"}


@pytest.mark.parametrize(("action", "call"), OWN, ids=range(len(OWN)))
def test_ones_own_reservation(
    caller: As, polkit: AuthorityThread, action: str, call: tuple[Any, ...]
) -> None:
    polkit.answer(RESERVE)
    user = caller(NOBODY)
    user.call_of(*reserve())
    polkit.answer(*{RESERVE, RELEASE_OWN, MANAGE_OTHERS, ATTACH_OWN, ATTACH_OTHERS} - {action})
    assert action in denied(user, *call)
    polkit.answer(action)
    is_allowed(user, *call)
    assert actions(polkit) == [action]


@pytest.mark.parametrize("call", [call for _, call in OWN], ids=range(len(OWN)))
def test_another_users_reservation(caller: As, polkit: AuthorityThread, call: tuple[Any, ...]) -> None:
    caller(0).call_of(*reserve())
    user = caller(NOBODY)
    polkit.answer(RESERVE, RELEASE_OWN, ATTACH_OWN, ATTACH_OTHERS)
    assert MANAGE_OTHERS in denied(user, *call)
    assert actions(polkit) == [MANAGE_OTHERS]
    polkit.answer(MANAGE_OTHERS, ATTACH_OTHERS)
    is_allowed(user, *call)
    assert actions(polkit)[0] == MANAGE_OTHERS


def test_the_same_name_again_stays_the_owners(caller: As, polkit: AuthorityThread) -> None:
    caller(0).call_of(*reserve())
    polkit.answer(RESERVE)
    with pytest.raises(BusError, match="belongs to another user or client") as caught:
        caller(NOBODY).call_of(*reserve())
    assert caught.value.name == RDTD_ERROR + "Exists"


def test_reconcile(caller: As, polkit: AuthorityThread) -> None:
    user = caller(NOBODY)
    assert RECONCILE in denied(user, PATH, MANAGER, "Reconcile")
    polkit.answer(RECONCILE)
    assert user.call("Reconcile") == [0]
    assert polkit.asked[0].details == {}


def test_root_is_not_asked_for(caller: As, polkit: AuthorityThread) -> None:
    root = caller(0)
    for call in (reserve("vm", CPU), *(call for _, call in OWN[2:]), (PATH, MANAGER, "Reconcile"), OWN[0][1]):
        is_allowed(root, *call)
    assert root.reservations() == []
    assert polkit.asked == []


def test_own_processes_are_attached_and_others_not(
    caller: As, polkit: AuthorityThread, rdtd: Daemon, own: Sleeper, others: Sleeper
) -> None:
    polkit.answer(RESERVE, ATTACH_OWN)
    user = caller(NOBODY)
    user.call_of(*reserve("vm", own.target))
    tasks = Path(rdtd.root, "rdtd.vm", "tasks")
    assert set(map(int, tasks.read_text().split())) == {own.process.pid}
    assert actions(polkit) == [RESERVE, ATTACH_OWN]
    attach = manager("Attach", "sa{sv}", "vm", others.target)
    assert ATTACH_OTHERS in denied(user, *attach)
    assert ATTACH_OTHERS in denied(user, *reserve("b", others.target))
    both = {"tasks": ("au", [own.process.pid, others.process.pid])}
    assert ATTACH_OTHERS in denied(user, *manager("Attach", "sa{sv}", "vm", both))
    assert user.names() == ["vm"]
    assert set(map(int, tasks.read_text().split())) == {own.process.pid}
    polkit.answer(ATTACH_OTHERS)
    user.call_of(*attach)
    assert set(map(int, tasks.read_text().split())) == {own.process.pid, others.process.pid}


def test_a_reservation_that_changed_hands_while_polkit_thought(
    caller: As, polkit: AuthorityThread, rdtd: Daemon
) -> None:
    """The decision is about the state when it acts."""
    polkit.answer(RESERVE, RELEASE_OWN)
    user = caller(NOBODY)
    user.call_of(*reserve())
    polkit.authority.decide = lambda _: None
    texts: list[str] = []
    releasing = threading.Thread(
        target=lambda: texts.append(denied(user, *manager("Release", "sa{sv}", "vm", {})))
    )
    releasing.start()

    async def arrived() -> None:
        while (await polkit.authority.arrived.get()).action != RELEASE_OWN:
            pass

    polkit.run(arrived())
    root = caller(0)
    root.release("vm")
    root.call_of(*reserve())

    async def go() -> None:
        polkit.authority.go.set()

    polkit.run(go())
    releasing.join()
    polkit.authority.go.clear()
    assert "is another user's since the call came" in texts[0]
    assert root.names() == ["vm"]


def owners(client: Caller) -> dict[str, int | None]:
    """The owners as a caller sees them; the four ways to ask must agree."""
    rows = client.reservations()
    found = {row[0]: row[3].get("owner") for row in rows}
    objects = client.client.call(NAME, PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")[0]
    for name, path, *_ in rows:
        assert objects[path][RESERVATION].get("Owner") == found[name]
        assert client.client.get_all(NAME, path, RESERVATION).get("Owner") == found[name]
        if found[name] is None:
            get = (path, "org.freedesktop.DBus.Properties", "Get", "ss", RESERVATION, "Owner")
            assert VIEW_OWNERS in denied(client, *get)
        else:
            assert client.get("Owner", path, RESERVATION) == found[name]
    return found


def test_who_sees_the_owners(caller: As, polkit: AuthorityThread) -> None:
    polkit.answer(RESERVE)
    root, user, other = caller(0), caller(NOBODY), caller(SOMEBODY)
    other.subscribe()
    user.call_of(*reserve("theirs"))
    root.call_of(*reserve("roots"))
    assert owners(root) == {"theirs": NOBODY, "roots": 0}
    assert owners(user) == {"theirs": NOBODY, "roots": None}
    assert owners(other) == {"theirs": None, "roots": None}
    polkit.answer(VIEW_OWNERS)
    assert owners(other) == {"theirs": NOBODY, "roots": 0}
    assert not any(question.interactive for question in polkit.asked)
    added = other.signal("InterfacesAdded").arguments[1]
    assert added[RESERVATION]["Name"] == "theirs"
    assert "Owner" not in added[RESERVATION]
