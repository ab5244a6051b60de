"""Suites on every kernel and CPU: which guests, and what came out of them. One boot runs several suites."""

import asyncio
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from . import host, project, runner
from .host import say
from .kernels import KERNELS
from .rootfs import GUEST_DIRECTORY

LIMIT = 3600.0
"""Seconds until a guest is ended. The slowest one takes a few minutes on two idle cores."""

QUICK_LIMIT = 1800.0
"""The same for the quick form, around which there may be another limit: even one after the other, its guests
end within an hour."""

SUITES = ("conformance", "daemon", "system", "tools", "installed")
"""The suites, as guest_files/suites knows them."""

CONFORMANCE, DAEMON, SYSTEM, TOOLS, INSTALLED = SUITES

SHARED = (CONFORMANCE, SYSTEM, TOOLS)
"""Those that can have one boot together on any CPU. `installed` is about rdtd's package, installed before the
boot; `daemon` asks for two L3 and four CPUs."""

BEFORE_BOOT = project.CHECKOUT / "tests/installed/before-boot"
"""Installs the package in the guest."""

_OPTIONS = re.compile(r"[\[-]real-(cdp\w*)[\]-]")
"""In the name of a test that runs with more than one mount: the option of mount."""


@dataclass(frozen=True)
class Guest:
    """One boot: a kernel, a CPU and the suites to run there."""

    kernel: str
    cpu: str
    suites: Sequence[str]

    def __str__(self) -> str:
        return f"Linux {self.kernel} on {self.cpu}"


@dataclass(frozen=True)
class Row:
    """What became of one suite in one guest."""

    suite: str
    kernel: str
    cpu: str
    passed: int
    failed: int
    seconds: int
    remark: str = ""


FULL = tuple(
    Guest(kernel, cpu, suites)
    for kernel in KERNELS
    for cpu, suites in (
        ("intel-20", (*SHARED, DAEMON)),
        ("intel-20", (INSTALLED,)),
        ("intel-11", SHARED),
        ("intel-l2", (CONFORMANCE, SYSTEM)),
        ("amd", (*SHARED, DAEMON)),
        ("amd-libvirt", (TOOLS,)),
    )
)
"""Everything. libvirt's domains need a CPU without bandwidth allocation; see cpus.py."""

QUICK = (Guest("6.12", "intel-20", (CONFORMANCE, DAEMON)), Guest("6.1", "amd", SHARED))
"""Both kernels, both vendors, CDP, contiguous and sparse masks, every suite but `installed`. Both guests take
about the same time."""


def select(
    guests: Iterable[Guest], *, kernels: Collection[str], cpus: Collection[str], suites: Collection[str]
) -> list[Guest]:
    """Those with these kernels and CPUs, and of their suites these."""
    found = []
    for guest in guests:
        wanted = [suite for suite in guest.suites if suite in suites]
        if guest.kernel in kernels and guest.cpu in cpus and wanted:
            found.append(Guest(guest.kernel, guest.cpu, wanted))
    return found


def run(guests: Collection[Guest], jobs: int, limit: float) -> int:
    """Boot the guests, `jobs` at a time, and print a table of what came out. The exit status.

    A guest that has not ended after `limit` seconds is ended, and has failed.
    """
    for kernel in sorted({guest.kernel for guest in guests}):
        runner.prepare(KERNELS[kernel])
    with tempfile.TemporaryDirectory(prefix="rdtd-package-") as directory:
        if any(INSTALLED in guest.suites for guest in guests):
            host.build_package(project.CHECKOUT, Path(directory))
        rows = asyncio.run(_run_all(guests, jobs, limit, sorted(Path(directory).glob("*.deb"))))
    sys.stdout.write("\n".join((*table(rows), "", closing_line(rows), "")))
    return 1 if any(row.failed for row in rows) else 0


async def _run_all(guests: Iterable[Guest], jobs: int, limit: float, packages: Sequence[Path]) -> list[Row]:
    turns = asyncio.Semaphore(jobs)

    async def one(guest: Guest) -> list[Row]:
        async with turns:
            return await _run_one(guest, limit, packages)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(guest)) for guest in guests]
    return [row for task in tasks for row in task.result()]


async def _run_one(guest: Guest, limit: float, packages: Sequence[Path]) -> list[Row]:
    """Boot one guest, in a process of its own, and say what came out; all that it printed after a failure."""
    files = (BEFORE_BOOT, *packages) if INSTALLED in guest.suites else ()
    say(f"{guest}: {', '.join(guest.suites)}")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rdtd-matrix-") as results:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.vm", "run", "--kernel", guest.kernel, "--cpu", guest.cpu),
            *("--limit", str(limit), "--results", results),
            *(f"--file={file}" for file in files),
            *("--", f"/{GUEST_DIRECTORY}/suites", *guest.suites),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=project.CHECKOUT,
        )
        try:
            printed, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()
        rows = [row for suite in guest.suites for row in read_report(guest, suite, Path(results))]
    if process.returncode != 0 and not any(row.failed for row in rows):
        rows.append(Row("", guest.kernel, guest.cpu, 0, 1, 0, f"exit status {process.returncode}"))
    if any(row.failed for row in rows):
        say(f"--- {guest} printed:\n{printed.decode(errors='replace').rstrip()}\n--- end of {guest}")
    outcome = "; ".join(f"{row.suite} {row.remark or _counts(row.passed, row.failed)}" for row in rows)
    say(f"{guest}: {outcome}; {time.monotonic() - begun:.0f} s with the boot")
    return rows


def read_report(guest: Guest, suite: str, results: Path) -> list[Row]:
    """The rows of a suite, one for each way in which it mounted resctrl; `results` has JUnit's files."""

    def none(remark: str) -> list[Row]:
        return [Row(suite, guest.kernel, guest.cpu, 0, 1, 0, remark)]

    try:
        cases = list(ElementTree.parse(results / f"{suite}.xml").iter("testcase"))
    except FileNotFoundError:
        return none("did not run")
    except ElementTree.ParseError:
        return none("has no whole report")
    passed: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    seconds: dict[str, float] = {}
    for case in cases:
        options = _OPTIONS.search(case.get("name", ""))
        label = f"{suite}, {options[1]}" if options else suite
        outcomes = {child.tag for child in case}
        if outcomes & {"failure", "error"}:
            failed[label] += 1
        elif "skipped" not in outcomes:
            passed[label] += 1
        seconds[label] = seconds.get(label, 0) + float(case.get("time", "0"))
    labels = sorted({*passed, *failed})
    if not labels:
        return none("had no tests")
    return [
        Row(label, guest.kernel, guest.cpu, passed[label], failed[label], round(seconds[label]))
        for label in labels
    ]


def table(rows: Sequence[Row]) -> list[str]:
    """The summary's lines."""
    lines = [("suite", "kernel", "CPU", "passed", "failed", "seconds", "")]
    for row in rows:
        counts = (str(row.passed), str(row.failed), str(row.seconds))
        lines.append((row.suite, row.kernel, row.cpu, *counts, row.remark))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return [
        "  ".join(
            text.ljust(width) if column in (0, 1, 2, 6) else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def closing_line(rows: Collection[Row]) -> str:
    """What a program looks for: `N passed, N failed`."""
    return _counts(sum(row.passed for row in rows), sum(row.failed for row in rows))


def _counts(passed: int, failed: int) -> str:
    return f"{passed} passed, {failed} failed"


def usual_jobs() -> int:
    """How many guests at a time: each keeps one core busy, and its other CPUs mostly wait."""
    return max(1, len(os.sched_getaffinity(0)))
