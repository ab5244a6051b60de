"""Give a running guest the CPUID of another CPU.

Debian's kernels are built to run on Xen too, so all their CPUID instructions are one: that in
native_cpuid() (arch/x86/include/asm/processor.h). A hardware breakpoint stops the guest there; QEMU
executes the instruction; the answers are replaced in the registers; the guest goes on. The instruction is
found when the function is first reached, for only then is the kernel's memory there to be read.
"""

from .cpus import Cpu, Registers
from .errors import VmError
from .gdb import GdbClient, StubClosed

CPUID_INSTRUCTION = b"\x0f\xa2"
FUNCTION_BYTES = 64
"""native_cpuid() is about 30 bytes long."""

RAX, RBX, RCX, RDX = range(4)
LOW_32_BITS = 0xFFFFFFFF


def instruction_offset(code: bytes) -> int:
    """Where in native_cpuid()'s `code` the CPUID instruction is.

    Raises VmError when there is none or more than one, as in a kernel that was built in another way.
    """
    if (count := code.count(CPUID_INSTRUCTION)) != 1:
        raise VmError(
            f"the kernel's native_cpuid() has {count} CPUID instructions in its first {FUNCTION_BYTES} "
            "bytes, not one: this kernel cannot be given another CPUID"
        )
    return code.index(CPUID_INSTRUCTION)


async def emulate(client: GdbClient, function: int, cpu: Cpu) -> int:
    """Answer CPUID as `cpu` does until the guest ends; `function` is the address of native_cpuid().

    The guest must not run yet: it is started here. Returns how often CPUID was executed.
    """
    leaves = cpu.leaves()
    executed = 0
    try:
        await client.start()
        await client.insert_breakpoint(function)
        await client.resume()
        instruction = function + instruction_offset(await client.read_memory(function, FUNCTION_BYTES))
        await client.remove_breakpoint(function)
        await client.insert_breakpoint(instruction)
        while True:
            thread = await client.resume()
            executed += 1
            leaf = await client.read_register(RAX) & LOW_32_BITS
            if leaf in leaves:
                subleaf = await client.read_register(RCX) & LOW_32_BITS
                await client.step(thread)
                await _replace_answer(client, cpu, leaf, subleaf)
            else:
                await client.step(thread)
    except StubClosed:
        return executed


async def _replace_answer(client: GdbClient, cpu: Cpu, leaf: int, subleaf: int) -> None:
    real = Registers(*[await client.read_register(number) for number in (RAX, RBX, RCX, RDX)])
    wanted = cpu.answer(leaf, subleaf, real)
    for number, before, value in (
        (RAX, real.eax, wanted.eax),
        (RBX, real.ebx, wanted.ebx),
        (RCX, real.ecx, wanted.ecx),
        (RDX, real.edx, wanted.edx),
    ):
        if value != before:
            await client.write_register(number, value)
