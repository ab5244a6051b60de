"""A guest's life and its ends, with programs in QEMU's place that do what QEMU does."""

from pathlib import Path

import pytest

from tests.vm import guest, host
from tests.vm.cpus import CPUS
from tests.vm.errors import VmError
from tests.vm.guest import Boot, qemu_command


def boot(limit: float | None = 60, native_cpuid: int | None = None) -> Boot:
    return Boot(Path("vmlinuz"), Path("root.img"), CPUS["intel-20"], "init", limit, native_cpuid=native_cpuid)


@pytest.fixture(name="run")
def fixture_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Run":
    return Run(tmp_path, monkeypatch)


class Run:
    """Runs a shell script as if it were QEMU."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._directory = directory
        monkeypatch.setattr(host, "SYSTEM_PATH", f"{directory}:{host.SYSTEM_PATH}")

    async def __call__(self, script: str, machine: Boot) -> bytes:
        program = self._directory / "qemu-system-x86_64"
        program.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
        program.chmod(0o755)
        output = bytearray()
        await guest.run(machine, self._directory, output.extend)
        return bytes(output)


async def test_what_the_job_prints_is_handed_on(run: Run) -> None:
    assert await run("printf 'one\\ntwo'", boot()) == b"one\ntwo"


async def test_a_panic_is_said_with_the_end_of_the_console(run: Run) -> None:
    console = "echo '[1.0] Kernel panic - not syncing: VFS: no root' >console; echo last >>console"
    with pytest.raises(VmError, match=r"^the guest panicked: .*VFS: no root$") as error:
        await run(console, boot())
    assert error.value.details.endswith("VFS: no root\nlast")


async def test_a_guest_that_hangs_is_ended(run: Run, tmp_path: Path) -> None:
    (tmp_path / guest.CONSOLE).write_text("\n".join(map(str, range(100))))
    with pytest.raises(VmError, match=r"did not end within 0\.5 s and was ended") as error:
        await run("exec sleep infinity", boot(limit=0.5))
    assert error.value.details.splitlines() == [str(line) for line in range(60, 100)]


async def test_qemus_own_complaint_is_said(run: Run) -> None:
    with pytest.raises(VmError, match=r"^QEMU failed: qemu: no such CPU$"):
        await run("echo 'qemu: no such CPU' >&2; exit 1", boot())


async def test_qemu_that_ends_before_its_stub_answers_is_no_hang(run: Run) -> None:
    with pytest.raises(VmError, match=r"^QEMU failed: qemu: broken$"):
        await run("echo 'qemu: broken' >&2; exit 1", boot(native_cpuid=1))


async def test_without_qemu_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "setpriv").touch(mode=0o755)
    monkeypatch.setattr(host, "SYSTEM_PATH", str(tmp_path))
    with pytest.raises(VmError, match=r"qemu-system-x86_64 is missing .*qemu-system-x86.* setup"):
        await guest.run(boot(), tmp_path, print)


def test_the_image_is_never_written_and_a_panic_ends_qemu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("setpriv", "qemu-system-x86_64"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setattr(host, "SYSTEM_PATH", str(tmp_path))
    command = qemu_command(boot(native_cpuid=1), 5)
    assert [word for word in command if "file=root.img" in word and "snapshot=on" in word]
    assert "-no-reboot" in command
    assert "tcg,thread=single" in command
    assert "panic=-1" in command[command.index("-append") + 1]
    assert "-S" in command
    assert "-S" not in qemu_command(boot(), 5)
