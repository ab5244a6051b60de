"""systemd on the bus: units and their control groups, and mounts; see org.freedesktop.systemd1(5)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from rdtd.bus.connection import Connection, Subscription
from rdtd.bus.errors import BusError
from rdtd.bus.rules import BUS_NAME, BUS_PATH, Rule, Signal

__all__ = ["Systemd", "mount_unit"]

_NAME = "org.freedesktop.systemd1"
_PATH = "/org/freedesktop/systemd1"
_MANAGER = "org.freedesktop.systemd1.Manager"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_UNIT_EXISTS = "org.freedesktop.systemd1.UnitExists"
_TO_ESCAPE = re.compile(rb"^\.|[^A-Za-z0-9:_./]")
_PATIENCE = 90.0  # seconds for a job; systemd's own limit for a mount is as long


class Systemd:
    """systemd, by one connection to the bus. Methods raise BusError, BusTimeout or BusGone."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def present(self) -> bool:
        """Whether there is one on this bus."""
        [there] = await self._connection.call_bus("NameHasOwner", "s", _NAME)
        return bool(there)

    async def subscribe(self) -> None:
        """Has it send signals to this connection."""
        await self._call("Subscribe")

    async def on_arrival(self, callback: Callable[[], None]) -> Subscription:
        """Calls back when another systemd has the name, as after an upgrade of it."""

        def changed(signal: Signal) -> None:
            if signal.arguments[2]:
                callback()

        rule = Rule(BUS_NAME, BUS_NAME, "NameOwnerChanged", BUS_PATH, arg0=_NAME)
        return await self._connection.on_signal(rule, changed)

    async def path_of(self, unit: str) -> str:
        """The object of a unit. There is one for a unit that has no file, too."""
        [path] = await self._call("LoadUnit", "s", unit)
        return str(path)

    async def on_change(self, path: str, below: bool, callback: Callable[[], None]) -> Subscription:
        """Calls back when a unit's properties change: its state, its processes. `below`: any unit's."""
        where = {"path_namespace": _PATH + "/unit"} if below else {"path": path}
        rule = Rule(_NAME, _PROPERTIES, "PropertiesChanged", **where)
        return await self._connection.on_signal(rule, lambda _: callback())

    async def control_group(self, unit: str, path: str) -> str:
        """The unit's control group, as `/system.slice/a.service`; empty while it has no processes."""
        kind = unit.rpartition(".")[2].capitalize()
        [found] = await self._connection.call(
            _NAME, path, _PROPERTIES, "Get", "ss", [f"{_NAME}.{kind}", "ControlGroup"]
        )
        return str(found.value)

    async def mount(self, where: str, options: str) -> str:
        """Has resctrl mounted; the result of the job: `done`, or what systemd calls its failure.

        Where there is a unit file for it, that says how it is mounted, and `options` count for nothing.
        """
        unit = mount_unit(where)
        properties = [
            ("Description", ("s", "CPU cache allocation file system (resctrl)")),
            ("What", ("s", "resctrl")),
            ("Type", ("s", "resctrl")),
            ("Options", ("s", options)),
            ("CollectMode", ("s", "inactive-or-failed")),
        ]
        try:
            return await self._job("StartTransientUnit", "ssa(sv)a(sa(sv))", unit, "replace", properties, [])
        except BusError as error:
            if error.name != _UNIT_EXISTS:
                raise
            return await self._job("StartUnit", "ss", unit, "replace")

    async def _job(self, member: str, signature: str, *arguments: Any) -> str:
        """Waits for the end of a job. Whoever starts one is told of it without subscribing."""
        ended: dict[str, str] = {}
        more = asyncio.Event()

        def end(signal: Signal) -> None:
            ended[signal.arguments[1]] = signal.arguments[3]
            more.set()

        watch = await self._connection.on_signal(Rule(_NAME, _MANAGER, "JobRemoved", _PATH), end)
        try:
            [job] = await self._call(member, signature, *arguments)
            async with asyncio.timeout(_PATIENCE):
                while job not in ended:
                    await more.wait()
                    more.clear()
            return ended[job]
        except TimeoutError:
            return "timeout"
        finally:
            watch.remove()

    async def _call(self, member: str, signature: str = "", *arguments: Any) -> list[Any]:
        return await self._connection.call(_NAME, _PATH, _MANAGER, member, signature, arguments)


def mount_unit(where: str) -> str:
    """The name of the unit of a mount point, as `systemd-escape --path --suffix=mount` writes it."""
    path = where.strip("/").encode()
    escaped = _TO_ESCAPE.sub(lambda match: b"\\x%02x" % match[0][0], path).replace(b"/", b"-")
    return f"{escaped.decode() or '-'}.mount"
