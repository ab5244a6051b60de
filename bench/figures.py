"""Samples, percentiles, and the table they are printed in. Times are nanoseconds until they are printed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence


def percentile(samples: Sequence[int], per_cent: float) -> int:
    """The smallest sample that so many per cent of the samples do not exceed."""
    ordered = sorted(samples)
    return ordered[min(int(len(ordered) * per_cent / 100), len(ordered) - 1)]


def median(samples: Sequence[int]) -> int:
    return percentile(samples, 50)


def timed(function: Callable[[], object], times: int) -> int:
    """The median of so many calls."""
    samples = []
    for _ in range(times):
        begun = time.perf_counter_ns()
        function()
        samples.append(time.perf_counter_ns() - begun)
    return median(samples)


def shown(nanoseconds: float) -> str:
    """Three digits that count, in the unit that suits: `474 us`, `1.31 ms`, `12.4 ms`."""
    value, unit = nanoseconds / 1e3, "us"
    if value >= 1000:
        value, unit = value / 1000, "ms"
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"


def ratio(of: float, to: float) -> str:
    """How often the second goes into the first: `3.2`."""
    value = of / to
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def say(text: str = "") -> None:
    """A line of the report, seen at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table: the first column is words, the others are figures, which end in line."""
    lines = [[title, *columns], *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(columns) + 1)]
    say()
    for number, line in enumerate(lines):
        figures = (text.rjust(width) for text, width in zip(line[1:], widths[1:], strict=True))
        say("  ".join([line[0].ljust(widths[0]), *figures]).rstrip())
        if number == 0:
            say("-" * (sum(widths) + 2 * len(columns)))
