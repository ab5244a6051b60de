"""The interfaces of the daemon as org.rdtd1(5) lists them, made from what Introspect answers.

`python3 -m tests.packaging.listing` prints the listing, from dbus/*.xml, for the manual page.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

DBUS = Path(__file__).parents[2] / "dbus"
PREFIX = "org.rdtd1."
_EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal"


def lines(interface: ElementTree.Element) -> Iterator[str]:
    """One interface: a line for each member, two for a method that answers something."""
    yield f"interface {interface.get('name')}"
    for method in interface.iter("method"):
        yield f"  {method.get('name')}({_arguments(method, 'in')})"
        if answer := _arguments(method, "out"):
            yield f"      -> ({answer})"
    for signal in interface.iter("signal"):
        yield f"  signal {signal.get('name')}({_arguments(signal)})"
    for one in interface.iter("property"):
        emits = {note.get("name"): note.get("value") for note in one.iter("annotation")}[_EMITS]
        yield f"  property {one.get('type')} {one.get('name')}{'' if emits == 'true' else f' ({emits})'}"


def _arguments(member: ElementTree.Element, direction: str | None = None) -> str:
    found = [one for one in member.iter("arg") if direction is None or one.get("direction") == direction]
    return ", ".join(f"{one.get('type')} {one.get('name')}" for one in found)


def own_interfaces(xml: str) -> dict[str, ElementTree.Element]:
    """The interfaces of rdtd itself in an answer of Introspect, or in a file of dbus/."""
    found = {str(one.get("name")): one for one in ElementTree.fromstring(xml).iter("interface")}
    return {name: one for name, one in found.items() if name.startswith(PREFIX)}


if __name__ == "__main__":
    for name in ("Manager", "Reservation", "Cache"):
        xml = (DBUS / f"{PREFIX}{name}.xml").read_text()
        sys.stdout.writelines(f"{line}\n" for line in lines(own_interfaces(xml)[PREFIX + name]))
