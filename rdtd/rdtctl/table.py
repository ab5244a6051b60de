"""Tables, and whether colours are wanted."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, legend: bool = True) -> list[str]:
    """The lines of a table; heads that start with `>` are of columns to be aligned to the right."""
    names = [head.removeprefix(">") for head in heads]
    lines = [names] if legend else []
    lines += [list(row) for row in rows]
    widths = [max((len(line[column]) for line in lines), default=0) for column in range(len(names))]
    return [
        "  ".join(
            f"{cell:>{width}}" if head.startswith(">") else f"{cell:<{width}}"
            for cell, width, head in zip(line, widths, heads, strict=True)
        ).rstrip()
        for line in lines
    ]


def wants_color(choice: str) -> bool:
    """Whether to colour stdout: --color decides, then NO_COLOR (see no-color.org), then the terminal."""
    if choice != "auto":
        return choice == "always"
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and on_terminal()


def on_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def put(lines: Iterable[str]) -> None:
    """Print lines."""
    for line in lines:
        print(line)
