"""`rdtd --check-config`."""

from __future__ import annotations

import sys
from collections.abc import Callable

from rdtd.config import Config, ConfigError, describe

__all__ = ["check"]


def check(load: Callable[[], Config]) -> int:
    """Prints the effective configuration, and on stderr what is wrong. 1 if anything cannot be used."""
    try:
        config = load()
    except ConfigError as error:
        problems = error.problems
    else:
        problems = config.problems
        sys.stdout.write(describe(config) + "\n")
    for problem in problems:
        sys.stderr.write(f"{problem}{'' if problem.fatal else ' (warning)'}\n")
    return 1 if any(problem.fatal for problem in problems) else 0
