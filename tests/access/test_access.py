"""What a permission is bound to: the state, and the threads, when it is used."""

import os
from collections.abc import Mapping

import pytest

from rdtd.attach import Targets
from rdtd.bus.access import ATTACH_OTHERS, ATTACH_OWN, Access
from rdtd.bus.authority import Authority
from rdtd.bus.dispatch import Call
from rdtd.core.errors import AccessDenied
from rdtd.core.limits import Limits
from rdtd.core.model import Owner, Reservation, Wanted
from rdtd.threads import Threads

UID = 1000
CALL = Call(":1.7", "/", "a.b", "C", False, UID)
VM = Reservation("vm", (), (), Owner(UID))


class Allowing(Authority):
    """Allows everything, and notes what."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def check(self, call: Call, action: str, details: Mapping[str, str], *, ask: bool = True) -> None:
        self.asked.append(action)


class Own(Threads):
    """A host where every thread below 100 is the user's."""

    def of_user(self, thread: int, uid: int | None):  # type: ignore[no-untyped-def]
        if thread >= 100:
            raise AccessDenied("another user's")
        return super().of_user(os.getpid(), os.getuid())


def access(authority: Allowing, uid: int = 0) -> Access:
    return Access(uid, Limits(), lambda _: VM, authority, Own())


async def test_who_may_attach_its_own_threads_is_bound_to_them() -> None:
    authority = Allowing()
    guard, targets = await access(authority).attach(CALL, "vm", Targets(tasks=(7,), processes=(8,)))
    assert targets == Targets(tasks=(7,), processes=(8,), of_user=UID)
    assert authority.asked == [ATTACH_OWN]
    guard(Wanted({"vm": VM}))
    with pytest.raises(AccessDenied):
        guard(Wanted({"vm": Reservation("vm", (), (), Owner(7))}))


@pytest.mark.parametrize("targets", [Targets(tasks=(7, 100)), Targets(cpus=frozenset({1}), tasks=(7,))])
async def test_who_may_attach_others_is_not(targets: Targets) -> None:
    authority = Allowing()
    assert (await access(authority).attach(CALL, "vm", targets))[1] == targets
    assert authority.asked == [ATTACH_OTHERS]


@pytest.mark.parametrize("uid", [0, 33])
async def test_root_and_the_daemons_own_user_are_asked_for_nothing(uid: int) -> None:
    authority = Allowing()
    call = Call(":1.7", "/", "a.b", "C", False, uid)
    guard, targets = await access(authority, uid=33).attach(call, "vm", Targets(tasks=(100,)))
    assert (targets.of_user, authority.asked) == (None, [])
    guard(Wanted({"vm": VM}))
