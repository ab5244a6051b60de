"""How resctrl is mounted: by systemd where there is one, else with mount(8)."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable

from rdtd.bus.connection import Connection
from rdtd.bus.errors import BusError, BusGone, BusTimeout
from rdtd.bus.systemd import Systemd, mount_unit
from rdtd.resctrl.mounting import MOUNT, MountError, mount

__all__ = ["mounter"]


def mounter(
    root: str, command: str | None, connection: Callable[[], Connection | None]
) -> Callable[[str], Awaitable[None]]:
    """Mounts resctrl with the options given. `command` stands for mount(8), and then systemd is not asked.

    A service has a mount namespace of its own and no right to mount: what systemd mounts everybody sees.
    `connection`: where systemd may be, None where it is another's.
    """

    async def by_systemd(systemd: Systemd, options: str) -> None:
        try:
            result = await systemd.mount(root, options)
        except (BusError, BusTimeout, BusGone) as error:
            raise MountError(f"systemd does not start {mount_unit(root)}: {error}") from None
        if result != "done":
            raise MountError(f"{mount_unit(root)}: {result}; see 'journalctl -u {mount_unit(root)}'")

    async def by(options: str) -> None:
        bus = connection()
        if command is None and bus is not None and await _there(systemd := Systemd(bus)):
            await by_systemd(systemd, options)
        else:
            await asyncio.to_thread(mount, root, options, shlex.split(command) if command else MOUNT)

    return by


async def _there(systemd: Systemd) -> bool:
    try:
        return await systemd.present()
    except (BusError, BusTimeout, BusGone):
        return False
