"""A process with threads, to be put into groups."""

import subprocess
import sys
from types import TracebackType
from typing import Self

# Tells its threads, then obeys: `thread` starts one more thread, `child` a child process.
_PROGRAM = """
import subprocess, sys, threading
ended = threading.Event()
def start():
    thread = threading.Thread(target=ended.wait)
    thread.start()
    return thread.native_id
print(threading.get_native_id(), *(start() for _ in range(int(sys.argv[1]))), flush=True)
children = []
for line in sys.stdin:
    if line == "thread\\n":
        print(start(), flush=True)
    else:
        children.append(subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"],
                                         stdin=subprocess.PIPE))
        print(children[-1].pid, flush=True)
for child in children:
    child.communicate()
ended.set()
"""


class Threads:
    """A Python process whose threads sleep until it is closed."""

    def __init__(self, number: int = 4) -> None:
        """`number` of threads, the main thread included."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(number - 1)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ids = [int(word) for word in self._line().split()]

    @property
    def pid(self) -> int:
        return self._process.pid

    def start_thread(self) -> int:
        """The ID of one more thread."""
        return self._order("thread")

    def start_child(self) -> int:
        """The ID of a child process."""
        return self._order("child")

    def _order(self, what: str) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        return int(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def close(self) -> None:
        """Ends the process, its children too. May be called again."""
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
