"""`python -m bench.kernel`: rdtd on a real kernel, in a guest of tests/vm; `make bench-kernel` calls it.

What is compared takes turns in one boot: the bare file operations in C, Reserve and Release over D-Bus,
rdtctl, and pqos. The CPU is emulated, so the times mean little and only the ratios are worth keeping.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.native import built_static
from tests.vm import runner
from tests.vm.cpus import CPUS
from tests.vm.errors import VmError
from tests.vm.kernels import KERNELS
from tests.vm.runner import Job


def main() -> int:
    """The command. Exit status: 0, or 1 when a guest could not measure."""
    parser = argparse.ArgumentParser(prog="python -m bench.kernel", description="Measure rdtd in a guest.")
    parser.add_argument("--kernel", choices=KERNELS, default="6.12", help="default: %(default)s")
    parser.add_argument("--cpu", choices=CPUS, default="intel-20", help="default: %(default)s")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rdtd-bench-") as directory:
        try:
            job = Job(
                command=("python3", "-m", "bench.guest"),
                kernel=KERNELS[options.kernel],
                cpu=CPUS[options.cpu],
                files=[built_static("files", Path(directory))],
            )
            return 1 if runner.run(job, _print) else 0
        except VmError as error:
            sys.exit(f"bench: {error}\n{error.details}")
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(f"bench: {error}")


def _print(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
