"""The host: its programs, its disk, and who runs us. Whatever is missing is said in one line."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from .errors import VmError

SYSTEM_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))
"""mkfs.ext4 is in /usr/sbin, which not every user has in PATH."""

ARCHIVE_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

PROGRAMS: Mapping[str, str] = MappingProxyType(
    {
        "qemu-system-x86_64": "qemu-system-x86",
        "mmdebstrap": "mmdebstrap",
        "mkfs.ext4": "e2fsprogs",
        "apt-get": "apt",
        "apt-cache": "apt",
        "dpkg-deb": "dpkg",
        "setpriv": "util-linux",
        "unshare": "util-linux",
        "dh": "debhelper",
        "dh_python3": "dh-python",
        "dpkg-buildpackage": "dpkg-dev",
        "pkg-config": "pkg-config",
    }
)
"""The programs that are called, and Debian's packages that have them."""


_APT_GET = ("apt-get", "--option=DPkg::Lock::Timeout=120", "--option=Acquire::Retries=2")
"""Another user of the package database is waited for, for a short time."""


def say(text: str) -> None:
    """Tell the user what goes on; standard output belongs to the command in the guest."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def find_program(name: str) -> str:
    """The path of one of PROGRAMS."""
    path = shutil.which(name, path=SYSTEM_PATH)
    if path is None:
        raise VmError(
            f"{name} is missing (Debian's package {PROGRAMS[name]}): run 'python3 -m tests.vm setup' as root"
        )
    return path


def missing_packages() -> dict[str, str]:
    """What has to be installed: Debian's package, and the program or file that is missing."""
    missing = {
        package: name for name, package in PROGRAMS.items() if shutil.which(name, path=SYSTEM_PATH) is None
    }
    if not ARCHIVE_KEYRING.exists():
        missing["debian-archive-keyring"] = str(ARCHIVE_KEYRING)
    if (
        subprocess.run(
            (sys.executable, "-m", "pip", "--version"), capture_output=True, check=False
        ).returncode
        != 0
    ):
        missing["python3-pip"] = "pip"
    return missing


def set_up() -> None:
    """Install what is missing. Raises VmError, naming it, where that is not possible."""
    missing = missing_packages()
    if not missing:
        say("nothing is missing")
        return
    wanted = ", ".join(f"{thing} (package {package})" for package, thing in sorted(missing.items()))
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise VmError(f"missing: {wanted}; install them, or run this as root on a Debian system")
    say(f"installing {', '.join(sorted(missing))}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    update_lists()
    install = ("install", "--yes", "--no-install-recommends", *sorted(missing))
    run("apt-get install", (*_APT_GET, *install), environment)


def update_lists() -> None:
    """Let apt fetch the lists of its packages."""
    run("apt-get update", (*_APT_GET, "update"))


def need_root(what: str) -> None:
    """Raise VmError unless we are root."""
    if os.geteuid() != 0:
        raise VmError(f"{what} needs root")


def need_space(directory: Path, size: int) -> None:
    """Raise VmError unless `size` bytes are free where `directory` is."""
    free = shutil.disk_usage(directory).free
    if free < size:
        raise VmError(
            f"{directory} has {free >> 20} MiB free and {size >> 20} MiB are needed: "
            "make room or set XDG_CACHE_HOME"
        )


def build_package(checkout: Path, directory: Path) -> None:
    """Build rdtd's Debian package of the working tree into `directory`."""
    for program in ("dh", "dh_python3", "dpkg-buildpackage"):
        find_program(program)
    make = checkout / "packaging/make-deb"
    run("building rdtd's package", (make,), {**os.environ, "BUILD": str(directory)})


def run(what: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> str:
    """Run a program to its end and give back what it printed.

    Raises VmError with the program's first line that tells of an error, for what follows it are mostly
    consequences. The program dies with us.
    """
    result = subprocess.run(
        (find_program("setpriv"), "--pdeathsig", "KILL", *command),
        env={
            **(os.environ if environment is None else environment),
            "PATH": SYSTEM_PATH,
            "LC_ALL": "C.UTF-8",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if result.returncode != 0:
        lines = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()]
        errors = [line for line in lines if line.lower().startswith(("e:", "error"))]
        reason = (errors or lines[-1:] or [f"exit status {result.returncode}"])[0]
        raise VmError(f"{what} failed: {reason}")
    return result.stdout
