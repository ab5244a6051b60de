"""One guest, from QEMU's start to its end."""

import asyncio
import contextlib
import re
import socket
import sys
import termios
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import cpuid
from .cpus import Cpu
from .errors import VmError
from .gdb import GdbClient
from .host import find_program

MEMORY_MIB = 2048
CONSOLE = "console"
CONSOLE_LINES = 40
READ_SIZE = 65536

_PANIC = re.compile(r"Kernel panic - not syncing.*")


@dataclass(frozen=True)
class Boot:
    """How a guest is started, and how long it may take."""

    kernel: Path
    root: Path
    """The image; the guest writes to a snapshot of it that is gone with the guest."""
    cpu: Cpu
    init: str
    """The first process, one of rootfs.BOOT_FILES."""
    limit: float | None
    """Seconds until the guest is ended: a bound for one that hangs, not a measure."""
    job: Path | None = None
    """The archive that `init` reads."""
    results: Path | None = None
    """The disk that the guest writes to; both or none."""
    native_cpuid: int | None = None
    """The address of the kernel's function; without it, CPUID answers as QEMU's CPU model does."""
    interactive: bool = False
    """The guest's second serial port is our terminal (Ctrl-a x ends QEMU)."""


def qemu_command(boot: Boot, stub: int) -> list[str]:
    """QEMU's command line; `stub` is the descriptor of a connected socket for its GDB stub."""
    append = (
        # Without KASLR native_cpuid() is where it was found. A panic restarts the machine, which ends QEMU.
        # On a busy host a timer can be late; a kernel that tests timers panics then.
        "root=/dev/nvme0n1 rootfstype=ext4 rw nokaslr mitigations=off no_timer_check console=ttyS0 panic=-1 "
        f"oops=panic init=/usr/lib/rdtd-vm/{boot.init} systemd.unit=rdtd-vm.target systemd.show_status=no"
    )
    command = [
        # QEMU dies with us, whatever ends us.
        *(find_program("setpriv"), "--pdeathsig", "KILL", find_program("qemu-system-x86_64")),
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        # One thread for all CPUs. With one for each, QEMU 7.2 now and then runs an instruction as it was
        # before the kernel patched it, and the kernel panics.
        *("-accel", "tcg,thread=single", "-m", str(MEMORY_MIB), *boot.cpu.qemu_options()),
        *("-kernel", str(boot.kernel), "-append", append),
        *("-drive", f"if=none,id=root,format=raw,snapshot=on,file={boot.root}"),
        *("-device", "nvme,drive=root,serial=root"),
        *("-serial", f"file:{CONSOLE}"),
        *("-chardev", f"stdio,id=job,signal=off,mux={'on' if boot.interactive else 'off'}"),
        *("-serial", "chardev:job"),
    ]
    if boot.interactive:
        command += ["-mon", "chardev=job"]
    if boot.job is not None:
        command += ["-drive", f"if=none,id=job,format=raw,readonly=on,file={boot.job}"]
        command += ["-device", "virtio-blk-pci,drive=job"]
    if boot.results is not None:
        command += ["-drive", f"if=none,id=results,format=raw,file={boot.results}"]
        command += ["-device", "virtio-blk-pci,drive=results"]
    if boot.native_cpuid is not None:
        command += ["-S", "-chardev", f"socket,id=stub,fd={stub}", "-gdb", "chardev:stub"]
    return command


async def run(boot: Boot, directory: Path, output: Callable[[bytes], None]) -> None:
    """Boot a guest, hand what its job prints to `output` in pieces, return when it has switched itself off.

    `directory` is one of this run alone. Raises VmError with the end of the console when the guest panics,
    does not end in time, or QEMU fails.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs, _terminal_kept():
        process = await asyncio.create_subprocess_exec(
            *qemu_command(boot, theirs.fileno()),
            cwd=directory,
            # QEMU keeps the snapshot in TMPDIR, which may be a small tmpfs; the cache's disk has room.
            env={"TMPDIR": str(directory)},
            stdin=None if boot.interactive else asyncio.subprocess.DEVNULL,
            stdout=None if boot.interactive else asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(theirs.fileno(),),
        )
        theirs.close()
        try:
            async with asyncio.timeout(boot.limit), asyncio.TaskGroup() as group:
                if boot.native_cpuid is not None:
                    group.create_task(_emulate(ours, boot.native_cpuid, boot.cpu))
                if process.stdout is not None:
                    group.create_task(_copy(process.stdout, output))
                assert process.stderr is not None
                errors = group.create_task(process.stderr.read())
                status = await process.wait()
        except TimeoutError:
            raise VmError(
                f"the guest did not end within {boot.limit} s and was ended", console_tail(directory)
            ) from None
        except ExceptionGroup as failures:
            raise VmError(str(failures.exceptions[0]), console_tail(directory)) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if panic := _PANIC.search(_console(directory)):
        raise VmError(f"the guest panicked: {panic[0]}", console_tail(directory))
    if status != 0:
        lines = errors.result().decode(errors="replace").splitlines() or [f"exit status {status}"]
        raise VmError(f"QEMU failed: {lines[-1]}", console_tail(directory))


async def _emulate(stub: socket.socket, function: int, cpu: Cpu) -> None:
    reader, writer = await asyncio.open_connection(sock=stub)
    try:
        await cpuid.emulate(GdbClient(reader, writer), function, cpu)
    finally:
        writer.close()


async def _copy(stream: asyncio.StreamReader, output: Callable[[bytes], None]) -> None:
    while data := await stream.read(READ_SIZE):
        output(data)


def console_tail(directory: Path) -> str:
    """The last lines that the kernel and systemd printed in a run."""
    return "\n".join(_console(directory).splitlines()[-CONSOLE_LINES:])


def _console(directory: Path) -> str:
    path = directory / CONSOLE
    return path.read_text(errors="replace") if path.exists() else ""


@contextlib.contextmanager
def _terminal_kept() -> Iterator[None]:
    """QEMU makes the terminal raw; if it is killed, nobody else makes it usable again."""
    if not sys.stdin.isatty():
        yield
        return
    settings = termios.tcgetattr(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, settings)
