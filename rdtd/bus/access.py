"""Who may do what: which of the actions in dbus/org.rdtd1.policy a call needs.

Root, and the user as whom rdtd runs, may do everything. Of others polkit is asked, on the system bus; on any
other bus there is none, and they may only look. What a decision was based on may change while polkit or a
person takes time. So each comes with a guard, which the turn that acts asks again, or with targets that say
whose threads they must be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from rdtd.attach import Targets
from rdtd.bus.authority import Authority
from rdtd.bus.dispatch import Call
from rdtd.bus.errors import BusGone, Refused
from rdtd.core.errors import AccessDenied, NotFound
from rdtd.core.guards import Guard, belongs_to, nothing, room_for
from rdtd.core.limits import Limits
from rdtd.core.model import Reservation
from rdtd.threads import Threads

__all__ = ["Access"]

RESERVE = "org.rdtd1.reserve"
RELEASE_OWN = "org.rdtd1.release-own"
MANAGE_OTHERS = "org.rdtd1.manage-others"
ATTACH_OWN = "org.rdtd1.attach-own"
ATTACH_OTHERS = "org.rdtd1.attach-others"
VIEW_OWNERS = "org.rdtd1.view-owners"
RECONCILE = "org.rdtd1.reconcile"


class Access:
    """Decides for the callers on one connection to the bus. What is not allowed raises AccessDenied."""

    def __init__(
        self,
        uid: int,
        limits: Limits,
        find: Callable[[str], Reservation],
        authority: Authority | None,
        threads: Threads,
    ) -> None:
        """`uid`: who may do everything, besides root. `find`: a reservation by name, or NotFound."""
        self._uid = uid
        self.limits = limits
        self._find = find
        self._authority = authority
        self._threads = threads

    async def reserve(self, call: Call, name: str, targets: Targets) -> tuple[Guard, Targets]:
        """A new reservation with these targets, or the same again."""
        await self._check(call, RESERVE, name)
        return room_for(name, call.uid, self.limits), await self._targets(call, name, targets)

    async def resize(self, call: Call, name: str) -> Guard:
        return await self._change(call, name, RESERVE)

    async def release(self, call: Call, name: str) -> Guard:
        return await self._change(call, name, RELEASE_OWN)

    async def attach(self, call: Call, name: str, targets: Targets) -> tuple[Guard, Targets]:
        """Own threads into an own reservation need the least; the others are asked for one by one."""
        if self._everything(call):
            return nothing, targets
        owner = self._find(name).owner.uid
        if owner != call.uid:
            await self._check(call, MANAGE_OTHERS, name)
        return belongs_to(name, owner), await self._targets(call, name, targets)

    async def detach(self, call: Call, name: str, targets: Targets) -> Guard:
        """Out of an own reservation the owner may take any thread: releasing it would do the same."""
        return await self._change(call, name, ATTACH_OTHERS if targets.cpus else ATTACH_OWN)

    async def reconcile(self, call: Call) -> None:
        await self._check(call, RECONCILE, "")

    async def owners(self, call: Call) -> Callable[[int], bool]:
        """Which users the caller may see as owners. Never asks a person, never raises AccessDenied."""
        if self._everything(call) or self._authority is None:
            return lambda _: True
        try:
            await self._authority.check(call, VIEW_OWNERS, {}, ask=False)
        except (AccessDenied, Refused, BusGone):
            return lambda owner: owner == call.uid
        return lambda _: True

    async def _change(self, call: Call, name: str, action: str) -> Guard:
        """A change of a reservation: this action for one's own, another for others'."""
        if self._everything(call):
            return nothing
        owner = self._find(name).owner.uid
        await self._check(call, action if owner == call.uid else MANAGE_OTHERS, name)
        return belongs_to(name, owner)

    async def _targets(self, call: Call, name: str, targets: Targets) -> Targets:
        """The targets, bound to be the caller's own if it may attach no others."""
        if not targets or self._everything(call):
            return targets
        if not targets.cpus and await asyncio.to_thread(self._are_own, targets, call.uid):
            await self._check(call, ATTACH_OWN, name)
            return replace(targets, of_user=call.uid)
        await self._check(call, ATTACH_OTHERS, name)
        return targets

    def _are_own(self, targets: Targets, uid: int) -> bool:
        """Whether all of these threads are the user's, as it looks now. Those that are gone are nobody's."""
        for thread in (*targets.tasks, *targets.processes):
            try:
                with self._threads.of_user(thread, uid):
                    pass
            except NotFound:
                continue
            except AccessDenied:
                return False
        return True

    def _everything(self, call: Call) -> bool:
        return call.uid in (0, self._uid)

    async def _check(self, call: Call, action: str, name: str) -> None:
        if self._everything(call):
            return
        if self._authority is None:
            raise AccessDenied(f"user {call.uid} may look but not change; root and user {self._uid} may")
        await self._authority.check(call, action, {"reservation": name} if name else {})
