"""The whole way in: bytes on the socket, to a connection that serves objects."""

from __future__ import annotations

import asyncio
import socket
from functools import cache
from typing import Any

from rdtd.bus.dispatch import Call
from rdtd.bus.framing import MAX_MESSAGE, Framer, FramingError
from rdtd.bus.interface import load
from rdtd.bus.message import parse
from rdtd.bus.objects import ObjectTree
from rdtd.bus.transport import Limits
from tests.bus.fake_bus import FakeBus, call

LIMITS = Limits(turn=1e9, flush=0.1)
_SERIAL = 0xFFFFFFF0
_LAST = call("/", "org.freedesktop.DBus.Peer", "Ping", serial=_SERIAL)


class Manager:
    """org.rdtd1.Manager, whose methods do nothing and whose properties are not read."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    async def reserve(self, call: Call, *_: Any) -> tuple[Any, ...]:
        return "/a", []

    reserve_spec = reserve

    async def release(self, call: Call, *_: Any) -> None:
        pass

    attach = detach = release

    async def resize(self, call: Call, *_: Any) -> tuple[Any, ...]:
        return ([],)

    def list_free(self, call: Call) -> tuple[Any, ...]:
        return ([],)

    list_reservations = check = list_free

    def get_reservation(self, call: Call, name: str) -> tuple[str]:
        return ("/a",)

    async def reconcile(self, call: Call) -> tuple[int]:
        return (0,)

    version = root = state = ""
    cdp = False
    closids_total = closids_free = n_reservations = 0


@cache
def _loop() -> asyncio.AbstractEventLoop:
    import atexit

    loop = asyncio.new_event_loop()
    atexit.register(loop.close)
    return loop


def transport(data: bytes) -> None:
    """A call behind the bytes is answered, unless their last message wants more, or they make no sense."""
    _loop().run_until_complete(_serve(data))


async def _serve(data: bytes) -> None:
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    async with FakeBus(LIMITS) as fake:
        tree = ObjectTree("/org/rdtd1", on_fault=lambda error, where: faults.append((where, error)))
        tree.add("/org/rdtd1", Manager(), load("org.rdtd1.Manager"))
        tree.attach(fake.connection)
        await fake.send(data + _LAST)
        fake.socket.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(20):
            reason = await fake.connection.disconnected
            await tree.close()
        assert "closed" in reason or "nonsense" in reason, reason
        if _is_whole(data):
            answers = Framer(MAX_MESSAGE)
            while received := await asyncio.get_running_loop().sock_recv(fake.socket, 1 << 20):
                answers.feed(received)
            serials = set()
            while (frame := answers.next()) is not None:
                answer = parse(frame.data)
                serials.add(answer and answer.reply_serial)
            assert _SERIAL in serials
    assert not faults, faults


def _is_whole(data: bytes) -> bool:
    """Whether messages end where the bytes do."""
    framer = Framer(LIMITS.body)
    framer.feed(data)
    try:
        while framer.next() is not None:
            pass
    except FramingError:
        return False
    return not framer._available and not framer._discard
