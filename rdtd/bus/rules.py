"""Match rules: which signals a connection asks the bus for, and which of those that come belong to which."""

from typing import Any, NamedTuple

from rdtd.bus.message import Message

BUS_NAME = "org.freedesktop.DBus"
BUS_PATH = "/org/freedesktop/DBus"


class Rule(NamedTuple):
    """A match rule for signals. An empty part matches everything.

    `sender` is best a unique name, or the bus itself: then a signal that another peer sends straight to us
    does not match. Who owns a well-known name is not known here, so such a sender is left to the bus.
    """

    sender: str = ""
    interface: str = ""
    member: str = ""
    path: str = ""
    path_namespace: str = ""
    arg0: str = ""

    def __str__(self) -> str:
        parts = [("type", "signal")]
        parts += [(name, getattr(self, name)) for name in self._fields]
        return ",".join(f"{name}='{value}'" for name, value in parts if value)

    def matches(self, message: Message) -> bool:
        """Whether a signal's header is what the rule asks for; arg0 is in its body, see `accepts`."""
        namespace = self.path_namespace.rstrip("/") + "/"
        return (
            (not self.interface or message.interface == self.interface)
            and (not self.member or message.member == self.member)
            and (not self.path or message.path == self.path)
            and (not self.path_namespace or (message.path + "/").startswith(namespace))
            and (not is_exact(self.sender) or message.sender == self.sender)
        )

    def accepts(self, arguments: list[Any]) -> bool:
        """Whether the arguments are what the rule asks for."""
        return not self.arg0 or arguments[:1] == [self.arg0]


class Signal(NamedTuple):
    """A signal that came. Its arguments are values as wire.decode gives them."""

    sender: str
    path: str
    interface: str
    member: str
    arguments: list[Any]


def is_exact(name: str) -> bool:
    """Whether messages of this sender carry this very name: unique names and the bus's own do."""
    return name.startswith(":") or name == BUS_NAME
