"""Packets of the GDB protocol, and the CPUID emulation against a stub that plays a guest."""

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.vm.cpuid import FUNCTION_BYTES, emulate, instruction_offset
from tests.vm.cpus import CPUS
from tests.vm.errors import VmError
from tests.vm.gdb import Decoder, GdbClient, encode

FUNCTION = 0xFFFFFFFF81000000
CODE = b"\x53\x8b\x07\x8b\x0a\x0f\xa2\x89\x07\x5b\xc3".ljust(FUNCTION_BYTES, b"\xcc")


def test_checksum_is_the_sum_of_the_payload_modulo_256() -> None:
    assert encode(b"OK") == b"$OK#9a"
    assert encode(b"") == b"$#00"
    assert encode(b"\xff\x03") == b"$\xff\x03#02"


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_packets_arrive_in_any_pieces(size: int) -> None:
    stream = b"+" + encode(b"OK") + b"++" + encode(b"T05thread:01;")
    decoder = Decoder()
    payloads = [p for i in range(0, len(stream), size) for p in decoder.feed(stream[i : i + size])]
    assert payloads == [b"OK", b"T05thread:01;"]


def test_a_wrong_checksum_is_an_error() -> None:
    with pytest.raises(VmError, match="wrong checksum"):
        Decoder().feed(b"$OK#9b")


def test_the_instruction_is_found_or_the_kernel_is_refused() -> None:
    assert instruction_offset(CODE) == 5
    with pytest.raises(VmError, match="0 CPUID instructions"):
        instruction_offset(b"\xcc" * FUNCTION_BYTES)
    with pytest.raises(VmError, match="2 CPUID instructions"):
        instruction_offset(CODE + CODE)


@dataclass
class Guest:
    """A guest that executes CPUID for some leaves and then ends; it keeps what the kernel would have seen."""

    questions: list[tuple[int, int]]
    code: bytes = CODE
    seen: list[tuple[int, int, int, int]] = field(default_factory=list)
    breakpoints: set[int] = field(default_factory=set)
    registers: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    running: Iterator[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.running = self._run()

    def _run(self) -> Iterator[bytes]:
        """The guest's life, one stop after the other."""
        for leaf, subleaf in self.questions:
            self.registers = [leaf, 0, subleaf, 0]
            if FUNCTION in self.breakpoints:
                yield b"T05thread:02;"
            if FUNCTION + CODE.index(b"\x0f\xa2") in self.breakpoints:
                yield b"T05thread:02;"
                # The step that follows executes the instruction.
                self.registers = [1, 2, 3, 4]
                yield b"T05thread:02;"
            a, b, c, d = self.registers
            self.seen.append((a, b, c, d))
        yield b"W00"

    def answer(self, request: bytes) -> bytes:
        command, _, rest = request.partition(b",")
        if request in (b"vCont;c", b"vCont;s:02"):
            return next(self.running)
        if request.startswith(b"qXfer"):
            return b"m<target/>"
        if command == b"Z1":
            self.breakpoints.add(int(rest.partition(b",")[0], 16))
        elif command == b"z1":
            self.breakpoints.remove(int(rest.partition(b",")[0], 16))
        elif request.startswith(b"m"):
            assert request == b"m%x,%x" % (FUNCTION, FUNCTION_BYTES)
            return self.code.hex().encode()
        elif request.startswith(b"p"):
            return self.registers[int(request[1:], 16)].to_bytes(8, "little").hex().encode()
        else:
            assert request.startswith(b"P")
            number, _, value = request[1:].partition(b"=")
            self.registers[int(number, 16)] = int.from_bytes(bytes.fromhex(value.decode()), "little")
        return b"OK"

    async def serve(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        decoder = Decoder()
        while data := await reader.read(4096):
            for request in decoder.feed(data):
                writer.write(b"+" + encode(self.answer(request)))
        writer.close()


async def run(guest: Guest) -> int:
    """Emulate intel-20's CPUID in the guest, to its end."""
    ours, theirs = socket.socketpair()
    serving = asyncio.create_task(guest.serve(theirs))
    reader, writer = await asyncio.open_connection(sock=ours)
    try:
        return await emulate(GdbClient(reader, writer), FUNCTION, CPUS["intel-20"])
    finally:
        writer.close()
        await serving


async def test_the_kernel_sees_the_cpu_in_its_leaves_and_the_model_in_all_others() -> None:
    guest = Guest([(0x1, 0), (0x10, 1), (0x7, 0), (0x10, 0), (0x0, 0)])
    assert await run(guest) == 5
    assert guest.seen == [
        (1, 2, 3, 4),
        (19, 0xC0000, 4, 15),
        (1, 2 | 1 << 12 | 1 << 15, 3, 4),
        (0, 0b1010, 0, 0),
        (1, 2, 3, 4),
    ]


async def test_a_guest_that_ends_at_once_is_no_error() -> None:
    assert await run(Guest([])) == 0


async def test_a_function_without_the_instruction_is_refused() -> None:
    with pytest.raises(VmError, match="cannot be given another CPUID"):
        await run(Guest([(0x1, 0)], code=bytes(FUNCTION_BYTES)))
