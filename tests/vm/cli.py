"""The command line, ``python3 -m tests.vm``."""

import argparse
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from . import matrix, packages, runner
from .cpus import CPUS
from .errors import VmError
from .host import say, set_up
from .kernels import KERNELS
from .runner import Job

FAILED = 125
"""Our own failure, told apart from the command's, with the status that podman uses for this."""

GUEST_FILES = "/usr/lib/rdtd-vm"


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    options = _parser().parse_args(arguments)
    # Ended in an orderly way, we leave no files behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return int(options.action(options))
    except VmError as error:
        if error.details:
            say(error.details)
        say(f"tests.vm: {error}")
    except KeyboardInterrupt:
        say("tests.vm: interrupted")
    except OSError as error:
        say(f"tests.vm: {error}")
    return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m tests.vm",
        description="Run commands on a real kernel, on an emulated CPU with cache allocation.",
        epilog=f"The exit status is the command's, or {FAILED} when the guest did not get that far.",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    setup = actions.add_parser(
        "setup", help="install the programs of the host that are needed (Debian, as root)"
    )
    setup.set_defaults(action=_setup)

    build = actions.add_parser("build", help="fetch and build everything that guests need")
    build.set_defaults(action=_build)

    run = actions.add_parser("run", help="run a command in a guest, in the project's directory")
    _add_guest_options(run)
    run.add_argument(
        "--limit", type=float, default=runner.LIMIT, metavar="SECONDS", help="end the guest after that long"
    )
    run.add_argument(
        "--file",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="put this into the guest's $FILES",
    )
    run.add_argument(
        "--results", type=Path, metavar="DIR", help="bring the files in the guest's $RESULTS there"
    )
    run.add_argument("command", nargs="+", metavar="COMMAND")
    run.set_defaults(action=_run)

    shell = actions.add_parser("shell", help="open a shell in a guest, with rdtd running (Ctrl-a x ends it)")
    _add_guest_options(shell)
    shell.set_defaults(action=_shell)

    suites = actions.add_parser("matrix", help="run every suite on every kernel and CPU, and print a table")
    suites.add_argument("--quick", action="store_true", help="only two guests: both kernels, both vendors")
    suites.add_argument("--kernel", action="append", choices=KERNELS, help="only this one; can be repeated")
    suites.add_argument("--cpu", action="append", choices=CPUS, help="only this one; can be repeated")
    suites.add_argument(
        "--suite", action="append", choices=matrix.SUITES, help="only this one; can be repeated"
    )
    suites.add_argument(
        "--jobs", type=int, default=matrix.usual_jobs(), metavar="N", help="so many guests at a time"
    )
    suites.add_argument(
        "--limit",
        type=float,
        metavar="SECONDS",
        help=f"end a guest after that long (default: {matrix.LIMIT:.0f}, "
        f"with --quick {matrix.QUICK_LIMIT:.0f})",
    )
    suites.set_defaults(action=_matrix)

    smoke = actions.add_parser("smoke", help="show what each kernel makes of each CPU, one after the other")
    smoke.add_argument("--kernel", action="append", choices=KERNELS, help="only this one; can be repeated")
    smoke.add_argument("--cpu", action="append", choices=CPUS, help="only this one; can be repeated")
    smoke.add_argument("--limit", type=float, default=runner.LIMIT, metavar="SECONDS")
    smoke.add_argument("mount", nargs="*", metavar="-- -o OPTION", help="options of mount, such as -- -o cdp")
    smoke.set_defaults(action=_smoke)
    return parser


def _add_guest_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kernel", choices=KERNELS, default="6.12", help="default: %(default)s")
    parser.add_argument("--cpu", choices=CPUS, default="intel-20", help="default: %(default)s")


def _setup(_options: argparse.Namespace) -> int:
    set_up()
    packages.set_up()
    return 0


def _build(_options: argparse.Namespace) -> int:
    for kernel in KERNELS.values():
        runner.prepare(kernel)
    return 0


def _run(options: argparse.Namespace) -> int:
    job = Job(
        command=options.command,
        kernel=KERNELS[options.kernel],
        cpu=CPUS[options.cpu],
        limit=options.limit,
        files=options.file,
        results=options.results,
    )
    return runner.run(job, _print)


def _shell(options: argparse.Namespace) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise VmError("a shell needs a terminal: use 'run' for a command")
    job = Job(
        command=(f"{GUEST_FILES}/shell",),
        kernel=KERNELS[options.kernel],
        cpu=CPUS[options.cpu],
        limit=None,
        terminal=shutil.get_terminal_size(),
    )
    say(f"booting Linux {options.kernel} on {options.cpu}, which takes half a minute or so")
    return runner.run(job, _print)


def _matrix(options: argparse.Namespace) -> int:
    guests = matrix.select(
        matrix.QUICK if options.quick else matrix.FULL,
        kernels=options.kernel or KERNELS,
        cpus=options.cpu or CPUS,
        suites=options.suite or matrix.SUITES,
    )
    if not guests:
        raise VmError("the matrix has no such guest")
    limit = options.limit or (matrix.QUICK_LIMIT if options.quick else matrix.LIMIT)
    return matrix.run(guests, max(1, options.jobs), limit)


def _smoke(options: argparse.Namespace) -> int:
    table = []
    for kernel in options.kernel or KERNELS:
        for cpu in options.cpu or CPUS:
            say(f"--- Linux {kernel} on {cpu}")
            job = Job(
                command=(f"{GUEST_FILES}/smoke", *options.mount),
                kernel=KERNELS[kernel],
                cpu=CPUS[cpu],
                limit=options.limit,
            )
            runner.prepare(job.kernel)
            start = time.monotonic()
            status = runner.run(job, _print)
            table.append((kernel, cpu, status, time.monotonic() - start))
    for kernel, cpu, status, seconds in table:
        say(f"{kernel:6} {cpu:12} {'ok' if status == 0 else f'exit status {status}':16} {seconds:5.0f} s")
    return max(status for _, _, status, _ in table)


def _print(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
