"""rdtd's objects on the bus: requests go to the manager, what it publishes becomes signals."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from rdtd.bus.access import Access
from rdtd.bus.authority import Authority
from rdtd.bus.caller import Callers
from rdtd.bus.connection import Connection
from rdtd.bus.dispatch import Call
from rdtd.bus.exported import MANAGER_PATH, cache_path, reservation_path
from rdtd.bus.exported.cache import CacheObject
from rdtd.bus.exported.manager import ManagerObject
from rdtd.bus.exported.reservation import ReservationObject
from rdtd.bus.interface import load
from rdtd.bus.objects import ObjectTree
from rdtd.bus.values import drift_row
from rdtd.bus.wire import Encoded, encode
from rdtd.core.errors import NotMounted
from rdtd.core.limits import Limits
from rdtd.core.model import Lifetime, Owner, Reservation
from rdtd.core.view import CacheView
from rdtd.manager import Manager, Public, Published
from rdtd.threads import Threads

__all__ = ["BUS_NAME", "Service"]

BUS_NAME = "org.rdtd1"
_LIMITS = Limits()
_THREADS = Threads()
_MANAGER = load("org.rdtd1.Manager")
_RESERVATION = load("org.rdtd1.Reservation")
_CACHE = load("org.rdtd1.Cache")


class Service:
    """The objects, and who may use them. Outlives connections: `attach` puts it on a new one."""

    access: Access

    def __init__(
        self,
        manager: Manager,
        uid: int,
        on_fault: Callable[[BaseException, str], None],
        limits: Limits = _LIMITS,
        *,
        polkit: bool = False,
        on_refused: Callable[[str, str, str], None] | None = None,
        threads: Threads = _THREADS,
    ) -> None:
        """`uid` is the user that may change things, besides root. `polkit`: others are asked for there."""
        self.manager = manager
        self.limits = limits
        self.tree = ObjectTree(
            MANAGER_PATH,
            on_fault=on_fault,
            on_refused=on_refused,
            user_of=self._user_of,
            viewer=self._viewer,
        )
        self._uid = uid
        self._polkit = polkit
        self._threads = threads
        self._connection: Connection | None = None
        self._callers: Callers | None = None
        self._bus_id = ""
        self._watched: set[str] = set()
        self._free: tuple[Public, Encoded] | None = None
        self._objects: dict[str, ReservationObject | CacheObject] = {}
        self.tree.add(MANAGER_PATH, ManagerObject(self), _MANAGER)
        self._follow(Public(), manager.public)
        manager.subscribe(self._published)

    async def attach(self, connection: Connection) -> None:
        """Serves on this connection. Reservations whose client is not on this bus (any more) are released."""
        [self._bus_id] = await connection.call_bus("GetId")
        self._connection, self._callers = connection, Callers(connection)
        authority = Authority(connection, self._callers) if self._polkit else None
        self.access = Access(self._uid, self.limits, self.manager.find, authority, self._threads)
        self._watched.clear()
        for reservation in list(self.manager.public.reservations.values()):
            await self.hold(reservation)
        self.tree.attach(connection)

    def use(self, limits: Limits) -> None:
        """Holds callers to these limits from now on. (That of messages is the next connection's.)"""
        self.limits = limits
        if self._connection is not None:
            self.access.limits = limits

    async def close(self) -> None:
        """Answers the calls that are running with an error, and leaves the bus."""
        await self.tree.close()
        if self._connection is not None:
            await self._connection.close()

    # Callers

    async def _user_of(self, sender: str) -> int:
        assert self._callers is not None, "calls come on a connection"
        return (await self._callers.credentials(sender)).uid

    async def _viewer(self, call: Call) -> Callable[[Any], bool]:
        """Owner is the private property: who may see which owners sees it there."""
        sees = await self.access.owners(call)
        return lambda exported: isinstance(exported, ReservationObject) and sees(exported.owner)

    def owner(self, call: Call, lifetime: Lifetime) -> Owner:
        """Who the reservation belongs to: a user, or one connection of it."""
        bound = lifetime is Lifetime.CLIENT
        return Owner(call.uid, call.sender, self._bus_id) if bound else Owner(call.uid)

    async def hold(self, reservation: Reservation) -> None:
        """Has the reservation released when its client leaves the bus, or has left it."""
        owner = reservation.owner
        if reservation.lifetime is not Lifetime.CLIENT:
            return
        if owner.bus != self._bus_id:
            self.manager.leave(owner.client, owner.bus)
        elif owner.client not in self._watched:
            assert self._callers is not None, "there is a bus, for it has an ID"
            # Noted first: the client may have left when the bus answers.
            self._watched.add(owner.client)
            try:
                await self._callers.on_left(owner.client, partial(self._left, owner.bus))
            except BaseException:
                self._watched.discard(owner.client)
                raise

    def _left(self, bus: str, client: str) -> None:
        self._watched.discard(client)
        self.manager.leave(client, bus)

    # What the manager publishes

    def _published(self, published: Published) -> None:
        before, after = published.before, published.after
        gone = before.reservations.keys() - after.reservations.keys()
        for name in sorted(gone):
            self.tree.emit(
                MANAGER_PATH,
                _MANAGER.name,
                "ReservationRemoved",
                name,
                reservation_path(name),
                published.reason,
            )
        self._follow(before, after)
        for name in sorted(after.reservations.keys() - before.reservations.keys()):
            self.tree.emit(MANAGER_PATH, _MANAGER.name, "ReservationAdded", name, reservation_path(name))
        for drift in published.drifts:
            self.tree.emit(MANAGER_PATH, _MANAGER.name, "Drift", *drift_row(drift))

    def _follow(self, before: Public, after: Public) -> None:
        """Objects come and go with what they stand for; the others tell what changed."""
        wanted = {reservation_path(name) for name in after.reservations}
        wanted |= {cache_path(key) for key in after.caches}
        for path in [path for path in self._objects if path not in wanted]:
            del self._objects[path]
            self.tree.remove(path)
        for name, reservation in after.reservations.items():
            self._show(reservation_path(name), ReservationObject, reservation, after.degraded.get(name))
        for key, view in after.caches.items():
            self._show(cache_path(key), CacheObject, view, None)
        names = [name for name, get in _PROPERTIES.items() if get(before) != get(after)]
        if names:
            self.tree.changed(MANAGER_PATH, _MANAGER.name, names)

    def _show(self, path: str, kind: Any, value: Any, lacking: str | None) -> None:
        interface = _RESERVATION if kind is ReservationObject else _CACHE
        known = self._objects.get(path)
        if known is None:
            self._objects[path] = kind(self, value, lacking)
            self.tree.add(path, self._objects[path], interface)
            return
        names = known.update(value, lacking)
        if any(interface.properties[name].emits_changed == "const" for name in names):
            # Another reservation or another cache under the name of the one before.
            self.tree.remove(path)
            self.tree.add(path, known, interface)
        elif names:
            self.tree.changed(path, interface.name, names)

    def free(self) -> Encoded:
        """The answer to ListFree, made once for each state."""
        public = self.manager.public
        if public.state == "unmounted":
            raise NotMounted(f"resctrl is not mounted at {self.manager.root}")
        if self._free is None or self._free[0] is not public:
            rows = [_free_row(view) for view in public.caches.values()]
            self._free = public, encode("a(uuttttta{sv})", [rows])
        return self._free[1]


def _free_row(view: CacheView) -> list[Any]:
    return [
        view.cache.level,
        view.cache.cache_id,
        view.cache.size,
        view.cache.size // view.cache.ways,
        view.free,
        view.largest,
        view.free_mask,
        {
            "reserved-mask": ("t", view.reserved),
            "foreign-mask": ("t", view.foreign),
            "shared-mask": ("t", view.shared),
            "shareable-mask": ("t", view.cache.shareable),
        },
    ]


_PROPERTIES: dict[str, Callable[[Public], Any]] = {
    "State": lambda public: public.state,
    "Cdp": lambda public: public.cdp,
    "ClosidsTotal": lambda public: public.closids_total,
    "ClosidsFree": lambda public: public.closids_free,
    "NReservations": lambda public: len(public.reservations),
}
