"""Interfaces as the XML files in dbus/ describe them, and introspection data made from them.

The files are the truth: what is not in them cannot be called, and what is in them must be implemented
(objects.ObjectTree.add checks it). Their comments are the interfaces' documentation.
"""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

EMITS_CHANGED = "org.freedesktop.DBus.Property.EmitsChangedSignal"
ACTION = "org.rdtd1.Action"

_DOCTYPE = (
    '<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"\n'
    ' "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">\n'
)


@dataclass(frozen=True, slots=True)
class Argument:
    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Method:
    name: str
    arguments: tuple[Argument, ...]
    results: tuple[Argument, ...]
    signature: str
    result_signature: str

    @property
    def usage(self) -> str:
        """As a person would write it: `Release(s name, a{sv} options)`."""
        return f"{self.name}({', '.join(f'{argument.type} {argument.name}' for argument in self.arguments)})"


@dataclass(frozen=True, slots=True)
class Signal:
    name: str
    arguments: tuple[Argument, ...]
    signature: str


@dataclass(frozen=True, slots=True)
class Property:
    """A read-only property. `emits_changed`: "true", "invalidates", "const" or "false".

    `action`: who wants to see it must be allowed this polkit action; "" where everybody may.
    """

    name: str
    type: str
    emits_changed: str
    action: str = ""


@dataclass(frozen=True)
class Interface:
    name: str
    methods: dict[str, Method]
    signals: dict[str, Signal]
    properties: dict[str, Property]


@cache
def load(name: str) -> Interface:
    """The interface of this name, from its XML file in the package."""
    text = Path(__file__).with_name("interfaces").joinpath(f"{name}.xml").read_text(encoding="utf-8")
    return next(interface for interface in parse(text) if interface.name == name)


def parse(text: str) -> list[Interface]:
    """The interfaces in introspection data. Raises ValueError for a property that can be written."""
    return [_interface(element) for element in ElementTree.fromstring(text).iter("interface")]  # noqa: S314


def _interface(element: ElementTree.Element) -> Interface:
    methods = [
        Method(
            name=method.attrib["name"],
            arguments=_arguments(method, "in"),
            results=_arguments(method, "out"),
            signature=_signature(_arguments(method, "in")),
            result_signature=_signature(_arguments(method, "out")),
        )
        for method in element.findall("method")
    ]
    signals = [
        Signal(signal.attrib["name"], _arguments(signal, "out"), _signature(_arguments(signal, "out")))
        for signal in element.findall("signal")
    ]
    properties = [_property(property_) for property_ in element.findall("property")]
    return Interface(
        element.attrib["name"],
        {method.name: method for method in methods},
        {signal.name: signal for signal in signals},
        {property_.name: property_ for property_ in properties},
    )


def _arguments(element: ElementTree.Element, direction: str) -> tuple[Argument, ...]:
    default = "out" if element.tag == "signal" else "in"
    return tuple(
        Argument(argument.attrib["name"], argument.attrib["type"])
        for argument in element.findall("arg")
        if argument.get("direction", default) == direction
    )


def _property(element: ElementTree.Element) -> Property:
    name = element.attrib["name"]
    if element.attrib["access"] != "read":
        raise ValueError(f'property {name}: only access="read" is supported')
    annotations = {child.attrib["name"]: child.attrib["value"] for child in element.findall("annotation")}
    emits_changed = annotations.get(EMITS_CHANGED, "true")
    return Property(name, element.attrib["type"], emits_changed, annotations.get(ACTION, ""))


def _signature(arguments: tuple[Argument, ...]) -> str:
    return "".join(argument.type for argument in arguments)


def introspect(interfaces: list[Interface], children: list[str]) -> str:
    """The introspection data of an object: its interfaces, and the names of the objects right below it."""
    lines = ["<node>"]
    for interface in interfaces:
        lines.append(f" <interface name={_quoted(interface.name)}>")
        for method in interface.methods.values():
            lines += _element(
                "method", method.name, _args(method.arguments, "in") + _args(method.results, "out")
            )
        for signal in interface.signals.values():
            lines += _element("signal", signal.name, _args(signal.arguments, ""))
        for property_ in interface.properties.values():
            attributes = f'{_quoted(property_.name)} type={_quoted(property_.type)} access="read"'
            lines += [
                f"  <property name={attributes}>",
                f'   <annotation name="{EMITS_CHANGED}" value={_quoted(property_.emits_changed)}/>',
            ]
            if property_.action:
                lines.append(f'   <annotation name="{ACTION}" value={_quoted(property_.action)}/>')
            lines.append("  </property>")
        lines.append(" </interface>")
    lines += [f" <node name={_quoted(child)}/>" for child in children]
    lines.append("</node>\n")
    return _DOCTYPE + "\n".join(lines)


def _quoted(value: str) -> str:
    return f'"{escape(value)}"'


def _element(tag: str, name: str, arguments: list[str]) -> list[str]:
    if not arguments:
        return [f"  <{tag} name={_quoted(name)}/>"]
    return [f"  <{tag} name={_quoted(name)}>", *arguments, f"  </{tag}>"]


def _args(arguments: tuple[Argument, ...], direction: str) -> list[str]:
    shown = f' direction="{direction}"' if direction else ""
    return [f"   <arg name={_quoted(each.name)} type={_quoted(each.type)}{shown}/>" for each in arguments]


def snake_case(member: str) -> str:
    """The Python name of a member: `list_free` for ListFree, `created_usec` for CreatedUSec."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", member.replace("USec", "Usec"))
    return spaced.lower()
