"""The guest's root file system: Debian 12 with systemd, D-Bus, polkit, libvirt, pqos and the tests' tools.

One image serves all kernels and all runs; a guest writes to a snapshot of it. What changes from run to run
(the project, the command) is not in it: guest_files/init lays that over the image before systemd starts.
"""

import os
import shutil
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import packages
from .cache import Cache, text_of
from .host import find_program, need_root, run
from .kernels import KernelFiles

SUITE = "bookworm"
PYTHON = "3.11"
"""The suite's Python, for which the wheels are chosen."""

PACKAGES = (
    # A system as rdtd meets it.
    *("systemd-sysv", "udev", "kmod", "dbus", "polkitd", "procps", "util-linux", "iproute2", "less"),
    # rdtd's own dependencies, as a distribution has them; FUSE for the simulator.
    *("python3", "python3-dbus-next", "python3-pyinotify", "python3-systemd", "libfuse3-3"),
    # The other users of the cache.
    *("intel-cmt-cat", "libvirt-daemon-system", "libvirt-daemon-driver-qemu", "libvirt-clients"),
    "qemu-system-x86",
)

HOST_ONLY = ("mypy", "ruff", "pytest-xdist", "rdtd")
"""Of the project's development tools those that a guest has no use for."""

DISABLED = (
    "etc/systemd/system/getty.target.wants/*",
    "etc/systemd/system/timers.target.wants/*",
    "etc/systemd/system/multi-user.target.wants/libvirt*",
    "etc/systemd/system/sockets.target.wants/*virt*",
)
"""Units that Debian enables; here a job starts the ones that it wants, and the others only take time."""

FREE_BYTES = 1 << 29
"""Room in the image for what a job writes."""

SPACE = 3 << 30
"""The unpacked tree and the image are there at the same time while it is built."""

GUEST_FILES = Path(__file__).with_name("guest_files")
BOOT_FILES = (GUEST_FILES / "init", GUEST_FILES / "native-cpuid")
GUEST_DIRECTORY = "usr/lib/rdtd-vm"


def image(cache: Cache, kernels: Sequence[KernelFiles], project: Path) -> Path:
    """The image, with the modules of these kernels and the test tools in pyproject.toml of `project`."""
    requirements = test_requirements((project / "pyproject.toml").read_text())

    def build(directory: Path) -> None:
        need_root("building the root file system")
        tree = directory / "tree"
        _unpack_debian(tree, directory / "sources.list")
        _install_wheels(tree, requirements)
        for kernel in kernels:
            shutil.copytree(kernel.modules, tree / "usr/lib/modules" / kernel.release, symlinks=True)
            run("depmod in the tree", ("chroot", tree, "depmod", kernel.release))
        _configure(tree)
        _make_image(tree, directory / "root.img")
        shutil.rmtree(tree)

    inputs = {
        "kernels": [str(kernel.image.parent.name) for kernel in kernels],
        "requirements": requirements,
        "recipe": text_of(Path(__file__), *BOOT_FILES),
    }
    return cache.get("root", inputs, build, SPACE) / "root.img"


def test_requirements(pyproject: str) -> list[str]:
    """What the extras `simulator` and `dev` name, without the tools of HOST_ONLY."""
    extras: Mapping[str, list[str]] = tomllib.loads(pyproject)["project"]["optional-dependencies"]
    wanted = {*extras.get("simulator", []), *extras.get("dev", [])}
    return sorted(requirement for requirement in wanted if _distribution(requirement) not in HOST_ONLY)


def _distribution(requirement: str) -> str:
    """The name in a requirement (PEP 508)."""
    length = next((i for i, c in enumerate(requirement) if not (c.isalnum() or c in "-_.")), len(requirement))
    return requirement[:length].lower()


def _unpack_debian(tree: Path, sources: Path) -> None:
    sources.write_text(f"{packages.source_line(SUITE)}\n")
    # mmdebstrap mounts parts of the host into the tree. It does so in a mount namespace of its own, so that
    # nothing of the host is in the tree when the tree is removed, even after mmdebstrap was killed.
    command = (
        *(find_program("unshare"), "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
        *(find_program("mmdebstrap"), "--mode=root", "--variant=apt", "--architectures=amd64"),
        *('--aptopt=Acquire::http::Timeout "30"', f"--include={','.join(PACKAGES)}", "--format=directory"),
        *(SUITE, tree, sources),
    )
    run("building the root file system with mmdebstrap", command)


def _install_wheels(tree: Path, requirements: Sequence[str]) -> None:
    """Debian 12's pytest and pytest-asyncio are older than the project's settings."""
    command = (
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--root-user-action=ignore"),
        *("--target", str(tree / f"usr/local/lib/python{PYTHON}/dist-packages")),
        *("--python-version", PYTHON, "--only-binary=:all:", *requirements),
    )
    run("fetching the test tools with pip", command)


def _configure(tree: Path) -> None:
    for pattern in DISABLED:
        for link in tree.glob(pattern):
            link.unlink(missing_ok=True)
    (tree / "etc/systemd/system/serial-getty@.service").symlink_to("/dev/null")
    (tree / "etc/hostname").write_text("rdtd-vm\n")
    (tree / "etc/hosts").write_text("127.0.0.1 localhost rdtd-vm\n")
    # With a machine ID of its own this is not systemd's "first boot", which would enable every unit again.
    (tree / "etc/machine-id").write_text("72647464766d" + "0" * 20 + "\n")
    directory = tree / GUEST_DIRECTORY
    directory.mkdir()
    for file in BOOT_FILES:
        shutil.copyfile(file, directory / file.name)
        (directory / file.name).chmod(0o755)


def _make_image(tree: Path, path: Path) -> None:
    used = sum(file.lstat().st_blocks * 512 for file in tree.rglob("*"))
    with path.open("wb") as file:
        os.truncate(file.fileno(), used + used // 4 + FREE_BYTES)
    command = (find_program("mkfs.ext4"), "-q", "-F", "-L", "rdtd-vm", "-O", "^has_journal", "-d", tree, path)
    run("making the image of the root file system", command)
