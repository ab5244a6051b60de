"""The tree of objects that a service exports, driven by the interfaces in dbus/*.xml.

An exported object is any Python object. For each method of its interfaces it has a function of the member's
snake_case name, which takes the Call and the arguments and gives a tuple of results, an Encoded body or None;
it may be `async`. For each property it has an attribute (or Python property) of the snake_case name.

A property with the annotation org.rdtd1.Action is private: only who may see it gets it from Get, GetAll and
GetManagedObjects; no signal has it.

The tree outlives connections: `attach` puts it, as it is, on a new one.
"""

import asyncio
import inspect
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rdtd.bus.connection import Connection
from rdtd.bus.dispatch import Call, CallLimits, Dispatcher, UserOf
from rdtd.bus.errors import FREEDESKTOP, Refused
from rdtd.bus.interface import Interface, Property, introspect, snake_case
from rdtd.bus.paths import children, is_object_path
from rdtd.bus.standard import INTROSPECTABLE, OBJECT_MANAGER, PEER, PROPERTIES, machine_id
from rdtd.bus.wire import Encoded, encode, join

_OF_NODE = {interface.name: interface for interface in (PEER, INTROSPECTABLE)}
_OF_OBJECT = _OF_NODE | {PROPERTIES.name: PROPERTIES}
_OF_MANAGER = _OF_OBJECT | {OBJECT_MANAGER.name: OBJECT_MANAGER}
_LIMITS = CallLimits()
# Seconds of work after which others get their turn.
_TURN = 0.005

# A value with its type, as wire.encode takes it for a variant.
Value = tuple[str, Any]
FaultHook = Callable[[BaseException, str], None]
RefusedHook = Callable[[str, str, str], None]
Sees = Callable[[Any], bool]
"""Whether a caller may see the private properties of an object that was added."""


async def _nobody(_: str) -> int:
    return -1


async def _everything(_: Call) -> Sees:
    return lambda _: True


@dataclass(frozen=True, slots=True)
class Exported:
    """An object with the interfaces that it was added with, and with all that it has."""

    object: Any
    own: dict[str, Interface]
    interfaces: dict[str, Interface]


class ObjectTree:
    """See the module. `manager_path` is the object that has ObjectManager, for all objects below it.

    `on_fault` is told of every exception that is a fault of ours, with a text that says where. Without it,
    the event loop's exception handler is. `on_refused` is told of calls that are not allowed or over a limit:
    who called which method, and what was answered. `user_of` tells who calls an `async` function, and
    `viewer` which objects' private properties a caller may see.
    """

    def __init__(
        self,
        manager_path: str,
        *,
        limits: CallLimits = _LIMITS,
        on_fault: FaultHook | None = None,
        on_refused: RefusedHook | None = None,
        user_of: UserOf = _nobody,
        viewer: Callable[[Call], Awaitable[Sees]] = _everything,
    ) -> None:
        self._manager_path = manager_path
        self._on_fault = on_fault
        self._on_refused = on_refused
        self.viewer = viewer
        self._exported: dict[str, Exported] = {}
        self._above: Counter[str] = Counter()
        self._entries: dict[str, dict[bool, Encoded]] = {}  # by path, without and with what is private
        self._introspection: dict[str, Encoded] = {}
        self._connection: Connection | None = None
        self._standard = _Standard(self)
        self._dispatcher = Dispatcher(self, limits, user_of)

    # Objects

    def add(self, path: str, exported: Any, *interfaces: Interface) -> None:
        """Export an object. Raises TypeError if it lacks a member, ValueError for a bad path."""
        if not is_object_path(path) or path in self._exported:
            raise ValueError(f"{path!r} is not an object path, or is in use")
        for interface in interfaces:
            for member in map(snake_case, (*interface.methods, *interface.properties)):
                if inspect.getattr_static(exported, member, None) is None:
                    raise TypeError(f"{type(exported).__name__} has no {member} for {interface.name}")
        standard = _OF_MANAGER if path == self._manager_path else _OF_OBJECT
        own = {interface.name: interface for interface in interfaces}
        self._exported[path] = Exported(exported, own, standard | own)
        self._above.update(_ancestors(path))
        self._introspection.clear()
        if self._is_managed(path):
            properties = self.managed(path)
            self.emit(self._manager_path, OBJECT_MANAGER.name, "InterfacesAdded", path, properties)

    def remove(self, path: str) -> None:
        """Take an object out. Raises KeyError if there is none."""
        removed = self._exported.pop(path)
        self._entries.pop(path, None)
        self._above.subtract(_ancestors(path))
        self._introspection.clear()
        if self._is_managed(path):
            names = list(removed.own)
            self.emit(self._manager_path, OBJECT_MANAGER.name, "InterfacesRemoved", path, names)

    def attach(self, connection: Connection) -> None:
        """Serve the objects, and send their signals, on this connection instead of the one before."""
        self._connection = connection
        connection.serve(lambda message: self._dispatcher.handle(connection, message))

    async def close(self) -> None:
        """Cancel the calls that are running; each gets its error reply. New ones are still taken."""
        await self._dispatcher.cancel()

    # Signals

    def emit(self, path: str, interface: str, member: str, *arguments: Any) -> None:
        """Send a signal of an object. Raises WireError if the arguments are not what the XML says.

        Without a connection it is lost: whoever connects to the bus later starts by asking for what there is.
        """
        signal = self.interfaces(path)[interface].signals[member]
        body = encode(signal.signature, arguments)
        if self._connection is not None:
            self._connection.send_signal(path, interface, member, body)

    def changed(self, path: str, interface: str, names: Iterable[str]) -> None:
        """Send PropertiesChanged for these properties, each as its EmitsChangedSignal says.

        Raises ValueError for a property that is declared never to change.
        """
        exported = self._exported[path]
        self._entries.pop(path, None)
        changed: dict[str, Value] = {}
        invalidated: list[str] = []
        for name in names:
            property_ = exported.own[interface].properties[name]
            if property_.emits_changed == "const":
                raise ValueError(f"property {name} of {interface} is constant")
            if property_.action:
                raise ValueError(f"property {name} of {interface} is private")
            if property_.emits_changed == "invalidates":
                invalidated.append(name)
            elif property_.emits_changed == "true":
                try:
                    changed[name] = _value(exported, property_)
                except Exception as error:
                    self.fault(error, f"property {name} of {path}")
                    invalidated.append(name)
        if changed or invalidated:
            self.emit(path, PROPERTIES.name, "PropertiesChanged", interface, changed, invalidated)

    # What the dispatcher and the standard interfaces need

    def interfaces(self, path: str) -> dict[str, Interface]:
        """All interfaces of an object, the standard ones too; of a mere node of the tree; or none."""
        exported = self._exported.get(path)
        if exported is not None:
            return exported.interfaces
        return _OF_NODE if self._above[path] > 0 else {}

    def function(self, path: str, interface: str, member: str) -> Callable[..., Any]:
        """What carries out a method that `interfaces` has."""
        exported = self._exported.get(path)
        carrier = exported.object if exported is not None and interface in exported.own else self._standard
        found: Callable[..., Any] = getattr(carrier, snake_case(member))
        return found

    def properties(self, path: str, interface: str, *, private: bool = False) -> dict[str, Value]:
        """The properties of an interface that could be read; one that raises is left out and reported."""
        exported = self._exported[path]
        values = {}
        for name, property_ in exported.own[interface].properties.items():
            if property_.action and not private:
                continue
            try:
                values[name] = _value(exported, property_)
            except Exception as error:
                self.fault(error, f"property {name} of {path}")
        return values

    def managed(self, path: str, *, private: bool = False) -> dict[str, dict[str, Value]]:
        """An object as the ObjectManager shows it."""
        return {name: self.properties(path, name, private=private) for name in self._exported[path].own}

    async def managed_objects(self, sees: Sees) -> Encoded:
        """All objects as the ObjectManager shows them: a{oa{sa{sv}}}.

        Each object's entry is kept until `changed` is called for it. With many objects, making the entries
        takes longer than the event loop may stand still, so it makes pauses.
        """
        end = time.monotonic() + _TURN
        while True:
            shown = {path: sees(one.object) for path, one in self._exported.items() if self._is_managed(path)}
            missing = [path for path, private in shown.items() if private not in self._entries.get(path, {})]
            if not missing:
                break
            for path in missing:
                if path in self._exported:
                    entry = encode("a{oa{sa{sv}}}", [{path: self.managed(path, private=shown[path])}])
                    self._entries.setdefault(path, {})[shown[path]] = entry
                if time.monotonic() > end:
                    await asyncio.sleep(0)
                    end = time.monotonic() + _TURN
        entries = (self._entries[path][private] for path, private in shown.items())
        return join([encode("a{oa{sa{sv}}}", [{}]), *entries])

    def introspection(self, path: str) -> Encoded:
        """The answer to Introspect, made once for as long as the same objects are there."""
        found = self._introspection.get(path)
        if found is None:
            text = introspect(list(self.interfaces(path).values()), self.children(path))
            found = self._introspection[path] = encode("s", [text])
        return found

    def exported(self, path: str) -> Exported:
        return self._exported[path]

    def children(self, path: str) -> list[str]:
        return children(path, list(self._exported))

    def refused(self, caller: str, member: str, text: str) -> None:
        """Report a call that is not allowed, or over a limit."""
        if self._on_refused is not None:
            self._on_refused(caller, member, text)

    def fault(self, error: BaseException, where: str) -> None:
        """Report an exception that is a fault of ours."""
        if self._on_fault is not None:
            self._on_fault(error, where)
        else:
            context = {"message": f"exception in {where}", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)

    def _is_managed(self, path: str) -> bool:
        """Whether there is an ObjectManager that speaks for this path: one above it that is exported."""
        below = path.startswith(self._manager_path.rstrip("/") + "/") and path != "/"
        return below and self._manager_path in self._exported


class _Standard:
    """The methods of the standard interfaces, for every object of a tree."""

    def __init__(self, tree: ObjectTree) -> None:
        self._tree = tree

    def ping(self, call: Call) -> None:
        pass

    def get_machine_id(self, call: Call) -> tuple[str]:
        return (machine_id(),)

    def introspect(self, call: Call) -> Encoded:
        return self._tree.introspection(call.path)

    async def get(self, call: Call, interface: str, name: str) -> tuple[Value]:
        property_ = self._property(call, interface, name)
        if property_.action and not await self._sees(call):
            text = f"you may not see property {name} of {call.path}: polkit says no to {property_.action}"
            raise Refused(FREEDESKTOP + "AccessDenied", text)
        return (_value(self._exported(call), property_),)

    async def get_all(self, call: Call, interface: str) -> tuple[dict[str, Value]]:
        own = self._exported(call).own
        chosen = [each for each in self._chosen(call, interface) if each.name in own]
        has_private = any(property_.action for each in chosen for property_ in each.properties.values())
        private = has_private and await self._sees(call)
        self._exported(call)
        values: dict[str, Value] = {}
        for each in chosen:
            values |= self._tree.properties(call.path, each.name, private=private)
        return (values,)

    async def _sees(self, call: Call) -> bool:
        sees = await self._tree.viewer(call)
        return sees(self._exported(call).object)

    def _exported(self, call: Call) -> Exported:
        """The object that was called, if it is still there."""
        try:
            return self._tree.exported(call.path)
        except KeyError:
            raise Refused(FREEDESKTOP + "UnknownObject", f"there is no object {call.path}") from None

    def set(self, call: Call, interface: str, name: str, value: object) -> None:
        self._property(call, interface, name)
        raise Refused(FREEDESKTOP + "PropertyReadOnly", f"property {name} is read-only")

    async def get_managed_objects(self, call: Call) -> Encoded:
        return await self._tree.managed_objects(await self._tree.viewer(call))

    def _chosen(self, call: Call, interface: str) -> list[Interface]:
        """The interface of this name, or all of the object's if the name is empty."""
        interfaces = self._tree.interfaces(call.path)
        if not interface:
            return list(interfaces.values())
        if interface not in interfaces:
            raise Refused(FREEDESKTOP + "UnknownInterface", f"{call.path} has no interface {interface!r}")
        return [interfaces[interface]]

    def _property(self, call: Call, interface: str, name: str) -> Property:
        for each in self._chosen(call, interface):
            if name in each.properties:
                return each.properties[name]
        where = f" of {interface}" if interface else ""
        raise Refused(FREEDESKTOP + "UnknownProperty", f"{call.path} has no property {name!r}{where}")


def _value(exported: Exported, property_: Property) -> Value:
    """A property's value. Raises what its getter raises, and WireError if the value is not of its type."""
    value = (property_.type, getattr(exported.object, snake_case(property_.name)))
    encode("v", [value])
    return value


def _ancestors(path: str) -> Iterator[str]:
    while path != "/":
        path = path.rpartition("/")[0] or "/"
        yield path
