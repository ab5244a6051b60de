"""The connection to the bus, found again whenever it goes away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from rdtd.bus.connection import Connection
from rdtd.bus.errors import BusError, BusGone, BusTimeout, NameTaken, NoBus
from rdtd.bus.service import BUS_NAME, Service
from rdtd.bus.transport import Limits
from rdtd.log import entry
from rdtd.messages import Message

__all__ = ["Link"]

log = logging.getLogger("rdtd")

RECONNECT = 1.0  # seconds between attempts


class Link:
    """The connection that there is at the moment."""

    def __init__(self, bus: str, message_size: Callable[[], int]) -> None:
        """`bus`: system, session or an address. `message_size`: the limit for each new connection."""
        self.bus = bus
        self.connection: Connection | None = None
        self._message_size = message_size

    async def open(self) -> Connection:
        """Connects. Raises NoBus."""
        self.connection = await Connection.open(self.bus, Limits(body=self._message_size()))
        return self.connection

    async def keep(self, service: Service, arrived: Callable[[Connection], None]) -> None:
        """Serves on a new connection when one has ended, until it is cancelled. Tells others of each."""
        while True:
            assert self.connection is not None, "it was opened at the start"
            await asyncio.wait([self.connection.disconnected])
            log.warning(
                "the bus is gone; reservations stay, those of its clients are released when it is back",
                extra=entry(Message.BUS_GONE),
            )
            arrived(await self._again(service))
            log.info("connected to the bus again")

    async def _again(self, service: Service) -> Connection:
        reported = ""
        while True:
            await asyncio.sleep(RECONNECT)
            try:
                connection = await self.open()
                try:
                    await service.attach(connection)
                    await connection.request_name(BUS_NAME)
                except BaseException:
                    await connection.close()
                    raise
                return connection
            except (NoBus, BusError, BusGone, BusTimeout, NameTaken) as error:
                if str(error) != reported:
                    log.warning("%s; trying again every %g s", error, RECONNECT)
                reported = str(error)
