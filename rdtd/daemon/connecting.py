"""Finds the bus again whenever it goes away."""

from __future__ import annotations

import asyncio
import logging

from rdtd.bus.connection import Connection
from rdtd.bus.errors import BusError, BusGone, BusTimeout, NameTaken, NoBus
from rdtd.bus.service import BUS_NAME, Service

__all__ = ["keep_connected"]

log = logging.getLogger("rdtd")

RECONNECT = 1.0  # seconds between attempts


async def keep_connected(service: Service, connection: Connection, bus: str) -> None:
    """Serves on a new connection when one has ended, until it is cancelled."""
    while True:
        await asyncio.wait([connection.disconnected])
        log.warning("the bus is gone; reservations stay, those of its clients are released when it is back")
        connection = await _reconnect(service, bus)
        log.info("connected to the bus again")


async def _reconnect(service: Service, bus: str) -> Connection:
    reported = ""
    while True:
        await asyncio.sleep(RECONNECT)
        try:
            connection = await Connection.open(bus)
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
