"""Real threads and processes for the groups."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

#: Reads commands and answers each with a thread or process ID. What it starts ends with it.
_SCRIPT = """
import _thread, os, sys, threading
hold = threading.Lock()
hold.acquire()
for command in sys.stdin:
    if command == "thread\\n":
        told = threading.Lock()
        told.acquire()
        ids = []
        def wait(told=told, ids=ids):
            ids.append(threading.get_native_id())
            told.release()
            hold.acquire()
        _thread.start_new_thread(wait, ())
        told.acquire()
        answer = ids[0]
    else:
        out, into = os.pipe()
        answer = os.fork()
        if answer == 0:
            os.close(into)
            os.read(out, 1)  # until the parent is gone
            os._exit(0)
        os.close(out)
        children = globals().setdefault("children", [])
        children.append(answer)
    print(answer, flush=True)
os._exit(0)
"""


class Process:
    """A process with a thread of its own making, or children, on demand."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def start_thread(self) -> int:
        """Returns the thread ID."""
        return self._ask("thread")

    def fork(self) -> int:
        """Returns the child's process ID."""
        return self._ask("fork")

    def end(self) -> None:
        """Returns when it is gone, and nobody else can have its ID yet."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.read()
        self._process.wait()
        self._process.stdout.close()

    def _ask(self, what: str) -> int:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.returncode is None:
            self.end()


class Worker(ThreadPoolExecutor):
    """One thread of this process, there from the start, and gone in the end."""

    def __init__(self) -> None:
        super().__init__(max_workers=1)
        self.id = self.submit(threading.get_native_id).result()

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        while os.path.exists(f"/proc/self/task/{self.id}"):  # Python's join returns a little before its end
            os.sched_yield()
