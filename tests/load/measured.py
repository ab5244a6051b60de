"""rdtd whose event loop notes each callback that takes long: python -m tests.load.measured FILE [OPTION...]

A line of FILE: the seconds that it took, those of them that this thread ran, and what it was. The rest is
what other programs had of the processor meanwhile.
"""

from __future__ import annotations

import asyncio
import reprlib
import sys
import time

from rdtd.daemon.main import main

LONG = 0.02  # seconds


def measure(path: str) -> None:
    file = open(path, "a", buffering=1, encoding="utf-8")  # noqa: SIM115 - until the process ends
    run = asyncio.Handle._run

    def measured(handle: asyncio.Handle) -> None:
        callback = handle._callback  # type: ignore[attr-defined]
        start, used = time.monotonic(), time.thread_time()
        run(handle)
        took, used = time.monotonic() - start, time.thread_time() - used
        if took > LONG:
            file.write(f"{took:.4f} {used:.4f} {reprlib.repr(callback)}\n")

    setattr(asyncio.Handle, "_run", measured)  # noqa: B010 - a method, which is not assigned to otherwise


if __name__ == "__main__":
    measure(sys.argv.pop(1))
    sys.exit(main())
