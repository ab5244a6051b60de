"""`make soak`."""

from __future__ import annotations

import argparse
import sys
import time
from random import SystemRandom

from tests.soak.daemon import soak_daemon
from tests.soak.figures import Figures
from tests.soak.model import soak


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Prints the seed first, the figures at the end, which Ctrl-C brings early.

    The exit status is 1 when something was wrong.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--operations", type=int, default=1_000_000, metavar="N", help="in one process")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(1 << 32), metavar="N")
    parser.add_argument(
        "--daemon", action="store_true", help="a real rdtd on a bus instead: tens of thousands are a lot"
    )
    options = parser.parse_args()
    say(f"seed {options.seed}")
    figures, begin = Figures(), time.monotonic()
    try:
        (soak_daemon if options.daemon else soak)(options.operations, options.seed, figures)
    except AssertionError as error:
        figures.violations += 1
        say(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        say("stopped before its end")
    say(figures.text())
    say(f"{'time':34}{time.monotonic() - begin:.0f} s")
    return 1 if figures.violations or figures.lost else 0


if __name__ == "__main__":
    sys.exit(main())
