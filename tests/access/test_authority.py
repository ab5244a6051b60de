"""Asking polkit, whatever it answers."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from rdtd.bus import authority as asking
from rdtd.bus.authority import AT_ONCE, Authority
from rdtd.bus.caller import Callers
from rdtd.bus.connection import Connection
from rdtd.bus.dispatch import Call
from rdtd.bus.errors import BusGone, Refused
from rdtd.bus.wire import encode
from rdtd.core.errors import AccessDenied
from tests.access import fake_authority as fake
from tests.access.fake_authority import CHALLENGE, NO, YES, Question
from tests.bus.conftest import Connect, bus, connect

__all__ = ["bus", "connect"]

UID = 1000
ACTION = "org.rdtd1.reserve"
REQUIRED = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"


class Asking:
    """Our side, polkit's side, and the caller about whom is asked."""

    def __init__(self, ours: Connection, polkit: fake.Authority, caller: Connection) -> None:
        self.ours = ours
        self.polkit = polkit
        self.caller = caller
        self.authority = Authority(ours, Callers(ours))

    async def check(self, interactive: bool = False, uid: int = UID, ask: bool = True) -> None:
        call = Call(self.caller.unique_name, "/", "a.b", "C", interactive, uid)
        await self.authority.check(call, ACTION, {"reservation": "vm"}, ask=ask)

    async def denial(self, interactive: bool = False) -> str:
        with pytest.raises(AccessDenied) as caught:
            await self.check(interactive)
        return str(caught.value)


@pytest_asyncio.fixture
async def asker(connect: Connect) -> AsyncIterator[Asking]:
    polkit = fake.Authority(lambda _: YES)
    tree = await fake.put_on(await connect(), polkit)
    yield Asking(await connect(), polkit, await connect())
    await tree.close()


async def test_who_is_allowed_is_asked_for_in_full(asker: Asking) -> None:
    await asker.check()
    await asker.check(interactive=True)
    await asker.check(interactive=True, ask=False)
    expected = [
        Question(asker.caller.unique_name, ACTION, {"reservation": "vm"}, interactive)
        for interactive in (False, True, False)
    ]
    assert asker.polkit.asked == expected
    assert asker.polkit.cancelled == []
    assert not asker.ours._subscriptions


@pytest.mark.parametrize("interactive", [False, True])
async def test_who_is_not_is_told_which_action_it_was(asker: Asking, interactive: bool) -> None:
    asker.polkit.decide = lambda _: NO
    expected = "user 1000 may not do this (org.rdtd1.reserve): polkit says no"
    assert await asker.denial(interactive) == expected


async def test_a_password_would_do(asker: Asking) -> None:
    asker.polkit.decide = lambda _: CHALLENGE
    with pytest.raises(Refused, match=r"must authenticate for org\.rdtd1\.reserve") as caught:
        await asker.check()
    assert caught.value.name == REQUIRED
    assert "nobody authenticated" in await asker.denial(interactive=True)


@pytest.mark.parametrize(
    ("result", "body"),
    [
        ("s", encode("s", ["yes"])),
        ("(bb)", encode("(bb)", [[True, True]])),
        ("(uba{ss})", encode("(uba{ss})", [[1, True, {}]])),
        ("(bbs)", encode("(bbs)", [[True, True, "x"]])),
        ("(bba{ss})(bba{ss})", encode("(bba{ss})(bba{ss})", [YES, YES])),
    ],
)
async def test_nonsense_is_a_no(connect: Connect, result: str, body: Any) -> None:
    polkit = fake.Authority(lambda _: body)
    tree = await fake.put_on(await connect(), polkit, result)
    asker = Asking(await connect(), polkit, await connect())
    assert "it answered with something else" in await asker.denial()
    await tree.close()


async def test_an_action_that_polkit_does_not_know(asker: Asking) -> None:
    def decide(_: Question) -> None:
        raise Refused("org.freedesktop.PolicyKit1.Error.Failed", "Action org.rdtd1.reserve is not registered")

    asker.polkit.decide = decide
    assert "Action org.rdtd1.reserve is not registered" in await asker.denial()
    assert asker.polkit.cancelled == []


async def test_no_polkit_is_a_no(connect: Connect) -> None:
    asker = Asking(await connect(), fake.Authority(lambda _: YES), await connect())
    text = await asker.denial(interactive=True)
    assert "polkit, which decides it, gave no answer" in text
    assert text.endswith("root may")


@pytest.mark.parametrize("interactive", [False, True])
async def test_a_polkit_that_does_not_answer_is_a_no(
    asker: Asking, interactive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PERSON" if interactive else "ANSWER", 0.01)
    asker.polkit.decide = lambda _: None
    assert "did not answer CheckAuthorization within 0.01 s" in await asker.denial(interactive)
    if interactive:
        assert (await asker.polkit.gone.get()).startswith("rdtd-")


async def test_a_question_is_taken_back_when_the_caller_leaves(asker: Asking) -> None:
    asker.polkit.decide = lambda _: None
    checking = asyncio.create_task(asker.check(interactive=True))
    await asker.polkit.arrived.get()
    await asker.caller.close()
    assert (await asker.polkit.gone.get()).startswith("rdtd-")
    with pytest.raises(asyncio.CancelledError):
        await checking
    assert not asker.ours._subscriptions


async def test_a_question_ends_with_the_connection(asker: Asking) -> None:
    asker.polkit.decide = lambda _: None
    checking = asyncio.create_task(asker.check(interactive=True))
    await asker.polkit.arrived.get()
    await asker.ours.close()
    with pytest.raises(BusGone):
        await checking


async def test_of_one_user_few_questions_are_open(asker: Asking) -> None:
    asker.polkit.decide = lambda _: None
    waiting = [asyncio.create_task(asker.check(interactive=True)) for _ in range(AT_ONCE)]
    for _ in range(AT_ONCE):
        await asker.polkit.arrived.get()
    with pytest.raises(Refused, match="4 calls of yours wait for a password") as caught:
        await asker.check(interactive=True)
    assert caught.value.name.endswith(".LimitsExceeded")
    other = asyncio.create_task(asker.check(interactive=True, uid=UID + 1))
    await asker.polkit.arrived.get()
    asker.polkit.go.set()
    await asyncio.gather(other, *waiting)
    await asker.check(interactive=True)


async def test_the_others_wait_for_their_turn(asker: Asking) -> None:
    asker.polkit.decide = lambda _: None
    waiting = [asyncio.create_task(asker.check()) for _ in range(3 * AT_ONCE)]
    for _ in range(AT_ONCE):
        await asker.polkit.arrived.get()
    other = asyncio.create_task(asker.check(uid=UID + 1))
    await asker.polkit.arrived.get()
    assert len(asker.polkit.asked) == AT_ONCE + 1
    asker.polkit.go.set()
    await asyncio.gather(other, *waiting)
    assert len(asker.polkit.asked) == 3 * AT_ONCE + 1
    assert not asker.authority._slots
