"""`python -m bench`: measures, and prints what README.md here explains. Nothing is asserted."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.calls import compare_calls
from bench.figures import say
from bench.growth import compare_allocation, compare_daemon
from bench.native import built
from bench.process import report_process
from rdtd import __version__
from rdtd.simulator.mounting import SimulatorError
from tests.support.daemon import DaemonFailedError


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    rounds: int = 6
    lists: int = 1500  # ListFree in each round
    pairs: int = 80  # Reserve + Release in each round
    grown: int = 150  # calls of each kind with reservations there
    times: int = 25  # each function of the core
    starts: int = 5
    seconds: int = 4  # the longest for one kind of call in one round
    window: float = 10.0  # seconds


_QUICK = Effort(rounds=1, lists=200, pairs=15, grown=15, times=3, starts=1, seconds=1, window=2.0)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure rdtd on this machine.")
    parser.add_argument("--quick", action="store_true", help="fewer samples: figures to look at, not to keep")
    effort = _QUICK if parser.parse_args().quick else Effort()
    begun = time.monotonic()
    say(_machine())
    try:
        _measure(effort)
    except (OSError, subprocess.CalledProcessError, SimulatorError, DaemonFailedError) as error:
        sys.exit(f"bench: {error}")
    say()
    say(f"measured in {time.monotonic() - begun:.0f} s")
    return 0


def _measure(effort: Effort) -> None:
    with built() as programs:
        compare_calls(programs, effort.rounds, effort.lists, effort.pairs, effort.seconds)
        compare_daemon(programs, effort.grown, effort.seconds)
    compare_allocation(effort.times)
    report_process(effort.starts, effort.window)


def _machine() -> str:
    """One line about where this ran."""
    models = {
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    }
    cpus = f"{os.cpu_count()} CPUs ({', '.join(sorted(models)) or platform.machine()})"
    load = f"load {os.getloadavg()[0]:.1f}"
    python = f"Python {platform.python_version()}"
    return f"rdtd {__version__}; {cpus}, {load}; Linux {platform.release()}; {python}"


if __name__ == "__main__":
    sys.exit(main())
