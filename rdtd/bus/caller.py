"""Who calls: the credentials of a bus name, and word when it leaves the bus."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from rdtd.bus.connection import Connection, Subscription
from rdtd.bus.errors import BusError
from rdtd.bus.library import Variant
from rdtd.bus.rules import BUS_NAME, BUS_PATH, Rule, Signal
from rdtd.core.errors import AccessDenied

# How many callers' credentials are kept.
_KNOWN = 1024


@dataclass(frozen=True, slots=True)
class Credentials:
    """A caller as the kernel saw it when it connected to the bus. `pid` is 0 where the bus cannot tell."""

    uid: int
    pid: int


class Callers:
    """The callers on one connection. A new connection to the bus needs a new one: names start anew there."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: OrderedDict[str, Credentials] = OrderedDict()

    async def credentials(self, sender: str) -> Credentials:
        """Who has this unique name. Raises AccessDenied if it has left the bus already.

        A unique name is never given to another connection and a connection's credentials never change, so
        what was learnt once stays true; the least recently used are forgotten.
        """
        known = self._known.get(sender)
        if known is None:
            known = await self._ask(sender)
            self._known[sender] = known
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)
        self._known.move_to_end(sender)
        return known

    async def _ask(self, sender: str) -> Credentials:
        try:
            [found] = await self._connection.call_bus("GetConnectionCredentials", "s", sender)
        except BusError as error:
            raise AccessDenied(f"the bus does not say who {sender} is: {error.text}") from error
        uid = found.get("UnixUserID")
        pid = found.get("ProcessID")
        if not isinstance(uid, Variant) or uid.signature != "u":
            raise AccessDenied(f"the bus does not say which user {sender} is")
        return Credentials(uid.value, pid.value if isinstance(pid, Variant) else 0)

    async def on_left(self, sender: str, callback: Callable[[str], None]) -> Subscription:
        """Have a function called with a unique name, once, when it leaves the bus.

        It is called too if the name left before the bus was asked to tell. Only the bus's own word counts:
        any peer can send a signal that looks like it. `remove` of the result ends the watch.
        """
        left = False
        watch: Subscription | None = None

        def leave(_: Signal | None = None) -> None:
            # A unique name has one change of owner to be told of: its end.
            nonlocal left
            if not left:
                left = True
                if watch is not None:
                    watch.remove()
                self._known.pop(sender, None)
                callback(sender)

        rule = Rule(BUS_NAME, BUS_NAME, "NameOwnerChanged", BUS_PATH, arg0=sender)
        watch = await self._connection.on_signal(rule, leave)
        [present] = await self._connection.call_bus("NameHasOwner", "s", sender)
        if not present:
            leave()
        if left:
            watch.remove()  # the signal may have come, by another rule, before there was a watch to remove
        return watch
