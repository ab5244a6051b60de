"""What goes into a guest for one run and what comes out of it: tar archives on raw disks."""

import io
import os
import shlex
import shutil
import signal
import tarfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import VmError
from .rootfs import BOOT_FILES, GUEST_DIRECTORY, GUEST_FILES, PYTHON

CHECKOUT = Path(__file__).resolve().parents[2]
SOURCE = "usr/src/rdtd"
RESULTS = "var/lib/rdtd-vm"
FILES = "usr/src/files"

PARTS = (
    *("rdtd", "dbus", "systemd", "packaging", "tests", "bench", "docs"),
    *("pyproject.toml", "Makefile", "README.md", "ARCHITECTURE.md", "LICENSE"),
)
"""What is taken of the checkout: the working tree as it is, committed or not."""

SYSTEM_FILES: Mapping[str, str] = {
    "dbus/*.conf": "usr/share/dbus-1/system.d",
    "dbus/*.service": "usr/share/dbus-1/system-services",
    "dbus/*.policy": "usr/share/polkit-1/actions",
    "systemd/*.service": "usr/lib/systemd/system",
    "systemd/*.mount": "usr/lib/systemd/system",
    "systemd/*.target": "usr/lib/systemd/system",
}
"""Where an installed rdtd has the files that others read."""

RESULTS_SIZE = 256 << 20
"""The most that a job may bring back; the file on the host is sparse."""

SIGNAL_STATUS = 128
"""A shell's exit status for a command that a signal ended is this plus the signal's number."""


def write_job(
    path: Path, command: Sequence[str], terminal: os.terminal_size | None, files: Sequence[Path] = ()
) -> None:
    """Write the archive that guest_files/init lays over the root file system.

    `files` are more than the project: files and directories that the command finds in `$FILES`. `terminal` is
    the size of the terminal that a person is at; None when the output is read by a program.
    """
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        _add_project(archive)
        for file in GUEST_FILES.iterdir():
            if file.suffix in (".service", ".target"):
                archive.add(file, f"usr/lib/systemd/system/{file.name}", filter=as_root)
            elif file not in BOOT_FILES:
                archive.add(file, f"{GUEST_DIRECTORY}/{file.name}", filter=as_root)
        for file in files:
            archive.add(file, f"{FILES}/{file.name}", filter=as_root)
        _add_text(archive, f"{GUEST_DIRECTORY}/job", job_script(command, terminal), 0o755)
        _add_text(archive, f"{RESULTS}/files/.keep", "")


def job_script(command: Sequence[str], terminal: os.terminal_size | None) -> str:
    """The shell script that is the job. What a command puts into `$RESULTS` is brought back."""
    environment = {
        "FILES": f"/{FILES}",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "PAGER": "cat",
        "PATH": "/usr/local/bin:/usr/sbin:/usr/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "RESULTS": f"/{RESULTS}/files",
        "SYSTEMD_PAGER": "cat",
        "TERM": "dumb" if terminal is None else os.environ.get("TERM", "dumb"),
    }
    assignments = [f"{name}={value}" for name, value in environment.items()]
    # What a program reads comes back as it was written: a terminal would make line feeds of two bytes.
    stty = "-opost -echo" if terminal is None else f"rows {terminal.lines} columns {terminal.columns}"
    return f"#!/bin/sh\nstty {stty}\ncd /{SOURCE} && exec {shlex.join(['env', *assignments, *command])}\n"


def read_status(results: Path) -> int | None:
    """The exit status of the job as a shell would give it; None when the guest ended before its job did."""
    with results.open("rb") as disk:
        if not any(disk.read(512)):
            return None
    with tarfile.open(results) as archive:
        member = archive.extractfile("./status")
        assert member is not None
        return exit_status(member.read().decode())


def exit_status(text: str) -> int:
    """systemd's `$EXIT_CODE $EXIT_STATUS` (systemd.exec(5)) as a number."""
    code, _, status = text.strip().partition(" ")
    return int(status) if code == "exited" else SIGNAL_STATUS + signal.Signals[f"SIG{status}"]


def extract_files(results: Path, directory: Path) -> None:
    """Bring the files that the job left in `$RESULTS` to `directory`, and none outside it.

    Not by `TarFile.extract`, whose filters Debian 12's Python lacks.
    """
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(results) as archive:
            for member in archive:
                name = member.name.removeprefix("./files/")
                target = (directory / name).resolve()
                content = archive.extractfile(member) if member.isreg() else None
                if name in (member.name, ".keep") or content is None:
                    continue
                if not target.is_relative_to(directory.resolve()):
                    raise VmError(f"the job left a file that would come to lie outside {directory}: {name!r}")
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as file:
                    shutil.copyfileobj(content, file)
    except tarfile.TarError as error:
        limit = f"{RESULTS_SIZE >> 20} MiB are the most that a job can bring back"
        raise VmError(f"the files of the job are not whole ({error}): {limit}") from error


def _add_project(archive: tarfile.TarFile) -> None:
    for part in PARTS:
        if (CHECKOUT / part).exists():
            archive.add(CHECKOUT / part, f"{SOURCE}/{part}", filter=as_root)
    for pattern, directory in SYSTEM_FILES.items():
        for file in sorted(CHECKOUT.glob(pattern)):
            archive.add(file, f"{directory}/{file.name}", filter=as_root)
    _add_text(archive, f"usr/local/lib/python{PYTHON}/dist-packages/rdtd.pth", f"/{SOURCE}\n")
    for name, target in _scripts().items():
        module, _, function = target.partition(":")
        code = f"#!/usr/bin/python3\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n"
        _add_text(archive, f"usr/bin/{name}", code, 0o755)


def _scripts() -> Mapping[str, str]:
    try:
        project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    except OSError as error:
        raise VmError(f"the checkout cannot be read: {error}") from error
    scripts: Mapping[str, str] = project["scripts"]
    return scripts


def as_root(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """A filter of `TarFile.add`: everything belongs to root, compiled Python stays out."""
    if "__pycache__" in member.name:
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def _add_text(archive: tarfile.TarFile, name: str, text: str, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(text.encode()), mode
    archive.addfile(member, io.BytesIO(text.encode()))
