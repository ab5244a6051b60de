"""Debian's kernels, unmodified; the "cloud" flavour has resctrl, NVMe and ext4 built in: no initrd needed"""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from . import packages
from .cache import Cache, text_of
from .errors import VmError

METAPACKAGE = "linux-image-cloud-amd64"
SPACE = 1 << 29


@dataclass(frozen=True)
class Kernel:
    """A line of kernels, and the suite of Debian that has it."""

    version: str
    suite: str


KERNELS: Mapping[str, Kernel] = MappingProxyType(
    {kernel.version: kernel for kernel in (Kernel("6.1", "bookworm"), Kernel("6.12", "trixie"))}
)
"""The kernels that the command line knows."""


@dataclass(frozen=True)
class KernelFiles:
    """A kernel in the cache; `modules` is its directory for /lib/modules."""

    image: Path
    modules: Path

    @property
    def release(self) -> str:
        """What ``uname -r`` says."""
        return self.modules.name


def fetch(cache: Cache, kernel: Kernel) -> KernelFiles:
    """The kernel's files, from the cache or from Debian."""

    def build(directory: Path) -> None:
        work = directory / "work"
        work.mkdir()
        pattern = rf"linux-image-{re.escape(kernel.version)}\.[^ ,]*-cloud-amd64"
        unpacked = packages.fetch_dependency(METAPACKAGE, pattern, kernel.suite, work)
        _only(unpacked, "boot/vmlinuz-*").rename(directory / "vmlinuz")
        (directory / "modules").mkdir()
        modules = _only(unpacked, "lib/modules/*")
        modules.rename(directory / "modules" / modules.name)
        shutil.rmtree(work)

    inputs = {
        "suite": kernel.suite,
        "version": kernel.version,
        "recipe": text_of(Path(__file__), Path(packages.__file__)),
    }
    entry = cache.get(f"kernel-{kernel.version}", inputs, build, SPACE)
    return KernelFiles(image=entry / "vmlinuz", modules=_only(entry, "modules/*"))


def _only(directory: Path, pattern: str) -> Path:
    found = list(directory.glob(pattern)) or list(directory.glob(f"usr/{pattern}"))
    if len(found) != 1:
        raise VmError(
            f"{directory} has {len(found)} files {pattern}, not one: this is not the kernel expected"
        )
    return found[0]
