"""The GDB remote serial protocol, as much of it as the CPUID emulation needs.

See the GDB manual, appendix E. A packet is ``$payload#checksum``; each is acknowledged with ``+``. `Decoder`
turns bytes into payloads and does no I/O; `GdbClient` asks one question at a time.
"""

import asyncio

from .errors import VmError


def encode(payload: bytes) -> bytes:
    """A payload as the packet that carries it. The payloads sent here hold nothing that needs an escape."""
    return b"$%s#%02x" % (payload, sum(payload) & 0xFF)


class Decoder:
    """Takes bytes as they come and gives back the payloads of the packets that are complete."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Raises VmError for a packet with a wrong checksum: on a local socket nothing gets lost."""
        self._buffer += data
        payloads = []
        while (start := self._buffer.find(b"$")) >= 0:
            end = self._buffer.find(b"#", start)
            if end < 0 or len(self._buffer) < end + 3:
                break
            payload = bytes(self._buffer[start + 1 : end])
            if encode(payload)[-2:] != bytes(self._buffer[end + 1 : end + 3]):
                raise VmError(f"QEMU's GDB stub sent a packet with a wrong checksum: {payload[:40]!r}")
            payloads.append(payload)
            del self._buffer[: end + 3]
        return payloads


class StubClosed(Exception):  # noqa: N818 (an end that is expected, not an error)
    """QEMU has ended, or is about to: the guest was switched off."""


class GdbClient:
    """Questions to QEMU's GDB stub. The numbers of registers are those of its target description."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = Decoder()
        self._payloads: list[bytes] = []

    async def start(self) -> None:
        """Make single registers available by number."""
        # QEMU has the register numbers at hand only after its client has read the target description.
        await self._ask(b"qXfer:features:read:target.xml:0,ffb")

    async def read_register(self, number: int) -> int:
        """The register's value, on the CPU that stopped."""
        return int.from_bytes(await self._ask_hex(b"p%x" % number), "little")

    async def write_register(self, number: int, value: int) -> None:
        """Write a register of 64 bits on the CPU that stopped."""
        await self._ask_ok(b"P%x=%s" % (number, value.to_bytes(8, "little").hex().encode()))

    async def read_memory(self, address: int, length: int) -> bytes:
        """Bytes at a virtual address, as the CPU that stopped sees it."""
        return await self._ask_hex(b"m%x,%x" % (address, length))

    async def insert_breakpoint(self, address: int) -> None:
        """Stop every CPU when one is about to execute what is at `address`."""
        await self._ask_ok(b"Z1,%x,1" % address)

    async def remove_breakpoint(self, address: int) -> None:
        """Take back `insert_breakpoint`."""
        await self._ask_ok(b"z1,%x,1" % address)

    async def resume(self) -> bytes:
        """Let all CPUs run; returns when one has stopped, with its thread ID."""
        return self._stopped_thread(await self._ask(b"vCont;c"))

    async def step(self, thread: bytes) -> None:
        """Execute one instruction on the CPU `thread` alone."""
        self._stopped_thread(await self._ask(b"vCont;s:" + thread))

    def _stopped_thread(self, reply: bytes) -> bytes:
        if reply[:1] in (b"W", b"X"):
            raise StubClosed
        fields = dict(field.partition(b":")[::2] for field in reply[3:].split(b";"))
        if reply[:1] != b"T" or b"thread" not in fields:
            raise VmError(f"QEMU's GDB stub gave no stop reply but {reply[:40]!r}")
        return fields[b"thread"]

    async def _ask_ok(self, payload: bytes) -> None:
        if (reply := await self._ask(payload)) != b"OK":
            raise VmError(f"QEMU's GDB stub answered {payload!r} with {reply[:40]!r}")

    async def _ask_hex(self, payload: bytes) -> bytes:
        reply = await self._ask(payload)
        try:
            return bytes.fromhex(reply.decode("ascii"))
        except ValueError:
            raise VmError(f"QEMU's GDB stub answered {payload!r} with {reply[:40]!r}") from None

    async def _ask(self, payload: bytes) -> bytes:
        try:
            self._writer.write(encode(payload))
            await self._writer.drain()
            while not self._payloads:
                data = await self._reader.read(65536)
                if not data:
                    raise StubClosed
                self._payloads = self._decoder.feed(data)
        except ConnectionError:
            raise StubClosed from None
        self._writer.write(b"+")
        return self._payloads.pop(0)
