"""A bus for each test module, and connections that are closed again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from rdtd.bus.connection import Connection
from rdtd.bus.transport import Limits
from tests.support.private_bus import PrivateBus

# No test fails because the machine was slow.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

DEFAULT_LIMITS = Limits()

Connect = Callable[..., Awaitable[Connection]]


@pytest.fixture(scope="module")
def bus() -> Iterator[PrivateBus]:
    with PrivateBus() as running:
        yield running


@pytest_asyncio.fixture
async def connect(bus: PrivateBus) -> AsyncIterator[Connect]:
    """A function that opens another connection to the bus. At the end no task of the test is left."""
    before = asyncio.all_tasks()
    opened = []

    async def open_one(limits: Limits = DEFAULT_LIMITS) -> Connection:
        connection = await Connection.open(bus.address, limits)
        opened.append(connection)
        return connection

    yield open_one
    for connection in opened:
        await connection.close()
    assert not asyncio.all_tasks() - before - {asyncio.current_task()}
