"""A job, from its command to its exit status: everything that it needs is fetched, built or found first."""

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import guest, kernels, project, rootfs
from .cache import Cache, cache_root, text_of
from .cpus import CPUS, Cpu
from .errors import VmError
from .host import need_space
from .kernels import Kernel

LIMIT = 1800.0
"""Seconds. A boot takes well under a minute on an idle machine of two cores."""

RUN_SPACE = 1 << 30
"""What a guest may write to its snapshot and its results in a usual run."""


@dataclass(frozen=True)
class Job:
    """A command to run in a guest, in the project's directory."""

    command: Sequence[str]
    kernel: Kernel
    cpu: Cpu
    limit: float | None = LIMIT
    """Seconds until the guest is ended, job or not."""
    files: Sequence[Path] = ()
    """What the command finds in `$FILES`."""
    results: Path | None = None
    """Where the files go that the command puts into `$RESULTS`."""
    terminal: os.terminal_size | None = None
    """For a job that a person talks to: the size of our terminal, which becomes the job's."""


@dataclass(frozen=True)
class Base:
    """What is built once for a kernel."""

    kernel: Path
    root: Path
    native_cpuid: int


def prepare(kernel: Kernel) -> Base:
    """Everything that a guest with this kernel needs, from the cache or built."""
    cache = Cache(cache_root())
    files = {version: kernels.fetch(cache, each) for version, each in kernels.KERNELS.items()}
    root = rootfs.image(cache, list(files.values()), project.CHECKOUT)
    image = files[kernel.version].image
    return Base(image, root, _native_cpuid(cache, kernel, image, root))


def run(job: Job, output: Callable[[bytes], None]) -> int:
    """Run the job and return its exit status; what it prints goes to `output`.

    Raises VmError when the guest does not come to the job's end.
    """
    base = prepare(job.kernel)
    with _run_directory() as directory:
        disks = directory / "job", directory / "results"
        project.write_job(disks[0], job.command, job.terminal, job.files)
        with disks[1].open("wb") as file:
            os.truncate(file.fileno(), project.RESULTS_SIZE)
        boot = guest.Boot(
            kernel=base.kernel,
            root=base.root,
            cpu=job.cpu,
            init="init",
            limit=job.limit,
            job=disks[0],
            results=disks[1],
            native_cpuid=base.native_cpuid,
            interactive=job.terminal is not None,
        )
        asyncio.run(guest.run(boot, directory, output))
        status = project.read_status(disks[1])
        if status is None:
            raise VmError("the guest ended before its job did", guest.console_tail(directory))
        if job.results is not None:
            project.extract_files(disks[1], job.results)
        return status


def _native_cpuid(cache: Cache, kernel: Kernel, image: Path, root: Path) -> int:
    """Where the kernel has native_cpuid(): the same in every boot without KASLR, so one boot tells."""

    def build(directory: Path) -> None:
        printed = bytearray()
        with _run_directory() as work:
            boot = guest.Boot(kernel=image, root=root, cpu=CPUS["intel-11"], init="native-cpuid", limit=LIMIT)
            asyncio.run(guest.run(boot, work, printed.extend))
        (directory / "address").write_text(f"{address_in(printed.decode(errors='replace')):#x}\n")

    recipe = text_of(rootfs.GUEST_FILES / "native-cpuid")
    inputs = {"kernel": image.parent.name, "recipe": recipe}
    entry = cache.get(f"native_cpuid-{kernel.version}", inputs, build)
    return int((entry / "address").read_text(), 16)


def address_in(kallsyms: str) -> int:
    """The address in the line of /proc/kallsyms. Raises VmError when there is none."""
    fields = kallsyms.split()
    if len(fields) != 3 or fields[2] != "native_cpuid" or int(fields[0], 16) == 0:
        raise VmError(
            f"native_cpuid is not among the kernel's symbols (found {kallsyms.strip()!r}): "
            "this kernel cannot be given another CPUID"
        )
    return int(fields[0], 16)


@contextmanager
def _run_directory() -> Iterator[Path]:
    """A directory for one run, gone afterwards. What a killed run left goes when the next one starts."""
    root = cache_root()
    need_space(root, RUN_SPACE)
    with (root / "runs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for other in root.glob("run-*"):
            _remove_unless_used(other)
        directory = Path(tempfile.mkdtemp(prefix="run-", dir=root))
        in_use = os.open(directory, os.O_RDONLY)
        fcntl.flock(in_use, fcntl.LOCK_EX)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(in_use)


def _remove_unless_used(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(directory, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(descriptor)
