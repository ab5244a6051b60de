"""Fuzz, guided by coverage: python -m tests.fuzz [--seconds N | --runs N] [TARGET...]

Prints a line for each target. Exit status 1 if something was found; the input is then in the work directory,
from where it belongs into tests/fuzz/found/TARGET with the cure.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz.library import TARGETS, found

_RUNS = re.compile(r"^stat::number_of_executed_units:\s*(\d+)", re.MULTILINE)
_SLOW = 25  # seconds for one input, after which it counts as a hang


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: 60)")
    parser.add_argument("--runs", type=int, default=-1, help="for each target, if that comes first")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser.add_argument("--work", type=Path, default=cache / "rdtd-fuzz", help="where inputs are collected")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    options = parser.parse_args()
    for name in options.targets:
        if name not in TARGETS:
            parser.error(f"there is no target {name!r}")
    results = [fuzz(name, options.work, options.seconds, options.runs) for name in options.targets or TARGETS]
    return 0 if all(results) else 1


def fuzz(name: str, work: Path, seconds: int, runs: int) -> bool:
    """Fuzzes one target in a process of its own; whether nothing was found."""
    corpus = work / name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(TARGETS[name].seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    for path in found(name):
        (corpus / f"found-{path.name}").write_bytes(path.read_bytes())
    command = [
        *(sys.executable, "-m", "tests.fuzz.guided", name, str(corpus)),
        *(f"-max_total_time={seconds}", f"-runs={runs}", f"-timeout={_SLOW}", "-max_len=4096"),
        *("-print_final_stats=1", "-rss_limit_mb=2048", f"-artifact_prefix={work / name}/"),
    ]
    begin = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    took = time.monotonic() - begin
    count = match[1] if (match := _RUNS.search(done.stdout)) else "?"
    fine = done.returncode == 0
    print(f"{name:<10} {count:>9} inputs {took:6.1f} s  {'ok' if fine else 'FOUND SOMETHING'}", flush=True)
    if not fine:
        print(done.stdout, flush=True)
    return fine


if __name__ == "__main__":
    sys.exit(main())
