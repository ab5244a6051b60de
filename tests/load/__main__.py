"""The crowd in full size: python -m tests.load [SCENARIO...]. Prints what it did to rdtd."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

from tests.load.measured import LONG
from tests.load.scenarios import POLICIES, SCENARIOS, memory
from tests.support.daemon import Daemon


class Measured(Daemon):
    """rdtd with the times of its event loop."""

    @property
    def times(self) -> Path:
        return self.directory / "times"

    def command(self) -> list[str]:
        python, _, _, *options = super().command()
        return [python, "-m", "tests.load.measured", str(self.times), *options]


def main(names: list[str]) -> None:
    with Measured(policies=POLICIES) as daemon:
        begin = memory(daemon)
        for name in names or SCENARIOS:
            scenario, _, full = SCENARIOS[name]
            before, start = len(_times(daemon)), time.monotonic()
            results = scenario(daemon, full)
            took = time.monotonic() - start
            print(f"{name}: {took:.1f} s, then {memory(daemon)} KiB; {_longest(_times(daemon)[before:])}")
            _print(results)
        print(f"memory: {begin} KiB before, {memory(daemon)} KiB after")


def _times(daemon: Measured) -> list[tuple[float, float, str]]:
    lines = (line.split(" ", 2) for line in daemon.times.read_text().splitlines())
    return [(float(took), float(used), what) for took, used, what in lines]


def _longest(times: list[tuple[float, float, str]]) -> str:
    if not times:
        return f"no turn of the loop over {LONG:g} s"
    took, used, what = max(times, key=lambda time: time[1])
    return (
        f"{len(times)} turns of the loop over {LONG:g} s, the longest ran {used:g} s (of {took:g} s): {what}"
    )


def _print(results: Counter[str]) -> None:
    for result, count in results.most_common():
        print(f"    {count:>8}  {result or 'done'}")


if __name__ == "__main__":
    main(sys.argv[1:])
