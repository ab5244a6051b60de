"""The socket of a connection under asyncio: messages out, messages in, neither ever blocking the loop.

Theory of operation. Everything happens in callbacks of the event loop; no task is kept. `_read` takes bytes
from the socket, cuts them into messages and hands each one on, for at most Limits.turn seconds. If there is
more it comes back in the next turn of the loop, so that a flood delays others but never stops them.
`send` writes at once what the socket takes and keeps the rest for when it is writable again. While more than
Limits.pause bytes wait to be written nothing is read: if our answers are not taken, no more is asked of us.
Over Limits.queue the connection is given up, which bounds the memory.

It is given up too when the bus takes nothing for Limits.stall seconds. dbus-daemon counts every message
against its sender until the receiver has read it, and stops reading from a sender at 127 MiB: a few clients
that ask and never read can so cut a service off. A new connection starts with a count of its own, so they
get it out of the way for Limits.stall seconds at the price of 127 MiB of answers, and no longer.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from rdtd.bus import message as messages
from rdtd.bus.framing import Framer, FramingError
from rdtd.bus.message import Message
from rdtd.bus.wire import WireError

_CHUNK = 64 << 10


@dataclass(frozen=True, slots=True)
class Limits:
    """What peers can make us spend. Bytes, but for `values` (in one body), and seconds in the last three."""

    body: int = 1 << 20
    values: int = 20_000
    pause: int = 1 << 20
    queue: int = 32 << 20
    turn: float = 0.005
    stall: float = 4.0
    flush: float = 2.0


class Transport:
    """Owns a connected socket. `receive` gets every message, `ended` the reason, once, when it is over.

    Neither may block or raise.
    """

    def __init__(
        self,
        sock: socket.socket,
        limits: Limits,
        receive: Callable[[Message], None],
        ended: Callable[[str], None],
    ) -> None:
        sock.setblocking(False)
        self.closed = ""
        """The reason, once it is over."""
        self.malformed = 0
        """How many messages were dropped because they were none."""
        self._loop = asyncio.get_running_loop()
        self._socket = sock
        self._limits = limits
        self._receive = receive
        self._ended = ended
        self._framer = Framer(limits.body)
        self._output = bytearray()
        self._watching = False
        self._paused = False
        self._again: asyncio.Handle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._flushed: asyncio.Future[None] | None = None
        self._watch(True)

    def send(self, frame: bytes) -> None:
        """Send a message now or as soon as the socket takes it. Without effect when it is over."""
        if self.closed:
            return
        idle = not self._output
        self._output += frame
        if idle:
            self._write()
        if len(self._output) > self._limits.queue:
            self.close("the bus does not read what we send")

    async def flush(self) -> None:
        """Read no more, and wait until the socket has taken what was sent; for Limits.flush at most."""
        if self.closed:
            return
        self._paused = False
        self._watch(False)
        if self._again is not None:
            self._again.cancel()
        if self._output:
            self._flushed = self._flushed or self._loop.create_future()
            await asyncio.wait([self._flushed], timeout=self._limits.flush)

    def close(self, reason: str) -> None:
        """End it. What the socket did not take is lost, see `flush`."""
        if self.closed:
            return
        if self._flushed is not None and not self._flushed.done():
            self._flushed.set_result(None)
        self.closed = reason
        self._watch(False)
        self._loop.remove_writer(self._socket)
        for handle in (self._again, self._stalled):
            if handle is not None:
                handle.cancel()
        self._socket.close()
        self._output.clear()
        self._ended(reason)

    def _write(self) -> None:
        try:
            sent = self._socket.send(self._output)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self.close(f"cannot write to the bus: {error.strerror}")
            return
        del self._output[:sent]
        if sent and self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        if self._output:
            self._loop.add_writer(self._socket, self._write)
            if self._stalled is None:
                self._stalled = self._loop.call_later(self._limits.stall, self._stall)
        else:
            self._loop.remove_writer(self._socket)
            if self._flushed is not None and not self._flushed.done():
                self._flushed.set_result(None)
        if self._paused and len(self._output) < self._limits.pause // 2:
            self._paused = False
            self._read_again()

    def _stall(self) -> None:
        self.close(f"the bus took nothing of what we send for {self._limits.stall:g} s")

    def _read(self) -> None:
        self._again = None
        end = time.monotonic() + self._limits.turn
        drained = False
        try:
            while not self.closed:
                frame = self._framer.next()
                if frame is not None:
                    self._take(frame.data, frame.too_large)
                elif drained:
                    self._watch(True)
                    return
                else:
                    data = self._socket.recv(_CHUNK)
                    if not data:
                        self.close("the bus closed the connection")
                        return
                    drained = len(data) < _CHUNK
                    self._framer.feed(data)
                if len(self._output) > self._limits.pause:
                    self._paused = True
                    self._watch(False)
                    return
                if time.monotonic() > end:
                    self._read_again()
                    return
        except BlockingIOError:
            self._watch(True)
        except FramingError as error:
            self.close(f"the bus sent nonsense: {error}")
        except OSError as error:
            self.close(f"cannot read from the bus: {error.strerror}")

    def _take(self, data: bytes, too_large: bool) -> None:
        try:
            message = messages.parse(data, too_large)
        except WireError:
            self.malformed += 1
            return
        if message is not None:
            self._receive(message)

    def _watch(self, readable: bool) -> None:
        """Be called when the socket has something to read, or not."""
        if readable is not self._watching:
            self._watching = readable
            if readable:
                self._loop.add_reader(self._socket, self._read)
            else:
                self._loop.remove_reader(self._socket)

    def _read_again(self) -> None:
        """Read in the next turn, whether or not the socket has more: whole messages may be waiting here."""
        self._watch(False)
        if self._again is None:
            self._again = self._loop.call_soon(self._read)
